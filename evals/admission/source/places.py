"""Where a path expression leads: the out folder, a fresh temporary folder, the candidate's own source, or elsewhere.

Does not: run anything. Names are followed through assignments, `with`, parameters and the file's own functions, each once;
what cannot be told is unknown. Invariant: of several things that an expression may be the worst counts.
"""

import ast
import re
from collections.abc import Iterable, Iterator, Mapping
from enum import IntEnum

from rsi.evals.admission.source.calls import defaults_of
from rsi.evals.admission.source.parsed import SourceFile


class Place(IntEnum):
    """Where something is written, the best first."""

    STREAM = 0
    """No path: a buffer, an open file, a stream of the process."""
    OUT = 1
    TEMPORARY = 2
    """A folder or file that was made for this run, by `tempfile`."""
    UNKNOWN = 3
    GIVEN = 4
    """`$RSI_IO` but for its out folder."""
    RELATIVE = 5
    """The working folder, which is the candidate's own."""
    ELSEWHERE = 6
    OWN = 7
    """Its own source: `__file__`, the entry, a module."""


FREE = frozenset({Place.STREAM, Place.OUT, Place.TEMPORARY})
"""Where a run may write."""
CODE_SUFFIXES = (".py", ".pth", ".pyc", ".so", ".pyd")
OUT_NAME = re.compile(r"^_?(out|output|outputs)(_?(dir|folder|path|root|file))?$", re.IGNORECASE)
"""Names by which a folder that was handed over says that it is the out folder."""
HANDLE_NAME = re.compile(r"^(f|fp|fh|file|handle|buffer|stream|sink|log|archive)$")
"""Names of what is open already; whoever opened it was looked at."""
MAKERS = frozenset({"tempfile.mkdtemp", "tempfile.mkstemp", "tempfile.TemporaryDirectory", "tempfile.NamedTemporaryFile", "tempfile.TemporaryFile", "tempfile.SpooledTemporaryFile"})  # fmt: skip
"""Functions that make what nobody else has."""
STREAMS = frozenset({"io.BytesIO", "io.StringIO", "sys.stdout", "sys.stderr", "sys.stdout.buffer", "os.devnull", "builtins.open", "io.open", "io.TextIOWrapper"})  # fmt: skip
"""Buffers, and what is open: its opening was looked at."""
OWN = frozenset({"sys.argv", "sys.orig_argv", "inspect.getfile", "inspect.getsourcefile", "inspect.getabsfile", "importlib.resources.files", "importlib.resources.path", "importlib.util.cache_from_source"})  # fmt: skip
"""Names that lead to source."""
WORKING = frozenset({"os.getcwd", "os.curdir", "pathlib.Path.cwd"})
JOINERS = frozenset({"os.path.join", "pathlib.Path", "pathlib.PosixPath", "pathlib.PurePath", "builtins.str", "os.fspath", "os.fsencode", "os.fsdecode", "os.path.abspath", "os.path.realpath", "os.path.normpath", "os.path.dirname", "os.path.expandvars"})  # fmt: skip
"""What keeps the place of its first argument."""
KEEPERS = frozenset({"joinpath", "with_name", "with_suffix", "with_stem", "resolve", "absolute", "as_posix", "parent", "name", "format", "encode", "strip", "rglob", "glob", "iterdir", "walk", "__enter__", "enter_context"})  # fmt: skip
"""Methods and attributes of a path that stay near it."""
MAX_DEPTH = 40
MAX_VALUES = 40
"""Values of one name that are followed; what has more is unknown."""


_Seen = dict[str, Place]
"""What each name was found to be in one question; what is still being followed counts as nothing."""


def place_of(file: SourceFile, node: ast.AST) -> Place:
    """Where an expression leads."""
    return _place(file, node, {}, 0)


def _place(file: SourceFile, node: ast.AST, seen: _Seen, depth: int) -> Place:
    if depth > MAX_DEPTH:
        return Place.UNKNOWN

    def inner(other: ast.AST) -> Place:
        return _place(file, other, seen, depth + 1)

    text = file.text_of(node)
    if text is not None:
        return _of_text(text)
    name = file.name_of(node)
    if name is not None and (found := _of_name(name)) is not None:
        return found
    match node:
        case ast.Constant(value=None):
            return Place.STREAM  # no path yet
        case ast.Name(id="__file__"):
            return Place.OWN
        case ast.Name(id=known):
            return _of_variable(file, node, known, seen, depth)
        case ast.Attribute(value=value, attr=attribute):
            return _of_attribute(file, value, attribute, seen, depth)
        case ast.Subscript(value=value, slice=key):
            if file.name_of(value) == "os.environ":
                return _of_variable_of_environment(file.text_of(key))
            return inner(value)
        case ast.BinOp(left=left, op=ast.Div() | ast.Add() | ast.Mod(), right=right):
            return _joined(file, inner(left), [right])
        case ast.JoinedStr(values=[first, *rest]):
            start = first.value if isinstance(first, ast.FormattedValue) else first
            return _joined(file, inner(start), rest)
        case ast.Call():
            return _of_call(file, node, seen, depth)
        case ast.IfExp(body=body, orelse=other):
            return max(inner(body), inner(other))
        case ast.BoolOp(values=values):
            return max(map(inner, values))
        case ast.NamedExpr(value=value) | ast.Starred(value=value) | ast.Await(value=value):
            return inner(value)
    return Place.UNKNOWN


