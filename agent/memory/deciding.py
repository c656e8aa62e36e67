"""What decides about a candidate, in words: the same text for who writes it, who criticises it and who reviews it.

Pure: every line is made from a field of the loaded task, whose track is the only one that is told.
Does not: repeat the task's instruction, or say how the champion does (`brief` does).
"""

import shlex

from rsi.evals.judge.judging import plan_for
from rsi.evals.types import Purpose
from rsi.sandboxes.types import Limits
from rsi.tasks.guards import BY_NAME
from rsi.tasks.types import GuardRule, Profile, QualityRule, Task

MEBIBYTE = 1 << 20


def what_decides(task: Task, profile: Profile) -> str:
    """Track, metric, qualities, guards, what may be changed, limits of a run, and how many runs there are."""
    return "\n".join(
        (
            *_track(task),
            *_metric(task),
            *(_quality(rule) for rule in profile.quality),
            *(line for rule in profile.guards for line in _guard(rule)),
            *_tests(task),
            *_change(task),
            *_run(task, profile),
            _evidence(profile),
        )
    )


def _track(task: Task) -> tuple[str, ...]:
    return (f"- Track {task.track}: {task.track_description}",) if task.track_description else ()


def _metric(task: Task) -> tuple[str, ...]:
    metric = task.metric
    return (
        f"- Metric {metric.name} in {metric.unit}, {metric.direction.meaning} ({metric.kind.value}: "
        f"{metric.kind.meaning}). Clock {metric.clock.value}: {metric.clock.meaning}.",
        f"- A gain counts when its whole interval lies above {metric.minimum_effect:.1%}; one of more than "
        f"{metric.plausible_ratio:g}x in one step goes to a person.",
    )


def _quality(rule: QualityRule) -> str:
    word = "most" if rule.direction.value == "lower" else "least"
    bounds: list[str] = []
    if rule.limit is not None:
        bounds.append(f"at {word} {rule.limit:g} in every run")
    if rule.margin is not None:
        bounds.append(
            f"shown to be worse than the champion's by less than {rule.margin:g} on average"
        )
    return (
        f"- Quality {rule.name} in {rule.unit}, {rule.direction.meaning}: {', and '.join(bounds)}."
    )


def _guard(rule: GuardRule) -> tuple[str, ...]:
    guard, bounds = BY_NAME[rule.name], []
    if rule.max_ratio is not None:
        bounds.append(f"at most {rule.max_ratio:g} times the champion's")
    if rule.max_value is not None:
        bounds.append(f"at most {rule.max_value:g} {guard.unit}")
    return (f"- Guard {rule.name} ({guard.meaning}): {' and '.join(bounds)}.",)


def _tests(task: Task) -> tuple[str, ...]:
    if task.tests is None:
        return ()
    return (f"- The repo's own tests have to pass: {shlex.join(task.tests.entry)}",)


def _change(task: Task) -> tuple[str, ...]:
    rules = task.candidate
    return (
        f"- Editable: {', '.join(rules.editable)}. Protected, not to be touched: "
        f"{', '.join(rules.protected) or 'nothing'}.",
        f"- Source: at most {rules.max_source_bytes} bytes in all, no literal above {rules.max_literal_bytes} bytes, "
        f"at most {rules.max_files_added} new files.",
    )


def _run(task: Task, profile: Profile) -> tuple[str, ...]:
    rules = task.candidate
    built = f"Built with {shlex.join(rules.build)}, which is not timed. " if rules.build else ""
    budget = profile.budget
    spends = f" A run may spend {budget.limit:g} {budget.unit}." if budget else ""
    return (
        f"- {built}Started with {shlex.join(rules.entry)} on {counted(profile.cpu_count, 'core')}, as many threads; "
        f"limits of a run: {_limits(profile.limits)}; it may leave {rules.max_output_bytes / MEBIBYTE:g} MiB in "
        f"{counted(rules.max_output_files, 'file')}.{spends}",
    )


def _limits(limits: Limits) -> str:
    return (
        f"{limits.wall_s:g} s of wall time, {limits.memory_bytes / MEBIBYTE:g} MiB of memory, "
        f"{limits.disk_bytes / MEBIBYTE:g} MiB of files, {limits.pids} processes and threads"
    )


def _evidence(profile: Profile) -> str:
    screen = plan_for(profile.plan, Purpose.SCREEN, None)
    confirm = plan_for(profile.plan, Purpose.CONFIRM, None)
    return (
        f"- Evidence: up to {screen.max_pairs} pairs of runs, champion and candidate on the same new instance, then up to "
        f"{confirm.max_pairs} pairs on others; "
        "after a first promotion against the baseline too."
    )


def counted(number: int, noun: str) -> str:
    """Such as "1 file", "2 files"."""
    return f"{number} {noun}" + ("" if number == 1 else "s")
