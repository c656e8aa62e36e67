"""The floor under a run: what no candidate can leave out, because it is not a candidate's to change.

That is the interpreter, what the protected entry imports before anything else, and the arithmetic that a task says no honest
run can skip, done in large square products, the fastest that the machine has. What the baseline imports is not in it: a
candidate may do without. Does not: run the candidate's code. Invariant: nothing honest on this machine and environment is
faster, so a claim below it is held for a person (`plausibility.py`).
"""

import ast
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from rsi.evals.errors import MeasurementError
from rsi.evals.judge.plausibility import FLOOR_SETTING
from rsi.evals.measure.machine import timing_cores, timing_machine
from rsi.sandboxes.errors import SandboxError
from rsi.sandboxes.types import Backend, ExecOutcome, FileEntry, FileTree, SandboxSpec
from rsi.tasks.choices import Clock
from rsi.tasks.files.globs import matches
from rsi.tasks.running.variables import candidate_variables
from rsi.tasks.types import Profile, Task

REPEATS = 3
SIDE = 1024
"""Side of the square products: large enough for the peak of any core, 4 MiB a matrix."""
MOST_PRODUCTS = 64
"""How many are done, a second or so; a task that requires more is charged in proportion."""
INTERPRETERS = ("python", "python3")
"""Entries that start with one of them cost at least what it takes to start it."""
PRODUCTS = {
    "torch": "square = torch.ones({side}, {side})",
    "numpy": "square = numpy.ones(({side}, {side}), numpy.float32)",
}
"""How the first of these libraries that a task imports makes a matrix in single precision."""


def certain_imports(task: Task, tree: FileTree) -> tuple[str, ...]:
    """Third-party modules that every candidate's run imports, sorted.

    They stand at the top of the entry, if it is protected, or of a protected file that one of those imports there. Imports
    within functions and conditions are left out, as is everything behind an editable file.
    """
    own = {entry.path.split("/")[0].removesuffix(".py") for entry in tree}
    protected = {
        entry.path: entry for entry in tree if matches(entry.path, task.candidate.protected)
    }
    waiting = [part for part in task.candidate.entry if part.endswith(".py")][:1]
    found, seen = set[str](), set[str]()
    while waiting:
        path = waiting.pop()
        if path in seen or path not in protected:
            continue
        seen.add(path)
        for name in top_imports(protected[path]):
            found.add(name.split(".")[0])
            stem = name.replace(".", "/")
            waiting += (f"{stem}.py", f"{stem}/__init__.py")
    return tuple(sorted(found - own - set(sys.stdlib_module_names)))


def top_imports(entry: FileEntry) -> tuple[str, ...]:
    """Full names of the modules that a file imports at its top; none of a file that is no Python."""
    try:
        module = ast.parse(entry.content) if entry.path.endswith(".py") else None
    except (SyntaxError, ValueError):
        return ()
    found: list[str] = []
    for statement in module.body if module else ():
        if isinstance(statement, ast.Import):
            found += (alias.name for alias in statement.names)
        elif isinstance(statement, ast.ImportFrom) and statement.module and not statement.level:
            found.append(statement.module)
    return tuple(found)


def measure_floor(
    task: Task,
    profile: Profile,
    backend: Backend,
    base_tree: FileTree,
    *,
    label: str,
    repeats: int = REPEATS,
    cache: Path | None = None,
) -> float | None:
    """Seconds of a run that does only what it must, on the task's deciding clock; None without a host clock, or a bound.

    Args:
        task: Names the environment and the clock.
        profile: Limits of a candidate's run, and the arithmetic that it requires.
        backend: Where runs are measured; the floor differs between backends.
        base_tree: The task's own repo; of its files only those that are protected count.
        label: Owner of the sandboxes.
        repeats: Runs, each in a fresh sandbox; the cheapest counts.
        cache: Folder of the machine-wide lock; None takes `$RSI_LEASE_DIR` or the cache's.

    Raises:
        MeasurementError: The sandbox failed, an import does not work in the environment, or arithmetic is required and no
            library for it is imported.
    """
    if task.metric.clock not in {Clock.CPU_S, Clock.WALL_S}:
        return None
    required = profile.required_multiply_adds // SIDE**3
    tried = min(required, MOST_PRODUCTS)
    library = library_of(base_tree)
    if required and library is None:
        raise MeasurementError(
            f"{task.name}: profile {profile.name!r} requires multiplications, and no file of repo/ imports "
            f"{' or '.join(PRODUCTS)} at its top: take required_multiply_adds out of task.toml"
        )
    with timing_machine(cache, what=f"floor of {label}"):
        limits = replace(profile.limits, cpus=timing_cores(profile)[0])
        spec = SandboxSpec(
            environment=task.environment,
            limits=limits,
            variables=candidate_variables(profile, 0),
            label=label,
        )

        def cheapest_s(modules: Sequence[str], products: int = 0) -> float:
            program = floor_program(modules, products)
            return min(_seconds(task, backend, spec, program) for _ in range(repeats))

        floor_s = 0.0
        if task.candidate.entry[0] in INTERPRETERS:
            floor_s = cheapest_s(certain_imports(task, base_tree))
        if required and library is not None:
            # The library is the yardstick; a candidate may multiply with another, so its import is not counted.
            work_s = cheapest_s((library,), tried) - cheapest_s((library,))
            floor_s += max(0.0, work_s) * required / tried
        return floor_s or None


def library_of(tree: FileTree) -> str | None:
    """The library that squares are multiplied with: the first of `PRODUCTS` that a file imports at its top."""
    imported = {name.split(".")[0] for entry in tree for name in top_imports(entry)}
    return next((name for name in PRODUCTS if name in imported), None)


def floor_program(modules: Sequence[str], products: int) -> str:
    """Python source of a run that imports modules and multiplies so many squares; none without a library for it."""
    lines = [f"import {name}" for name in modules]
    make = next((PRODUCTS[name] for name in PRODUCTS if name in modules), None)
    if products and make is not None:
        lines += [make.format(side=SIDE), f"for _ in range({products}): square @ square"]
    return "\n".join(lines) or "pass"


def _seconds(task: Task, backend: Backend, spec: SandboxSpec, program: str) -> float:
    """What one run of the program costs on the task's deciding clock; neighbours only ever add to it."""
    try:
        with backend.open(spec) as sandbox:
            result = sandbox.exec(("python", "-P", "-c", program))
    except SandboxError as error:
        raise MeasurementError(f"{task.name}: no floor: {error}") from error
    if result.outcome is not ExecOutcome.OK:
        ending = result.stderr.decode("utf-8", errors="replace").strip()[-300:]
        raise MeasurementError(f"{task.name}: {program!r} ended as {result.outcome}: {ending}")
    return result.cpu_s if task.metric.clock is Clock.CPU_S else result.wall_s


def with_floor(profile: Profile, floor_s: float | None) -> Profile:
    """The profile with a measured floor, for scoring; unchanged when there is none."""
    if floor_s is None:
        return profile
    return replace(profile, settings={**profile.settings, FLOOR_SETTING: floor_s})
