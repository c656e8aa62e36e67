"""Dotted names that expressions stand for: through aliases, getattr, tables of names and loaders of modules.

Does not: know values; `flow.py` does. Invariant: an answer is about the text alone, and has every reading of it.
"""

import ast
import builtins
from collections.abc import Iterable, Iterator, Mapping
from typing import Protocol

BUILTINS = frozenset(dir(builtins)) | {"__builtins__", "__loader__"}
MODULE_LOADERS = frozenset({"importlib.import_module", "importlib.__import__", "builtins.__import__"})  # fmt: skip
WIDE_MODULES = frozenset({"builtins", "ctypes", "importlib", "os", "shutil", "subprocess", "sys", "time"})  # fmt: skip
"""Modules of which only some names are harmless, so that all of them at once are not."""
REACHED_THROUGH = WIDE_MODULES - {"time"}
"""Modules that count as themselves when they are reached through another: `tempfile._os`, `trainer.loader.os`."""
Names = Mapping[str, Iterable[str]]


class Reader(Protocol):
    """A source file that knows its texts and what hides a built-in."""

    def text_of(self, node: ast.AST) -> str | None: ...

    def hides_builtin(self, node: ast.Name) -> bool: ...


def risk(name: str) -> tuple[bool, str]:
    """By which the riskiest of several meanings comes first."""
    return name.split(".")[0] not in WIDE_MODULES, name


def itself(name: str) -> str:
    """A module that is reached through another counts as itself."""
    parts = name.split(".")
    for start in range(len(parts) - 1, 0, -1):
        if parts[start].lstrip("_") in REACHED_THROUGH:
            return ".".join([parts[start].lstrip("_"), *parts[start + 1 :]])
    return name


def dotted(node: ast.AST, names: Names, file: Reader) -> tuple[str, ...]:
    """Every dotted name that an expression may stand for; what a name was given comes before its builtin."""
    if isinstance(node, ast.Name):
        found = tuple(names.get(node.id, ()))
        if node.id in BUILTINS and not file.hides_builtin(node):
            return (*found, f"builtins.{node.id}")
        return found
    if isinstance(node, ast.Attribute):
        bases = dotted(node.value, names, file)
        plain = ("builtins" if base == "builtins.__builtins__" else base for base in bases)
        return tuple(itself(f"{base}.{node.attr}") for base in plain)
    if isinstance(node, ast.Subscript):
        return tuple(_looked_up(node, names, file))
    if isinstance(node, ast.Call):
        return tuple(_loaded(node, names, file))
    return ()


def _looked_up(node: ast.Subscript, names: Names, file: Reader) -> Iterator[str]:
    """module.__dict__["x"], vars(module)["x"], sys.modules["x"], __builtins__["x"]."""
    key = file.text_of(node.slice)
    if key is None:
        return
    for base in dotted(node.value, names, file):
        if base == "sys.modules":
            yield key
        elif base in {"builtins.__builtins__", "builtins.__dict__"}:
            yield f"builtins.{key}"
        elif base.endswith(".__dict__"):
            yield f"{base.removesuffix('.__dict__')}.{key}"
    if isinstance(node.value, ast.Call):
        for function in dotted(node.value.func, names, file):
            if function == "builtins.vars" and node.value.args:
                yield from _members(dotted(node.value.args[0], names, file), key)
            if function in {"builtins.globals", "builtins.locals"} or (
                function == "builtins.vars" and not node.value.args
            ):
                yield from names.get(key, ())


def _loaded(node: ast.Call, names: Names, file: Reader) -> Iterator[str]:
    """import_module("x"), __import__("x"), getattr(x, "y")."""
    for function in dotted(node.func, names, file):
        if function in MODULE_LOADERS | {"sys.modules.get"} and node.args:
            text = file.text_of(node.args[0])
            yield from () if text is None else (text,)
        if function == "builtins.getattr" and len(node.args) >= 2:
            yield from _members(dotted(node.args[0], names, file), file.text_of(node.args[1]))
    match node:
        case ast.Call(
            func=ast.Attribute(value=base, attr="__getattribute__" | "__getattr__"), args=[*_, last]
        ):
            yield from _members(dotted(base, names, file), file.text_of(last))
        case ast.Call(
            func=ast.Attribute(value=ast.Attribute(value=base, attr="__dict__"), attr="get"),
            args=[key, *_],
        ):
            yield from _members(dotted(base, names, file), file.text_of(key))
        case ast.Call(
            func=ast.Attribute(value=ast.Call(func=looker, args=[base]), attr="get"), args=[key, *_]
        ):
            if "builtins.vars" in dotted(looker, names, file):
                yield from _members(dotted(base, names, file), file.text_of(key))
        case ast.Call(func=ast.Call(func=maker, args=[key, *_]), args=[base, *_]):
            if "operator.attrgetter" in dotted(maker, names, file):
                yield from _members(dotted(base, names, file), file.text_of(key))


def _members(bases: Iterable[str], attribute: str | None) -> Iterator[str]:
    if attribute:
        yield from (itself(f"{base}.{attribute}") for base in bases)
