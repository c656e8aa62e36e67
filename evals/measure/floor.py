"""The floor under a run: start the interpreter, import what the task needs, do the arithmetic that it requires, and end.

The arithmetic is what a task says no honest run can leave out, done in large square products, the fastest that the machine
has: the floor is then the run's roofline. Most tasks require none, and their floor is that of doing nothing.
Does not: run the candidate's code. Invariant: nothing honest on this machine and environment is faster, so a claim
below it is held for a person (`plausibility.py`).
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
from rsi.sandboxes.types import Backend, ExecOutcome, FileTree, SandboxSpec
from rsi.tasks.running.variables import candidate_variables
from rsi.tasks.types import Clock, Profile, Task

REPEATS = 3
SIDE = 1024
"""Side of the square products: large enough for the peak of any core, 4 MiB a matrix."""
MOST_PRODUCTS = 64
"""How many are done, a second or so; a task that requires more is charged in proportion."""
PRODUCTS = {
    "torch": "square = torch.ones({side}, {side})",
    "numpy": "square = numpy.ones(({side}, {side}), numpy.float32)",
}
"""How the first of these libraries that a task imports makes a matrix in single precision."""


def floor_imports(tree: FileTree) -> tuple[str, ...]:
    """Third-party modules that a tree imports at the top of its files, sorted.

    Imports inside functions are left out: a run that does nothing never reaches them.
    """
    own = {entry.path.split("/")[0].removesuffix(".py") for entry in tree}
    found = set()
    for entry in tree:
        if not entry.path.endswith(".py"):
            continue
        try:
            module = ast.parse(entry.content)
        except (SyntaxError, ValueError):
            continue
        for statement in module.body:
            if isinstance(statement, ast.Import):
                found |= {alias.name.split(".")[0] for alias in statement.names}
            elif isinstance(statement, ast.ImportFrom) and statement.module:
                found.add(statement.module.split(".")[0])
    return tuple(sorted(found - own - set(sys.stdlib_module_names)))


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
    """Seconds of a run that does only what it must, on the task's deciding clock; None when that is no host clock.

    Args:
        task: Names the environment and the clock.
        profile: Limits of a candidate's run, and the arithmetic that it requires.
        backend: Where runs are measured; the floor differs between backends.
        base_tree: The task's own repo, whose imports count as needed.
        label: Owner of the sandboxes.
        repeats: Runs, each in a fresh sandbox; the cheapest counts.
        cache: Folder of the machine-wide lock; None takes `$RSI_LEASE_DIR` or the cache's.

    Raises:
        MeasurementError: The sandbox failed, the imports do not work in the environment, or arithmetic is required and no
            library for it is imported.
    """
    if task.metric.clock not in {Clock.CPU_S, Clock.WALL_S}:
        return None
    modules = floor_imports(base_tree)
    required = profile.required_multiply_adds // SIDE**3
    tried = min(required, MOST_PRODUCTS)
    nothing, work = floor_program(modules, 0), floor_program(modules, tried)
    if required and nothing == work:
        raise MeasurementError(
            f"{task.name}: profile {profile.name!r} requires multiplications, and no file of repo/ imports "
            f"{' or '.join(PRODUCTS)} at its top: take required_multiply_adds out of task.toml"
        )
    with timing_machine(cache):
        limits = replace(profile.limits, cpus=timing_cores(profile)[0])
        spec = SandboxSpec(
            environment=task.environment,
            limits=limits,
            variables=candidate_variables(profile, 0),
            label=label,
        )

        def cheapest_s(program: str) -> float:
            return min(_seconds(task, backend, spec, program) for _ in range(repeats))

        floor_s = cheapest_s(nothing)
        if required:
            floor_s += max(0.0, cheapest_s(work) - floor_s) * required / tried
        return floor_s


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
