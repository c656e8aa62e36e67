"""Data flow between all files of a candidate: what is given to what, once, for every rule that follows values.

Does not: run anything, or know in which order things happen: a name, a field or a parameter may hold whatever it is given anywhere.
Names are told apart by the function that owns them, fields and functions by what they are called. Invariant: a value that is
handed on in any way that Python has reaches whoever gets it; what nobody can follow is the reader's to judge, not to forget.
"""

import ast
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import TypeVar

from rsi.evals.admission.source.parsed import SourceFile

Key = tuple[object, str]
"""Whose and what: a function's or a module's name; of None a field ".x", an entry "[x]", what a function gives "f()"."""
Given = tuple[SourceFile, ast.expr]
"""An expression, and the file that it stands in."""
FILLERS = frozenset({"add", "append", "appendleft", "extend", "insert", "put", "setdefault", "update"})  # fmt: skip
"""Methods that put their arguments into what they are called on."""
ANY_ENTRY = "[*]"
_Def = ast.FunctionDef | ast.AsyncFunctionDef
Function = _Def | ast.Lambda
Named = TypeVar("Named", ast.FunctionDef | ast.AsyncFunctionDef, ast.ClassDef)


class Entry(ast.Subscript):
    """What stands at one place of rows that are unpacked; it is not in the source."""


