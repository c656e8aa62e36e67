"""Another way on another day, machine, process or size: what a program asks before it decides.

Does not: mind durations, budgets, thread counts or what a processor can do. Invariant: a question is judged by what is asked and
by what depends on the answer, not by the function that asks.
"""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass

from rsi.evals.admission.source.flow import flow_of
from rsi.evals.admission.source.observed import (
    FILE_TIMES,
    FOLDER_PARTS,
    KEEPING,
    METERS,
    NOTHING,
    PARTS_OF_TEXT,
    TEXT_QUESTIONS,
    Fact,
    Facts,
    Observed,
    observed_of,
)
from rsi.evals.admission.source.parsed import SourceFile
from rsi.evals.admission.source.places import Place, place_of
from rsi.evals.types import Finding, Severity

MACHINE = frozenset({"os.cpu_count", "os.sched_getaffinity", "os.process_cpu_count", "multiprocessing.cpu_count"})  # fmt: skip
"""What is fine as a number of threads and telling as an equality."""
CUTTING = (ast.Mod, ast.BitAnd, ast.RShift, ast.FloorDiv, ast.BitXor)
"""Operators that make few values of many."""
SEED_LIKE = re.compile(r"seed|rng|generator|entropy|key|default|state|a$|x$", re.IGNORECASE)
"""Names of parameters that may be given a seed."""
LOOKUPS = frozenset({"get", "pop", "setdefault", "__getitem__"})
FEWEST = 2
"""Up to here a length says that there is nothing, or hardly anything."""
UNIT = 1000
"""From here on a constant factor of a moment is a change of its unit."""
AGES = frozenset({"os.path.getmtime", "os.path.getctime", "os.path.getatime"})
PROCESSOR = re.compile(r"^(avx|amx|sse|fma|f16c|bf16|neon|asimd|sve|vnni|mmx)\w*$", re.IGNORECASE)
"""What a processor can do, by which programs choose their kernels."""
BY_SEED, BY_TIME = "another path for some seeds", "decides by what time it is"
BY_AROUND = "decides by what is around the run, not by what it was given"
BY_COST = "decides by how much processor time it has used"
BY_TEXT = "recognises one particular text by a number that is made of it"
BY_PROFILE = "another path for one profile; what differs belongs into a table of settings"


def check(file: SourceFile) -> Iterator[Finding]:
    """Report decisions that depend on when, where or for whom a program runs."""
    for node in file.nodes:
        match node:
            case ast.BinOp(op=operator, left=left) if isinstance(operator, CUTTING):
                if _is_identity(file, left):
                    message = "a coin by where an object lies in memory"
                    yield file.finding("environment_probe", Severity.HOLD, node, message)
            case ast.Compare():
                yield from _compared(file, node)
            case ast.Call(func=function, args=[ast.JoinedStr() | ast.Constant(value=str() | bytes())]) if file.name_of(function) == "builtins.hash":  # fmt: skip
                message = "the hash of a text, which is another in every process"
                yield file.finding("environment_probe", Severity.HOLD, node, message)
            case ast.Call(func=ast.Attribute(value=value, attr=question)):
                if question in TEXT_QUESTIONS and _is_where(file, value):
                    yield _where(file, node)
            case ast.Attribute(attr=attribute) if attribute in FILE_TIMES or file.name_of(node) in AGES:  # fmt: skip
                message = "asks how old a file is"
                yield file.finding("clock_case", Severity.HOLD, node, message)
    yield from _observed(file, Seen(file, observed_of(file)))


@dataclass(frozen=True, slots=True)
class Seen:
    """What the expressions of one file say."""

    file: SourceFile
    world: Observed

    def of(self, node: ast.AST) -> Facts:
        return self.world.of(self.file, node)


