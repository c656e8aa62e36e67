"""Verbs about tasks: list, show, check."""

import argparse
import secrets
import shlex
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

from rsi.agent.cli.context import emit, home, note, require_writable, table, task_named, writing
from rsi.agent.cli.verbs.task.trust_page import calibration_text, trust_page
from rsi.agent.errors import AgentError, HomeError
from rsi.agent.report.catalogue import catalogue_lines
from rsi.agent.safe import safe_text
from rsi.agent.store.home import Home
from rsi.agent.store.records import utc_now
from rsi.agent.store.task_checks import TaskCheck, checks_of, keep_check
from rsi.agent.trial.kept import tasks_folder
from rsi.agent.trust.task_trust import Examiner, examine
from rsi.evals.measure.machine import timing_gpus
from rsi.sandboxes.errors import SandboxError
from rsi.sandboxes.select import choose_backend
from rsi.sandboxes.types import Backend
from rsi.tasks.errors import TaskError
from rsi.tasks.format.loader import list_tasks, load_task, profile_of
from rsi.tasks.running.check import CheckLine, CheckReport, check_task
from rsi.tasks.types import Task

GUARDS_PAGE = "docs/explanation/guards.md"
"""Where the documentation says what watches the loop."""


class NoTaskChosenError(AgentError, ValueError):
    """Neither one task nor all of them were named, or both."""


def list_(args: argparse.Namespace) -> int:
    """The catalogue of tasks that are known here."""
    facts, lines = [], []
    for each in list_tasks([tasks_folder(home())]):
        said: dict[str, str] = {}
        if each.problem is None:
            task = load_task(each.root)
            said = dict(catalogue_lines(task, checks_of(Home.find(), task.name, task.digest)))
        facts.append(asdict(each) | {"root": str(each.root)} | {"catalogue": said})
        lines += ["", each.name]
        lines += [f"  {word:<9} {text}" for word, text in said.items()]
        lines += [] if each.problem is None else [f"  does not load: {each.problem}"]
    emit(args, facts, lines[1:])
    return 0


def show(args: argparse.Namespace) -> int:
    """One task: metric, rules, profiles, solutions, cheats."""
    task = load_task(task_named(args.task), track=args.track)
    emit(args, _facts(task), _show_lines(task))
    return 0


def check(args: argparse.Namespace) -> int:
    """Load a task, run its baseline, apply its patches."""
    if args.all:
        return _check_all(args)
    if args.task is None:
        raise NoTaskChosenError("`rsi task check` needs the name of a task, or --all")
    task = load_task(task_named(args.task), track=args.track)
    show_line = (
        None if args.json else (lambda line: print(safe_text(_check_line(line)), flush=True))
    )
    if args.deep:
        return _check_deeply(args, task, _ready(args, task), show_line)
    report = _checked(args, task, args.profile, show_line)
    verdict = "usable" if report.is_ok else "not usable: see FAIL above"
    emit(args, report, [f"{task.name} ({task.track}, {report.profile}): {verdict}"])
    return 0 if report.is_ok else 1


def _check_all(args: argparse.Namespace) -> int:
    """The smallest profile of every task that loads, each for itself; 1 when one is not usable."""
    if args.task is not None or args.deep or args.track or args.profile or args.write:
        raise NoTaskChosenError(
            "--all checks the smallest profile of every task and takes no other choice"
        )
    reports, problems = [], {}
    for each in list_tasks():
        if each.problem is not None:
            problems[each.name] = each.problem
            continue
        task = load_task(each.root)
        note(f"checking {task.name}")
        smallest = next(iter(task.profiles))
        try:
            reports.append(_checked(args, task, smallest))
        except (SandboxError, TaskError) as error:  # such as no GPU here; the others are looked at
            problems[task.name] = str(error)
    rows = [(each.task, each.profile, _in_a_word(each)) for each in reports]
    rows += [(name, "", f"not usable: {text}") for name, text in problems.items()]
    facts = {"reports": reports, "problems": problems}
    emit(args, facts, table(("task", "profile", "found"), rows))
    return 0 if all(each.is_ok for each in reports) and not problems else 1


def _ready(args: argparse.Namespace, task: Task) -> Backend:
    """The sandbox that was asked for, with the task's environment made."""
    backend = choose_backend(args.sandbox).backend
    backend.prepare(task.environment, progress=note)
    return backend


def _checked(
    args: argparse.Namespace,
    task: Task,
    profile: str | None,
    show_line: Callable[[CheckLine], None] | None = None,
) -> CheckReport:
    """Check one profile of a task and keep what was found for the catalogue."""
    backend = _ready(args, task)
    with timing_gpus(task) as gpus:
        report = check_task(task, profile, backend, show_line, gpus=gpus or ())
    _keep(_kept(report, is_deep=False, is_ok=report.is_ok))
    return report


