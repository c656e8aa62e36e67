"""Calls as they are carried out, however they are written: bound or unbound, through partial, methodcaller, map or getattr.

Does not: follow what a candidate's own functions do. Invariant: a plain call and its disguises give the same `Call`.
"""

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from rsi.evals.admission.source.flow import flow_of
from rsi.evals.admission.source.parsed import SourceFile

PATH_CLASSES = ("pathlib.Path.", "pathlib.PosixPath.", "pathlib.PurePath.")
"""Classes whose methods may be called with the path as an argument."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call: what is called, on what, with what."""

    node: ast.AST
    name: str | None
    """Dotted name of what is called; None when it is not a plain name."""
    method: str | None
    """Name of the attribute that is called."""
    receiver: ast.expr | None
    """What the attribute is taken of."""
    arguments: tuple[ast.expr, ...]
    keywords: Mapping[str, ast.expr] = field(default_factory=dict)
    is_open: bool = False
    """There are arguments that are known only at run time."""
    is_hidden: bool = False
    """Among its keywords, `**options`."""
    is_starred: bool = False
    """Among its positions, `*arguments`, from there on."""

    def argument(self, place: int, keyword: str) -> ast.expr | None:
        """An argument by its position or its name; None when it was not given."""
        if keyword in self.keywords:
            return self.keywords[keyword]
        return self.arguments[place] if place < len(self.arguments) else None


def calls_of(file: SourceFile) -> Iterator[Call]:
    """Every call of a file, with those that others make on its behalf."""
    for node in file.nodes:
        if not isinstance(node, ast.Call):
            continue
        called = _called(file, node, node.func, node.args, node.keywords)
        yield called
        if called.method == "__init__":
            yield from _of_bases(file, node, called)
        match called.name:
            case "functools.partial" | "functools.partialmethod" if node.args:
                yield _called(file, node, node.args[0], node.args[1:], node.keywords, is_open=True)
            case "builtins.map" | "builtins.filter" if node.args:
                yield _called(file, node, node.args[0], (), (), is_open=True)
        match node.func:
            case ast.Call(func=maker, args=[method, *rest]) if (
                file.name_of(maker) == "operator.methodcaller" and node.args
            ):
                yield Call(
                    node=node,
                    name=None,
                    method=file.text_of(method),
                    receiver=node.args[0],
                    arguments=tuple(rest),
                )


def _of_bases(file: SourceFile, node: ast.Call, called: Call) -> Iterator[Call]:
    """`super().__init__(...)` and `Base.__init__(self, ...)` as calls of the classes that it leads to."""
    match node.func:
        case ast.Attribute(value=ast.Call(func=function)):
            if file.name_of(function) != "builtins.super":
                return
            around: ast.AST | None = node
            while around is not None and not isinstance(around, ast.ClassDef):
                around = file.parents.get(around)
            bases = around.bases if around is not None else []
            for base in bases:
                yield replace(called, name=file.name_of(base), method=None, receiver=None)
        case ast.Attribute(value=base):
            given = called.arguments[1:]
            name = file.name_of(base)
            yield replace(called, name=name, method=None, receiver=None, arguments=given)


def calls_at(file: SourceFile, node: ast.Call) -> Iterator[Call]:
    """The call at one node."""
    yield _called(file, node, node.func, node.args, node.keywords)


def _called(
    file: SourceFile,
    node: ast.Call,
    function: ast.expr,
    arguments: list[ast.expr] | tuple[()],
    keywords: list[ast.keyword] | tuple[()],
    *,
    is_open: bool = False,
) -> Call:
    name = file.name_of(function)
    method, receiver = _attribute(file, function)
    given, is_starred = _positions(file, arguments)
    named, is_hidden = _keywords(file, keywords)
    for prefix in PATH_CLASSES:
        if name is not None and name.startswith(prefix) and given:
            method, receiver, given = name.removeprefix(prefix), given[0], given[1:]
    return Call(
        node=node,
        name=name,
        method=method,
        receiver=receiver,
        arguments=given,
        keywords=named,
        is_hidden=is_hidden,
        is_open=is_open or is_hidden or is_starred,
        is_starred=is_starred,
    )


def _positions(
    file: SourceFile, arguments: list[ast.expr] | tuple[()]
) -> tuple[tuple[ast.expr, ...], bool]:
    """Arguments by position, those of a row that stands in the source among them; whether some are unknown."""
    found: list[ast.expr] = []
    for argument in arguments:
        if not isinstance(argument, ast.Starred):
            found.append(argument)
            continue
        rows = [argument.value, *(each for _, each in flow_of(file).values(file, argument.value))]
        known = [each for each in rows if isinstance(each, ast.Tuple | ast.List)]
        if len(known) != 1:
            return tuple(found), True
        found += known[0].elts
    return tuple(found), False


def _attribute(file: SourceFile, function: ast.expr) -> tuple[str | None, ast.expr | None]:
    """`x.f` and `getattr(x, "f")`."""
    match function:
        case ast.Attribute(value=receiver, attr=method):
            return method, receiver
        case ast.Call(args=[receiver, method, *_]) if (
            file.name_of(function.func) == "builtins.getattr"
        ):
            return file.text_of(method), receiver
    return None, None


def _keywords(
    file: SourceFile, keywords: list[ast.keyword] | tuple[()]
) -> tuple[dict[str, ast.expr], bool]:
    """Keywords by name, those of a table that stands in the source among them; whether some are hidden."""
    found: dict[str, ast.expr] = {}
    is_hidden = False
    for keyword in keywords:
        if keyword.arg is not None:
            found[keyword.arg] = keyword.value
            continue
        tables = _tables(file, keyword.value)
        is_hidden = is_hidden or not tables
        for table in tables:
            for key, value in zip(table.keys, table.values, strict=True):
                text = None if key is None else file.text_of(key)
                if text is None:
                    is_hidden = True
                else:
                    found[text] = value
    return found, is_hidden


def _tables(file: SourceFile, node: ast.expr) -> list[ast.Dict]:
    """Dictionaries that an expression may be: itself, what its name is given, or the default of a parameter."""
    if isinstance(node, ast.Dict):
        return [node]
    values = flow_of(file).values(file, node)
    return [each for _, each in values if isinstance(each, ast.Dict)]