def _observed(file: SourceFile, observed: Seen) -> Iterator[Finding]:
    for node in file.nodes:
        for test in _tests(node):
            if Fact.SEED in _asked(observed, test):
                yield file.finding("special_case", Severity.HOLD, test, BY_SEED)
            is_around = Fact.AROUND in observed.of(test) or _asks_around(observed, test)
            if is_around and not _is_guard(file, test):
                yield file.finding("environment_probe", Severity.HOLD, test, BY_AROUND)
        if isinstance(node, ast.Compare | ast.Subscript | ast.Call) and _is_told(
            file, observed, node
        ):
            yield file.finding("special_case", Severity.HOLD, node, BY_TEXT)
        if isinstance(node, ast.Call | ast.BinOp) and _counts_by_duration(file, observed, node):
            message = "does as much as this machine has time for"
            yield file.finding("clock_case", Severity.HOLD, node, message)
        if _cuts_chance(file, observed, node):
            message = "a number of what is another in every process"
            yield file.finding("environment_probe", Severity.HOLD, node, message)
        if isinstance(node, ast.Compare):
            yield from _by_chance(file, observed, node)
            sides = [node.left, *node.comparators]
            if any(map(_is_constant, sides)) and any(
                Fact.SPENT in observed.of(each) for each in sides
            ):
                yield file.finding("clock_case", Severity.HOLD, node, BY_COST)
            if _chooses_by_duration(file, observed, node):
                message = "chooses by how long something took"
                yield file.finding("clock_case", Severity.HOLD, node, message)
        if (
            isinstance(node, ast.Call)
            and file.name_of(node.func) in {"builtins.int", "builtins.ord"}
            and any(Fact.CHANCE in observed.of(each) for each in node.args)
        ):
            message = "a number of what is another in every process"
            yield file.finding("environment_probe", Severity.HOLD, node, message)
        if _spends_seed(observed, node):
            message = "the seed as a number that training depends on"
            yield file.finding("special_case", Severity.HOLD, node, message)
        if isinstance(node, ast.expr) and _splits_profile(file, observed, node):
            yield file.finding("special_case", Severity.HOLD, node, BY_PROFILE)
        if (
            isinstance(node, ast.Name | ast.Attribute | ast.Call | ast.Subscript | ast.JoinedStr)
            and not (isinstance(getattr(node, "ctx", None), ast.Store | ast.Del))
            and Fact.MOMENT in observed.of(node)
            and not _is_plain_use(file, observed, node)
        ):
            yield file.finding("clock_case", Severity.HOLD, node, BY_TIME)


def _tests(node: ast.AST) -> Iterator[ast.expr]:
    """What a statement or expression decides by."""
    match node:
        case ast.If(test=test) | ast.IfExp(test=test) | ast.While(test=test):
            yield test
        case ast.comprehension(ifs=tests):
            yield from tests
        case ast.Match(subject=subject):
            yield subject
        case ast.BoolOp(values=values):
            yield from values[:-1]
        case ast.Compare():
            yield node
        case ast.Subscript(slice=key, ctx=ast.Load()):
            yield key
        case ast.Call(func=ast.Attribute(attr=method), args=[key, *_]) if method in LOOKUPS:
            yield key
        case ast.Call(func=ast.Name(id="range" | "getattr"), args=arguments):
            yield from arguments


def _asked(observed: Seen, test: ast.expr) -> Facts:
    """Facts that an expression decides by; whether something is there at all is no decision by it."""
    match test:
        case ast.Compare(left=left, comparators=others):
            sides = [left, *others]
            if any(isinstance(each, ast.Constant) and each.value is None for each in sides):
                return NOTHING
            return NOTHING.union(*(_asked(observed, each) for each in sides))
        case ast.BoolOp(values=values):
            return NOTHING.union(*(_asked(observed, each) for each in values))
        case ast.UnaryOp(operand=operand):
            return _asked(observed, operand)
        case ast.Slice():
            return NOTHING
    return observed.of(test)


