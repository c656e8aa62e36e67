"""What a program observes of the world around it, followed through names: the time, its seed, its profile.

Does not: run anything, or judge; `conditions.py` does. A name is followed within the function that owns it, an attribute by its
name, a function by what it returns. Invariant: a name may hold whatever it is given anywhere in its scope.
"""

import ast
import re
from collections.abc import Iterable, Iterator
from enum import Enum

from rsi.evals.admission.source.around import COMPILERS, FILE_FACTS, FILE_QUESTIONS, is_around
from rsi.evals.admission.source.parsed import SourceFile


class Fact(Enum):
    """Kinds of what is observed."""

    MOMENT = "moment"
    """What a clock says; the difference of two is a duration and none."""
    DURATION = "duration"
    """How long something took."""
    SEED = "seed"
    PROFILE = "profile"
    CHANCE = "chance"
    """What differs from process to process: hashes of texts, addresses, names of temporary files."""
    LISTING = "listing"
    """What a folder holds."""
    AROUND = "around"
    """What is around the run: the process, the machine, its files, the state of a generator."""


CLOCKS = re.compile(
    r"^(time\.(time|localtime|gmtime|ctime|asctime|strftime|monotonic|perf_counter|clock_gettime|time_ns|monotonic_ns|"
    r"perf_counter_ns|clock_gettime_ns)|datetime\.(datetime|date)\.(now|today|utcnow|fromtimestamp)|"
    r"email\.utils\.(localtime|formatdate)|calendar\.timegm|pandas\.(Timestamp|Period)\.(now|today|utcnow)|"
    r"logging\.(makeLogRecord|LogRecord))$"
)
"""Functions that say when it is. Those that start with the process, such as `time.process_time`, say how long it ran."""
_READERS_OF_DATES = frozenset({"numpy", "pandas", "polars"})
_NOW = frozenset({"now", "today"})
"""Texts that these libraries read as a moment."""
_RECORD = re.compile(r"^(log_?)?rec(ord)?$")
_RECORDED = frozenset({"created", "asctime", "msecs"})
"""What a record of a log says of when it was made."""
_FORMATTERS = frozenset({"format", "format_map", "formatTime", "join"})
"""Methods whose text says what they are given."""
FILE_TIMES = frozenset({"st_mtime", "st_ctime", "st_atime", "st_mtime_ns", "st_ctime_ns", "st_atime_ns", "st_birthtime"})  # fmt: skip
PROFILE_NAME = re.compile(r"^(profile|rsi_profile|profile_name)$", re.IGNORECASE)
SEED_NAME = re.compile(r"^(?!n_|num_|.*(length|count)).*seed$", re.IGNORECASE)
VARIABLES = {"RSI_SEED": Fact.SEED, "training_seed": Fact.SEED, "RSI_PROFILE": Fact.PROFILE}
"""Keys of the environment and of settings that name a fact."""
KEEPING = frozenset({"abs", "all", "any", "ascii", "bool", "bytes", "bytearray", "chr", "divmod", "enumerate", "float", "format", "hash", "int", "len", "list", "iter", "map", "max", "min", "next", "ord", "pow", "reversed", "repr", "round", "set", "sorted", "str", "sum", "tuple", "zip"})  # fmt: skip
"""Built-ins whose result says what their arguments say."""
TEXT_QUESTIONS = frozenset({"startswith", "endswith", "find", "index", "count", "is_relative_to", "match"})  # fmt: skip
PARTS_OF_TEXT = frozenset({"capitalize", "casefold", "encode", "isalpha", "join", "lower", "partition", "removeprefix", "replace", "rsplit", "split", "strip", "swapcase", "title", "translate", "upper"}) | TEXT_QUESTIONS  # fmt: skip
"""What is asked of a text to tell it from another."""
LISTERS = frozenset({"os.listdir", "os.scandir", "os.walk", "glob.glob", "glob.iglob"})
LISTING_METHODS = frozenset({"iterdir", "rglob"})
MAKERS = frozenset({"tempfile.mkdtemp", "tempfile.mkstemp", "tempfile.NamedTemporaryFile", "tempfile.TemporaryDirectory", "tempfile.mktemp"})  # fmt: skip
ORDERERS = frozenset({"builtins.enumerate", "builtins.iter", "builtins.list", "builtins.next", "builtins.tuple"})  # fmt: skip
"""Built-ins that give what is in a set in the order of its hashes."""
MAX_ROUNDS = 12
"""Steps that a fact is followed from name to name."""

