"""What was measured about a task's evaluator, and whether it can be trusted: problems and warnings in words.

Does not: run anything. Invariant: the verdict is a function of the measured parts, and names what to fix first.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from rsi.evals.judge.sequential import NOISE_FLOOR
from rsi.evals.planted.exploits import Layer
from rsi.evals.types import Interval
from rsi.tasks.running.check import NO_TESTS
from rsi.tasks.types import Task

GOT_THROUGH = "got_through"
"""How a probe ends that saw or did what its layer must not allow."""
MIN_TIMES_FLOOR = 2.0
"""A baseline below so many times an empty run is mostly start-up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NoiseFacts:
    """The same code against itself."""

    pairs: int
    log_ratio_sd: float
    """Standard deviation of the log ratio of one pair."""
    null_effect: Interval | None
    """Interval of a ratio that is 1 by construction."""
    smallest_detectable: float
    """Relative gain that both stages see at the cap with a chance of 0.9; 0.05 means 5 percent."""
    floor_s: float | None
    """Seconds of a run that does the least it must; None where the host's clock does not decide."""
    times_floor: float | None
    """The baseline over the floor; None without a floor."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TriedPatch:
    """One reference solution, measured against the baseline."""

    name: str
    expect: str
    verdict: str
    effect: Interval | None
    is_as_expected: bool
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TriedCheat:
    """One cheat, sent through admission and, admitted or not, run for real."""

    name: str
    layer: str
    """The defence that must stop it: the task's words for a cheat of its own, a `Layer` for a generic one."""
    expect: tuple[str, ...]
    ended_as: str
    """Outcome with every layer on."""
    stopped_by: Layer | None
    """The first layer that stopped it; None when it won."""
    reason: str
    """That layer's words."""
    behind: str | None
    """Outcome with admission off; None when it was not run."""
    behind_layer: Layer | None = None
    """What stopped it there; None when nothing did or it was not run."""
    behind_reason: str = ""
    """Why it ended so with admission off."""

    @property
    def is_caught(self) -> bool:
        return self.ended_as in self.expect

    @property
    def has_got_through(self) -> bool:
        """Whether it saw or did what no admission should have to prevent."""
        return GOT_THROUGH in {self.ended_as, self.behind}


def judge_evaluator(
    task: Task,
    noise: NoiseFacts,
    patches: Sequence[TriedPatch],
    cheats: Sequence[TriedCheat],
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """(problems, warnings) that follow from what was measured, worst first."""
    least = task.metric.minimum_effect
    problems = [
        f"cheat {each.name} WINS: nothing stopped it; the layer it names is {each.layer!r}"
        for each in cheats
        if each.ended_as == "supported"
    ]
    problems += [
        f"cheat {each.name} GETS THROUGH the sandbox once admission is passed: {each.behind_reason}; "
        "use a sandbox that has walls, or mend them"
        for each in cheats
        if each.has_got_through
    ]
    null = noise.null_effect
    if null is not None and (null.low > 1 + least or null.high < 1 / (1 + least)):
        problems.append(
            f"the same code against itself measures {null.estimate:.3f}x [{null.low:.3f}, {null.high:.3f}]: "
            "the two arms are not treated alike"
        )
    problems += [
        f"{each.name} is expected {each.expect} and was supported: the evaluator promotes it"
        for each in patches
        if each.expect != "faster" and each.verdict == "supported"
    ]
    gains = [each for each in patches if each.expect == "faster"]
    if gains and not any(each.verdict == "supported" for each in gains):
        problems.append(
            "none of its known gains is found: more pairs, a longer run or a quieter machine is needed"
        )
    problems += [
        f"cheat {each.name} ended as {each.ended_as}, expected {' or '.join(each.expect)}"
        for each in cheats
        if not each.is_caught and each.ended_as not in {"supported", GOT_THROUGH}
    ]
    return tuple(problems), tuple(_warnings(task, noise, patches, cheats))


def _warnings(
    task: Task,
    noise: NoiseFacts,
    patches: Sequence[TriedPatch],
    cheats: Sequence[TriedCheat],
) -> list[str]:
    least = task.metric.minimum_effect
    found = []
    if noise.smallest_detectable > 2 * least + NOISE_FLOOR:
        found.append(
            f"gains below {noise.smallest_detectable:.1%} are often missed, though {least:.1%} counts: "
            "raise max_pairs or lengthen the run"
        )
    if noise.times_floor is not None and noise.times_floor < MIN_TIMES_FLOOR:
        found.append(
            f"the baseline takes only {noise.times_floor:.1f} times an empty run: give one run more work"
        )
    null = noise.null_effect
    if null is not None and not null.low <= 1 <= null.high:
        found.append(
            f"the interval of the same code against itself, {null.low:.3f} to {null.high:.3f}, misses 1"
        )
    found += [
        f"{each.name} is expected {each.expect} and ended as {each.verdict}: {each.reason}"
        for each in patches
        if not each.is_as_expected and each.verdict != "supported"
    ]
    found += [
        f"cheat {each.name} is stopped by admission alone: behind it the evidence supports it"
        for each in cheats
        if each.behind == "supported" and each.ended_as != "supported"
    ]
    if task.tests is None:
        found.append(f"repo's own tests: {NO_TESTS}")
    if not task.cheats:
        found.append("the task ships no cheats of its own: only generic ones were tried")
    if not any(each.expect == "faster" for each in patches):
        found.append("the task ships no known gain: nothing proves that one would be found")
    return found
