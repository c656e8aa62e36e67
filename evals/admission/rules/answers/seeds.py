"""Seeds that are fished for, fixed, or answered by heart.

Does not: mind generators for each epoch or worker that come from the run's own seed.
"""

import ast
import re
from collections.abc import Iterator

from rsi.evals.admission.source.flow import flow_of
from rsi.evals.admission.source.parsed import SourceFile
from rsi.evals.types import Finding, Severity

SEEDERS = re.compile(
    r"(^|\.)(manual_seed|manual_seed_all|seed|seed_everything|default_rng|RandomState|PCG64|Philox|"
    r"PRNGKey|Random|initial_seed|SeedSequence)$"
)
SEED_NAME = re.compile(r"seed", re.IGNORECASE)
THE_SEED = re.compile(
    r"^(rng|random|base|torch|np|numpy|train|training|global|lucky|best|my|rsi)?_?seed$",
    re.IGNORECASE,
)
"""Names that mean the run's seed, unlike `n_seeds` or `seed_length`."""
SCORE_NAME = re.compile(r"(best|lowest|highest|winner|top|min_loss|max_acc|record)", re.IGNORECASE)
ENTROPY = re.compile(
    r"^(time\.|os\.(urandom|getrandom|getpid|times)|secrets\.|uuid\.|builtins\.(id|hash)$|datetime\.|threading\.get_(ident|native_id)|random\.SystemRandom)"
)
"""Where chance comes from that nobody can repeat."""
FOLDING = frozenset({"abs", "bytes", "hash", "int", "len", "list", "map", "max", "min", "ord", "pow", "range", "round", "str", "sum", "tuple"})  # fmt: skip
"""Built-ins that make a number of the source of another."""
FROM_SEED = re.compile(r"seed|rng|generator|entropy|sequence|spawn|child|rand|key|state|number|index|options|args|config|settings", re.IGNORECASE)  # fmt: skip
"""Names of what a generator is started from."""
MAX_DEPTH = 3
SHARED_CHANCE = frozenset({"betavariate", "choice", "choices", "expovariate", "gauss", "getrandbits", "normalvariate", "randbytes", "randint", "random", "randrange", "sample", "shuffle", "triangular", "uniform"})  # fmt: skip
"""Functions of `random` that share one generator."""
SCORE_CALLS = frozenset({"builtins.min", "builtins.max", "builtins.sorted", "numpy.argmin", "numpy.argmax"})  # fmt: skip


def check(file: SourceFile) -> Iterator[Finding]:
    """Report seed loops, fixed seeds and answers by seed."""
    for node in file.nodes:
        if isinstance(node, ast.Compare):
            yield from _seed_case(file, node)
        elif isinstance(node, ast.For | ast.While | ast.ListComp | ast.GeneratorExp | ast.DictComp):
            yield from _seed_loop(file, node)
        elif isinstance(node, ast.Call):
            yield from _fixed_seed(file, node)
        elif isinstance(node, ast.Dict):
            yield from _seed_table(file, node)
        elif isinstance(node, ast.Assign):
            yield from _replaced_seed(file, node)


def _seed_case(file: SourceFile, node: ast.Compare) -> Iterator[Finding]:
    if not isinstance(node.ops[0], ast.Eq | ast.In):
        return
    if isinstance(file.parents.get(node), ast.Assert):
        return
    sides = [node.left, node.comparators[0]]
    names = [inner for side in sides for inner in ast.walk(side)]
    speaks_of_seed = any(
        (isinstance(inner, ast.Name) and SEED_NAME.search(inner.id))
        or (isinstance(inner, ast.Attribute) and SEED_NAME.search(inner.attr))
        or (isinstance(inner, ast.Constant) and inner.value == "RSI_SEED")
        for inner in names
    )
    has_number = any(
        isinstance(inner, ast.Constant)
        and (_is_number(inner) or (isinstance(inner.value, str) and inner.value.isdigit()))
        for inner in names
    )
    is_share = any(isinstance(inner, ast.Mod) for inner in names)  # every tenth step + seed, say
    if speaks_of_seed and has_number:
        severity = Severity.HOLD if is_share else Severity.BLOCK
        yield file.finding("special_case", severity, node, "another path for particular seeds")


def _seed_table(file: SourceFile, node: ast.Dict) -> Iterator[Finding]:
    """A dictionary looked up with the seed."""
    parent = file.parents.get(node)
    targets = parent.targets if isinstance(parent, ast.Assign) else []
    named = any(isinstance(t, ast.Name) and SEED_NAME.search(t.id) for t in targets)
    keys = [key for key in node.keys if isinstance(key, ast.Constant) and type(key.value) is int]
    if named and len(keys) >= 2:
        yield file.finding("special_case", Severity.BLOCK, node, "a table of answers by seed")