Key = tuple[ast.AST | None, str]
Facts = frozenset[Fact]
NOTHING: Facts = frozenset()
_OF_PARTS = frozenset({Fact.MOMENT, Fact.CHANCE, Fact.AROUND})
"""Facts that a part of what has them has too."""
_OF_CALLS = frozenset({Fact.MOMENT, Fact.AROUND})
"""Facts that whatever is asked of what has them has too."""
_Function = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda


class Observed:
    """Facts of one reading of a file.

    Args:
        file: The file.
    """

    def __init__(self, file: SourceFile) -> None:
        self.file = file
        self._held: dict[Key, Facts] = {}
        self._scopes: dict[ast.Name, ast.AST | None] = {}
        self._stored = file.kept(_names_stored)
        pairs = list(self._pairs())
        for _ in range(MAX_ROUNDS):
            fresh = False
            for key, value in pairs:
                more = self.of(value) - self._held.get(key, NOTHING)
                if more:
                    self._held[key] = self._held.get(key, NOTHING) | more
                    fresh = True
            if not fresh:
                return

    def of(self, node: ast.AST) -> Facts:
        """What an expression says."""
        match node:
            case ast.Constant() | ast.Lambda() | ast.Dict():
                return NOTHING
            case ast.Name(id=name):
                named = NOTHING if self._is_function(name) else _by_name(name)
                return named | self._held.get((self._scope(node), name), NOTHING)
            case ast.Attribute(value=value, attr=attribute):
                own = _by_name(attribute) | self._held.get((None, f".{attribute}"), NOTHING)
                if _is_recorded_moment(self.file, node):
                    own |= {Fact.MOMENT}
                if attribute in FILE_FACTS or is_around(self.file.name_of(node) or ""):
                    own |= {Fact.AROUND}
                return own | (self.of(value) & _OF_PARTS)
            case ast.Subscript(value=value, slice=key):
                text = self.file.text_of(key)
                fact = VARIABLES.get(text or "")
                kept = NOTHING if text is None else self._held.get((None, f"[{text}]"), NOTHING)
                return frozenset({fact} if fact else ()) | kept | self.of(value)
            case ast.Call():
                return self._of_call(node)
            case ast.Compare():
                return NOTHING  # the comparison is judged where it stands
            case ast.BinOp(left=left, op=ast.Sub(), right=right):
                return self._of_difference(left, right)
            case ast.IfExp(body=body, orelse=other):
                return self.of(body) | self.of(other)
        return _union(map(self.of, ast.iter_child_nodes(node)))

    def _of_difference(self, left: ast.expr, right: ast.expr) -> Facts:
        """Of two moments, or of a moment and what is no constant, a duration."""
        first, second = self.of(left), self.of(right)
        if Fact.MOMENT not in first or isinstance(right, ast.Constant):
            return first | second
        return (first | second) - {Fact.MOMENT} | {Fact.DURATION}

    def _of_call(self, node: ast.Call) -> Facts:
        name = self.file.name_of(node.func)
        if _is_clock(self.file, name or "", node):
            return frozenset({Fact.MOMENT})
        texts = [self.file.text_of(each) for each in node.args[:1]]
        fact = VARIABLES.get(texts[0] or "") if texts else None
        is_lookup = isinstance(node.func, ast.Attribute) and node.func.attr in {"get", "getenv"}
        if fact and is_lookup:
            return frozenset({fact})
        if name in LISTERS or (
            isinstance(node.func, ast.Attribute) and node.func.attr in LISTING_METHODS
        ):
            return frozenset({Fact.LISTING})
        if name in MAKERS:
            return frozenset({Fact.CHANCE})
        if name is not None and is_around(name):
            is_compiler = name == "shutil.which" and texts and texts[0] in COMPILERS
            return NOTHING if is_compiler else frozenset({Fact.AROUND})
        is_asked = (name or "sys.").startswith("sys.") and not node.args
        if is_asked and getattr(node.func, "attr", "") in FILE_QUESTIONS:
            return frozenset({Fact.AROUND})
        if _is_order_of_hashes(name, node):
            return frozenset({Fact.CHANCE})
        if name is not None and name.removeprefix("builtins.") in KEEPING:
            is_chance = name in {
                "builtins.hash",
                "builtins.repr",
                "builtins.ascii",
            } and not _is_number(node)
            return _union(map(self.of, node.args)) | (
                frozenset({Fact.CHANCE}) if is_chance else NOTHING
            )
        match node.func:
            case ast.Attribute(attr="formatTime"):
                return frozenset({Fact.MOMENT})
            case ast.Name(id=own):
                return self._held.get((None, f"{own}()"), NOTHING)
            case ast.Attribute(value=receiver, attr=own):
                returned = self._held.get((None, f"{own}()"), NOTHING)
                passed = frozenset(Fact) if own in PARTS_OF_TEXT else _OF_CALLS
                given = _union(map(self.of, node.args)) if own in _FORMATTERS else NOTHING
                return returned | (self.of(receiver) & passed) | (given & {Fact.MOMENT})
            case ast.Call():  # what `partial` or a decorator made of it
                return self.of(node.func)
        return NOTHING

    def _is_function(self, name: str) -> bool:
        return name in self.file.module_bindings and (None, f"{name}()") in self._held

    def _scope(self, node: ast.Name) -> ast.AST | None:
        """The function that a name is local to; None for the module's own."""
        if node not in self._scopes:
            inner: ast.AST | None = node
            while inner is not None and node.id not in self._stored.get(inner, ()):
                inner = self.file.parents.get(inner)
            self._scopes[node] = inner
        return self._scopes[node]

    def _pairs(self) -> Iterator[tuple[Key, ast.expr]]:
        """What is given to what, in the whole file."""
        for node in self.file.nodes:
            match node:
                case ast.Assign(targets=targets, value=value):
                    for target in targets:
                        yield from self._targets(target, value)
                case (
                    ast.AnnAssign(target=target, value=ast.expr() as value)
                    | ast.AugAssign(target=target, value=value)
                    | ast.NamedExpr(target=target, value=value)
                    | ast.For(target=target, iter=value)
                    | ast.comprehension(target=target, iter=value)
                ):
                    yield from self._targets(target, value)
                case ast.withitem(context_expr=value, optional_vars=ast.expr() as target):
                    yield from self._targets(target, value)
                case ast.Dict(keys=keys, values=values):
                    for key, value in zip(keys, values, strict=True):
                        if key is not None and (text := self.file.text_of(key)) is not None:
                            yield (None, f"[{text}]"), value
                case ast.Call():
                    yield from self._given(node)
                case ast.Return(value=ast.expr() as value) | ast.Yield(value=ast.expr() as value):
                    if (around := self._function_around(node)) is not None:
                        yield (None, f"{around}()"), value

    def _targets(self, target: ast.expr, value: ast.expr) -> Iterator[tuple[Key, ast.expr]]:
        match target:
            case ast.Name(id=name):
                yield (self._scope(target), name), value
            case ast.Attribute(attr=attribute):
                yield (None, f".{attribute}"), value
            case ast.Tuple(elts=parts) | ast.List(elts=parts):
                same = isinstance(value, ast.Tuple | ast.List) and len(value.elts) == len(parts)
                values = value.elts if same else [value] * len(parts)  # type: ignore[attr-defined]  # `same` says so
                for part, given in zip(parts, values, strict=True):
                    yield from self._targets(part, given)

    def _given(self, node: ast.Call) -> Iterator[tuple[Key, ast.expr]]:
        """What a call gives to the parameters of the file's own functions, and to fields by their names."""
        for keyword in node.keywords:
            if keyword.arg is not None:
                yield (None, f".{keyword.arg}"), keyword.value
        name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
        for function in self.file.kept(_functions).get(name, ()):
            places = [each.arg for each in (*function.args.posonlyargs, *function.args.args)]
            if isinstance(node.func, ast.Attribute) and places[:1] in (["self"], ["cls"]):
                places = places[1:]
            for place, value in zip(places, node.args, strict=False):
                yield (function, place), value
            for keyword in node.keywords:
                if keyword.arg in places:
                    yield (function, keyword.arg), keyword.value

    def _function_around(self, node: ast.AST) -> str | None:
        inner: ast.AST | None = node
        while inner is not None and not isinstance(inner, ast.FunctionDef | ast.AsyncFunctionDef):
            inner = self.file.parents.get(inner)
        return inner.name if inner is not None else None


