"""Variables of the environment that a candidate has no business with.

Does not: mind the contract's own, or those that tune threads, devices and compilers.
"""

import ast
import re
from collections.abc import Iterator

from rsi.evals.admission.source.parsed import SourceFile
from rsi.evals.types import Finding, Severity

CONTRACT_VARIABLES = frozenset({"RSI_IO", "RSI_PROFILE", "RSI_BUDGET_JSON", "RSI_SEED"})
TOLD_PREFIXES = ("OMP_", "MKL_", "OPENBLAS_", "VECLIB_", "BLIS_", "KMP_", "GOMP_", "CUDA_", "CUBLAS_", "TORCH", "PYTORCH_", "TRITON_", "NUMBA_", "NUMEXPR_", "ATEN_", "DNNL_", "ONEDNN_", "NCCL_", "WORLD_SIZE", "RANK", "LOCAL_RANK", "MASTER_", "PYTHONHASHSEED", "TMPDIR", "MALLOC_", "LD_PRELOAD_", "CC", "CXX", "CFLAGS", "CXXFLAGS", "MAX_JOBS")  # fmt: skip
"""Variables that tune threads, devices and compilers."""
DANGEROUS_VARIABLES = frozenset({"LD_PRELOAD", "LD_LIBRARY_PATH", "LD_AUDIT", "PYTHONPATH", "PYTHONBREAKPOINT", "PYTHONSTARTUP", "PYTHONHOME", "PYTHONINSPECT", "FAKETIME"})  # fmt: skip
PROGRAM_VARIABLES = frozenset({"CC", "CXX", "CUDA_HOME", "TRITON_PTXAS_PATH"})
"""Variables that say which program a compiler's caller starts."""
CACHE_VARIABLES = re.compile(
    r"(CACHE(_?(DIR|PATH|FOLDER|HOME|ROOT|FILE|LOCATION))?|EXTENSIONS_DIR)$"
)

MAX_NAMES = 16
"""Variables that one loop may go through and still be looked at one by one."""


def check(file: SourceFile) -> Iterator[Finding]:
    """Report what is read from the environment and written to it."""
    for node in file.nodes:
        match node:
            case ast.Call():
                yield from _environment_call(file, node)
            case ast.Subscript(value=value) if file.name_of(value) == "os.environ":
                yield from _each(file, node, node.slice)
                if not isinstance(node.ctx, ast.Load):
                    yield from _contract(file, node, file.text_of(node.slice))
            case ast.Attribute() | ast.Name() if file.name_of(node) == "os.environ":
                yield from _whole_environment(file, node)


def _environment_call(file: SourceFile, node: ast.Call) -> Iterator[Finding]:
    name = file.name_of(node.func)
    if name in {"os.getenv", "os.environ.get", "os.environ.pop", "os.environ.setdefault", "os.putenv"}:  # fmt: skip
        if node.args:
            yield from _each(file, node, node.args[0])
            if name in {"os.environ.pop", "os.putenv"}:
                yield from _contract(file, node, file.text_of(node.args[0]))
    elif name in {"os.environ.update", "os.environ.__setitem__", "os.environ.__ior__"}:
        yield from _variables_set(file, node)
    elif name in {"os.environ.items", "os.environ.keys", "os.environ.values", "os.environ.copy"}:
        yield file.finding("environment_probe", Severity.HOLD, node, "reads every variable")


def _each(file: SourceFile, node: ast.AST, key: ast.expr) -> Iterator[Finding]:
    """A variable by its name, or each that a loop over names in the source goes through."""
    text = file.text_of(key)
    names = file.kept(_looped).get(key.id) if text is None and isinstance(key, ast.Name) else None
    for variable in [text] if names is None else names:
        yield from _variable(file, node, variable, node)


