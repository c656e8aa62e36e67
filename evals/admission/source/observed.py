"""What a program observes of the world around it, followed through all files: the time, its seed, its profile.

Does not: run anything, or judge; `conditions.py` does. Where values go says `flow.py`. Invariant: what is done to a value that
says something about the world says it too, unless a function of the candidate's own gives something else.
"""

import ast
import re
from collections.abc import Iterable, Mapping, Sequence
from enum import Enum

from rsi.evals.admission.source.around import (
    COMPILERS,
    FACTS_OF_PROCESSOR,
    FILE_FACTS,
    FILE_QUESTIONS,
    is_around,
)
from rsi.evals.admission.source.flow import Entry, Given, Key, flow_of
from rsi.evals.admission.source.parsed import SourceFile


class Fact(Enum):
    """Kinds of what is observed."""

    MOMENT = "moment"
    """What a clock says; the difference of two is a duration and none."""
    DURATION = "duration"
    """How long something took."""
    SEED = "seed"
    PROFILE = "profile"
    SPENT = "spent"
    """What a run has cost so far."""
    WHERE = "where"
    """The folder that it runs in."""
    CHANCE = "chance"
    """What differs from process to process: hashes of texts, addresses, names of temporary files."""
    LISTING = "listing"
    """What a folder holds."""
    SUMMARY = "summary"
    """A number or a name that is made of the whole of a text that was given: its length, a digest, its most frequent letter."""
    AROUND = "around"
    """What is around the run: the process, the machine, its files, the state of a generator."""


CLOCKS = re.compile(
    r"^(time\.(time|localtime|gmtime|ctime|asctime|strftime|monotonic|perf_counter|clock_gettime|time_ns|monotonic_ns|"
    r"perf_counter_ns|clock_gettime_ns)|datetime\.(datetime|date)\.(now|today|utcnow|fromtimestamp)|"
    r"email\.utils\.(localtime|formatdate)|calendar\.timegm|pandas\.(Timestamp|Period)\.(now|today|utcnow)|"
    r"logging\.(makeLogRecord|LogRecord))$"
)
"""Functions that say when it is. Those that start with the process, such as `time.process_time`, say how long it ran."""
METERED = re.compile(
    r"^(timeit\.(timeit|repeat|default_timer|Timer)|torch\.utils\.benchmark\.\w+|torch\.(autograd\.)?profiler\.\w+)"
)
"""Functions that say how long something took."""
_CLOCK_MODULES = frozenset({"time", "datetime"})
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
TEXT_NAME = re.compile(r"^(train|training|validation|public|given|raw|whole)?_?(text|corpus|stream)$", re.IGNORECASE)  # fmt: skip
"""What a text that was given is called."""
SUMMARISERS = re.compile(r"^(builtins\.(len|sum|max|min|hash)|collections\.Counter|hashlib\.\w+|zlib\.(crc32|adler32)|binascii\.crc32)$")  # fmt: skip
SUMMARIES = frozenset({"count", "find", "index", "rfind", "rindex"})
"""What makes one number of a text."""
KEEPING = frozenset({"abs", "all", "any", "ascii", "bool", "bytes", "bytearray", "chr", "divmod", "enumerate", "float", "format", "hash", "int", "len", "list", "iter", "map", "max", "min", "next", "ord", "pow", "reversed", "repr", "round", "set", "sorted", "str", "sum", "tuple", "zip"})  # fmt: skip
"""Built-ins whose result says what their arguments say."""
TEXT_QUESTIONS = frozenset({"startswith", "endswith", "find", "index", "count", "is_relative_to", "match"})  # fmt: skip
PARTS_OF_TEXT = frozenset({"capitalize", "casefold", "encode", "isalpha", "join", "lower", "lstrip", "rstrip", "partition", "removeprefix", "replace", "rsplit", "split", "strip", "swapcase", "title", "translate", "upper"}) | TEXT_QUESTIONS  # fmt: skip
"""What is asked of a text to tell it from another."""
LISTERS = frozenset({"os.listdir", "os.scandir", "os.walk", "glob.glob", "glob.iglob"})
LISTING_METHODS = frozenset({"iterdir", "rglob"})
MAKERS = frozenset({"tempfile.mkdtemp", "tempfile.mkstemp", "tempfile.NamedTemporaryFile", "tempfile.TemporaryDirectory", "tempfile.mktemp"})  # fmt: skip
ORDERERS = frozenset({"builtins.enumerate", "builtins.iter", "builtins.list", "builtins.next", "builtins.tuple"})  # fmt: skip
"""Built-ins that give what is in a set in the order of its hashes."""
MAX_ROUNDS = 12
"""Steps that a fact is followed from name to name."""

