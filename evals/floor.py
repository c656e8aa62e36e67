"""The do-nothing floor: what a run costs that starts the interpreter, imports what the task needs, and ends.

Does not: run the candidate's code. Invariant: nothing honest on this machine and environment is faster, so a claim
below it is held for a person (`plausibility.py`).
"""

import ast
import sys
from dataclasses import replace
from pathlib import Path

from rsi.evals.errors import MeasurementError
from rsi.evals.machine import timing_cores, timing_machine
from rsi.evals.plausibility import FLOOR_SETTING
from rsi.sandboxes.errors import SandboxError
from rsi.sandboxes.types import Backend, ExecOutcome, FileTree, SandboxSpec
from rsi.tasks.types import Clock, Profile, Task
from rsi.tasks.variables import candidate_variables

REPEATS = 3


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
    """Seconds of a run that does nothing, on the task's deciding clock; None when that is no host clock.

    Args:
        task: Names the environment and the clock.
        profile: Limits of a candidate's run.
        backend: Where runs are measured; the floor differs between backends.
        base_tree: The task's own repo, whose imports count as needed.
        label: Owner of the sandboxes.
        repeats: Runs, each in a fresh sandbox; the cheapest counts.
        cache: Folder of the machine-wide lock; None takes `$RSI_LEASE_DIR` or the cache's.

    Raises:
        MeasurementError: The sandbox failed, or the imports do not work in the environment.
    """
    if task.metric.clock not in {Clock.CPU_S, Clock.WALL_S}:
        return None
    modules = floor_imports(base_tree)
    program = f"import {', '.join(modules)}" if modules else "pass"
    with timing_machine(cache):
        limits = replace(profile.limits, cpus=timing_cores(profile)[0])
        spec = SandboxSpec(
            environment=task.environment,
            limits=limits,
            variables=candidate_variables(profile, 0),
            label=label,
        )
        return min(_seconds(task, backend, spec, program) for _ in range(repeats))


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
