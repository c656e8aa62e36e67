"""One judgement used twice: after each pair to know whether to stop, and at the end as the verdict.

Does not: run anything. Invariant: measuring and scoring can never disagree, because both call `judge`.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from rsi.evals.judge.causes import GUARD_SAID, QUALITY_SAID, UNSETTLED_SAID
from rsi.evals.judge.guards import REPO_TESTS, check_all, test_failure
from rsi.evals.judge.pairing import Runs, sort_runs
from rsi.evals.judge.quality import (
    LINEAGE_ALPHA,
    QUALITY_ALPHA,
    QualityCheck,
    QualityState,
    check_quality,
    misses_limit,
)
from rsi.evals.judge.sequential import FIRST_LOOK, SequentialState, decide, log_ratio
from rsi.evals.judge.sessions import MAX_SESSIONS, SESSIONS, decide_sessions, session_plan
from rsi.evals.types import GuardResult, Measurement, Outcome, Purpose, Verdict
from rsi.tasks.choices import Direction, MetricKind
from rsi.tasks.guards import SourceFacts
from rsi.tasks.types import MeasurePlan, Metric, Profile, QualityRule, Task

AGAINST_BASELINE = frozenset({Purpose.BASELINE, Purpose.AUDIT})
"""Purposes whose reference arm is the lineage's round-0 baseline, so that a ratio holds many steps."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """What the measurements of one purpose say, with everything it was drawn from."""

    stop: bool
    """Nothing that further pairs could show would change the verdict, or the cap is reached."""
    verdict: Verdict
    reason: str
    runs: Runs
    state: SequentialState | None
    """None when the deciding metric gave no ratios."""
    quality: tuple[QualityCheck, ...]
    guards: tuple[GuardResult, ...]
    plan: MeasurePlan
    """The plan that applied, with the purpose's cap and the alpha in use."""


def fresh_stages(*, is_first_step: bool) -> tuple[Purpose, ...]:
    """What a screened candidate must be supported in, on fresh runs, before the gate.

    The second binds a chain of steps to what one step may cost: quality and guards are judged against a reference that
    no promotion moves. A first step is measured against the baseline anyway.
    """
    return (Purpose.CONFIRM,) if is_first_step else (Purpose.CONFIRM, Purpose.BASELINE)


def plan_for(plan: MeasurePlan, purpose: Purpose, alpha: float | None) -> MeasurePlan:
    """The plan of one purpose.

    CONFIRM and BASELINE start with `confirm_pairs` and may go on to the cap. COMPARE and EXTRA measure a number fixed
    beforehand and look once, which gives the narrowest interval; AUDIT shares as many out over sessions. The others stop
    as early as they can.
    """
    chosen = plan.alpha if alpha is None else alpha
    confirm = max(plan.confirm_pairs, FIRST_LOOK)
    if purpose in {Purpose.CONFIRM, Purpose.BASELINE}:
        cap = max(plan.max_pairs, confirm)
        return replace(plan, min_pairs=confirm, max_pairs=cap, alpha=chosen)
    fixed = max(plan.min_pairs, confirm)
    if purpose is Purpose.AUDIT:
        return session_plan(plan, fixed, chosen)
    if purpose in {Purpose.COMPARE, Purpose.EXTRA}:
        return replace(plan, min_pairs=fixed, max_pairs=fixed, alpha=chosen)
    return replace(plan, max_pairs=max(plan.max_pairs, plan.min_pairs), alpha=chosen)


def judge(
    task: Task,
    profile: Profile,
    measurements: Sequence[Measurement],
    *,
    purpose: Purpose,
    alpha: float | None = None,
    source: SourceFacts | None = None,
) -> Judgement:
    """Judge the measurements of one purpose.

    Args:
        task: Its metric says what is compared and the smallest effect worth having.
        profile: Plan, quality rules and guards.
        measurements: In any order; other purposes are left out.
        purpose: Which runs count.
        alpha: One-sided error rate of this stage; None takes the plan's.
        source: Facts about the two trees, for guards that speak of source.

    Raises:
        MeasurementError: Stored runs contradict each other.
        EvidenceError: A guard speaks of source and `source` is None.
    """
    plan = plan_for(profile.plan, purpose, alpha)
    runs = sort_runs(task.metric, measurements, purpose)
    ratios = log_ratios_of(task.metric, runs)
    state = None if ratios is None else _state(purpose, runs, ratios, plan, task.metric)
    looks, level = _quality_looks(
        purpose, plan, len(runs.valid), is_over=bool(state and state.stop)
    )
    quality = tuple(check_quality(rule, runs.valid, looks, alpha=level) for rule in profile.quality)
    guards = check_all(profile.guards, task.tests, runs.valid, source, purpose)
    stop, verdict, reason = (
        _failed(runs)
        or _limit_broken(profile.quality, quality, runs)
        or _tests_failed(guards, runs)
        or _weighed(task.metric.kind, state, quality, guards, len(runs.valid), plan)
    )
    return Judgement(
        stop=stop,
        verdict=verdict,
        reason=reason,
        runs=runs,
        state=state,
        quality=quality,
        guards=guards,
        plan=plan,
    )


