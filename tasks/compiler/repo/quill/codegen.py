"""Syntax tree to bytecode of the machine in VM.md."""

from quill.lexer import QuillError

BINARY = {
    "+": "add", "-": "sub", "*": "mul", "/": "divt", "%": "modt", "&": "and", "|": "or", "^": "xor",
    "<": "lt", "<=": "le", ">": "gt", ">=": "ge", "==": "eq", "!=": "ne",
}  # fmt: skip


class Function:
    """The code of one function while it grows."""

    def __init__(self, dialect: dict) -> None:
        self.dialect = dialect
        self.code: list = []
        self.locals = 0
        self.scopes: list[dict] = [{}]

    def emit(self, op: str, *arguments: int) -> int:
        """Add an instruction; gives its place."""
        self.code.append([op, *arguments])
        return len(self.code) - 1

    def land(self, *places: int) -> None:
        """Make jumps lead to what comes next."""
        for place in places:
            self.code[place].append(len(self.code))

    def slot(self) -> int:
        """A fresh local."""
        self.locals += 1
        return self.locals - 1

    def find(self, name: str) -> int | None:
        """The local of a name; None when it is not this function's."""
        return next((scope[name] for scope in reversed(self.scopes) if name in scope), None)

    def block(self, statements: list) -> None:
        """Statements in a scope of their own."""
        self.scopes.append({})
        for statement in statements:
            self.statement(statement)
        self.scopes.pop()

    def statement(self, tree: tuple) -> None:
        """One statement."""
        match tree:
            case ("let", name, value):
                self.value(value)
                self.scopes[-1][name] = self.slot()
                self.emit("store", self.scopes[-1][name])
            case ("set", name, value):
                self.assign(name, value)
            case ("print", value):
                self.value(value)
                self.emit("print")
            case ("if", condition, then, otherwise):
                self.condition(condition)
                skip = self.emit("jumpz")
                self.block(then)
                end = self.emit("jump")
                self.land(skip)
                self.block(otherwise)
                self.land(end)
            case ("do", value):
                self.value(value)
                self.emit("pop")
            case _:
                raise QuillError(f"no statement {tree[0]!r}")

    def assign(self, name: str, value: tuple) -> None:
        """Give a variable another value."""
        self.value(value)
        slot = self.find(name)
        if slot is None:
            raise QuillError(f"no variable {name!r}")
        self.emit("store", slot)

    def condition(self, tree: tuple) -> None:
        """A value as 1 or 0, for a jump."""
        self.value(tree)

    def value(self, tree: tuple) -> None:
        """An expression, its value on the stack."""
        match tree:
            case ("int", number):
                self.emit("push", number)
            case ("var", name):
                self.variable(name)
            case ("neg", inner):
                self.value(inner)
                self.emit("neg")
            case ("bin", operator, left, right):
                self.binary(operator, left, right)
            case ("input",):
                self.emit("input")
            case _:
                raise QuillError(f"no expression {tree[0]!r}")

    def binary(self, operator: str, left: tuple, right: tuple) -> None:
        """An operator between two numbers."""
        self.value(left)
        self.value(right)
        self.emit(BINARY[operator])

    def variable(self, name: str) -> None:
        """A variable's value."""
        slot = self.find(name)
        if slot is None:
            raise QuillError(f"no variable {name!r}")
        self.emit("load", slot)


def bytecode_of(functions: list, block: list, dialect: dict) -> list:
    """A whole program's bytecode."""
    main = Function(dialect)
    main.block(block)
    main.emit("push", 0)
    main.emit("ret")
    return [{"params": 0, "locals": main.locals, "code": main.code}]