def _of_text(text: str) -> Place:
    if text.endswith(CODE_SUFFIXES):
        return Place.OWN
    return Place.ELSEWHERE if text.startswith(("/", "~")) else Place.RELATIVE


def _of_name(name: str) -> Place | None:
    """Of a dotted name by itself; None when it says nothing."""
    if name in STREAMS:
        return Place.STREAM
    if name in OWN or name.endswith(".__file__"):
        return Place.OWN
    if name in WORKING:
        return Place.RELATIVE
    if name.startswith(("sysconfig.", "site.", "sys.prefix", "sys.exec_prefix", "sys.path")):
        return Place.ELSEWHERE
    return None


def _of_variable_of_environment(variable: str | None) -> Place:
    if variable == "RSI_IO":
        return Place.GIVEN
    return Place.TEMPORARY if variable == "TMPDIR" else Place.ELSEWHERE


def _joined(file: SourceFile, base: Place, parts: Iterable[ast.AST]) -> Place:
    """A path below a base: the out folder of `$RSI_IO`, or code by its suffix."""
    texts = [file.text_of(part) or "" for part in parts]
    first = next((each.strip("/") for each in texts if each.strip("/")), "")
    last = texts[-1] if texts else ""
    if base is Place.GIVEN and (first == "out" or first.startswith("out/")):
        return Place.OUT
    if base in {Place.RELATIVE, Place.ELSEWHERE} and last.endswith(CODE_SUFFIXES):
        return Place.OWN
    return base


def _of_call(file: SourceFile, node: ast.Call, seen: _Seen, depth: int) -> Place:
    name = file.name_of(node.func)
    if name in MAKERS:
        folder = next((each.value for each in node.keywords if each.arg == "dir"), None)
        return Place.TEMPORARY if folder is None else _place(file, folder, seen, depth + 1)
    if name in {"os.getenv", "os.environ.get"} and node.args:
        return _of_variable_of_environment(file.text_of(node.args[0]))
    if name is not None and (found := _of_name(name)) is not None:
        return found
    if name in JOINERS:
        if not node.args:
            return Place.RELATIVE
        return _joined(file, _place(file, node.args[0], seen, depth + 1), node.args[1:])
    if isinstance(node.func, ast.Attribute) and node.func.attr in KEEPERS:
        return _joined(file, _place(file, node.func.value, seen, depth + 1), node.args)
    if isinstance(node.func, ast.Attribute) and node.func.attr == "open":
        return Place.STREAM
    if isinstance(node.func, ast.Name):
        return _returned(file, node.func.id, seen, depth)
    return Place.UNKNOWN


def _of_attribute(
    file: SourceFile, value: ast.expr, attribute: str, seen: _Seen, depth: int
) -> Place:
    if attribute in KEEPERS:
        return _place(file, value, seen, depth + 1)
    key = f".{attribute}"
    if key in seen:
        return seen[key]
    seen[key] = Place.STREAM
    values = file.kept(_attributes).get(attribute, [])
    found = [_place(file, each, seen, depth + 1) for each in values]
    if attribute in file.kept(_returns):
        found.append(_returned(file, attribute, seen, depth))
    unsaid = Place.OUT if OUT_NAME.match(attribute) else Place.UNKNOWN
    seen[key] = max(found, default=unsaid)
    return seen[key]


def _of_variable(file: SourceFile, node: ast.Name, known: str, seen: _Seen, depth: int) -> Place:
    if known in seen:
        return seen[known]
    seen[known] = Place.STREAM
    values = [*file.kept(bound_values).get(known, []), *defaults_of(file, known)]
    function = parameter_of(file, node)
    if function is not None:
        values = [*defaults_of(file, known), *_given(file, function, known)]
    if len(values) > MAX_VALUES:
        return Place.UNKNOWN
    found = [_place(file, each, seen, depth + 1) for each in values]
    unsaid = Place.OUT if OUT_NAME.match(known) else _handle(known)
    seen[known] = max(found, default=unsaid)
    return seen[known]


def _handle(known: str) -> Place:
    return Place.STREAM if HANDLE_NAME.match(known) else Place.UNKNOWN