def _seed_loop(
    file: SourceFile,
    node: ast.For | ast.While | ast.ListComp | ast.GeneratorExp | ast.DictComp,
) -> Iterator[Finding]:
    """A loop whose variable seeds a generator; fishing when it also keeps the best."""
    loop_names = _loop_names(node)
    seeding = [
        call
        for call in ast.walk(node)
        if isinstance(call, ast.Call)
        and _is_seeder(file, call)
        and _mentions(call, loop_names)
        and _is_reseeding(file, call)
    ]
    seeding += [
        call
        for call in ast.walk(node)
        if isinstance(call, ast.Call)
        and any(
            keyword.arg and SEED_NAME.search(keyword.arg) and _mentions(keyword.value, loop_names)
            for keyword in call.keywords
        )
    ]
    named = [name for name in loop_names if SEED_NAME.search(name)]
    if not seeding and not named:
        return
    # Another order for each epoch comes from the run's own seed; whoever fishes does not need that one.
    is_derived = bool(seeding) and all(_mentions_seed(call, loop_names) for call in seeding)
    if _keeps_best(file, node) and not is_derived:
        yield file.finding(
            "seed_fishing", Severity.BLOCK, node, "tries seeds in a loop and keeps the best"
        )
    elif seeding or named:
        yield file.finding("seed_fishing", Severity.HOLD, node, "seeds a generator in a loop")


def _replaced_seed(file: SourceFile, node: ast.Assign) -> Iterator[Finding]:
    """`seed = 1337`, directly or through a constant, where the seed was given or not."""
    names = {target.id for target in node.targets if isinstance(target, ast.Name)}
    if not any(THE_SEED.match(name) for name in names) or not _is_fixed(file, node.value):
        return
    if names.isdisjoint(_parameters_around(file, node)) or _is_fallback(file, node, names):
        message = "a seed is fixed in the source"
        yield file.finding("fixed_seed", Severity.HOLD, node, message)
    else:
        message = "the seed that was given is replaced by one from the source"
        yield file.finding("fixed_seed", Severity.BLOCK, node, message)


def _is_fallback(file: SourceFile, node: ast.Assign, names: set[str]) -> bool:
    """`if seed is None: seed = 0`: there is a seed in every run."""
    parent = file.parents.get(node)
    return isinstance(parent, ast.If) and any(
        isinstance(test, ast.Compare)
        and isinstance(test.left, ast.Name)
        and test.left.id in names
        and isinstance(test.ops[0], ast.Is)
        for test in ast.walk(parent.test)
    )


def _parameters_around(file: SourceFile, node: ast.AST) -> frozenset[str]:
    """What the functions around a statement were given."""
    names: set[str] = set()
    inner = node
    while (outer := file.parents.get(inner)) is not None:
        if isinstance(outer, ast.FunctionDef | ast.AsyncFunctionDef):
            names.update(each.arg for each in ast.walk(outer.args) if isinstance(each, ast.arg))
        inner = outer
    return frozenset(names)


def _is_fixed(file: SourceFile, value: ast.expr) -> bool:
    """Whether a value is a number of the source: a constant, the name of one, or a sum of such."""
    match value:
        case ast.Constant(value=number):
            return type(number) in {int, str, bytes}
        case ast.Call(func=ast.Attribute(value=receiver), args=arguments) if (
            file.name_of(value.func) or "builtins"
        ).startswith("builtins"):
            return all(_is_fixed(file, each) for each in (receiver, *arguments))
        case ast.Call(func=ast.Name(id=name), args=[_, *_] as arguments) if name in FOLDING:
            return all(_is_fixed(file, each) for each in arguments)
        case ast.Name(id="__name__" | "__doc__" | "__file__" | "ord"):
            return True
        case ast.Name(id=name):
            constants = file.assignments.get(name, [])
            return any(
                isinstance(each, ast.Constant) and type(each.value) is int for each in constants
            )
        case ast.UnaryOp(operand=operand):
            return _is_fixed(file, operand)
        case ast.BinOp(left=left, right=right):
            return _is_fixed(file, left) and _is_fixed(file, right)
    return False


def _loop_names(node: ast.AST) -> frozenset[str]:
    if isinstance(node, ast.For):
        targets: list[ast.AST] = [node.target]
    elif isinstance(node, ast.ListComp | ast.GeneratorExp | ast.DictComp):
        targets = [generator.target for generator in node.generators]
    else:
        # A while loop counts in its body.
        targets = [inner.target for inner in ast.walk(node) if isinstance(inner, ast.AugAssign)]
    return frozenset(
        inner.id for target in targets for inner in ast.walk(target) if isinstance(inner, ast.Name)
    )