def _in_a_word(report: CheckReport) -> str:
    wrong = [_check_line(line) for line in report.lines if not line.is_ok]
    if wrong:
        return "; ".join(["not usable", *wrong])
    return f"usable, {len(report.lines)} checks passed"


def _kept(report: CheckReport, *, is_deep: bool, is_ok: bool) -> TaskCheck:
    return TaskCheck(
        task=report.task,
        track=report.track,
        profile=report.profile,
        digest=report.digest,
        backend=report.backend,
        at=utc_now(),
        is_ok=is_ok,
        is_deep=is_deep,
        run_s=report.run_s,
    )


def _keep(check: TaskCheck) -> None:
    try:
        keep_check(Home.find(), check)
    except HomeError as error:  # the check itself is said all the same
        note(str(error))


def _check_deeply(
    args: argparse.Namespace,
    task: Task,
    backend: Backend,
    show_line: Callable[[CheckLine], None] | None,
) -> int:
    """Measure noise, reach and headroom, run the cheats, and say whether this evaluator can be trusted."""
    profile = profile_of(task, args.profile)
    examiner = Examiner(
        task=task,
        profile=profile,
        backend=backend,
        secret=secrets.token_bytes(16),
        progress=note,
    )
    path = None if args.write is None else Path(args.write)
    if path is not None:
        require_writable(path)  # before an examination of many minutes, not after it
    report = examine(examiner, aa_pairs=args.pairs, on_line=show_line)
    best = report.headroom
    kept = _kept(report.basics, is_deep=True, is_ok=report.is_trusted)
    _keep(kept if best is None else replace(kept, best=best.name, gain=best.effect))
    emit(args, report, trust_page(report, task))
    if path is not None:
        with writing(path):
            path.write_text(calibration_text(report), encoding="utf-8")
        note(f"calibration written to {path}")
    return 0 if report.is_trusted else 1


def _check_line(line: CheckLine) -> str:
    return f"{'ok  ' if line.is_ok else 'FAIL'}  {line.name}: {line.detail}"


def _facts(task: Task) -> dict[str, object]:
    return {
        "name": task.name,
        "description": task.description,
        "digest": task.digest,
        "track": task.track,
        "tracks": list(task.tracks),
        "metric": task.metric,
        "device": task.device,
        "origin": task.origin,
        "profiles": {name: each.plan for name, each in task.profiles.items()},
        "editable": list(task.candidate.editable),
        "protected": list(task.candidate.protected),
        "solutions": [each.name for each in task.solutions],
        "cheats": [each.name for each in task.cheats],
    }


def _show_lines(task: Task) -> list[str]:
    metric = task.metric
    lines = [
        f"{task.name}  track {task.track} of {', '.join(task.tracks)}  digest {task.digest[:12]}",
        task.description,
        "",
        f"metric    {metric.name}: {metric.kind.value}, {metric.unit}, {metric.direction.value} is better, "
        f"by {metric.clock.value}",
        f"effect    at least {metric.minimum_effect:.1%}; a person looks at anything beyond "
        f"{metric.plausible_ratio:g}x in one step",
        f"device    {task.device.value}",
        f"editable  {', '.join(task.candidate.editable)}",
        f"protected {', '.join(task.candidate.protected)}",
        *([f"tests     {shlex.join(task.tests.entry)}"] if task.tests else []),
        *_origin_lines(task),
        "",
    ]
    lines.insert(
        -1, f"guards    {GUARDS_PAGE} says what watches the loop, and what happens beyond its bound"
    )
    for name, profile in task.profiles.items():
        plan, limits = profile.plan, profile.limits
        lines.append(
            f"profile {name}: {plan.min_pairs} to {plan.max_pairs} pairs, {plan.confirm_pairs} to confirm; "
            f"{limits.wall_s:g} s, {limits.memory_bytes >> 20} MiB a run; claims {profile.claim}"
        )
        lines += [
            f"  {rule.name}: limit {rule.limit if rule.limit is not None else 'none'}, "
            f"margin {'none' if rule.margin is None else f'{rule.margin:g}'} {rule.unit}"
            for rule in profile.quality
        ]
    lines.append("")
    lines += table(
        ("solution", "expected", "what it does"),
        [(each.name, each.expect, each.title) for each in task.solutions],
    )
    lines.append("")
    lines += table(
        ("cheat", "caught by", "what it does"),
        [(each.name, each.layer, each.title) for each in task.cheats],
    )
    return lines


def _origin_lines(task: Task) -> list[str]:
    origin = task.origin
    if origin is None:
        return []
    folder = f"{origin.folder} of " if origin.folder else ""
    return [
        f"origin    {folder}{origin.url or 'a checkout without a remote'}, commit {origin.commit}"
    ]
