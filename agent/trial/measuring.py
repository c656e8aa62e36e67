"""Measure the code of a trial against itself or a change: the same pairs and the same judgement as everywhere.

Does not: decide a promotion.
"""

import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from rsi.agent.policy.controls import control_tree
from rsi.agent.trust.task_trust import CAMPAIGN_ALPHA
from rsi.evals.judge.alpha_spending import alpha_for, attempt_alpha, stage_alpha
from rsi.evals.judge.guards import source_facts
from rsi.evals.judge.score import score
from rsi.evals.measure.curve_screen import CurveScreen
from rsi.evals.measure.measuring import measure
from rsi.evals.measure.noise import PairNoise, pair_noise
from rsi.evals.planted.controls import Control, ControlKind
from rsi.evals.types import Arm, Measurement, Outcome, Purpose, Score
from rsi.sandboxes.types import Backend, FileTree
from rsi.tasks.choices import Clock
from rsi.tasks.errors import NewTaskError
from rsi.tasks.files.trees import read_tree
from rsi.tasks.types import Profile, Task

NULL_PAIRS = 2
MORE_PAIRS = 5
"""Where two pairs of short runs say that there is much noise: two are few to say how much."""
MUCH_NOISE = 0.01
SHORT_S = 60.0
_NULL = Control(kind=ControlKind.NULL, name="null", patch=None, expect=())


@dataclass(frozen=True, slots=True, kw_only=True)
class SelfCompared:
    """The baseline against itself with one comment line more."""

    noise: PairNoise
    seconds: float
    """Median of the runs, on the clock that decides; wall seconds where the quality does."""
    quality: dict[str, tuple[float, ...]]
    """Values of each quality, one for each seed."""


def compare_with_itself(
    task: Task, profile: Profile, backend: Backend, say: Callable[[str], None], *, secret: bytes
) -> SelfCompared:
    """Two pairs of the same code.

    Raises:
        MeasurementError: The host, the harness or the baseline failed.
        NewTaskError: A run of the null patch did not end as the baseline does.
    """
    base = read_tree(task.repo)
    null = control_tree(task, _NULL, base)

    def runs_of(pairs: int, recorded: Sequence[Measurement]) -> Sequence[Measurement]:
        plan = replace(profile.plan, min_pairs=pairs, max_pairs=pairs, confirm_pairs=1)
        return measure(
            task,
            replace(profile, plan=plan),
            backend,
            base,
            null,
            purpose=Purpose.CONTROL,
            campaign_secret=secret,
            lineage="try",
            round_id="null",
            recorded=recorded,
            on_measurement=lambda run: say(_run_line(task, run, changed="itself again")),
        )

    runs = runs_of(NULL_PAIRS, ())
    seconds = statistics.median(_seconds(task, run) for run in runs)
    if (
        seconds < SHORT_S
        and all(run.outcome is Outcome.OK for run in runs)
        and pair_noise(task.metric, runs, Purpose.CONTROL).sd > MUCH_NOISE
    ):
        say(
            f"the two differ by more than {MUCH_NOISE:.0%}, so {MORE_PAIRS - NULL_PAIRS} more pairs:"
        )
        runs = runs_of(MORE_PAIRS, runs)
    # A pair that compares nothing is no fault of the code; others took its place.
    own_fault = [run for run in runs if run.outcome not in {Outcome.OK, Outcome.OUT_OF_TURN}]
    bad = next(iter(own_fault), None)
    if bad is not None:
        raise NewTaskError(
            f"the same code ran a second time and ended as {bad.outcome.value}: {bad.detail}; runs of it do not repeat"
        )
    own = [run for run in runs if run.arm is Arm.CHAMPION and run.outcome is Outcome.OK]
    return SelfCompared(
        noise=pair_noise(task.metric, runs, Purpose.CONTROL),
        seconds=statistics.median(_seconds(task, run) for run in own),
        quality={
            rule.name: tuple(run.quality[rule.name] for run in own) for rule in profile.quality
        },
    )


def judged(
    task: Task,
    profile: Profile,
    base: FileTree,
    tree: FileTree,
    backend: Backend,
    say: Callable[[str], None],
    *,
    secret: bytes,
    screen: CurveScreen | None = None,
) -> Score | None:
    """A change against the baseline, with as many pairs as it takes; None where a screen gave it up before.

    Raises:
        MeasurementError: The host, the harness or the baseline failed.
    """
    alpha = stage_alpha(attempt_alpha(alpha_for(1, CAMPAIGN_ALPHA), 0))
    runs = measure(
        task,
        profile,
        backend,
        base,
        tree,
        purpose=Purpose.CONTROL,
        campaign_secret=secret,
        lineage="try",
        round_id="second",
        alpha=alpha,
        on_measurement=lambda run: say(_run_line(task, run, changed="change")),
        listener=screen,
        should_stop=None if screen is None else lambda: screen.behind() is not None,
    )
    if screen is not None and screen.behind() is not None:
        return None
    return score(
        task,
        profile,
        runs,
        purpose=Purpose.CONTROL,
        alpha=alpha,
        source=source_facts(base, tree),
    )


def spread(values: Sequence[float]) -> float | None:
    """Standard deviation; None with fewer than two values."""
    finite = [value for value in values if math.isfinite(value)]
    return statistics.stdev(finite) if len(finite) > 1 else None


def _seconds(task: Task, run: Measurement) -> float:
    found = run.cpu_s if task.metric.clock is Clock.CPU_S else run.wall_s
    return found or 0.0


def _run_line(task: Task, run: Measurement, *, changed: str) -> str:
    arm = "baseline" if run.arm is Arm.CHAMPION else changed
    values = ", ".join(f"{name} {value:.5g}" for name, value in run.quality.items())
    clock = "CPU s" if task.metric.clock is Clock.CPU_S else "s"
    detail = "" if run.outcome is Outcome.OK else f" {run.outcome.value}: {run.detail}"
    return f"  pair {run.pair + 1} {arm}: {_seconds(task, run):.2f} {clock}, {values}{detail}"