def _is_seeder(file: SourceFile, call: ast.Call) -> bool:
    name = file.name_of(call.func)
    if name is None and isinstance(call.func, ast.Attribute):
        name = call.func.attr
    return name is not None and bool(SEEDERS.search(name))


def _is_reseeding(file: SourceFile, call: ast.Call) -> bool:
    """Seeding once per worker from (seed, index) in a comprehension of generators is ordinary."""
    parent = file.parents.get(call)
    return not (isinstance(parent, ast.ListComp) and call is parent.elt)


def _mentions(node: ast.AST, names: frozenset[str]) -> bool:
    return any(isinstance(inner, ast.Name) and inner.id in names for inner in ast.walk(node))


def _mentions_seed(call: ast.Call, loop_names: frozenset[str]) -> bool:
    """Whether a seeder is given more than the loop's own variable: the run's seed."""
    return any(
        isinstance(inner, ast.Name) and SEED_NAME.search(inner.id) and inner.id not in loop_names
        for value in [*call.args, *(keyword.value for keyword in call.keywords)]
        for inner in ast.walk(value)
    )


def _keeps_best(file: SourceFile, node: ast.AST) -> bool:
    for inner in ast.walk(node):
        if isinstance(inner, ast.Assign) and any(
            isinstance(target, ast.Name) and SCORE_NAME.search(target.id)
            for target in ast.walk(inner)
            if isinstance(target, ast.Name) and isinstance(target.ctx, ast.Store)
        ):
            return True
    parent = file.parents.get(node)
    return isinstance(parent, ast.Call) and file.name_of(parent.func) in SCORE_CALLS


def _fixed_seed(file: SourceFile, call: ast.Call) -> Iterator[Finding]:
    if (
        isinstance(call.func, ast.Attribute)
        and call.func.attr == "seed"
        and not call.args
        and not call.keywords
    ):
        message = "takes its chance from the system, not from RSI_SEED"
        yield file.finding("fixed_seed", Severity.HOLD, call, message)
    name = file.name_of(call.func) or ""
    is_shared = name.startswith("random.") and name.removeprefix("random.") in SHARED_CHANCE
    if is_shared and not file.kept(_seeds_shared):
        message = f"{name} draws from a generator that this file does not seed"
        yield file.finding("fixed_seed", Severity.HOLD, call, message)
    if not _is_seeder(file, call):
        return
    if any(
        ENTROPY.match(file.name_of(each.func) or "")
        for argument in call.args
        for each in ast.walk(argument)
        if isinstance(each, ast.Call)
    ):
        message = "a seed from the clock, the system or the process instead of RSI_SEED"
        yield file.finding("fixed_seed", Severity.HOLD, call, message)
    if (
        not call.args
        and not call.keywords
        and (file.name_of(call.func) or "").startswith(("numpy.", "random."))
    ):
        message = "a generator without a seed takes its chance from the system"
        yield file.finding("fixed_seed", Severity.HOLD, call, message)
    named = [each.value for each in call.keywords if each.arg and SEED_NAME.search(each.arg)]
    given = _parameters_around(file, call)
    for seed in (*call.args[:1], *named):
        is_given = any(isinstance(each, ast.Name) and each.id in given for each in ast.walk(seed))
        if _is_fixed(file, seed) and not is_given:
            message = f"the seed {ast.unparse(seed)} is fixed and ignores RSI_SEED"
            yield file.finding("fixed_seed", Severity.HOLD, call, message)
        elif not _is_made_of_seed(file, seed):
            message = f"the seed {ast.unparse(seed)[:60]} is not made of RSI_SEED"
            yield file.finding("fixed_seed", Severity.HOLD, call, message)


def _is_made_of_seed(file: SourceFile, seed: ast.expr, depth: int = 0) -> bool:
    """Whether a seed has the run's own in it, or what another generator gave."""
    for each in ast.walk(seed):
        match each:
            case ast.Name(id=name) | ast.Attribute(attr=name) if FROM_SEED.search(name):
                return True
            case ast.Constant(value="RSI_SEED" | "training_seed" | None):
                return True
            case ast.Name(id=name) if depth < MAX_DEPTH:
                values = flow_of(file).values(file, each)
                if any(_is_made_of_seed(other, value, depth + 1) for other, value in values):
                    return True
    return False


def _seeds_shared(file: SourceFile) -> bool:
    """Whether a file seeds the generator of the module `random` by any name."""
    return any(
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute | ast.Name)
        and (node.func.attr if isinstance(node.func, ast.Attribute) else node.func.id) == "seed"
        and bool(node.args)
        for node in file.nodes
    )


def _is_number(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and type(node.value) is int and node.value > 1
