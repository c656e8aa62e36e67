"""The catalogue of tasks: what each asks, how it runs, what is to be gained, and what was checked on this machine."""

from collections.abc import Iterator, Sequence

from rsi.agent.store.task_checks import TaskCheck
from rsi.tasks.choices import Clock
from rsi.tasks.format.loader import variants_of
from rsi.tasks.running.starts import strongest
from rsi.tasks.types import Task

_CLOCKS = {
    Clock.CPU_S: "CPU seconds decide",
    Clock.WALL_S: "wall seconds decide",
    Clock.RESULT: "the harness's own clock decides",
}


def catalogue_lines(task: Task, checks: Sequence[TaskCheck]) -> Iterator[tuple[str, str]]:
    """What is said of a task, as pairs of a word and a text.

    Args:
        task: A loaded task.
        checks: Of its folder as it is now, the most telling first.
    """
    yield "asks", task.description
    if task.trains:
        yield "trains", task.trains
    if task.honesty is not None:
        yield "quality", task.honesty.text
    clock = _CLOCKS[task.metric.clock] if task.is_timed else "no clock decides"
    yield "runs", f"{task.pattern.value} pattern, device {task.device.value}, {clock}"
    if len(task.tracks) > 1:
        yield "tracks", ", ".join(task.tracks)
    yield "profiles", ", ".join(task.profiles)
    if variants := variants_of(task.root):
        yield "variants", ", ".join(f"{task.name}@{each}" for each in variants)
    yield "headroom", headroom(task, checks)
    yield "here", "; ".join(map(check_words, checks)) or f"not checked: rsi task check {task.name}"
    if task.suite:
        yield "suite", ", ".join(task.suite)


def headroom(task: Task, checks: Sequence[TaskCheck]) -> str:
    """The largest gain that is known: measured here, else what the reference solutions are thought to add up to."""
    for check in checks:
        if check.gain is not None:
            low, high = check.gain.low, check.gain.high
            gained = f"{check.gain.estimate:.2f}x [{low:.2f}, {high:.2f}]"
            return f"{gained} by {check.best}, measured here ({check.track}, {check.profile})"
    product, best = strongest(task)
    if best is None:
        return "no known solution"
    return f"about {product:.0f}x expected with {best.name} and the patches that it builds on"


def check_words(check: TaskCheck) -> str:
    """One check in a few words: what was found, on what, when, and what a run costs."""
    cost = "" if check.run_s is None else f", a run takes {check.run_s:.2g} s"
    where = f"{check.track}, {check.profile}, {check.backend}"
    return f"{found_words(check)} ({where}, {check.at:%Y-%m-%d}{cost})"


def found_words(check: TaskCheck) -> str:
    """What a check found."""
    good, bad = (
        ("can be trusted", "cannot be trusted yet") if check.is_deep else ("usable", "not usable")
    )
    return good if check.is_ok else bad