class Flow:
    """What every name, field, entry, parameter and function of some files may hold.

    Args:
        files: All Python files of one tree.
    """

    def __init__(self, files: Mapping[str, SourceFile]) -> None:
        self.files = files
        self._scopes: dict[ast.Name, object] = {}

    @cached_property
    def given(self) -> dict[Key, list[Given]]:
        """Every expression that is given to each key."""
        found: dict[Key, list[Given]] = {}
        for file in self.files.values():
            for key, value in self._pairs(file):
                found.setdefault(key, []).append((file, value))
        return found

    @cached_property
    def functions(self) -> Mapping[str, list[_Def]]:
        """Functions and methods by their names."""
        return _by_name(node for node in self._nodes() if isinstance(node, _Def))

    @cached_property
    def classes(self) -> Mapping[str, list[ast.ClassDef]]:
        """Classes by their names."""
        return _by_name(node for node in self._nodes() if isinstance(node, ast.ClassDef))

    def _nodes(self) -> Iterator[ast.AST]:
        return (node for file in self.files.values() for node in file.nodes)

    @cached_property
    def _lambdas(self) -> Mapping[str, list[ast.Lambda]]:
        """Functions without a name of their own by the names that they are given."""
        found: dict[str, list[ast.Lambda]] = {}
        for node in self._nodes():
            match node:
                case ast.Assign(targets=[ast.Name(id=name) | ast.Attribute(attr=name)], value=ast.Lambda() as value):  # fmt: skip
                    found.setdefault(name, []).append(value)
        return found

    @cached_property
    def _stored(self) -> Mapping[ast.AST, frozenset[str]]:
        """Names that each function gives a value, its parameters among them."""
        return {node: _names_stored(node) for node in self._nodes() if isinstance(node, Function)}

    def values(self, file: SourceFile, node: ast.AST) -> Sequence[Given]:
        """What an expression may be, one step back; nothing when it is given nothing that stands in the source."""
        found = [values for key in self.keys(file, node) if (values := self.given.get(key))]
        return found[0] if len(found) == 1 else [each for values in found for each in values]

    def keys(self, file: SourceFile, node: ast.AST) -> Iterator[Key]:
        """Under which keys an expression is kept."""
        match node:
            case ast.Name(id=name):
                yield self.scope(file, node), name
                yield from self._imported(file, node)
            case ast.Attribute(attr=name):
                yield None, f".{name}"
                yield from self._imported(file, node)
            case ast.Subscript(slice=index) if (text := file.text_of(index)) is not None:
                yield None, f"[{text}]"
            case ast.Subscript(value=base):
                yield from ((owner, f"{name}{ANY_ENTRY}") for owner, name in self.keys(file, base))
                yield from self.keys(file, base)  # what was put in by a method
            case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name)):
                yield None, f"{name}()"

    def _imported(self, file: SourceFile, node: ast.AST) -> Iterator[Key]:
        """A name of another file of the tree."""
        for dotted in file.names_of(node):
            module, _, name = dotted.rpartition(".")
            if module.split(".")[0] in file.first_party:
                yield module, name

    def scope(self, file: SourceFile, node: ast.Name) -> object:
        """The function that a name is local to, or the module."""
        if node not in self._scopes:
            inner: ast.AST | None = node
            while inner is not None and node.id not in self._stored.get(inner, ()):
                inner = file.parents.get(inner)
            self._scopes[node] = file.module if inner is None else inner
        return self._scopes[node]

    def _pairs(self, file: SourceFile) -> Iterator[tuple[Key, ast.expr]]:
        for node in file.nodes:
            match node:
                case ast.Assign(targets=targets, value=value):
                    for target in targets:
                        yield from self._to(file, target, value)
                case (
                    ast.AnnAssign(target=target, value=ast.expr() as value)
                    | ast.AugAssign(target=target, value=value)
                    | ast.NamedExpr(target=target, value=value)
                    | ast.For(target=target, iter=value)
                    | ast.AsyncFor(target=target, iter=value)
                    | ast.comprehension(target=target, iter=value)
                    | ast.withitem(context_expr=value, optional_vars=ast.expr() as target)
                ):
                    yield from self._to(file, target, value)
                case ast.Match(subject=subject, cases=cases):
                    for case in cases:
                        yield from self._captured(file, case.pattern, subject)
                case ast.Dict(keys=keys, values=values):
                    for key, value in zip(keys, values, strict=True):
                        if key is not None and (text := file.text_of(key)) is not None:
                            yield (None, f"[{text}]"), value
                case ast.Call():
                    yield from self._called(file, node)
                case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.Lambda():
                    yield from _defaults(node)
                    yield from _decorated(node)
                case ast.Return(value=ast.expr() as value) | ast.Yield(value=ast.expr() as value) | ast.YieldFrom(value=value):  # fmt: skip
                    yield from self._returned(file, node, value)

    def _to(
        self, file: SourceFile, target: ast.expr, value: ast.expr
    ) -> Iterator[tuple[Key, ast.expr]]:
        match target:
            case ast.Name(id=name):
                yield (self.scope(file, target), name), value
                if isinstance(value, ast.Dict):
                    key = (self.scope(file, target), f"{name}{ANY_ENTRY}")
                    yield from ((key, each) for each in value.values)
                if isinstance(_owner(file, target), ast.ClassDef):
                    yield (None, f".{name}"), value
            case ast.Attribute(attr=attribute):
                yield (None, f".{attribute}"), value
            case ast.Subscript(value=base, slice=index):
                if (text := file.text_of(index)) is not None:
                    yield (None, f"[{text}]"), value
                else:
                    yield from ((key, value) for key in self.keys(file, base))
            case ast.Starred(value=inner):
                yield from self._to(file, inner, value)
            case ast.Tuple(elts=parts) | ast.List(elts=parts):
                for part, given in _unpacked(parts, value):
                    yield from self._to(file, part, given)

    def _captured(
        self, file: SourceFile, pattern: ast.pattern, subject: ast.expr
    ) -> Iterator[tuple[Key, ast.expr]]:
        owner: object = file.module
        around: ast.AST | None = pattern
        while around is not None:
            if isinstance(around, Function):
                owner = around
                break
            around = file.parents.get(around)
        for each in ast.walk(pattern):
            match each:
                case ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)) | ast.MatchMapping(rest=str(name)):  # fmt: skip
                    yield (owner, name), subject

    def _called(self, file: SourceFile, node: ast.Call) -> Iterator[tuple[Key, ast.expr]]:
        """What a call gives to parameters, to fields by their names, and to what it fills."""
        for keyword in node.keywords:
            if keyword.arg is not None:
                yield (None, f".{keyword.arg}"), keyword.value
        name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
        for function in (*self.functions.get(name, ()), *self._lambdas.get(name, ())):
            yield from _to_parameters(function, node, isinstance(node.func, ast.Attribute))
        for made in self.classes.get(name, ()):
            starts = [each for each in made.body if isinstance(each, ast.FunctionDef) and each.name == "__init__"]  # fmt: skip
            for start in starts:
                yield from _to_parameters(start, node, True)
            if not starts:
                fields = [each.target.id for each in made.body if isinstance(each, ast.AnnAssign) and isinstance(each.target, ast.Name)]  # fmt: skip
                yield from (((None, f".{field}"), value) for field, value in zip(fields, node.args, strict=False))  # fmt: skip
        for argument in node.args:  # a function that is handed over is given what stands beside it
            handed = [argument] if isinstance(argument, ast.Lambda) else self.functions.get(argument.id, ()) if isinstance(argument, ast.Name) else ()  # fmt: skip
            for function_given in handed:
                for parameter in _parameters(function_given):
                    yield from (((function_given, parameter), other) for other in node.args if other is not argument)  # fmt: skip
        match node.func:
            case ast.Attribute(value=base, attr=method) if method in FILLERS:
                yield from ((key, each) for key in self.keys(file, base) for each in node.args)
            case ast.Attribute(attr="send"):
                yield from (((None, "send()"), each) for each in node.args)
            case ast.Name(id="setattr") if len(node.args) > 2:
                yield (None, f".{file.text_of(node.args[1]) or '?'}"), node.args[2]

    def _returned(
        self, file: SourceFile, node: ast.AST, value: ast.expr
    ) -> Iterator[tuple[Key, ast.expr]]:
        """What a function gives: under its name, as a field where it is a property, as its class where Python calls it."""
        owner = _owner(file, node)
        while owner is not None and not isinstance(owner, _Def):
            owner = _owner(file, owner)
        if owner is None:
            return
        yield (None, f"{owner.name}()"), value
        if owner.decorator_list:
            yield (None, f".{owner.name}"), value
        around = _owner(file, owner)
        if isinstance(around, ast.ClassDef) and owner.name.startswith("__"):
            yield (None, f"{around.name}()"), value