def _state(
    purpose: Purpose, runs: Runs, ratios: Sequence[float], plan: MeasurePlan, metric: Metric
) -> SequentialState:
    if purpose is not Purpose.AUDIT:
        return decide(ratios, plan, metric.minimum_effect)
    numbers = [champion.pair for champion, _ in runs.valid]
    return decide_sessions(list(zip(numbers, ratios, strict=True)), plan, metric.minimum_effect)


def _quality_looks(
    purpose: Purpose, plan: MeasurePlan, pairs: int, *, is_over: bool
) -> tuple[MeasurePlan, float]:
    """After how many pairs quality is looked at, and at which level; an audit looks when its sessions are over."""
    if purpose is not Purpose.AUDIT:
        return plan, LINEAGE_ALPHA if purpose is Purpose.BASELINE else QUALITY_ALPHA
    at = pairs if is_over else plan.max_pairs + 1
    # A quality that is not settled asks for the next session: so many looks share the rate.
    return replace(plan, min_pairs=at, max_pairs=at), QUALITY_ALPHA / (1 + MAX_SESSIONS - SESSIONS)


_Ruling = tuple[bool, Verdict, str]


def _failed(runs: Runs) -> _Ruling | None:
    """A candidate that fails is invalid; one repeat tells whether it always does."""
    if not runs.failures:
        return None
    worst = next((run for run in runs.failures if run.outcome is Outcome.TAMPERED), None)
    first = worst or runs.failures[0]
    count = sum(run.outcome is first.outcome for run in runs.failures)
    total = len(runs.candidate_runs)
    repeated = total > 1 + runs.candidate_runs.index(runs.failures[0])
    detail = f": {first.detail}" if first.detail else ""
    reason = f"{first.outcome} in {count} of {total} runs{detail}"
    return (worst is not None or repeated, Verdict.INVALID, reason)


def _limit_broken(
    rules: Sequence[QualityRule], checks: Sequence[QualityCheck], runs: Runs
) -> _Ruling | None:
    """An absolute limit holds in every run, so one broken run settles it."""
    for rule, check in zip(rules, checks, strict=True):
        values = [
            (left.quality.get(rule.name), right.quality.get(rule.name))
            for left, right in runs.valid
        ]
        if any(misses_limit(rule, *each) for each in values):
            return (True, Verdict.REFUTED, f"{QUALITY_SAID}{check.result.reason}")
    return None


def _tests_failed(guards: Sequence[GuardResult], runs: Runs) -> _Ruling | None:
    """A candidate that breaks the repo is refuted whatever it gains, so no further pair is needed."""
    asked = next((each for each in guards if each.name == REPO_TESTS), None)
    if asked is None or asked.is_kept or asked.value is None:
        return None
    return (True, Verdict.REFUTED, f"guard: the {REPO_TESTS} fail: {test_failure(runs.valid)}")


def _weighed(
    kind: MetricKind,
    state: SequentialState | None,
    quality: Sequence[QualityCheck],
    guards: Sequence[GuardResult],
    pairs: int,
    plan: MeasurePlan,
) -> _Ruling:
    if state is None:
        reason = "the deciding metric of the candidate is not a positive number"
        return (True, Verdict.REFUTED, reason)
    at_cap = pairs >= plan.max_pairs
    worse = next((check for check in quality if check.state is QualityState.BROKEN), None)
    if worse is not None:
        return (True, Verdict.REFUTED, f"{QUALITY_SAID}{worse.result.reason}")
    if state.verdict is not Verdict.SUPPORTED:
        return (state.stop or at_cap, state.verdict, state.reason)
    unsettled = next((check for check in quality if check.state is QualityState.UNSETTLED), None)
    if unsettled is not None:
        reason = f"{kind.rules.gain}, {UNSETTLED_SAID}{unsettled.result.reason}"
        return (at_cap, Verdict.INCONCLUSIVE, reason)
    broken = next((guard for guard in guards if not guard.is_kept), None)
    if broken is None:
        return (True, Verdict.SUPPORTED, state.reason)
    if broken.value is None:
        reason = f"{GUARD_SAID}{broken.name} could not be measured"
        return (True, Verdict.INCONCLUSIVE, reason)
    reason = f"{GUARD_SAID}{broken.name} is {broken.value:.4g}, allowed is {broken.bound:.4g}"
    return (True, Verdict.REFUTED, reason)


def log_ratios_of(metric: Metric, runs: Runs) -> list[float] | None:
    """Log of how many times better the candidate was in each pair; None when a value of its is not positive.

    A time is always positive; only a value from a result file can be zero or less, and a candidate that
    scores so gets no ratio. A champion that does makes its pair invalid (`pairing.py`).
    """
    ratios = []
    for champion, candidate in runs.valid:
        left, right = champion.metric_value, candidate.metric_value
        if left is None or right is None or not 0 < right < math.inf:
            return None
        ratios.append(log_ratio(left, right, is_lower_better=metric.direction is Direction.LOWER))
    return ratios