def _asks_around(observed: Seen, test: ast.expr) -> bool:
    """Whether a side of a comparison says what is around the run; that something is there at all tells too."""
    match test:
        case ast.Compare(left=ast.Constant(value=str(word)), ops=[ast.In() | ast.NotIn()]) if PROCESSOR.match(word):  # fmt: skip
            return False
        case ast.Compare(left=left, comparators=others):
            return any(Fact.AROUND in observed.of(each) for each in (left, *others))
        case ast.BoolOp(values=values):
            return any(_asks_around(observed, each) for each in values)
        case ast.UnaryOp(operand=operand):
            return _asks_around(observed, operand)
    return False


def _is_told(
    file: SourceFile, observed: Seen, node: ast.Compare | ast.Subscript | ast.Call
) -> bool:
    """Whether a number that is made of a whole text is compared with one of the source, or picks an answer there."""
    match node:
        case ast.Compare(left=left, ops=[ast.Eq() | ast.NotEq() | ast.In()], comparators=[right]) if not _is_guard(file, node):  # fmt: skip
            sides = (left, right)
            rest = isinstance(left, ast.BinOp) and isinstance(left.op, ast.Mod | ast.BitAnd)
            if (
                rest
                and isinstance(modulus := getattr(left, "right", None), ast.Constant)
                and modulus.value in {1, 2}
            ):
                return False  # even or odd
            least = 0 if rest else FEWEST
            numbers = [each.value for side in sides for each in ast.walk(side) if side is not left and isinstance(each, ast.Constant)]  # fmt: skip
            is_fixed = any((type(each) is int and each > least) or (isinstance(each, str | bytes) and each) for each in numbers)  # fmt: skip
            return is_fixed and any(Fact.SUMMARY in observed.of(side) for side in sides)
        case ast.Subscript(value=table, slice=key, ctx=ast.Load()):
            pass
        case ast.Call(func=ast.Attribute(value=table, attr="get" | "pop"), args=[key, *_]):
            pass
        case _:
            return False
    return Fact.SUMMARY in observed.of(key) and any(
        isinstance(each, ast.Dict)
        and all(isinstance(one, ast.Constant) for one in each.keys)
        and len(each.keys) > 1
        for each in (table, *(value for _, value in flow_of(file).values(file, table)))
    )


def _counts_by_duration(file: SourceFile, observed: Seen, node: ast.Call | ast.BinOp) -> bool:
    """Whether how long something took says how often something is done: `range(int(budget / once))`."""
    match node:
        case ast.Call(
            func=ast.Name(id="int" | "round"), args=[ast.BinOp(op=ast.Div(), right=right)]
        ):
            pass
        case ast.BinOp(op=ast.FloorDiv(), right=right):
            pass
        case _:
            return False
    if Fact.DURATION not in observed.of(right):
        return False
    outer: ast.AST | None = node
    while isinstance(outer, ast.expr):
        if isinstance(outer, ast.FormattedValue) or (
            isinstance(outer, ast.Call) and _is_report(outer)
        ):
            return False
        outer = file.parents.get(outer)
    return True


def _is_report(node: ast.Call) -> bool:
    name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
    return name in {"print", "debug", "info", "warning", "write", "format"}


def _cuts_chance(file: SourceFile, observed: Seen, node: ast.AST) -> bool:
    """Whether what differs from process to process is cut to a few values, or asked how it ends."""
    match node:
        case ast.BinOp(left=left, op=operator) if isinstance(operator, CUTTING):
            return Fact.CHANCE in observed.of(left) and file.text_of(left) is None
        case ast.Call(func=ast.Attribute(value=value, attr=question), args=[asked, *_]) if question in TEXT_QUESTIONS:  # fmt: skip
            return Fact.CHANCE in observed.of(value) and not (file.text_of(asked) or "").startswith(
                "."
            )
    return False


def _by_chance(file: SourceFile, observed: Seen, node: ast.Compare) -> Iterator[Finding]:
    """A comparison of chance, or of how many files there are, with what stands in the source."""
    if not any(map(_is_constant, (node.left, *node.comparators))):
        return
    facts = _asked(observed, node)
    if Fact.CHANCE in facts:
        message = "decides by what is another in every process"
        yield file.finding("environment_probe", Severity.HOLD, node, message)
    elif Fact.LISTING in facts and any(
        isinstance(each, ast.Constant) and type(each.value) is int and each.value > 0
        for each in (node.left, *node.comparators)
    ):
        message = "decides by what a folder holds"
        yield file.finding("environment_probe", Severity.HOLD, node, message)


