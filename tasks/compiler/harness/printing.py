"""Quill programs as text: parentheses where the dialect's precedence needs them, and a few that it does not."""

import random
from collections.abc import Sequence

from harness.dialect import Dialect
from harness.semantics import Tree

TIGHT, UNARY, POSTFIX = 1000, 100, 200


class Printer:
    """Writes one program."""

    def __init__(self, dialect: Dialect, rng: random.Random) -> None:
        self._dialect = dialect
        self._rng = rng

    def program(self, program: Tree) -> str:
        """The whole text."""
        pragmas, functions, block = program
        lines = [f"#{name} {value}" for name, value in pragmas.items()]
        for name, params, body in functions:
            lines += [f"fn {name}({', '.join(params)}) {{", *self._indented(body), "}"]
        return "\n".join([*lines, *self._lines(block)]) + "\n"

    def _indented(self, block: Sequence[Tree]) -> list[str]:
        return [f"  {line}" for line in self._lines(block)]

    def _lines(self, block: Sequence[Tree]) -> list[str]:
        return [line for statement in block for line in self._statement(statement)]

    def _statement(self, tree: Tree) -> list[str]:
        match tree:
            case ("let", name, value):
                return [f"let {name} = {self.text(value)};"]
            case ("set", name, value):
                return [f"{name} = {self.text(value)};"]
            case ("put", target, index, value):
                return [f"{self.text(target, POSTFIX)}[{self.text(index)}] = {self.text(value)};"]
            case ("print", value):
                return [f"print {self.text(value)};"]
            case ("if", condition, then, otherwise):
                lines = [f"if {self.text(condition)} {{", *self._indented(then)]
                if otherwise:
                    lines += ["} else {", *self._indented(otherwise)]
                return [*lines, "}"]
            case ("while", condition, body):
                return [f"while {self.text(condition)} {{", *self._indented(body), "}"]
            case ("match", value, arms):
                lines = [f"match {self.text(value)} {{"]
                for pattern, body in arms:
                    lines += [f"  {_pattern(pattern)} => {{"]
                    lines += [f"  {line}" for line in self._indented(body)] + ["  }"]
                return [*lines, "}"]
            case ("return", value):
                return [f"return {self.text(value)};"]
            case ("trap", code):
                return [f"trap {code};"]
            case ("do", value):
                return [f"{self.text(value)};"]
        raise ValueError(f"no statement {tree[0]!r}")

    def text(self, tree: Tree, least: int = 0) -> str:
        """An expression, in parentheses where it binds looser than `least`."""
        words, strength = self._words(tree)
        if strength < least or (strength < POSTFIX and self._rng.random() < 0.04):
            return f"({words})"
        return words

    def _words(self, tree: Tree) -> tuple[str, int]:
        match tree:
            case ("int", number):
                return (str(number), TIGHT) if number >= 0 else (f"-{-number}", UNARY)
            case ("var", name):
                return name, TIGHT
            case ("neg", inner):
                return f"-{self._after_sign(inner)}", UNARY
            case ("not", inner):
                return f"!{self.text(inner, UNARY)}", UNARY
            case ("bin", operator, left, right):
                return self._binary(operator, left, right)
            case ("and" | "or" as word, left, right):
                return self._binary(word, left, right)
            case ("list", items):
                return f"[{', '.join(self.text(item) for item in items)}]", TIGHT
            case ("get", target, index):
                return f"{self.text(target, POSTFIX)}[{self.text(index)}]", POSTFIX
            case ("len", inner):
                return f"len({self.text(inner)})", TIGHT
            case ("call", target, arguments):
                given = ", ".join(self.text(each) for each in arguments)
                return f"{self.text(target, POSTFIX)}({given})", POSTFIX
            case ("fn", params, block):
                body = " ".join(self._lines(block))
                return f"fn({', '.join(params)}) {{ {body} }}", UNARY
            case ("input",):
                return "input()", TIGHT
        raise ValueError(f"no expression {tree[0]!r}")

    def _after_sign(self, tree: Tree) -> str:
        """What follows a minus sign; a literal there would be read as part of it, with the same value."""
        return self.text(tree, UNARY + 1 if tree[0] in {"neg", "int"} else UNARY)

    def _binary(self, operator: str, left: Tree, right: Tree) -> tuple[str, int]:
        strength = self._dialect.strength(operator)
        is_right = self._dialect.right_associative[strength]
        a = self.text(left, strength + (1 if is_right else 0))
        b = self.text(right, strength + (0 if is_right else 1))
        return f"{a} {operator} {b}", strength


def _pattern(pattern: Tree) -> str:
    match pattern:
        case ("is", number):
            return str(number)
        case ("range", low, high):
            return f"{low}..{high}"
        case _:
            return "_"
