"""A ratio measured in sessions apart in time: its interval holds the spread between sessions, not only within them.

A machine is another one minutes later: pairs of one session agree with each other more than with the next session's. So
each session counts as one value, and the interval is Student's t over them.
Does not: wait between sessions (`measuring.py` does). Invariant: a function of the pairs' numbers and log ratios, the
plan and the minimum effect.
"""

import math
from collections.abc import Sequence

from rsi.evals.judge.distributions import student_t_quantile
from rsi.evals.judge.sequential import NOISE_FLOOR, SequentialState
from rsi.evals.types import Interval, Verdict
from rsi.tasks.types import MeasurePlan

SESSIONS = 3
"""Fewer have no spread worth the name: with two, the t of one degree of freedom is 13."""
MAX_SESSIONS = 6
"""Twice the usual cost at most, for a headline that is still too wide."""
WANTED_WIDTH = 0.10
"""A headline should lie within 10 % on either side."""
LEVEL_SHARE = 0.6
"""Part of the error rate that one look at the sessions may use. Stopping when the interval is narrow enough favours sessions
that agree by luck: at the full rate an interval of 95 % held the truth in 92 % where sessions spread by 12 %; at this
share it does in 95 % and more, whatever the spread (`benchmarks/sessions.py`)."""


def pairs_a_session(plan: MeasurePlan) -> int:
    """Pairs of one session, of a plan that `session_plan` made."""
    return plan.min_pairs // SESSIONS


def session_plan(plan: MeasurePlan, pairs: int, alpha: float) -> MeasurePlan:
    """The plan of an audit that takes at least so many pairs in all, shared out over the sessions."""
    each = math.ceil(pairs / SESSIONS)
    return MeasurePlan(
        min_pairs=SESSIONS * each,
        max_pairs=MAX_SESSIONS * each,
        confirm_pairs=plan.confirm_pairs,
        alpha=alpha,
    )


def decide_sessions(
    pairs: Sequence[tuple[int, float]], plan: MeasurePlan, minimum_effect: float
) -> SequentialState:
    """Whether another session is needed, and what those so far say.

    Args:
        pairs: Number and log ratio of each valid pair, in order; the number says which session it belongs to.
        plan: As `session_plan` made it.
        minimum_effect: 0.02 means 2 percent.
    """
    each = pairs_a_session(plan)
    means = _session_means(pairs, each)
    if len(means) < 2:
        return SequentialState(
            stop=False,
            verdict=Verdict.INCONCLUSIVE,
            interval=None,
            size=None,
            reason=f"{len(means)} of {SESSIONS} sessions: no spread between sessions yet",
        )
    interval = session_interval(means, len(pairs), plan.alpha)
    is_narrow = interval.high / interval.estimate <= 1 + WANTED_WIDTH
    is_whole = (pairs[-1][0] + 1) % each == 0
    is_over = is_whole and len(means) >= (SESSIONS if is_narrow else MAX_SESSIONS)
    threshold = 1 + minimum_effect
    verdict, reason = Verdict.INCONCLUSIVE, f"cannot be told from {threshold:.3f}"
    if interval.low > threshold:
        verdict, reason = (
            Verdict.SUPPORTED,
            f"the lower bound {interval.low:.3f} is above {threshold:.3f}",
        )
    elif interval.high < threshold:
        verdict, reason = (
            Verdict.REFUTED,
            f"the effect {interval.estimate:.3f} is surely below {threshold:.3f}",
        )
    said = f"{reason}, over {len(means)} sessions at {interval.confidence:.0%}"
    if not is_over:  # also what a person sees of an audit that was stopped
        verdict, said = Verdict.INCONCLUSIVE, f"not at its end; so far {said}"
    return SequentialState(
        stop=is_over, verdict=verdict, interval=interval, size=interval, reason=said
    )


def session_interval(means: Sequence[float], pairs: int, alpha: float) -> Interval:
    """The interval over the means of sessions, each side erring with at most `alpha` though one stops when it is narrow.

    Args:
        means: Mean log ratio of each session, at least two.
        pairs: Pairs of all sessions together; what a pair can repeat bounds the error from below.
        alpha: Error rate of each side, such as 0.025.
    """
    count = len(means)
    mean = math.fsum(means) / count
    spread = math.sqrt(math.fsum((each - mean) ** 2 for each in means) / (count - 1))
    error = max(spread / math.sqrt(count), NOISE_FLOOR / math.sqrt(pairs))
    half = error * student_t_quantile(LEVEL_SHARE * alpha, count - 1)
    return Interval(
        estimate=math.exp(mean),
        low=math.exp(mean - half),
        high=math.exp(mean + half),
        confidence=1 - 2 * alpha,
        pairs=pairs,
    )


def _session_means(pairs: Sequence[tuple[int, float]], each: int) -> list[float]:
    """One mean a session that has a valid pair."""
    sessions: dict[int, list[float]] = {}
    for number, ratio in pairs:
        sessions.setdefault(number // each, []).append(ratio)
    return [math.fsum(ratios) / len(ratios) for ratios in sessions.values()]
