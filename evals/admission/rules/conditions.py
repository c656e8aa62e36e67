"""Another way on another day, machine, process or size: what a program asks before it decides.

Does not: mind durations, budgets, thread counts or what a processor can do. Invariant: a question is judged by what is asked and
by what depends on the answer, not by the function that asks.
"""

import ast
import re
from collections.abc import Iterator

from rsi.evals.admission.source.parsed import SourceFile
from rsi.evals.admission.source.places import Place, place_of
from rsi.evals.types import Finding, Severity

CLOCKS = re.compile(
    r"^(time\.(time|time_ns|localtime|gmtime|ctime|asctime|strftime|monotonic|monotonic_ns|clock_gettime|clock_gettime_ns)|"
    r"datetime\.(datetime|date)\.(now|today|utcnow|fromtimestamp)|email\.utils\.(localtime|formatdate)|calendar\.timegm)$"
)
"""Functions that say when it is. Those that start with the process, such as `time.process_time`, say how long it ran."""
FILE_TIMES = frozenset({"st_mtime", "st_ctime", "st_atime", "st_mtime_ns", "st_ctime_ns", "st_atime_ns", "st_birthtime"})  # fmt: skip
MACHINE = frozenset({"os.cpu_count", "os.sched_getaffinity", "os.process_cpu_count", "multiprocessing.cpu_count"})  # fmt: skip
"""What is fine as a number of threads and telling as an equality."""
TEXT_QUESTIONS = frozenset({"startswith", "endswith", "find", "index", "count", "is_relative_to", "match"})  # fmt: skip
FOLDER_PARTS = frozenset({"name", "stem", "parts", "parent", "parents"})
CUTTING = (ast.Mod, ast.BitAnd, ast.RShift, ast.FloorDiv, ast.BitXor)
"""Operators that make few values of many."""
PROFILE_NAME = re.compile(r"^(profile|rsi_profile|profile_name)$", re.IGNORECASE)
SEED_NAME = re.compile(r"^(?!n_|num_).*seed$", re.IGNORECASE)


def check(file: SourceFile) -> Iterator[Finding]:
    """Report decisions that depend on when, where or for whom a program runs."""
    told = _told_the_time(file)
    for node in file.nodes:
        for test in _tests(node):
            yield from _decided(file, test, told)
        match node:
            case ast.BinOp(op=operator, left=left) if isinstance(operator, CUTTING):
                if _is_identity(file, left):
                    message = "a coin by where an object lies in memory"
                    yield file.finding("environment_probe", Severity.HOLD, node, message)
            case ast.Compare():
                yield from _compared(file, node)
            case ast.Call(func=ast.Attribute(value=value, attr=question)):
                if question in TEXT_QUESTIONS and _is_where(file, value):
                    yield _where(file, node)


def _tests(node: ast.AST) -> Iterator[ast.expr]:
    """What a statement or expression decides by."""
    match node:
        case (
            ast.If(test=test) | ast.IfExp(test=test) | ast.While(test=test) | ast.Assert(test=test)
        ):
            yield test
        case ast.comprehension(ifs=tests):
            yield from tests
        case ast.Match(subject=subject):
            yield subject
        case ast.BoolOp(values=values):
            yield from values[:-1]
        case ast.Compare():
            yield node


def _decided(file: SourceFile, test: ast.expr, told: frozenset[str]) -> Iterator[Finding]:
    if _tells_the_time(file, test, told):
        message = "decides by what time it is"
        yield file.finding("clock_case", Severity.HOLD, test, message)
    for inner in ast.walk(test):
        match inner:
            case ast.BinOp(op=operator, left=left) if isinstance(operator, CUTTING) and _is_seed(
                file, left
            ):
                yield file.finding("special_case", Severity.HOLD, test, "another path for some seeds")  # fmt: skip
            case ast.Call(func=ast.Attribute(value=value, attr=question)) if (
                question in TEXT_QUESTIONS and _is_seed(file, value)
            ):
                yield file.finding("special_case", Severity.HOLD, test, "another path for some seeds")  # fmt: skip


def _compared(file: SourceFile, node: ast.Compare) -> Iterator[Finding]:
    sides = [node.left, *node.comparators]
    if not isinstance(node.ops[0], ast.Eq | ast.NotEq | ast.In | ast.NotIn | ast.Is):
        return
    constants = [side for side in sides if _is_constant(side)]
    others = [side for side in sides if not _is_constant(side)]
    if not constants:
        return
    for side in others:
        if any(file.name_of(each) in MACHINE for each in ast.walk(side)):
            message = "another path for one number of cores"
            yield file.finding("environment_probe", Severity.HOLD, node, message)
        elif _is_where(file, side):
            yield _where(file, node)
        elif _is_profile(file, side):
            message = "another path for one profile; what differs belongs into a table of settings"
            yield file.finding("special_case", Severity.HOLD, node, message)


def _where(file: SourceFile, node: ast.AST) -> Finding:
    message = "decides by the folder that it runs in"
    return file.finding("environment_probe", Severity.HOLD, node, message)


