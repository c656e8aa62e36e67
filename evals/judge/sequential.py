"""Decide after each pair whether a candidate is faster, is not, or needs another pair.

The statistic is a trimmed-mean t on the log ratios of pairs; the boundary spends a declared error rate over
the looks, so looking early costs nothing that was not paid for (see docs/decisions/evals.md).
Does not: know of quality, guards or cheats; order the pairs; read a clock.
Invariant: a function of the log ratios, the plan and the minimum effect alone.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from rsi.evals.errors import TooFewPairsError
from rsi.evals.judge.distributions import student_t_quantile, student_t_tail
from rsi.evals.types import Interval, Verdict
from rsi.tasks.types import MeasurePlan

MIN_PAIRS = 2
"""Fewer pairs have no spread, so nothing can be said."""
FIRST_LOOK = 3
"""Two pairs have one degree of freedom: a boundary there needs a t above 40, so paying for it is waste."""
TRIM = 0.125
"""Share of pairs dropped at each end: one of eight. Measured: power for a 3 % gain under bursts rises from
0.42 to 0.9 at a cap of 40, and costs 3 points of power under Gaussian noise."""
NOISE_FLOOR = 0.005
"""Smallest standard deviation of one log ratio that is believed. Whole processes repeat no better than half
a percent here; three pairs that agree to five digits are luck, and a small-sample t would trust them."""
EVERY_PAIR_UP_TO = 8
LOOK_GROWTH = 1.2
"""Beyond eight pairs the next look comes after 20 % more: dense looks cost power and decide nothing."""
SIZE_CONFIDENCE = 0.95
"""Of the plain interval that says how large an effect is."""
REFUTE_ALPHA = 0.05
"""Error rate of calling a worthwhile candidate refuted by the boundary."""
FUTILE_CHANCE = 0.05
"""Predicted chance of support within the cap below which further pairs are waste."""
REFUTE_PROBABILITY = 0.10
"""A futile candidate is refuted only if the minimum effect is this improbable; otherwise it is inconclusive."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SequentialState:
    """What the pairs so far say."""

    stop: bool
    verdict: Verdict
    """INCONCLUSIVE while `stop` is false."""
    interval: Interval | None
    """Champion over candidate as a ratio, with the bounds of the decision; None with fewer than MIN_PAIRS pairs."""
    size: Interval | None
    """The same estimate with its plain 95 % interval, which says how large it is and decides nothing."""
    reason: str
    """One sentence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrimmedMean:
    """A trimmed mean of log ratios with its standard error."""

    mean: float
    error: float
    """Standard error, at least NOISE_FLOOR / sqrt(pairs)."""
    df: int
    pairs: int

    def tail(self, value: float) -> float:
        """P(true mean > value), read from the t distribution."""
        return student_t_tail((value - self.mean) / self.error, self.df)


def log_ratio(champion: float, candidate: float, *, is_lower_better: bool) -> float:
    """Log of how many times better the candidate is; 0.0953 means 10 percent.

    Raises:
        ValueError: A value is not a positive finite number.
    """
    if not (0 < champion < math.inf and 0 < candidate < math.inf):
        raise ValueError(f"ratios need positive finite values, got {champion!r} and {candidate!r}")
    ratio = math.log(champion) - math.log(candidate)
    return ratio if is_lower_better else -ratio


def look_pairs(min_pairs: int, max_pairs: int) -> tuple[int, ...]:
    """Numbers of pairs after which the boundary is consulted, ending with the cap."""
    looks = []
    pairs = max(min_pairs, FIRST_LOOK)
    while pairs < max_pairs:
        looks.append(pairs)
        pairs = pairs + 1 if pairs < EVERY_PAIR_UP_TO else math.ceil(pairs * LOOK_GROWTH)
    return (*looks, max_pairs)


@lru_cache(maxsize=1024)
def spent_levels(min_pairs: int, max_pairs: int, alpha: float) -> tuple[tuple[int, float], ...]:
    """One-sided level spent at each look, summing to `alpha`.

    The budget is spent in proportion to the pairs used, so a look after a long pause may spend more. The sum
    bounds the chance of ever crossing whatever the dependence between looks (union bound).
    """
    start = min(max(min_pairs, FIRST_LOOK), max_pairs)
    whole = max_pairs - start + 1
    levels = []
    before = 0.0
    for pairs in look_pairs(min_pairs, max_pairs):
        share = (pairs - start + 1) / whole
        levels.append((pairs, alpha * (share - before)))
        before = share
    return tuple(levels)


def trimmed_mean(log_ratios: Sequence[float]) -> TrimmedMean:
    """Trimmed mean with the standard error of its winsorised spread.

    Args:
        log_ratios: One value a pair, shape (n,), n >= MIN_PAIRS.

    Raises:
        TooFewPairsError: n < MIN_PAIRS.

    Source: Yuen, The two-sample trimmed t for unequal population variances, Biometrika 61 (1974).
    """
    pairs = len(log_ratios)
    if pairs < MIN_PAIRS:
        raise TooFewPairsError(f"a spread needs at least {MIN_PAIRS} pairs, got {pairs}")
    ordered = sorted(log_ratios)
    cut = int(TRIM * pairs)
    kept = ordered[cut : pairs - cut]
    winsorised = [kept[0]] * cut + kept + [kept[-1]] * cut
    centre = math.fsum(winsorised) / pairs
    spread = math.sqrt(math.fsum((x - centre) ** 2 for x in winsorised) / (pairs - 1))
    error = max(spread / (1 - 2 * cut / pairs), NOISE_FLOOR) / math.sqrt(pairs)
    return TrimmedMean(mean=math.fsum(kept) / len(kept), error=error, df=len(kept) - 1, pairs=pairs)


def decide(
    log_ratios: Sequence[float], plan: MeasurePlan, minimum_effect: float
) -> SequentialState:
    """Whether to stop, and what to call it.

    SUPPORTED needs the lower bound of the ratio above 1 + `minimum_effect`: the claim tested is "at least that
    much better", so a bias smaller than the minimum effect cannot promote anything.
    REFUTED: the upper bound lies below 1 + `minimum_effect`, or support within the cap is hopeless and the
    minimum effect itself improbable. INCONCLUSIVE: the cap was reached, or only noise stands in the way.

    Args:
        log_ratios: Log of how many times better the candidate was, one value a valid pair, in order.
        plan: Pairs and error rate declared beforehand.
        minimum_effect: 0.02 means 2 percent.
    """
    pairs = len(log_ratios)
    at_cap = pairs >= plan.max_pairs
    if pairs < MIN_PAIRS:
        reason = f"{pairs} of {plan.max_pairs} pairs: no spread yet"
        return SequentialState(
            stop=at_cap,
            verdict=Verdict.INCONCLUSIVE,
            interval=None,
            size=None,
            reason=reason,
        )
    # A plan that was exceeded (pairs stored by an older plan) is judged as if the cap had been that high.
    cap = max(plan.max_pairs, pairs)
    sample = trimmed_mean(log_ratios)
    stop, verdict, reason = _ruling(sample, replace(plan, max_pairs=cap), minimum_effect, at_cap)
    return SequentialState(
        stop=stop,
        verdict=verdict,
        interval=ratio_interval(sample, plan.min_pairs, cap, plan.alpha),
        size=_interval(sample, SIZE_CONFIDENCE),
        reason=reason,
    )


def ratio_interval(sample: TrimmedMean, min_pairs: int, max_pairs: int, alpha: float) -> Interval:
    """Interval of the ratio whose two bounds each err with at most `alpha` over all looks together."""
    half = _width(sample, min_pairs, max_pairs, alpha)
    return Interval(
        estimate=_exp(sample.mean),
        low=_exp(sample.mean - half),
        high=_exp(sample.mean + half),
        confidence=1 - 2 * alpha,
        pairs=sample.pairs,
    )


def fixed_interval(log_ratios: Sequence[float], *, confidence: float = 0.95) -> Interval:
    """Interval for a number of pairs that was fixed beforehand, looked at once.

    Raises:
        TooFewPairsError: Fewer than MIN_PAIRS pairs.
    """
    return _interval(trimmed_mean(log_ratios), confidence)


def _interval(sample: TrimmedMean, confidence: float) -> Interval:
    half = sample.error * student_t_quantile((1 - confidence) / 2, sample.df)
    return Interval(
        estimate=_exp(sample.mean),
        low=_exp(sample.mean - half),
        high=_exp(sample.mean + half),
        confidence=confidence,
        pairs=sample.pairs,
    )


_Ruling = tuple[bool, Verdict, str]
"""Whether to stop, the verdict, and why."""


def _ruling(sample: TrimmedMean, plan: MeasurePlan, minimum_effect: float, at_cap: bool) -> _Ruling:
    threshold, wanted = math.log1p(minimum_effect), f"{1 + minimum_effect:.3f}"
    if sample.pairs not in look_pairs(plan.min_pairs, plan.max_pairs):
        return False, Verdict.INCONCLUSIVE, f"{sample.pairs} pairs: between looks"
    bound = ratio_interval(sample, plan.min_pairs, plan.max_pairs, plan.alpha)
    if math.log(bound.low) > threshold:
        level = f"at {1 - plan.alpha:.1%} over all looks"
        reason = f"the lower bound {bound.low:.3f} {level} is above {wanted}"
        return True, Verdict.SUPPORTED, reason
    if _upper(sample, plan.min_pairs, plan.max_pairs, REFUTE_ALPHA) < threshold:
        level = f"at {1 - REFUTE_ALPHA:.0%} over all looks"
        return (
            True,
            Verdict.REFUTED,
            f"the effect {bound.estimate:.3f} is surely below {wanted} ({level})",
        )
    if at_cap:
        return _at_cap(sample, threshold, wanted)
    return _on_the_way(sample, plan, threshold, wanted)


def _on_the_way(sample: TrimmedMean, plan: MeasurePlan, threshold: float, wanted: str) -> _Ruling:
    if _success_chance(sample, plan, threshold) >= FUTILE_CHANCE:
        return False, Verdict.INCONCLUSIVE, f"{sample.pairs} of at most {plan.max_pairs} pairs"
    estimate = _exp(sample.mean)
    if sample.tail(threshold) < REFUTE_PROBABILITY:
        reason = (
            f"no gain worth having: {estimate:.3f} against {wanted}, "
            f"and more pairs would not change that"
        )
        return True, Verdict.REFUTED, reason
    reason = f"too noisy: {estimate:.3f} against {wanted} cannot be settled within {plan.max_pairs} pairs"
    return True, Verdict.INCONCLUSIVE, reason


def _at_cap(sample: TrimmedMean, threshold: float, wanted: str) -> _Ruling:
    estimate = _exp(sample.mean)
    if sample.tail(threshold) < REFUTE_PROBABILITY:
        reason = f"no gain worth having: {estimate:.3f} against {wanted} at the cap"
        return True, Verdict.REFUTED, reason
    reason = f"{sample.pairs} pairs could not settle {estimate:.3f} against {wanted}"
    return True, Verdict.INCONCLUSIVE, reason


def _success_chance(sample: TrimmedMean, plan: MeasurePlan, threshold: float) -> float:
    """Predictive probability that the last look supports, if the pairs to come are like those so far."""
    last_pairs, last_level = spent_levels(plan.min_pairs, plan.max_pairs, plan.alpha)[-1]
    spread = sample.error * math.sqrt(sample.pairs)
    df = last_pairs - 2 * int(TRIM * last_pairs) - 1
    needed = threshold + student_t_quantile(last_level, df) * spread / math.sqrt(last_pairs)
    wander = spread * math.sqrt(1 / sample.pairs - 1 / last_pairs)
    return student_t_tail((needed - sample.mean) / wander, sample.df)


def _upper(sample: TrimmedMean, min_pairs: int, max_pairs: int, alpha: float) -> float:
    return sample.mean + _width(sample, min_pairs, max_pairs, alpha)


def _width(sample: TrimmedMean, min_pairs: int, max_pairs: int, alpha: float) -> float:
    """Half width at the latest look not after this many pairs; before the first, at the first's level."""
    levels = spent_levels(min_pairs, max_pairs, alpha)
    level = levels[0][1]
    for pairs, spent in levels:
        if pairs <= sample.pairs:
            level = spent
    return sample.error * student_t_quantile(level, sample.df)


def _exp(log_value: float) -> float:
    """The exponential kept finite: a bound from two wild pairs may be astronomically wide."""
    return math.exp(max(-700.0, min(700.0, log_value)))
