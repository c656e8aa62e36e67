"""Quality must hold: an absolute limit in every run, and non-inferiority to the champion on average.

Does not: measure quality; the task's harness did. A quality without a margin is held to its limit alone.
Invariant: a difference is candidate minus champion on the same instance and training seed, so what the instance does to
both cancels. A limit is no different: an instance that keeps even the champion from it says nothing of the candidate,
which is then held to the margin there. Against the lineage's baseline the same holds, so no chain of steps is excused by
what one of them lost.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

from rsi.evals.judge.distributions import student_t_quantile
from rsi.evals.judge.sequential import spent_levels
from rsi.evals.types import Measurement, QualityResult
from rsi.tasks.choices import Direction
from rsi.tasks.types import MeasurePlan, QualityRule

QUALITY_ALPHA = 0.05
"""One-sided error rate of calling a quality kept over all looks of a stage together, and of calling it broken; screen and
confirm both have to call it kept."""
LINEAGE_ALPHA = 0.01
"""The same against the lineage's baseline, where one stage stands for both and a lineage tries again with every round."""
FIRST_LOOK_SHARE = 0.5
"""Part of it that the first look may spend: a candidate whose speed settles at once is not held up by its quality."""
MIN_PAIRS = 2


class QualityState(StrEnum):
    """What the runs say about one rule."""

    KEPT = "kept"
    UNSETTLED = "unsettled"
    """Neither shown within the margin nor shown beyond it; more pairs may tell."""
    BROKEN = "broken"


@dataclass(frozen=True, slots=True, kw_only=True)
class QualityCheck:
    """A rule's result with its three-way state."""

    state: QualityState
    result: QualityResult


@lru_cache(maxsize=1024)
def quality_levels(
    min_pairs: int, max_pairs: int, alpha: float = QUALITY_ALPHA
) -> tuple[tuple[int, float], ...]:
    """Level of each look at a quality by its number of pairs, summing to `alpha`.

    A share for the first look, the rest in proportion to the pairs as for the speed. The sum bounds the chance of ever
    calling a loss as large as the margin kept, whatever the dependence between looks (union bound).
    """
    extra = FIRST_LOOK_SHARE * alpha
    (first, level), *later = spent_levels(min_pairs, max_pairs, alpha - extra)
    return ((first, level + extra), *later)


def check_quality(
    rule: QualityRule,
    pairs: Sequence[tuple[Measurement, Measurement]],
    plan: MeasurePlan,
    *,
    alpha: float = QUALITY_ALPHA,
) -> QualityCheck:
    """Apply one rule to all valid pairs.

    Args:
        rule: Limit and margin, in the rule's unit.
        pairs: (champion, candidate) of each pair, both ended ok.
        plan: Says after how many pairs the difference is looked at; a limit holds in every run.
        alpha: One-sided error rate over all looks of the stage.
    """
    values = [(left.quality.get(rule.name), right.quality.get(rule.name)) for left, right in pairs]
    champion = [value for value, _ in values if value is not None]
    candidate = [value for _, value in values if value is not None]
    broken = _limit_problem(rule, values)
    both = [(a, b) for a, b in values if a is not None and b is not None]
    levels = quality_levels(plan.min_pairs, max(plan.max_pairs, len(pairs)), alpha)
    level = [spent for count, spent in levels if count <= len(pairs)] or [levels[0][1]]
    low, high = _difference_interval([b - a for a, b in both], level[-1])
    if broken is not None:
        state, reason = QualityState.BROKEN, broken
    elif all(len(pairs) != count for count, _ in levels):
        state, reason = QualityState.UNSETTLED, f"{rule.name}: {len(pairs)} pairs: between looks"
    else:
        state, reason = _against_margin(rule, low, high)
    result = QualityResult(
        name=rule.name,
        champion_mean=_mean(champion),
        candidate_mean=_mean(candidate),
        difference_low=low,
        difference_high=high,
        limit=rule.limit,
        margin=rule.margin,
        is_kept=state is QualityState.KEPT,
        reason=reason,
    )
    return QualityCheck(state=state, result=result)


