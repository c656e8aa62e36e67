"""Quill's meaning, written as an interpreter over syntax trees: what the specification says, and nothing of a compiler.

A tree is made of tuples, the first item naming the kind:
    expressions  ("int", n) ("var", x) ("neg", e) ("not", e) ("bin", op, a, b) ("and"|"or", a, b) ("list", [e])
                 ("get", a, i) ("len", e) ("call", e, [e]) ("fn", [x], block) ("input",)
    statements   ("let", x, e) ("set", x, e) ("put", a, i, e) ("print", e) ("if", c, block, block) ("while", c, block)
                 ("match", e, [(pattern, block)]) ("return", e) ("trap", n) ("do", e)
    patterns     ("is", n) ("range", a, b) ("any",)
A program is (pragmas, [named functions (name, params, block)], block).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from harness.dialect import Dialect

MAX_DEPTH = 60
MAX_LIST = 200
Tree = tuple  # type: ignore[type-arg]  # the grammar above
Value = object


class Trapped(Exception):
    """The program ended with a trap code."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


class TooLong(Exception):
    """The program takes more steps than the harness looks at; such programs are drawn again."""


class _Return(Exception):
    def __init__(self, value: Value) -> None:
        super().__init__()
        self.value = value


@dataclass(slots=True)
class _Cell:
    value: Value


_Scopes = tuple[dict[str, _Cell], ...]


@dataclass(slots=True)
class _Function:
    params: Sequence[str]
    block: Sequence[Tree]
    scopes: Callable[[], _Scopes]


@dataclass(slots=True)
class Run:
    """One execution."""

    dialect: Dialect
    inputs: Sequence[int]
    max_steps: int
    printed: list[int] = field(default_factory=list)
    steps: int = 0
    depth: int = 0
    taken: int = 0
    code: int = 0
    """Of the trap that ended it; 0 for none."""

    def step(self) -> None:
        self.steps += 1
        if self.steps > self.max_steps:
            raise TooLong


def run(program: Tree, dialect: Dialect, inputs: Sequence[int], *, max_steps: int) -> Run:
    """Run a program to its end.

    Raises:
        TooLong: It does not end within `max_steps`, recurses too deeply or makes a list too long.
    """
    pragmas, functions, block = program
    state = Run(dialect.with_pragmas(pragmas), inputs, max_steps)
    named: dict[str, _Cell] = {}
    for name, params, body in functions:
        named[name] = _Cell(_Function(params, body, lambda: (named,)))
    try:
        _block(state, block, (named, {}))
    except Trapped as trap:
        state.code = trap.code
    return state


def _block(state: Run, block: Sequence[Tree], scopes: _Scopes) -> None:
    for statement in block:
        _statement(state, statement, scopes)


def _statement(state: Run, tree: Tree, scopes: _Scopes) -> None:
    state.step()
    d = state.dialect
    match tree:
        case ("let", name, value):
            scopes[-1][name] = _Cell(_value(state, value, scopes))
        case ("set", name, value):
            result = _value(state, value, scopes)
            _find(scopes, name).value = result
        case ("put", target, index, value):
            items, at, result = _ordered(state, (target, index, value), scopes)
            items[_place(d, items, at)] = result
        case ("print", value):
            state.printed.append(_value(state, value, scopes))
        case ("if", condition, then, otherwise):
            chosen = then if d.is_true(_value(state, condition, scopes)) else otherwise
            _block(state, chosen, (*scopes, {}))
        case ("while", condition, body):
            while d.is_true(_value(state, condition, scopes)):
                state.step()
                _block(state, body, (*scopes, {}))
        case ("match", value, arms):
            _match(state, _value(state, value, scopes), arms, scopes)
        case ("return", value):
            raise _Return(_value(state, value, scopes))
        case ("trap", code):
            raise Trapped(code)
        case ("do", value):
            _value(state, value, scopes)
        case _:
            raise ValueError(f"no statement {tree[0]!r}")


def _match(
    state: Run, value: int, arms: Sequence[tuple[Tree, Sequence[Tree]]], scopes: _Scopes
) -> None:
    fitting = [block for pattern, block in arms if _fits(pattern, value)]
    if not fitting:
        raise Trapped(state.dialect.match_code)
    _block(state, fitting[0 if state.dialect.match == "first" else -1], (*scopes, {}))


def _fits(pattern: Tree, value: int) -> bool:
    match pattern:
        case ("is", number):
            return value == number
        case ("range", low, high):
            return low <= value <= high
        case _:
            return True