Facts = frozenset[Fact]
NOTHING: Facts = frozenset()
_OF_CALLS = frozenset(
    {Fact.WHERE, Fact.SPENT, Fact.MOMENT, Fact.AROUND, Fact.DURATION, Fact.SUMMARY}
)
"""Facts that whatever is made of what has them has too."""
_OF_PARTS = _OF_CALLS | {Fact.CHANCE}
"""Facts that a part of what has them has too."""


class Observed:
    """Facts of all files of a tree.

    Args:
        files: All Python files of one tree.
    """

    def __init__(self, files: Mapping[str, SourceFile]) -> None:
        first = next(iter(files.values()))
        self.flow = flow_of(first)
        self._held: dict[Key, Facts] = {}
        for _ in range(MAX_ROUNDS):
            fresh = False
            for key, values in self.flow.given.items():
                held = self._held.get(key, NOTHING)
                more = held.union(*(self.of(file, value) for file, value in values))
                if more != held:
                    self._held[key] = more
                    fresh = True
            if not fresh:
                return

    def of(self, file: SourceFile, node: ast.AST) -> Facts:
        """What an expression says."""
        match node:
            case ast.Constant():
                return NOTHING
            case ast.Lambda(body=body):
                return self.of(file, body) & _OF_CALLS
            case ast.Dict(keys=keys, values=values):
                # Entries are kept by their names, where they have one.
                unnamed = [v for k, v in zip(keys, values, strict=True) if k is None or file.text_of(k) is None]  # fmt: skip
                return _union(self.of(file, each) for each in unnamed) & _OF_PARTS
            case ast.Name(id=name):
                named = NOTHING if name in self.flow.functions else _by_name(name)
                return named | self._of_reference(file, node) | self._kept(file, node)
            case ast.Attribute(value=value, attr=attribute):
                own = _by_name(attribute) | self._of_reference(file, node) | self._kept(file, node)
                if _is_recorded_moment(file, node):
                    own |= {Fact.MOMENT}
                whole = self.of(file, value)
                if attribute in FILE_FACTS or (Fact.WHERE in whole and attribute in FOLDER_PARTS):
                    own |= {Fact.AROUND}
                return own | (whole & _OF_PARTS)
            case Entry(value=value, slice=ast.Constant(value=int(index))) if (rows := self._rows(file, value)):  # fmt: skip
                return _union(self._of_entry(*row, index) for row in rows)
            case ast.Subscript(value=value, slice=key):
                fact = VARIABLES.get(file.text_of(key) or "")
                named = frozenset({fact} if fact else ())
                return named | self._kept(file, node) | self.of(file, value)
            case ast.Call():
                return self._of_call(file, node)
            case ast.ListComp(elt=each) | ast.SetComp(elt=each) | ast.GeneratorExp(elt=each):
                return self.of(file, each)
            case ast.Compare():
                return NOTHING  # the comparison is judged where it stands
            case ast.BinOp(left=left, op=ast.Sub(), right=right):
                return self._of_difference(file, left, right)
            case ast.IfExp(body=body, orelse=other):
                return self.of(file, body) | self.of(file, other)
        return _union(self.of(file, each) for each in ast.iter_child_nodes(node))

    def _kept(self, file: SourceFile, node: ast.AST) -> Facts:
        return _union(self._held.get(key, NOTHING) for key in self.flow.keys(file, node))

    def _rows(self, file: SourceFile, node: ast.expr) -> Sequence[Given]:
        """What a table of rows may hold; nothing when it holds no rows."""
        values = self.flow.values(file, node)
        return values if any(isinstance(each, ast.Tuple) for _, each in values) else []

    def _of_entry(self, file: SourceFile, row: ast.expr, index: int) -> Facts:
        match row:
            case ast.Tuple(elts=parts) if -len(parts) <= index < len(parts) and not any(isinstance(each, ast.Starred) for each in parts):  # fmt: skip
                return self.of(file, parts[index])
        return self.of(file, row)

    def _of_reference(self, file: SourceFile, node: ast.AST) -> Facts:
        """Of a function that says something when somebody calls it, wherever it is handed on."""
        found = NOTHING
        for name in file.names_of(node):
            if CLOCKS.match(name):
                found |= {Fact.MOMENT}
            elif is_around(name):
                found |= {Fact.AROUND}
            elif METERED.match(name):
                found |= {Fact.DURATION}
            elif name in METERS:
                found |= {Fact.SPENT}
        return found

    def _of_difference(self, file: SourceFile, left: ast.expr, right: ast.expr) -> Facts:
        """Of two moments, or of a moment and what is no constant, a duration."""
        first, second = self.of(file, left), self.of(file, right)
        if Fact.MOMENT not in first or isinstance(right, ast.Constant):
            return first | second
        return (first | second) - {Fact.MOMENT} | {Fact.DURATION}

    def _of_call(self, file: SourceFile, node: ast.Call) -> Facts:
        for name in file.names_of(node.func):
            if (found := self._of_known(file, name, node)) is not None:
                return found
        method = node.func.attr if isinstance(node.func, ast.Attribute) else ""
        texts = [file.text_of(each) for each in node.args[:1]]
        fact = VARIABLES.get(texts[0] or "") if texts else None
        if fact and method in {"get", "getenv"}:
            return frozenset({fact})
        if method in LISTING_METHODS:
            return frozenset({Fact.LISTING})
        if method in FILE_QUESTIONS and not node.args and _may_be_file(file, node.func):
            return frozenset({Fact.AROUND})
        if method == "formatTime":
            return frozenset({Fact.MOMENT})
        if (
            method in SUMMARIES
            and isinstance(node.func, ast.Attribute)
            and _is_text(node.func.value)
        ):
            return frozenset({Fact.SUMMARY})
        returned = self._kept(file, node)
        if self._is_own(node.func):
            return returned
        given = [*node.args, *(each.value for each in node.keywords)]
        passed = _union(self.of(file, each) for each in given) & _OF_CALLS
        match node.func:
            case ast.Attribute(value=receiver):
                kept = frozenset(Fact) if method in PARTS_OF_TEXT else _OF_CALLS
                return returned | passed | (self.of(file, receiver) & kept) | (self.of(file, node.func) & _OF_CALLS)  # fmt: skip
        return returned | passed | (self.of(file, node.func) & _OF_CALLS)

    def _of_known(self, file: SourceFile, name: str, node: ast.Call) -> Facts | None:
        """Of a call of what is imported or built in; None when its name says nothing."""
        if _is_clock(file, name, node):
            return frozenset({Fact.MOMENT})
        if METERED.match(name):
            return frozenset({Fact.DURATION})
        if name in METERS:
            return frozenset({Fact.SPENT})
        if name in _WORKING or (name in _PATHS and not node.args):
            return frozenset({Fact.WHERE})
        if SUMMARISERS.match(name) and any(map(_is_text, node.args)):
            return frozenset({Fact.SUMMARY})
        if name in LISTERS:
            return frozenset({Fact.LISTING})
        if name in MAKERS:
            return frozenset({Fact.CHANCE})
        if name in _READERS and node.args and (file.text_of(node.args[0]) or "") in FACTS_OF_PROCESSOR:  # fmt: skip
            return frozenset({Fact.AROUND})
        if is_around(name):
            text = file.text_of(node.args[0]) if node.args else None
            is_compiler = name == "shutil.which" and text in COMPILERS
            return NOTHING if is_compiler else frozenset({Fact.AROUND})
        if _is_order_of_hashes(name, node):
            return frozenset({Fact.CHANCE})
        if name == "builtins.getattr" and node.args and len(node.args) > 1:
            is_told = file.text_of(node.args[1]) is not None
            if not is_told and set(file.names_of(node.args[0])) & _CLOCK_MODULES:
                return frozenset({Fact.MOMENT})
        if name.removeprefix("builtins.") in KEEPING:
            is_chance = name in _CHANCE_CALLS and not _is_number(node)
            chance = frozenset({Fact.CHANCE}) if is_chance else NOTHING
            return _union(self.of(file, each) for each in node.args) | chance
        return None

    def _is_own(self, function: ast.expr) -> bool:
        """Whether a call leads to functions or classes of the candidate alone."""
        match function:
            case ast.Name(id=name):
                return name in self.flow.functions or name in self.flow.classes
            case ast.Attribute(value=ast.Name(id="self" | "cls"), attr=name):
                return name in self.flow.functions
        return False