def _functions(file: SourceFile) -> dict[str, list[ast.FunctionDef | ast.AsyncFunctionDef]]:
    """Functions of a file by their names."""
    found: dict[str, list[ast.FunctionDef | ast.AsyncFunctionDef]] = {}
    for node in file.nodes:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            found.setdefault(node.name, []).append(node)
    return found


def _names_stored(file: SourceFile) -> dict[ast.AST, frozenset[str]]:
    """Names that each function gives a value, parameters among them."""
    found: dict[ast.AST, frozenset[str]] = {}
    for function in file.nodes:
        if not isinstance(function, _Function):
            continue
        names = {each.arg for each in ast.walk(function.args) if isinstance(each, ast.arg)}
        outer: set[str] = set()
        for node in ast.walk(function):
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                names.add(node.id)
            elif isinstance(node, ast.Global | ast.Nonlocal):
                outer.update(node.names)
        found[function] = frozenset(names - outer)
    return found


def _is_number(node: ast.Call) -> bool:
    """Whether a call is given a number or several, whose hash is the same in every process."""
    given = node.args[0] if node.args else None
    return isinstance(given, ast.Tuple | ast.BinOp) or (
        isinstance(given, ast.Constant) and not isinstance(given.value, str | bytes)
    )


def _is_order_of_hashes(name: str | None, node: ast.Call) -> bool:
    """Whether a call gives texts in the order of their hashes, which differ from process to process."""
    if name not in ORDERERS or not node.args or not isinstance(node.args[0], ast.Set):
        return False
    elements = node.args[0].elts
    return any(isinstance(e, ast.Constant) and isinstance(e.value, str | bytes) for e in elements)


