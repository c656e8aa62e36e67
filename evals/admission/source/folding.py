"""Constant text that is put together from pieces, folded as Python would.

Does not: run anything. What it cannot fold has no value.
"""

import ast
from dataclasses import dataclass
from typing import Protocol

LONGEST = 100_000
"""Characters that a folded text may have; more than a whole source file."""


@dataclass(frozen=True, slots=True)
class Folded:
    """A constant text and whether someone went out of their way to write it in pieces."""

    value: str
    is_pieced: bool


class Folder(Protocol):
    """A source file that remembers what was folded."""

    def fold(self, node: ast.AST) -> Folded | None: ...

    def is_separator(self, node: ast.Attribute) -> bool: ...


def fold_text(node: ast.AST, file: Folder) -> Folded | None:
    """Value of a constant text expression from those of its parts; None when it is not constant.

    Raises:
        SyntaxError: It grows out of all proportion, as `"a".replace("a", 9 * "a")` does when it is nested.
    """
    found = _fold(node, file)
    _require_short(len(found.value) if found is not None else 0)
    return found


def _require_short(characters: int) -> None:
    if characters > LONGEST:
        raise SyntaxError("a text that is put together grows too long")


def _fold(node: ast.AST, file: Folder) -> Folded | None:
    match node:
        case ast.Constant(value=str(text)):
            return Folded(text, False)
        case ast.Attribute(attr="sep") as attribute if file.is_separator(attribute):
            return Folded("/", True)
        case ast.Constant(value=bytes(raw)):
            return Folded(raw.decode("latin-1"), False)
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            return _joined([file.fold(left), file.fold(right)])
        case ast.JoinedStr(values=values):
            return _joined([file.fold(value) for value in values])
        case ast.FormattedValue(value=value):
            return file.fold(value)
        case ast.Subscript(value=value, slice=ast.Slice(lower=None, upper=None, step=step)):
            inner = file.fold(value)
            is_reversed = isinstance(step, ast.UnaryOp) and isinstance(step.op, ast.USub)
            return Folded(inner.value[::-1], True) if inner and is_reversed else None
        case ast.Call():
            return _fold_call(node, file)
    return None


def _fold_call(node: ast.Call, file: Folder) -> Folded | None:
    match node:
        case ast.Call(func=ast.Name(id="chr"), args=[ast.Constant(value=int(code))]):
            return Folded(chr(code), True) if 0 <= code < 0x110000 else None
        case ast.Call(
            func=ast.Attribute(value=glue, attr="join"),
            args=[ast.List(elts=parts) | ast.Tuple(elts=parts)],
        ):
            between = file.fold(glue)
            folded = [file.fold(part) for part in parts]
            if between is None or any(part is None for part in folded):
                return None
            texts = [part.value for part in folded if part is not None]
            _require_short(sum(map(len, texts)) + len(between.value) * len(texts))
            return Folded(between.value.join(texts), True)
        case ast.Call(func=ast.Attribute(value=value, attr="replace"), args=[old, new]):
            inner, before, after = file.fold(value), file.fold(old), file.fold(new)
            if inner is None or before is None or after is None:
                return None
            occurrences = inner.value.count(before.value)
            _require_short(len(inner.value) + occurrences * len(after.value))
            return Folded(inner.value.replace(before.value, after.value), True)
        case ast.Call(func=ast.Attribute(value=value, attr="lower" | "decode" | "strip")):
            inner = file.fold(value)
            return Folded(inner.value.lower(), True) if inner else None
        case ast.Call(func=ast.Attribute(value=ast.Name(id="bytes"), attr="fromhex"), args=[text]):
            return _from_hex(file.fold(text))
        case ast.Call(func=ast.Name(id="bytes"), args=[ast.List(elts=parts)]):
            codes = [part.value for part in parts if isinstance(part, ast.Constant)]
            if len(codes) == len(parts) and all(
                isinstance(code, int) and 0 <= code < 256 for code in codes
            ):
                return Folded("".join(chr(int(str(code))) for code in codes), True)
    return None


def _joined(parts: list[Folded | None]) -> Folded | None:
    if any(part is None for part in parts):
        return None
    return Folded("".join(part.value for part in parts if part is not None), len(parts) > 1)


def _from_hex(folded: Folded | None) -> Folded | None:
    if folded is None:
        return None
    try:
        return Folded(bytes.fromhex(folded.value).decode("latin-1"), True)
    except ValueError:
        return None