def _is_where(file: SourceFile, node: ast.AST) -> bool:
    """Whether an expression is the working folder, the folder of the exchange, or a part of its name."""
    while isinstance(node, ast.Attribute) and node.attr in FOLDER_PARTS:
        node = node.value
    if isinstance(node, ast.Call) and file.name_of(node.func) == "builtins.str" and node.args:
        node = node.args[0]
    if file.name_of(node) in {"sys.argv", "sys.executable"} or _is_constant(node):
        return False
    if isinstance(node, ast.Call) and file.name_of(node.func) in {"os.getcwd", "pathlib.Path.cwd"}:
        return True
    return place_of(file, node) is Place.GIVEN and _is_folder_itself(file, node)


def _is_folder_itself(file: SourceFile, node: ast.AST, seen: frozenset[str] = frozenset()) -> bool:
    """`$RSI_IO` without anything below it."""
    match node:
        case ast.Name(id=name) if name not in seen:
            values = file.assignments.get(name, [])[:1]
            return any(_is_folder_itself(file, value, seen | {name}) for value in values)
        case ast.Call(args=[inner]):
            return _is_folder_itself(file, inner, seen)
        case ast.Call(func=ast.Attribute(value=inner)) if not isinstance(inner, ast.Name):
            return _is_folder_itself(file, inner, seen)
        case ast.Subscript(value=value):
            return file.name_of(value) == "os.environ"
    return False


def _is_constant(node: ast.AST) -> bool:
    match node:
        case ast.Constant():
            return True
        case ast.Tuple(elts=parts) | ast.List(elts=parts) | ast.Set(elts=parts):
            return all(map(_is_constant, parts))
    return False


def _is_profile(file: SourceFile, node: ast.AST) -> bool:
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return bool(PROFILE_NAME.match(name))
        case ast.Subscript(slice=key):
            return (file.text_of(key) or "") in {"RSI_PROFILE", "profile"}
        case ast.Call(args=[key, *_]):
            return file.text_of(key) == "RSI_PROFILE"
    return False


def _is_seed(file: SourceFile, node: ast.AST) -> bool:
    """Whether an expression is made of the run's seed."""
    return any(
        (isinstance(inner, ast.Name) and bool(SEED_NAME.match(inner.id)))
        or (isinstance(inner, ast.Attribute) and bool(SEED_NAME.match(inner.attr)))
        or (isinstance(inner, ast.Constant) and inner.value == "RSI_SEED")
        for inner in ast.walk(node)
    )


def _is_identity(file: SourceFile, node: ast.AST) -> bool:
    return any(
        isinstance(inner, ast.Call) and file.name_of(inner.func) == "builtins.id"
        for inner in ast.walk(node)
    )


# --- what time it is -----------------------------------------------------------------------------------------------------


def _told_the_time(file: SourceFile) -> frozenset[str]:
    """Names that hold a moment: what a clock says, or what was made of it, but no difference of two moments."""
    told: set[str] = set()
    while True:
        fresh = {
            name
            for name, values in file.assignments.items()
            if name not in told
            and any(_holds_a_moment(file, value, frozenset(told)) for value in values)
        }
        if not fresh:
            return frozenset(told)
        told |= fresh


def _holds_a_moment(file: SourceFile, node: ast.AST, told: frozenset[str]) -> bool:
    """Whether an expression has a moment in it that no other moment is taken from."""
    match node:
        case ast.Name(id=name):
            return name in told
        case ast.Attribute(attr=attribute) if attribute in FILE_TIMES:
            return True
        case ast.BinOp(left=left, op=ast.Sub(), right=right) if _holds_a_moment(
            file, left, told
        ) and _holds_a_moment(file, right, told):
            # The age of a file is a date; the time since a moment of this run is a duration.
            return _is_file_time(left) or _is_file_time(right)
        case ast.Call(func=function) if CLOCKS.match(file.name_of(function) or ""):
            return True
        case ast.Lambda() | ast.FunctionDef():
            return False
    return any(_holds_a_moment(file, each, told) for each in ast.iter_child_nodes(node))


def _is_file_time(node: ast.AST) -> bool:
    return any(
        isinstance(each, ast.Attribute) and each.attr in FILE_TIMES for each in ast.walk(node)
    )


def _tells_the_time(file: SourceFile, test: ast.expr, told: frozenset[str]) -> bool:
    """Whether a test asks for the time: a moment compared with what is none, or a moment by itself."""
    match test:
        case ast.BoolOp(values=values):
            return any(_tells_the_time(file, each, told) for each in values)
        case ast.UnaryOp(operand=operand):
            return _tells_the_time(file, operand, told)
        case ast.Compare(left=left, comparators=[right]):
            moments = [_holds_a_moment(file, each, told) for each in (left, right)]
            if all(moments):
                return _is_file_time(left) or _is_file_time(right)
            # Beside a name or an attribute it is a deadline that was kept somewhere.
            other = right if moments[0] else left
            return any(moments) and not _is_kept(file, other)
    return _holds_a_moment(file, test, told)


def _is_kept(file: SourceFile, node: ast.expr) -> bool:
    """Whether an expression is a variable that no constant was given to, such as a deadline."""
    match node:
        case ast.Attribute(value=ast.Name(id="self" | "cls")):
            return True
        case ast.Name(id=name):
            return not any(_is_constant(each) for each in file.assignments.get(name, []))
        case ast.BinOp(left=left, right=right):
            return _is_kept(file, left) or _is_kept(file, right)
    return False
