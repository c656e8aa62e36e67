"""How noisy a task's pairs are on this machine, and the smallest gain that its plan can find.

Does not: run anything. Invariant: the answer uses the very rules that decide (`simulation.decide_many`).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rsi.evals.errors import TooFewPairsError
from rsi.evals.judging import log_ratios_of
from rsi.evals.pairing import sort_runs
from rsi.evals.sequential import MIN_PAIRS, fixed_interval
from rsi.evals.simulation import decide_many
from rsi.evals.types import Interval, Measurement, Purpose
from rsi.tasks.types import MeasurePlan, Metric

POWER = 0.9
SIMULATED = 1_500
LARGEST_EFFECT = 9.0
"""A tenfold gain: a plan that misses it can find nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PairNoise:
    """Spread of pairs of the same code against itself."""

    pairs: int
    sd: float
    """Standard deviation of one pair's log ratio; 0.02 means 2 percent."""
    bias: Interval
    """The ratio itself with its 95 % interval; 1 should lie inside."""

    @property
    def is_unbiased(self) -> bool:
        return self.bias.low <= 1.0 <= self.bias.high


def pair_noise(metric: Metric, measurements: Sequence[Measurement], purpose: Purpose) -> PairNoise:
    """Noise of the deciding metric, from runs of one tree against itself.

    Raises:
        TooFewPairsError: Fewer than two valid pairs with positive values.
    """
    ratios = log_ratios_of(metric, sort_runs(metric, measurements, purpose)) or []
    if len(ratios) < MIN_PAIRS:
        raise TooFewPairsError(f"noise needs at least {MIN_PAIRS} valid pairs, got {len(ratios)}")
    return PairNoise(
        pairs=len(ratios), sd=float(np.std(ratios, ddof=1)), bias=fixed_interval(ratios)
    )


def smallest_detectable_effect(
    plan: MeasurePlan, minimum_effect: float, pair_sd: float, *, seed: int = 0
) -> float | None:
    """Smallest true gain that one stage supports nine times in ten within the cap.

    Args:
        plan: Pairs and the rate of one stage.
        minimum_effect: The bound that must be cleared.
        pair_sd: Spread of one pair's log ratio.
        seed: Seed of the simulation.

    Returns:
        A relative gain, 0.05 for 5 percent; None when even a tenfold gain would be missed.
    """
    if plan.max_pairs < MIN_PAIRS:
        return None
    noise = pair_sd * np.random.default_rng(seed).standard_normal((SIMULATED, plan.max_pairs))

    def power(effect: float) -> float:
        decisions = decide_many(noise + math.log1p(effect), plan, minimum_effect)
        return float(decisions.supported.mean())

    low, high = minimum_effect, LARGEST_EFFECT
    if power(high) < POWER:
        return None
    while high - low > 0.01 * high:
        middle = (low + high) / 2
        low, high = (low, middle) if power(middle) >= POWER else (middle, high)
    return high