METERS = frozenset({"time.process_time", "time.process_time_ns", "time.thread_time", "time.thread_time_ns"})  # fmt: skip
"""Clocks that say what a run has cost so far, which is what it is judged by."""
FOLDER_PARTS = frozenset({"name", "stem", "parts", "parent", "parents"})
_WORKING = frozenset({"os.getcwd", "pathlib.Path.cwd"})
_PATHS = frozenset({"pathlib.Path", "pathlib.PosixPath"})
_READERS = frozenset({"builtins.open", "io.open", "pathlib.Path", "pathlib.PosixPath"})
_CHANCE_CALLS = frozenset({"builtins.hash", "builtins.repr", "builtins.ascii"})


def observed_of(file: SourceFile) -> Observed:
    """What the files of the tree observe that a file belongs to, made once."""
    return file.siblings.kept(Observed)


def _may_be_file(file: SourceFile, function: ast.AST) -> bool:
    names = file.names_of(function)
    return not names or any(each.startswith("sys.") for each in names)


def _is_text(node: ast.AST) -> bool:
    """Whether an expression is a text that was given, or a fixed part of one."""
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return bool(TEXT_NAME.match(name))
        case ast.Subscript(value=inner) | ast.Call(func=ast.Attribute(value=inner)):
            return _is_text(inner)
    return False


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
