"""Tokens to a syntax tree of tuples, the first item naming the kind."""

from quill.lexer import QuillError, Token

GROUPS = (("==", "!="), ("<", "<=", ">", ">="), ("&", "^", "|"), ("+", "-"), ("*", "/", "%"))
"""Binary operators, loosest first."""


class Parser:
    """Reads one program."""

    def __init__(self, tokens: list[Token]) -> None:
        self.tokens = tokens
        self.at = 0

    def take(self, text: str = "", kind: str = "") -> str:
        """The next token, which must be this one."""
        token = self.tokens[self.at]
        if (text and token.text != text) or (kind and token.kind != kind):
            raise QuillError(f"found {token.text!r}, expected {text or kind}")
        self.at += 1
        return token.text

    def found(self, text: str) -> bool:
        """Whether the next token is this one; if so it is taken."""
        if self.tokens[self.at].text != text or self.tokens[self.at].kind == "number":
            return False
        self.at += 1
        return True

    def program(self) -> tuple:
        """Named functions and statements."""
        functions, block = [], []
        while self.tokens[self.at].kind != "end":
            block.append(self.statement())
        return functions, block

    def block(self) -> list:
        """Statements in braces."""
        self.take("{")
        found = []
        while not self.found("}"):
            found.append(self.statement())
        return found

    def statement(self) -> tuple:
        """One statement."""
        if self.found("let"):
            name = self.take(kind="name")
            self.take("=")
            return self.ended(("let", name, self.expression()))
        if self.found("print"):
            return self.ended(("print", self.expression()))
        if self.found("if"):
            condition, then = self.expression(), self.block()
            return ("if", condition, then, self.block() if self.found("else") else [])
        value = self.expression()
        if not self.found("="):
            return self.ended(("do", value))
        if value[0] == "var":
            return self.ended(("set", value[1], self.expression()))
        raise QuillError("this cannot be assigned to")

    def ended(self, tree: tuple) -> tuple:
        """The same, after its semicolon."""
        self.take(";")
        return tree

    def expression(self, strength: int = 0) -> tuple:
        """An expression of operators that bind at least so tightly."""
        if strength == len(GROUPS):
            return self.unary()
        left = self.expression(strength + 1)
        while self.tokens[self.at].text in GROUPS[strength]:
            operator = self.take()
            left = ("bin", operator, left, self.expression(strength + 1))
        return left

    def unary(self) -> tuple:
        """Signs, and what they stand before."""
        if self.found("-"):
            return ("neg", self.unary())
        return self.primary()

    def primary(self) -> tuple:
        """Literals, names, parentheses."""
        token = self.tokens[self.at]
        if token.kind == "number":
            return ("int", int(self.take()))
        if token.kind == "name":
            return ("var", self.take())
        if self.found("("):
            inner = self.expression()
            self.take(")")
            return inner
        if self.found("input"):
            self.take("(")
            self.take(")")
            return ("input",)
        raise QuillError(f"unexpected {token.text!r}")