def _looped(file: SourceFile) -> dict[str, tuple[str, ...]]:
    """Texts that a name goes through which nothing but loops over literals gives a value."""
    found: dict[str, set[str]] = {}
    loops: set[ast.AST] = set()
    named: dict[str, list[ast.expr]] = {}
    for node in file.nodes:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            named.setdefault(node.targets[0].id, []).append(node.value)
    for node in file.nodes:
        match node:
            case ast.For(target=ast.Name() as target, iter=rows):
                pass
            case ast.For(target=ast.Tuple(elts=[ast.Name() as target, _]), iter=ast.Call(func=ast.Attribute(value=rows, attr="items"), args=[])):  # fmt: skip
                pass
            case _:
                continue
        if isinstance(rows, ast.Name) and len(named.get(rows.id, ())) == 1:
            rows = named[rows.id][0]
        parts = rows.elts if isinstance(rows, ast.List | ast.Tuple | ast.Set) else rows.keys if isinstance(rows, ast.Dict) else [None]  # fmt: skip
        texts = [each.value for each in parts if isinstance(each, ast.Constant) and isinstance(each.value, str)]  # fmt: skip
        if len(texts) == len(parts):
            found.setdefault(target.id, set()).update(texts)
            loops.add(target)
    given = {each.arg for each in file.nodes if isinstance(each, ast.arg)}
    given |= {each.id for each in file.nodes if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Store) and each not in loops}  # fmt: skip
    return {
        name: tuple(sorted(texts))
        for name, texts in found.items()
        if name not in given and len(texts) <= MAX_NAMES
    }


def _variables_set(file: SourceFile, node: ast.Call) -> Iterator[Finding]:
    """`os.environ.update` with a literal or keywords; what is in anything else is not in the source."""
    given = node.args[0] if node.args else None
    if isinstance(given, ast.Name):
        values = file.assignments.get(given.id, [])
        given = values[0] if len(values) == 1 else given
    keys: list[ast.AST | None] = (
        list(given.keys) if isinstance(given, ast.Dict) else [given] * (given is not None)
    )
    texts = [None if key is None else file.text_of(key) for key in keys]
    for variable in [*texts, *(keyword.arg for keyword in node.keywords)]:
        yield from _variable(file, node, variable, node)
        yield from _contract(file, node, variable)


def _contract(file: SourceFile, node: ast.AST, variable: str | None) -> Iterator[Finding]:
    """What a run was told, changed for whoever asks later."""
    if variable in CONTRACT_VARIABLES:
        message = f"{variable} is told to a run, which may not change it"
        yield file.finding("environment_probe", Severity.HOLD, node, message)


def _variable(
    file: SourceFile, node: ast.AST, variable: str | None, place: ast.AST
) -> Iterator[Finding]:
    if variable is None:
        yield file.finding(
            "environment_probe", Severity.HOLD, place, "reads a variable whose name is computed"
        )
    elif variable in DANGEROUS_VARIABLES:
        yield file.finding(
            "environment_probe", Severity.BLOCK, place, f"{variable} changes what programs load"
        )
    elif variable.startswith("RSI_") and variable not in CONTRACT_VARIABLES:
        yield file.finding(
            "environment_probe", Severity.BLOCK, place, f"{variable} is not part of the contract"
        )
    elif variable in PROGRAM_VARIABLES:
        message = f"{variable} says which program others start"
        yield file.finding("environment_probe", Severity.HOLD, place, message)
    elif CACHE_VARIABLES.search(variable):
        yield file.finding(
            "compile_cache",
            Severity.HOLD,
            place,
            f"{variable} moves a cache that could outlive a run",
        )
    elif variable not in CONTRACT_VARIABLES and not variable.startswith(TOLD_PREFIXES):
        yield file.finding(
            "environment_probe", Severity.HOLD, place, f"{variable} is not part of the contract"
        )


def _whole_environment(file: SourceFile, node: ast.AST) -> Iterator[Finding]:
    parent = file.parents.get(node)
    if isinstance(parent, ast.Attribute | ast.Subscript):
        return
    if isinstance(parent, ast.Compare | ast.ImportFrom):
        return  # "NAME" in os.environ
    if isinstance(parent, ast.Assign) and node is parent.value:
        return  # an alias; its uses are looked at
    yield file.finding("environment_probe", Severity.HOLD, node, "reads every variable")
