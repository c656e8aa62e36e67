"""What was measured about a task's evaluator, and whether it can be trusted: problems and warnings in words.

Does not: run anything. Invariant: the verdict is a function of the measured parts, and names what to fix first.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from rsi.evals.judge.sequential import NOISE_FLOOR
from rsi.evals.planted.exploits import Layer
from rsi.evals.planted.lies import HOST_CLOCKS
from rsi.evals.types import Interval
from rsi.tasks.choices import Honesty
from rsi.tasks.running.check import NO_TESTS
from rsi.tasks.types import Metric, Task

GOT_THROUGH = "got_through"
"""How a probe ends that saw or did what its layer must not allow."""
_MEND = (
    "let harness/ compute the quality from what a run leaves, on data drawn from the seed, and keep "
    '`claim = "none"` until then'
)
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
    is_generic: bool = False
    """Whether it is of the pack or a lie about what the baseline left, so that `layer` is a `Layer`."""
    time_saved: float | None = None
    """Least ratio of the baseline's cost to its own; None where that was not seen."""

    @property
    def is_caught(self) -> bool:
        return self.ended_as in self.expect

    @property
    def has_got_through(self) -> bool:
        """Whether it saw or did what no admission should have to prevent."""
        return GOT_THROUGH in {self.ended_as, self.behind}

    @property
    def is_for_the_grader(self) -> bool:
        """Whether it does no work and stands or falls with what the grader believes."""
        return self.is_generic and self.layer == Layer.GRADING

    def could_have_won(self, metric: Metric) -> bool | None:
        """Whether a grader that believes every word would have let it win; None when that cannot be told.

        One that ended in an error or took as long as the baseline loses before any grader, and proves nothing of one.
        Where the harness states the deciding value, what it would have believed is not known.
        """
        if not self.is_for_the_grader or self.behind is None:
            return None
        if self.behind == "supported":
            return True
        if metric.clock not in HOST_CLOCKS:
            return None
        return self.time_saved is not None and self.time_saved > 1 + metric.minimum_effect


def judge_evaluator(
    task: Task,
    noise: NoiseFacts,
    patches: Sequence[TriedPatch],
    cheats: Sequence[TriedCheat],
    *,
    is_recomputed: bool | None,
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """(problems, warnings) that follow from what was measured, worst first.

    Args:
        task: What was examined.
        noise: The same code against itself.
        patches: Its reference solutions, measured.
        cheats: Its own and generic cheats, run for real.
        is_recomputed: Whether the harness says that it computes the quality itself; None when it does not say.
    """
    least = task.metric.minimum_effect
    problems = [
        f"cheat {each.name} WINS: nothing stopped it; the layer it names is {each.layer!r}"
        for each in cheats
        if each.ended_as == "supported"
    ]
    problems += _blindness(task, cheats, is_recomputed)
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


def _blindness(task: Task, cheats: Sequence[TriedCheat], is_recomputed: bool | None) -> list[str]:
    """Why a quality of this task is a run's word, or nothing shows that it is more."""
    aimed = [each for each in cheats if each.is_for_the_grader]
    found = [
        f"the grader is BLIND: cheat {each.name} did no work, and once admission is passed it is supported; {_MEND}"
        for each in aimed
        if each.behind == "supported" and not _is_kept_out(task, each)
    ]
    if task.honesty is Honesty.L1:
        found.append(
            "the evaluation looks at data that the run had too, so what is fitted to it is not seen: hold rows out "
            "(`rsi try --hold-out '10% of FILE'`)"
        )
    if is_recomputed is False and not found:
        found.append(
            f"the quality is not recomputed: the harness says that it takes a run's word; {_MEND}"
        )
    if is_recomputed is None and not task.pattern.rules.is_linked:
        found.append(
            "the harness does not say whether it computes the quality itself: let describe() in harness/ have "
            "`is_recomputed`, true or false"
        )
    if aimed and all(each.could_have_won(task.metric) is False for each in aimed):
        found.append(
            "no cheat could have won even by a grader that believes everything, so nothing shows that this one does not: "
            "give one run more work, so that doing none is plainly faster"
        )
    return found


def _is_kept_out(task: Task, cheat: TriedCheat) -> bool:
    """Whether a result that was brought along is stopped where a task on somebody's own data can stop it: at admission.

    Its data is the same in every run, so what one run learned is as good in the next; no grader can tell.
    """
    return task.honesty in {Honesty.L1, Honesty.L2} and cheat.ended_as in cheat.expect


_SEES = {
    Honesty.L0: "sees how long a run takes and a run that says no number; it cannot see a forged number, work that was left out, "
    "or a result that is worse than it says",
    Honesty.L1: "sees a forged number, a result that is not there, and a file that runs code; it cannot see what is fitted to the "
    "evaluation's data, or a result that is brought along in the source, which the caps of admission alone keep out",
    Honesty.L2: "sees a forged number, a result that is not there, a file that runs code, and what is fitted to the data that runs "
    "have; it cannot see a result that is brought along in the source, which the caps of admission alone keep out",
}
"""What each level can and cannot tell."""


def _warnings(
    task: Task,
    noise: NoiseFacts,
    patches: Sequence[TriedPatch],
    cheats: Sequence[TriedCheat],
) -> list[str]:
    least = task.metric.minimum_effect
    found = [] if task.honesty is None else [f"honesty {task.honesty.value} {_SEES[task.honesty]}"]
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
        if each.behind == "supported"
        and each.ended_as != "supported"
        and not each.is_for_the_grader
    ]
    found += [
        f"cheat {each.name} could not have won even by a grader that believes everything, so its end says nothing"
        for each in cheats
        if each.could_have_won(task.metric) is False
    ]
    if not task.pattern.rules.is_linked and not any(each.is_for_the_grader for each in cheats):
        found.append(
            "no generic cheat reaches this repo's code, so nothing was tried on the grader but the task's own cheats"
        )
    if task.tests is None:
        found.append(f"repo's own tests: {NO_TESTS}")
    if not task.cheats:
        found.append("the task ships no cheats of its own: only generic ones were tried")
    if not any(each.expect == "faster" for each in patches):
        found.append("the task ships no known gain: nothing proves that one would be found")
    return found
