"""The target: a plain stack machine without a dialect, and the checks that bytecode must pass before it runs.

Bytecode is a list of functions, the first one being the program: `{"params": n, "locals": m, "code": [[op, argument], ...]}`.
Does not: know Quill. Invariant: whatever a candidate sent, running it ends with an `Outcome` within the limits.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

NO_ARGUMENT = frozenset({
    "pop", "dup", "swap", "add", "sub", "mul", "divt", "modt", "divf", "modf", "and", "or", "xor", "eq", "ne", "lt",
    "le", "gt", "ge", "neg", "get", "put", "len", "cell", "read", "write", "ret", "print", "input",
})  # fmt: skip
WITH_ARGUMENT = frozenset(
    {"push", "jump", "jumpz", "load", "store", "list", "closure", "up", "call", "wrap", "trap"}
)
MAX_FUNCTIONS = 200
MAX_CODE = 20_000
MAX_LOCALS = 500
MAX_STEPS = 200_000
MAX_STACK = 2_000
MAX_FRAMES = 200
MAX_LIST = 1_000
MAX_NUMBER = 1 << 70


class BadCode(ValueError):
    """The bytecode breaks a rule of the machine."""


@dataclass(frozen=True, kw_only=True)
class Function:
    """One checked function."""

    params: int
    locals: int
    code: tuple[tuple[str, int], ...]


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a run did."""

    printed: tuple[int, ...]
    code: int | None
    """The trap's code, 0 when the program ended by itself; None when it broke a rule of the machine."""
    why: str = ""


class _Fault(Exception):
    """A rule of the machine was broken while running."""


@dataclass(slots=True)
class _Cell:
    value: object


@dataclass(slots=True)
class _Closure:
    function: Function
    captured: list[object]


def verify(value: object, *, max_instructions: int = MAX_CODE) -> tuple[Function, ...]:
    """Check bytecode that came from a candidate.

    Raises:
        BadCode: It is no list of functions, or one of them breaks a rule; the message says which.
    """
    if not isinstance(value, list) or not 1 <= len(value) <= MAX_FUNCTIONS:
        raise BadCode(f"bytecode must be a list of 1 to {MAX_FUNCTIONS} functions")
    functions = tuple(_function(entry, at, len(value)) for at, entry in enumerate(value))
    total = sum(len(function.code) for function in functions)
    if total > max_instructions:
        raise BadCode(f"{total} instructions, {max_instructions} are allowed for this program")
    if functions[0].params:
        raise BadCode("function 0 is the program and has no parameters")
    return functions


def _function(entry: object, at: int, count: int) -> Function:
    if not isinstance(entry, Mapping) or set(entry) != {"params", "locals", "code"}:
        raise BadCode(f"function {at} must have exactly params, locals and code")
    params, size, code = entry["params"], entry["locals"], entry["code"]
    if type(params) is not int or type(size) is not int or not 0 <= params <= size <= MAX_LOCALS:
        raise BadCode(f"function {at}: 0 <= params <= locals <= {MAX_LOCALS}")
    if not isinstance(code, list) or not 1 <= len(code) <= MAX_CODE:
        raise BadCode(f"function {at} needs 1 to {MAX_CODE} instructions")
    checked = tuple(_instruction(each, at, len(code), size, count) for each in code)
    if checked[-1][0] not in {"ret", "jump", "trap"}:
        raise BadCode(f"function {at} must end in ret, jump or trap")
    return Function(params=params, locals=size, code=checked)


def _instruction(each: object, at: int, length: int, size: int, count: int) -> tuple[str, int]:
    if not isinstance(each, list) or not each or not isinstance(each[0], str):
        raise BadCode(f"function {at}: an instruction is [op] or [op, number]")
    op = each[0]
    if op in NO_ARGUMENT and len(each) == 1:
        return op, 0
    if op not in WITH_ARGUMENT or len(each) != (3 if op == "closure" else 2):
        raise BadCode(f"function {at}: no instruction {str(each)[:60]}")
    if not all(type(word) is int and abs(word) <= MAX_NUMBER for word in each[1:]):
        raise BadCode(f"function {at}: {op} needs whole numbers")
    argument = each[1]
    bounds = {"jump": length, "jumpz": length, "load": size, "store": size, "list": MAX_LIST,
              "up": MAX_LOCALS, "call": 32, "wrap": 65, "trap": 1 << 16, "closure": count}  # fmt: skip
    if op in bounds and not 0 <= argument < bounds[op]:
        raise BadCode(f"function {at}: {op} {argument} is out of range")
    if op == "closure":
        if not 0 <= each[2] < MAX_LOCALS:
            raise BadCode(f"function {at}: closure captures {each[2]} values")
        return op, argument * MAX_LOCALS + each[2]
    if op == "wrap" and argument == 0:
        raise BadCode(f"function {at}: wrap 0")
    return op, argument


def execute(
    functions: Sequence[Function], inputs: Sequence[int], *, max_steps: int = MAX_STEPS
) -> Outcome:
    """Run checked bytecode; `input` goes round and round the inputs."""
    printed: list[int] = []
    try:
        code = _Machine(functions, inputs, printed).run(max_steps)
    except _Fault as fault:
        return Outcome(printed=tuple(printed), code=None, why=str(fault))
    except (TypeError, IndexError, ZeroDivisionError, AttributeError) as fault:
        return Outcome(printed=tuple(printed), code=None, why=f"wrong kind of value: {fault}"[:200])
    return Outcome(printed=tuple(printed), code=code)