def _by_name(name: str) -> Facts:
    """Facts that are called by their names wherever they are handed on."""
    if SEED_NAME.match(name):
        return frozenset({Fact.SEED})
    return frozenset({Fact.PROFILE}) if PROFILE_NAME.match(name) else NOTHING


def _union(facts: Iterable[Facts]) -> Facts:
    return frozenset().union(*facts)


def _is_clock(file: SourceFile, name: str, node: ast.Call) -> bool:
    """Whether a call says when it is, by its name or because it reads "now" as a date."""
    if CLOCKS.match(name):
        return True
    if name.split(".")[0] not in _READERS_OF_DATES or not node.args:
        return False
    first = node.args[0]
    parts = first.elts if isinstance(first, ast.List | ast.Tuple) else [first]
    return any((file.text_of(each) or "").lower() in _NOW for each in parts)


def _is_recorded_moment(file: SourceFile, node: ast.Attribute) -> bool:
    """`record.created` of a log, and the wall time that `os.times` gives beside the processor's."""
    match node:
        case ast.Attribute(value=ast.Name(id=name), attr=attribute) if _RECORD.match(name):
            return attribute in _RECORDED
        case ast.Attribute(value=ast.Call(func=function), attr="elapsed"):
            return file.name_of(function) == "os.times"
    return False


def _is_source(file: SourceFile, node: ast.Call) -> bool:
    name = file.name_of(node.func) or ""
    is_lister = isinstance(node.func, ast.Attribute) and node.func.attr in LISTING_METHODS
    is_named = name in LISTERS | MAKERS | {"builtins.hash", "builtins.repr", "builtins.ascii"}
    is_asked = isinstance(node.func, ast.Attribute) and node.func.attr in {"formatTime", *FILE_QUESTIONS}  # fmt: skip
    return _is_clock(file, name, node) or is_lister or is_named or is_asked or _is_order_of_hashes(name, node) or is_around(name)  # fmt: skip


def _says(file: SourceFile, node: ast.Attribute) -> bool:
    is_fact = node.attr in FILE_FACTS or is_around(file.name_of(node) or "")
    return is_fact or bool(_by_name(node.attr)) or _is_recorded_moment(file, node)


def observes(file: SourceFile) -> bool:
    """Whether a file has anything to follow, which most have not."""
    return any(
        (isinstance(node, ast.Name) and bool(_by_name(node.id)))
        or (isinstance(node, ast.Attribute) and _says(file, node))
        or (isinstance(node, ast.Constant) and node.value in VARIABLES)
        or (isinstance(node, ast.Call) and _is_source(file, node))
        for node in file.nodes
    )