def _chooses_by_duration(file: SourceFile, observed: Seen, node: ast.Compare) -> bool:
    """Whether a time against a number of the source becomes a value: a report that is due and a deadline are none."""
    sides = [node.left, *node.comparators]
    numbers = [each.value for each in sides if isinstance(each, ast.Constant)]
    outer = file.parents.get(node)
    is_kept = isinstance(outer, ast.Assign | ast.AnnAssign | ast.keyword | ast.Return) or (
        isinstance(outer, ast.IfExp) and outer.test is node
    )
    return is_kept and any(numbers) and any(Fact.DURATION in observed.of(each) for each in sides)


def _spends_seed(observed: Seen, node: ast.AST) -> bool:
    """Whether the seed goes where no generator is seeded: into a setting, or into arithmetic with fractions."""
    match node:
        case ast.keyword(arg=str(name), value=value):
            return not SEED_LIKE.search(name) and Fact.SEED in observed.of(value)
        case ast.BinOp(left=left, op=ast.Mult() | ast.Div() | ast.Pow(), right=right):
            sides = (left, right)
            is_fraction = any(isinstance(each, ast.Constant) and isinstance(each.value, float) for each in sides)  # fmt: skip
            return is_fraction and Fact.SEED in observed.of(node)
    return False


def _splits_profile(file: SourceFile, observed: Seen, node: ast.expr) -> bool:
    """Whether an expression tells one profile from another: by comparing its name or looking at a part of it."""
    match node:
        case ast.Compare(left=left, comparators=others):
            is_guard = _is_guard(file, node)
            return not is_guard and Fact.PROFILE in _asked(observed, node) and bool((left, others))
        case ast.Subscript(value=value):
            return Fact.PROFILE in observed.of(value)
        case ast.Call(func=ast.Attribute(value=value, attr=question)) if question in PARTS_OF_TEXT:
            return Fact.PROFILE in observed.of(value)
        case ast.Call(func=ast.Name(id=name), args=arguments) if name in KEEPING - {"str", "repr"}:
            return any(Fact.PROFILE in observed.of(each) for each in arguments)
    return False


def _is_guard(file: SourceFile, node: ast.expr) -> bool:
    """Whether a question only leads to a refusal."""
    outer = file.parents.get(node)
    if isinstance(outer, ast.UnaryOp):
        outer = file.parents.get(outer)
    is_refusal = isinstance(outer, ast.If) and all(isinstance(each, ast.Raise) for each in outer.body)  # fmt: skip
    return is_refusal or isinstance(outer, ast.Assert)


def _is_plain_use(file: SourceFile, observed: Seen, node: ast.expr) -> bool:
    """Whether a moment goes where honest programs put one: a name, a record, a difference, a deadline."""
    parent = file.parents.get(node)
    match parent:
        case ast.Call(func=function):
            lookup = isinstance(function, ast.Attribute) and function.attr in LOOKUPS
            chosen = isinstance(function, ast.Name) and function.id in {"range", "getattr"}
            return function is node or not (lookup or chosen)
        case ast.BinOp():
            return _is_plain_sum(file, observed, parent, node)
        case ast.Compare(left=left, comparators=others):
            sides = [each for each in (left, *others) if each is not node]
            return all(
                Fact.MOMENT in observed.of(each) or _is_kept(file, each) or _is_nothing(each)
                for each in sides
            )
        case ast.IfExp(test=test):
            return test is not node
        case ast.BoolOp() | ast.UnaryOp(op=ast.USub()) | ast.Starred():
            return _is_plain_use(file, observed, parent)
        case ast.Subscript(value=value):
            return value is node
        case ast.Dict(keys=keys):
            return node not in keys
        case ast.comprehension(ifs=tests):
            return node not in tests
    return not isinstance(parent, ast.If | ast.While | ast.Assert | ast.Match | ast.UnaryOp)