def parameter_of(file: SourceFile, node: ast.Name) -> ast.FunctionDef | ast.AsyncFunctionDef | None:
    """The innermost function around a name that has it as a parameter and gives it no other value."""
    inner: ast.AST = node
    while (outer := file.parents.get(inner)) is not None:
        if isinstance(outer, ast.FunctionDef | ast.AsyncFunctionDef):
            parameters, stored = file.kept(_names_of_functions)[outer]
            if node.id in parameters:
                return None if node.id in stored else outer
        inner = outer
    return None


def _names_of_functions(
    file: SourceFile,
) -> dict[ast.AST, tuple[frozenset[str], frozenset[str]]]:
    """Parameters of each function, and the names that it gives a value."""
    return {
        function: (
            frozenset(each.arg for each in ast.walk(function.args) if isinstance(each, ast.arg)),
            frozenset(
                each.id
                for each in ast.walk(function)
                if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Store)
            ),
        )
        for function in file.nodes
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
    }


def _given(
    file: SourceFile, function: ast.FunctionDef | ast.AsyncFunctionDef, known: str
) -> list[ast.expr]:
    """What the file's own calls of a function give for a parameter."""
    places = [each.arg for each in (*function.args.posonlyargs, *function.args.args)]
    found: list[ast.expr] = []
    for call in file.kept(_calls_by_name).get(function.name, []):
        found += [each.value for each in call.keywords if each.arg == known]
        if known in places:
            is_bound = isinstance(call.func, ast.Attribute) and places[0] in {"self", "cls"}
            index = places.index(known) - is_bound
            if 0 <= index < len(call.args):
                found.append(call.args[index])
    return found


def _returned(file: SourceFile, function: str, seen: _Seen, depth: int) -> Place:
    """What a function of the file returns; unknown when it has none of that name."""
    key = f"{function}()"
    if key not in seen:
        seen[key] = Place.STREAM
        values = file.kept(_returns).get(function, [])
        seen[key] = max(
            (_place(file, each, seen, depth + 1) for each in values), default=Place.UNKNOWN
        )
    return seen[key]


def bound_values(file: SourceFile) -> Mapping[str, list[ast.expr]]:
    """Every expression that a plain name is given: by assignment, `with`, `for` or `:=`."""
    found: dict[str, list[ast.expr]] = {}
    for target, value in _pairs(file):
        for each, given in _unpacked(target, value):
            if isinstance(each, ast.Name):
                found.setdefault(each.id, []).append(given)
    return found


def _attributes(file: SourceFile) -> Mapping[str, list[ast.expr]]:
    """Every expression that an attribute is given."""
    found: dict[str, list[ast.expr]] = {}
    for target, value in _pairs(file):
        for each, given in _unpacked(target, value):
            if isinstance(each, ast.Attribute):
                found.setdefault(each.attr, []).append(given)
    for node in file.nodes:  # fields of a dataclass get theirs by name
        if isinstance(node, ast.keyword) and node.arg is not None and node.arg not in found:
            found[node.arg] = [node.value]
    return found


def _pairs(file: SourceFile) -> Iterator[tuple[ast.expr, ast.expr]]:
    for node in file.nodes:
        match node:
            case ast.Assign(targets=targets, value=value):
                yield from ((target, value) for target in targets)
            case (
                ast.AnnAssign(target=target, value=ast.expr() as value)
                | ast.NamedExpr(target=target, value=value)
                | ast.For(target=target, iter=value)
            ):
                yield target, value
            case ast.withitem(context_expr=value, optional_vars=ast.expr() as target):
                yield target, value


def _unpacked(target: ast.expr, value: ast.expr) -> Iterator[tuple[ast.expr, ast.expr]]:
    """`a, b = x, y` one by one; of `a, b = f()` each may be anything that f gives."""
    if not isinstance(target, ast.Tuple | ast.List):
        yield target, value
        return
    values = value.elts if isinstance(value, ast.Tuple | ast.List) else [value] * len(target.elts)
    for each, given in zip(target.elts, values, strict=False):
        yield from _unpacked(each, given)


def _calls_by_name(file: SourceFile) -> Mapping[str, list[ast.Call]]:
    found: dict[str, list[ast.Call]] = {}
    for node in file.nodes:
        match node:
            case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name)):
                found.setdefault(name, []).append(node)
    return found


def _returns(file: SourceFile) -> Mapping[str, list[ast.expr]]:
    """Function name to what its return and yield statements give."""
    found: dict[str, list[ast.expr]] = {}
    for node in file.nodes:
        if not isinstance(node, ast.Return | ast.Yield) or node.value is None:
            continue
        outer: ast.AST | None = node
        while outer is not None and not isinstance(outer, ast.FunctionDef | ast.AsyncFunctionDef):
            outer = file.parents.get(outer)
        if outer is not None:
            found.setdefault(outer.name, []).append(node.value)
    return found