def flow_of(file: SourceFile) -> Flow:
    """The data flow of the tree that a file belongs to, made once."""
    return file.siblings.kept(Flow)


def _by_name(nodes: Iterable[Named]) -> dict[str, list[Named]]:
    found: dict[str, list[Named]] = {}
    for node in nodes:
        found.setdefault(node.name, []).append(node)
    return found


def _names_stored(function: Function) -> frozenset[str]:
    names = {each.arg for each in ast.walk(function.args) if isinstance(each, ast.arg)}
    outer: set[str] = set()
    for node in ast.walk(function):
        match node:
            case ast.Name(id=name, ctx=ast.Store()) | ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)) | ast.MatchMapping(rest=str(name)):  # fmt: skip
                names.add(name)
            case ast.Global(names=given) | ast.Nonlocal(names=given):
                outer.update(given)
    return frozenset(names - outer)


def _owner(file: SourceFile, node: ast.AST) -> ast.AST | None:
    """The function or class that a node stands in."""
    inner = file.parents.get(node)
    while inner is not None and not isinstance(inner, Function | ast.ClassDef):
        inner = file.parents.get(inner)
    return inner


def _unpacked(parts: list[ast.expr], value: ast.expr) -> Iterator[tuple[ast.expr, ast.expr]]:
    """`a, b = x, y` one by one; of `a, b = f()` what stands at their places in whatever f gives."""
    if isinstance(value, ast.Tuple | ast.List) and len(value.elts) == len(parts):
        yield from zip(parts, value.elts, strict=True)
        return
    is_sure = True
    for index, part in enumerate(parts):
        is_sure = is_sure and not isinstance(part, ast.Starred)
        yield part, _entry(value, index) if is_sure else value


def _entry(value: ast.expr, index: int) -> Entry:
    made = Entry(value=value, slice=ast.Constant(value=index), ctx=ast.Load())
    return ast.copy_location(made, value)


def _parameters(function: Function) -> list[str]:
    every = [*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs]
    return [each.arg for each in every]


def _to_parameters(
    function: Function, node: ast.Call, is_bound: bool
) -> Iterator[tuple[Key, ast.expr]]:
    places = [each.arg for each in (*function.args.posonlyargs, *function.args.args)]
    if is_bound and places[:1] in (["self"], ["cls"]):
        places = places[1:]
    rest = function.args.vararg
    for index, value in enumerate(node.args):
        if isinstance(value, ast.Starred):
            yield from (((function, place), value.value) for place in places[index:])
        elif index < len(places):
            yield (function, places[index]), value
        elif rest is not None:
            yield (function, rest.arg), value
    every = _parameters(function)
    for keyword in node.keywords:
        if keyword.arg in every:
            yield (function, keyword.arg), keyword.value
        elif function.args.kwarg is not None:
            yield (function, function.args.kwarg.arg), keyword.value


def _defaults(function: Function) -> Iterator[tuple[Key, ast.expr]]:
    places = [*function.args.posonlyargs, *function.args.args]
    late = places[len(places) - len(function.args.defaults) :]
    for parameter, default in (
        *zip(late, function.args.defaults, strict=True),
        *zip(function.args.kwonlyargs, function.args.kw_defaults, strict=True),
    ):
        if default is not None:
            yield (function, parameter.arg), default


def _decorated(function: Function) -> Iterator[tuple[Key, ast.expr]]:
    """A function is what its decorators make of it."""
    if isinstance(function, _Def):
        yield from (((None, f"{function.name}()"), each) for each in function.decorator_list)