def _is_nothing(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


def _is_plain_sum(file: SourceFile, observed: Seen, node: ast.BinOp, moment: ast.expr) -> bool:
    other = node.right if node.left is moment else node.left
    match node.op:
        case ast.Sub() | ast.Add():
            return Fact.MOMENT not in observed.of(node) or _is_plain_use(file, observed, node)
        case ast.Mult() | ast.Div() | ast.FloorDiv() if _is_unit(other):
            return _is_plain_use(file, observed, node)
        case ast.Div():
            return isinstance(
                moment, ast.JoinedStr | ast.Call
            )  # a file that bears the time in its name
        case ast.Mod():
            return other is node.left and file.text_of(other) is not None  # "%s" % now
    return False


def _is_unit(node: ast.expr) -> bool:
    match node:
        case ast.Constant(value=int() | float() as number):
            return abs(number) >= UNIT or 0 < abs(number) <= 1 / UNIT
        case ast.BinOp(left=ast.Constant(value=10), op=ast.Pow()):
            return True
    return False


def _compared(file: SourceFile, node: ast.Compare) -> Iterator[Finding]:
    sides = [node.left, *node.comparators]
    if any(_is_metered(file, side) for side in sides) and any(
        _is_constant(side) or _is_set_by_constant(file, side) for side in sides
    ):
        yield file.finding("clock_case", Severity.HOLD, node, BY_COST)
    if not isinstance(node.ops[0], ast.Eq | ast.NotEq | ast.In | ast.NotIn | ast.Is):
        return
    others = [side for side in sides if not _is_constant(side)]
    if len(others) == len(sides):
        return
    for side in others:
        if any(file.name_of(each) in MACHINE for each in ast.walk(side)):
            message = "another path for one number of cores"
            yield file.finding("environment_probe", Severity.HOLD, node, message)
        elif _is_where(file, side):
            yield _where(file, node)
        elif any(_is_variable(file, each) for each in ast.walk(side)):
            message = "decides by a variable of the environment"
            yield file.finding("environment_probe", Severity.HOLD, node, message)


def _is_metered(file: SourceFile, node: ast.AST) -> bool:
    called = (each.func for each in ast.walk(node) if isinstance(each, ast.Call))
    return any(file.name_of(each) in METERS for each in called)


def _is_set_by_constant(file: SourceFile, node: ast.expr) -> bool:
    """Whether an expression is a limit that is so many seconds from some moment on, and no budget that was given."""
    return isinstance(node, ast.Name) and any(
        isinstance(each, ast.BinOp) and _is_metered(other, each) and _is_constant(each.right)
        for other, each in flow_of(file).values(file, node)
    )


def _is_variable(file: SourceFile, node: ast.AST) -> bool:
    """Whether an expression reads a variable of the environment."""
    match node:
        case ast.Subscript(value=value):
            return file.name_of(value) == "os.environ"
        case ast.Call(func=function):
            return file.name_of(function) in {"os.getenv", "os.environ.get"}
    return False


def _where(file: SourceFile, node: ast.AST) -> Finding:
    message = "decides by the folder that it runs in"
    return file.finding("environment_probe", Severity.HOLD, node, message)


def _is_where(file: SourceFile, node: ast.AST) -> bool:
    """Whether an expression is the working folder, that of the source or of the exchange, or a part of its name."""
    is_part = False
    while isinstance(node, ast.Subscript) or (
        isinstance(node, ast.Attribute) and node.attr in FOLDER_PARTS
    ):
        is_part = is_part or isinstance(node, ast.Attribute)
        node = node.value
    if is_part and any(isinstance(each, ast.Name) and each.id == "__file__" for each in ast.walk(node)):  # fmt: skip
        return True
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


def _is_identity(file: SourceFile, node: ast.AST) -> bool:
    return any(
        isinstance(inner, ast.Call) and file.name_of(inner.func) == "builtins.id"
        for inner in ast.walk(node)
    )


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
