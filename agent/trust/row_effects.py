"""What each row of the suite is worth: solutions measured against their parents on fresh seeds, and the coverage table.

An effect is a fact of one measurement: it is kept beside the task's calibration with date, machine and versions, and says
which files it was measured on. Invariant: no effect without runs; one of other files is told as such.
"""

import json
import platform
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from importlib.metadata import version
from pathlib import Path

from rsi.agent.errors import LedgerCorruptError, LedgerSchemaError
from rsi.agent.store.codec import decode, encode
from rsi.agent.store.records import utc_now
from rsi.agent.store.tree_blobs import tree_sha256
from rsi.evals.judge.guards import source_facts
from rsi.evals.judge.score import score
from rsi.evals.measure.measuring import measure
from rsi.evals.types import Interval, Measurement, Purpose, Score, Verdict
from rsi.sandboxes.machine.hardware import find_hardware
from rsi.sandboxes.types import Backend, FileTree
from rsi.tasks.files.trees import read_tree
from rsi.tasks.rows import SELFCHECK, Claim, claims, parent_of
from rsi.tasks.running.check import patched_tree
from rsi.tasks.types import Profile, Solution, Task

FILE = Path("calibration") / "rows.json"
"""In the task's folder; no part of its digest."""


class RowState(StrEnum):
    """What is known of one row."""

    NOT_COVERED = "not covered"
    NOT_MEASURED = "not measured"
    SHOWN = "shown"
    NOT_SHOWN = "not shown"
    """It was measured, and the gain is not surely above the task's minimum."""
    CHANGED = "changed since"
    """It was measured on other files than the task has now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StepEffect:
    """One solution measured against its parent."""

    solution: str
    parent: str | None
    """None for the task's repo."""
    track: str
    profile: str
    verdict: Verdict
    reason: str
    effect: Interval | None
    """None where no ratio could be had."""
    at: datetime
    backend: str
    machine: str
    """Cores, processor and class of the machine."""
    versions: Mapping[str, str]
    """Of rsi, of the host's Python, and of what the task's environment pins."""
    digest: str
    """Of the task's folder as it was measured."""
    trees: tuple[str, str]
    """sha256 of the parent's files and of the solution's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptEffects:
    """The file of a task's folder that holds them."""

    effects: tuple[StepEffect, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of the coverage table."""

    claim: Claim
    state: RowState
    measured: StepEffect | None
    """None where nothing was measured."""


def measure_step(
    task: Task,
    profile: Profile,
    backend: Backend,
    solution: Solution,
    *,
    secret: bytes,
    on_measurement: Callable[[Measurement], None] | None = None,
    cache: Path | None = None,
) -> tuple[StepEffect, Score]:
    """Measure a solution against its parent, as a candidate is confirmed: on fresh seeds, in pairs.

    Args:
        task: A loaded task.
        profile: One of its profiles.
        backend: Where it runs.
        solution: One of the task's.
        secret: At least 16 bytes; every seed derives from it.
        on_measurement: Called with each run as soon as it exists.
        cache: Folder of the machine-wide lock; None takes the usual one.

    Raises:
        MeasurementError: The host, the harness or the parent failed.
        PatchError: A patch does not apply.
    """
    before, after = step_trees(task, solution)
    runs = measure(
        task, profile, backend, before, after, purpose=Purpose.CONFIRM, campaign_secret=secret,
        lineage="rows", round_id=solution.name, on_measurement=on_measurement, cache=cache,
    )  # fmt: skip
    said = score(task, profile, runs, purpose=Purpose.CONFIRM, source=source_facts(before, after))
    hardware = find_hardware()
    effect = StepEffect(
        solution=solution.name,
        parent=parent_of(solution),
        track=task.track,
        profile=profile.name,
        verdict=said.verdict,
        reason=said.reason,
        effect=said.effect,
        at=utc_now(),
        backend=backend.name,
        machine=f"{hardware.cores} x {hardware.cpu}, class {hardware.class_id}",
        versions=_versions(task),
        digest=task.digest,
        trees=(tree_sha256(before), tree_sha256(after)),
    )
    return effect, said


def proofs_of(task: Task) -> tuple[Solution, ...]:
    """The solutions that prove a row of this task, each once."""
    wanted = set(task.rows.values())
    return tuple(each for each in task.solutions if each.name in wanted)


def keep_effect(task: Task, effect: StepEffect) -> None:
    """Keep an effect in the task's folder, in place of an older one of the same solution, track and profile.

    Raises:
        OSError: The folder cannot be written.
    """
    kept = [each for each in kept_effects(task) if _key(each) != _key(effect)]
    path = task.root / FILE
    path.parent.mkdir(exist_ok=True)
    found = KeptEffects(effects=tuple(sorted([*kept, effect], key=_key)))
    path.write_text(_indented(found), encoding="utf-8")


def kept_effects(task: Task) -> tuple[StepEffect, ...]:
    """What was kept of a task; nothing where its file is missing, or is one that this version does not understand."""
    try:
        return decode(KeptEffects, (task.root / FILE).read_text(encoding="utf-8")).effects
    except (OSError, UnicodeDecodeError, LedgerCorruptError, LedgerSchemaError):
        return ()


def step_trees(task: Task, solution: Solution) -> tuple[FileTree, FileTree]:
    """The parent's files and the solution's.

    Raises:
        PatchError: A patch does not apply.
    """
    by_name = {each.name: each for each in task.solutions}
    parent = parent_of(solution)
    if parent is None:
        return read_tree(task.repo), patched_tree(task, solution)
    # All that it needs, also where the last of them is made on fewer.
    with_needs = replace(by_name[parent], needs=solution.needs[:-1])
    return patched_tree(task, with_needs), patched_tree(task, solution)


def coverage(tasks: Iterable[Task]) -> Iterator[Row]:
    """The coverage table: each row of the suite with what proves it and what was measured."""
    by_name = {each.name: each for each in tasks}
    for claim in claims(by_name.values()):
        if claim.task is None or claim.solution is None:
            yield Row(claim=claim, state=RowState.NOT_COVERED, measured=None)
            continue
        task = by_name[claim.task]
        found = [each for each in kept_effects(task) if each.solution == claim.solution]
        measured = max(found, key=lambda each: each.at, default=None)
        yield Row(claim=claim, state=_state(task, claim, measured), measured=measured)


def made_table(tasks: Iterable[Task]) -> Iterator[str]:
    """The table of the README: what no machine changes, so no effects."""
    yield "\n| row | task | solution | on |\n|---|---|---|---|\n"
    missing = []
    for claim in claims(tasks):
        if claim.task is None:
            missing.append(claim.title)
            continue
        on = claim.parent or ("" if str(claim.solution).startswith(SELFCHECK) else "the start")
        yield f"| {claim.title or claim.row} | `{claim.task}` | {claim.solution} | {on} |\n"
    yield f"\nNot covered yet: {'; '.join(missing) or 'none'}.\n\n"


def _state(task: Task, claim: Claim, measured: StepEffect | None) -> RowState:
    if measured is None:
        return RowState.NOT_MEASURED
    solution = next(each for each in task.solutions if each.name == claim.solution)
    trees = tuple(map(tree_sha256, step_trees(task, solution)))
    if (measured.digest, measured.trees) != (task.digest, trees):
        return RowState.CHANGED
    return RowState.SHOWN if measured.verdict is Verdict.SUPPORTED else RowState.NOT_SHOWN


def _versions(task: Task) -> dict[str, str]:
    pinned = dict(each.split("==", 1) for each in task.environment.requirements)
    return {"rsi": version("rsi-lab"), "python": platform.python_version(), **pinned}


def _key(effect: StepEffect) -> tuple[str, str, str]:
    return (effect.solution, effect.track, effect.profile)


def _indented(found: KeptEffects) -> str:
    return json.dumps(json.loads(encode(found)), indent=1, sort_keys=True) + "\n"
