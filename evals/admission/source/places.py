"""Where a path expression leads: the out folder, a fresh temporary folder, the candidate's own source, or elsewhere.

Does not: run anything. Values are followed by `flow.py`, each once; what cannot be told is unknown. Invariant: of several things that an expression may be the worst counts.
"""

import ast
import re
from collections.abc import Iterable
from enum import IntEnum

from rsi.evals.admission.source.flow import Key, flow_of
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
MAX_STEPS = 6
MAX_VALUES = 40
"""Values of one name that are followed; what has more is unknown."""


_Seen = dict[Key, Place]
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
        case ast.Attribute(attr=attribute):
            return _of_attribute(file, node, attribute, seen, depth)
        case ast.Subscript(value=value, slice=key):
            if file.name_of(value) == "os.environ":
                return _of_variable_of_environment(file.text_of(key))
            return _of_entry(file, node, seen, depth)
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


def _of_entry(file: SourceFile, node: ast.Subscript, seen: _Seen, depth: int) -> Place:
    """Of an entry by its name where the source has one, else of what it is taken from."""
    if (text := file.text_of(node.slice)) is not None:
        return _of_given(file, node, f"[{text}]", Place.UNKNOWN, seen, depth)
    return _place(file, node.value, seen, depth + 1)


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
        return _of_given(file, node, f"{node.func.id}()", Place.UNKNOWN, seen, depth)
    return Place.UNKNOWN


def _of_attribute(
    file: SourceFile, node: ast.Attribute, attribute: str, seen: _Seen, depth: int
) -> Place:
    if attribute == "parent" and _is_top(file, node.value, 0):
        return max(Place.GIVEN, _place(file, node.value, seen, depth + 1))
    if attribute in KEEPERS:
        return _place(file, node.value, seen, depth + 1)
    unsaid = Place.OUT if OUT_NAME.match(attribute) else Place.UNKNOWN
    return _of_given(file, node, f".{attribute}", unsaid, seen, depth)


def _is_top(file: SourceFile, node: ast.AST, depth: int) -> bool:
    """Whether an expression is the out folder itself, above which nothing is a run's own, or lies above that."""
    if depth > MAX_STEPS:
        return False
    match node:
        case ast.BinOp(op=ast.Div(), right=right):
            return file.text_of(right) == "out"
        case ast.Call(args=[_, *_, last]) if file.name_of(node.func) in JOINERS:
            return file.text_of(last) == "out"
        case ast.Attribute(value=value, attr="parent"):
            return _is_top(file, value, depth + 1)
        case ast.Name():
            given = flow_of(file).values(file, node)[:MAX_VALUES]
            return any(_is_top(other, each, depth + 1) for other, each in given)
    return False


def _of_variable(file: SourceFile, node: ast.Name, known: str, seen: _Seen, depth: int) -> Place:
    unsaid = Place.OUT if OUT_NAME.match(known) else _handle(known)
    return _of_given(file, node, known, unsaid, seen, depth)


def _of_given(
    file: SourceFile, node: ast.AST, known: str, unsaid: Place, seen: _Seen, depth: int
) -> Place:
    """The worst of what an expression is given anywhere."""
    key = (flow_of(file).scope(file, node) if isinstance(node, ast.Name) else None, known)
    if key in seen:
        return seen[key]
    values = flow_of(file).values(file, node)
    if len(values) > MAX_VALUES:
        return Place.UNKNOWN
    seen[key] = Place.STREAM
    seen[key] = max((_place(*each, seen, depth + 1) for each in values), default=unsaid)
    return seen[key]


def _handle(known: str) -> Place:
    return Place.STREAM if HANDLE_NAME.match(known) else Place.UNKNOWN
