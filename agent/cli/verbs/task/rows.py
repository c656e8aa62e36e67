"""`rsi task rows`: which rows of the suite are covered, by what, and what was measured."""

import argparse
import os
import secrets
from collections.abc import Sequence

from rsi.agent.cli.context import OutputError, emit, home, note, table, task_named, writing
from rsi.agent.cli.verbs.reading import show_interval
from rsi.agent.errors import AgentError
from rsi.agent.trial.kept import tasks_folder
from rsi.agent.trust.row_effects import (
    FILE,
    Row,
    RowState,
    coverage,
    keep_effect,
    measure_step,
    proofs_of,
)
from rsi.evals.errors import MeasurementError
from rsi.evals.types import Verdict
from rsi.sandboxes.errors import SandboxError
from rsi.sandboxes.select import choose_backend
from rsi.tasks.errors import TaskError
from rsi.tasks.format.loader import list_tasks, load_task, profile_of, with_variants
from rsi.tasks.types import Task

EVERY = ""
"""`--measure` without a task."""


class NoRowsError(AgentError, ValueError):
    """What was to be measured proves no row."""


def rows(args: argparse.Namespace) -> int:
    """The coverage table; with --measure after measuring. 1 where something measured did not beat its parent."""
    failed: list[str] = []
    known = {each.root: each for each in _all_tasks()}
    if args.measure is None and args.profile:
        raise NoRowsError("--profile says how to measure: give --measure as well")
    if args.measure is not None:
        chosen = list(known.values())
        if args.measure != EVERY:
            chosen = [load_task(task_named(args.measure))]
            known |= {each.root: each for each in chosen}
        if not any(proofs_of(each) for each in chosen):
            raise NoRowsError(
                f"task {args.measure!r} proves no row; name solutions in [rsi.rows] of its task.toml"
            )
        for each in filter(proofs_of, chosen):
            failed += _measured(args, each)
    found = list(coverage(known.values()))
    emit(args, found, _lines(found))
    for sentence in failed:
        note(sentence)
    return 1 if failed else 0


def _all_tasks() -> list[Task]:
    """Every task that loads, with its variants; `rsi task list` says of the others why not."""
    roots = [each.root for each in list_tasks([tasks_folder(home())]) if each.problem is None]
    return [load_task(each) for root in roots for each in with_variants(root)]


def _measured(args: argparse.Namespace, task: Task) -> list[str]:
    """Measure what proves a task's rows and keep it; what did not show as sentences."""
    profile = profile_of(task, args.profile)
    folder = (task.root / FILE).parent
    if not os.access(folder if folder.exists() else task.root, os.W_OK):
        raise OutputError(f"{str(folder)!r} cannot be written; copy the task to a folder of yours")
    failed: list[str] = []
    try:
        backend = choose_backend(args.sandbox).backend
        backend.prepare(task.environment, progress=note)
        for solution in proofs_of(task):
            note(f"measuring {task.name} {solution.name} ({profile.name}, {backend.name})")
            effect, said = measure_step(
                task,
                profile,
                backend,
                solution,
                secret=secrets.token_bytes(16),
                on_measurement=lambda run: note(f"  pair {run.pair + 1}: {run.arm.value}"),
            )
            with writing(task.root / FILE):
                keep_effect(task, effect)
            note(f"  {said.verdict.value}: {said.reason}")
            if effect.verdict is not Verdict.SUPPORTED:
                failed.append(f"{task.name} {solution.name} does not show: {said.reason}")
    except (MeasurementError, SandboxError, TaskError) as error:
        # Such as no GPU here; the others are measured.
        if args.measure != EVERY:
            raise
        failed.append(f"{task.name} could not be measured: {error}")
    return failed


def _lines(found: Sequence[Row]) -> list[str]:
    cells = [
        (
            each.claim.row,
            each.claim.task or "",
            each.claim.solution or "",
            "" if each.claim.task is None else each.claim.parent or "the start",
            _effect(each),
            _when(each),
        )
        for each in found
    ]
    covered = {each.claim.row for each in found if each.state is not RowState.NOT_COVERED}
    shown = {each.claim.row for each in found if each.state is RowState.SHOWN}
    every = {each.claim.row for each in found}
    return [
        *table(("row", "task", "solution", "against", "effect", "measured"), cells),
        "",
        f"{len(every)} rows: {len(covered)} covered, {len(shown)} shown by a gain measured on the task as it is; "
        "rsi task rows --measure TASK measures",
    ]


def _effect(row: Row) -> str:
    if row.measured is None:
        return row.state.value
    interval = show_interval(row.measured.effect) or "no ratio"
    return interval if row.state is RowState.SHOWN else f"{interval} ({row.state.value})"


def _when(row: Row) -> str:
    found = row.measured
    if found is None:
        return ""
    return f"{found.at:%Y-%m-%d}, {found.profile}, {found.backend}, {found.machine}"