def _value(state: Run, tree: Tree, scopes: _Scopes) -> Value:
    state.step()
    d = state.dialect
    match tree:
        case ("int", number):
            return number
        case ("var", name):
            return _find(scopes, name).value
        case ("neg", inner):
            return d.wrap(-_value(state, inner, scopes))
        case ("not", inner):
            return d.false if d.is_true(_value(state, inner, scopes)) else d.true
        case ("bin", operator, left, right):
            a, b = _ordered(state, (left, right), scopes)
            return _operate(d, operator, a, b)
        case ("and" | "or" as word, left, right):
            return _logic(state, word, left, right, scopes)
        case ("list", items):
            return _short(list(_ordered(state, items, scopes)))
        case ("get", target, index):
            items, at = _ordered(state, (target, index), scopes)
            return items[_place(d, items, at)]
        case ("len", inner):
            return d.wrap(len(_value(state, inner, scopes)))
        case ("call", target, arguments):
            function, *given = _ordered(state, (target, *arguments), scopes)
            return _call(state, function, given)
        case ("fn", params, block):
            return _closure(d, params, block, scopes)
        case ("input",):
            state.taken += 1
            return d.wrap(state.inputs[(state.taken - 1) % len(state.inputs)])
        case _:
            raise ValueError(f"no expression {tree[0]!r}")


def _ordered(state: Run, trees: Sequence[Tree], scopes: _Scopes) -> list[Value]:
    """Values of several trees, evaluated in the dialect's order."""
    if state.dialect.order == "left":
        return [_value(state, tree, scopes) for tree in trees]
    return [_value(state, tree, scopes) for tree in reversed(trees)][::-1]


def _logic(state: Run, word: str, left: Tree, right: Tree, scopes: _Scopes) -> int:
    d = state.dialect
    first, second = (left, right) if d.order == "left" else (right, left)
    a = d.is_true(_value(state, first, scopes))
    if d.logic == "short" and a == (word == "or"):
        return d.true if a else d.false
    b = d.is_true(_value(state, second, scopes))
    holds = (a and b) if word == "and" else (a or b)
    return d.true if holds else d.false


def _operate(d: Dialect, operator: str, a: int, b: int) -> int:
    match operator:
        case "+":
            return d.wrap(a + b)
        case "-":
            return d.wrap(a - b)
        case "*":
            return d.wrap(a * b)
        case "/" | "%":
            if b == 0:
                raise Trapped(d.zero_code)
            quotient, rest = divide(d.division, a, b)
            return d.wrap(quotient if operator == "/" else rest)
        case "&":
            return a & b
        case "|":
            return a | b
        case "^":
            return a ^ b
    holds = {
        "<": a < b, "<=": a <= b, ">": a > b, ">=": a >= b, "==": a == b, "!=": a != b,
    }[operator]  # fmt: skip
    return d.true if holds else d.false


def divide(rule: str, a: int, b: int) -> tuple[int, int]:
    """Quotient and rest of whole numbers under a rule; b is not 0."""
    quotient, rest = divmod(a, b)
    if rule == "truncate" and rest and (a < 0) != (b < 0):
        return quotient + 1, rest - b
    if rule == "euclid" and rest < 0:
        return quotient + 1, rest - b
    return quotient, rest


def _place(d: Dialect, items: list[Value], index: int) -> int:
    at = index - d.index
    if not 0 <= at < len(items):
        raise Trapped(d.index_code)
    return at


def _call(state: Run, function: _Function, given: Sequence[Value]) -> Value:
    if state.depth >= MAX_DEPTH:
        raise TooLong
    state.depth += 1
    own = {name: _Cell(value) for name, value in zip(function.params, given, strict=True)}
    try:
        _block(state, function.block, (*function.scopes(), own))
    except _Return as ended:
        return ended.value
    finally:
        state.depth -= 1
    return 0


def _closure(
    d: Dialect, params: Sequence[str], block: Sequence[Tree], scopes: _Scopes
) -> _Function:
    if d.capture == "reference":
        return _Function(params, block, lambda: scopes)
    kept = [{name: cell.value for name, cell in scope.items()} for scope in scopes]
    return _Function(
        params, block,
        lambda: tuple({name: _Cell(value) for name, value in scope.items()} for scope in kept),
    )  # fmt: skip


def _find(scopes: _Scopes, name: str) -> _Cell:
    return next(scope[name] for scope in reversed(scopes) if name in scope)


def _short(items: list[Value]) -> list[Value]:
    if len(items) > MAX_LIST:
        raise TooLong
    return items