def breaks_limit(rule: QualityRule, value: float) -> bool:
    """Whether one run's value is beyond the absolute limit, or is no number at all."""
    if not math.isfinite(value):
        return True
    if rule.limit is None:
        return False
    return value > rule.limit if rule.direction is Direction.LOWER else value < rule.limit


def misses_limit(rule: QualityRule, champion: float | None, candidate: float | None) -> bool:
    """Whether a candidate's run lacks a value or is beyond the limit by its own doing.

    It is not where the champion is beyond it on the same instance too and the candidate is at most the margin worse.

    Args:
        rule: Limit and margin, in the rule's unit; without a margin the candidate may not be worse at all.
        champion: The champion's value in the same pair; None when it has none.
        candidate: The candidate's.
    """
    if candidate is None:
        return True
    if not breaks_limit(rule, candidate):
        return False
    if champion is None or not math.isfinite(candidate) or not breaks_limit(rule, champion):
        return True
    worse = candidate - champion if rule.direction is Direction.LOWER else champion - candidate
    return not worse <= (rule.margin or 0.0)


def _limit_problem(
    rule: QualityRule, values: Sequence[tuple[float | None, float | None]]
) -> str | None:
    runs = len(values)
    missing = sum(candidate is None for _, candidate in values)
    if missing:
        return f"{rule.name} was missing in {missing} of {runs} runs of the candidate"
    over = [b for a, b in values if b is not None and misses_limit(rule, a, b)]
    if not over:
        return None
    worst = max(over) if rule.direction is Direction.LOWER else min(over)
    side = "above" if rule.direction is Direction.LOWER else "below"
    limit = "every number" if rule.limit is None else f"the limit {rule.limit:g} {rule.unit}"
    text = f"{rule.name} was {worst:g}, {side} {limit}, in {len(over)} of {runs} runs"
    also = sum(a is not None and breaks_limit(rule, a) for a, _ in values)
    return f"{text} (the champion: {also})" if also else text


def _against_margin(
    rule: QualityRule, low: float | None, high: float | None
) -> tuple[QualityState, str]:
    margin = rule.margin
    if margin is None:
        target = "a number" if rule.limit is None else f"the target {rule.limit:g} {rule.unit}"
        return QualityState.KEPT, f"{rule.name}: every run reached {target}"
    if low is None or high is None:
        return QualityState.UNSETTLED, f"{rule.name}: too few pairs for an interval"
    if rule.direction is Direction.LOWER:
        worst, best = high, low
    else:
        worst, best = -low, -high
    span = f"[{low:+.4g}, {high:+.4g}] {rule.unit} against the margin {margin:g}"
    if worst <= margin:
        return QualityState.KEPT, f"{rule.name}: candidate minus champion {span}: kept"
    if best > margin:
        return QualityState.BROKEN, f"{rule.name}: candidate minus champion {span}: worse"
    return QualityState.UNSETTLED, f"{rule.name}: candidate minus champion {span}: not settled"


def _difference_interval(
    differences: Sequence[float], level: float
) -> tuple[float | None, float | None]:
    """Mean difference with bounds that each err with `level`, by Student's t."""
    n = len(differences)
    if n < MIN_PAIRS or not all(math.isfinite(value) for value in differences):
        return None, None
    mean = math.fsum(differences) / n
    spread = math.sqrt(math.fsum((value - mean) ** 2 for value in differences) / (n - 1))
    half = student_t_quantile(level, n - 1) * spread / math.sqrt(n)
    return mean - half, mean + half


def _mean(values: Sequence[float]) -> float | None:
    if not values or not all(math.isfinite(value) for value in values):
        return None
    return math.fsum(values) / len(values)