class _Machine:
    def __init__(
        self, functions: Sequence[Function], inputs: Sequence[int], printed: list[int]
    ) -> None:
        self.functions = functions
        self.inputs = inputs
        self.printed = printed
        self.taken = 0
        self.stack: list[object] = []
        self.frames: list[tuple[Function, int, list[object], list[object], int]] = []

    def run(self, max_steps: int) -> int:
        """Run to the end; the trap's code or 0."""
        function = self.functions[0]
        captured: list[object] = []
        slots: list[object] = [0] * function.locals
        at, stack, base = 0, self.stack, 0
        for _ in range(max_steps):
            op, argument = function.code[at]
            at += 1
            if op == "push":
                stack.append(argument)
            elif op == "load":
                stack.append(slots[argument])
            elif op == "store":
                slots[argument] = self._pop(base)
            elif op == "up":
                stack.append(captured[argument])
            elif op == "jump":
                at = argument
            elif op == "jumpz":
                if self._number(base) == 0:
                    at = argument
            elif op == "call":
                given = self._take(argument, base)
                target = self._pop(base)
                if not isinstance(target, _Closure) or target.function.params != argument:
                    raise _Fault(f"call of something that takes no {argument} arguments")
                if len(self.frames) >= MAX_FRAMES:
                    raise _Fault("too many calls inside each other")
                self.frames.append((function, at, slots, captured, base))
                function, captured = target.function, target.captured
                slots = [*given, *[0] * (function.locals - argument)]
                at, base = 0, len(stack)
            elif op == "ret":
                result = self._pop(base)
                del stack[base:]
                if not self.frames:
                    return 0
                function, at, slots, captured, base = self.frames.pop()
                stack.append(result)
            elif op == "trap":
                return argument
            else:
                self._simple(op, argument, base)
            if len(stack) > MAX_STACK:
                raise _Fault("the stack is full")
        raise _Fault(f"more than {max_steps} steps")

    def _simple(self, op: str, argument: int, base: int) -> None:
        stack = self.stack
        if op in _BINARY:
            right, left = self._number(base), self._number(base)
            if op in {"divt", "modt", "divf", "modf"} and right == 0:
                raise _Fault("division by zero")
            value = _BINARY[op](left, right)
            if abs(value) > MAX_NUMBER:
                raise _Fault("a number is too large")
            stack.append(value)
        elif op == "wrap":
            half = 1 << (argument - 1)
            stack.append((self._number(base) + half) % (2 * half) - half)
        elif op == "neg":
            stack.append(-self._number(base))
        elif op == "pop":
            self._pop(base)
        elif op == "dup":
            value = self._pop(base)
            stack.extend((value, value))
        elif op == "swap":
            right, left = self._pop(base), self._pop(base)
            stack.extend((right, left))
        elif op == "list":
            stack.append(self._take(argument, base))
        elif op == "len":
            stack.append(len(self._list(base)))
        elif op == "get":
            index, items = self._number(base), self._list(base)
            stack.append(items[_place(items, index)])
        elif op == "put":
            value, index, items = self._pop(base), self._number(base), self._list(base)
            items[_place(items, index)] = value
        elif op == "cell":
            stack.append(_Cell(self._pop(base)))
        elif op == "read":
            stack.append(self._cell(base).value)
        elif op == "write":
            value = self._pop(base)
            self._cell(base).value = value
        elif op == "closure":
            which, count = divmod(argument, MAX_LOCALS)
            stack.append(_Closure(self.functions[which], self._take(count, base)))
        elif op == "input":
            self.taken += 1
            stack.append(self.inputs[(self.taken - 1) % len(self.inputs)])
        else:  # print, the only one left
            self.printed.append(self._number(base))

    def _pop(self, base: int) -> object:
        if len(self.stack) <= base:
            raise _Fault("nothing on the stack")
        return self.stack.pop()

    def _take(self, count: int, base: int) -> list[object]:
        return [self._pop(base) for _ in range(count)][::-1]

    def _number(self, base: int) -> int:
        value = self._pop(base)
        if type(value) is not int:
            raise _Fault("a number was expected")
        return value

    def _list(self, base: int) -> list[object]:
        value = self._pop(base)
        if not isinstance(value, list):
            raise _Fault("a list was expected")
        return value

    def _cell(self, base: int) -> _Cell:
        value = self._pop(base)
        if not isinstance(value, _Cell):
            raise _Fault("a cell was expected")
        return value


def _place(items: Sequence[object], index: int) -> int:
    if not 0 <= index < len(items):
        raise _Fault(f"no element {index}")
    return index


def _truncated(left: int, right: int) -> int:
    quotient = abs(left) // abs(right)
    return quotient if (left < 0) == (right < 0) else -quotient


_BINARY = {
    "add": lambda a, b: a + b, "sub": lambda a, b: a - b, "mul": lambda a, b: a * b,
    "divt": _truncated, "modt": lambda a, b: a - b * _truncated(a, b),
    "divf": lambda a, b: a // b, "modf": lambda a, b: a % b,
    "and": lambda a, b: a & b, "or": lambda a, b: a | b, "xor": lambda a, b: a ^ b,
    "eq": lambda a, b: int(a == b), "ne": lambda a, b: int(a != b), "lt": lambda a, b: int(a < b),
    "le": lambda a, b: int(a <= b), "gt": lambda a, b: int(a > b), "ge": lambda a, b: int(a >= b),
}  # fmt: skip
