"""How noisy a task's pairs are on this machine. Does not: run anything."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rsi.evals.errors import TooFewPairsError
from rsi.evals.judge.judging import log_ratios_of
from rsi.evals.judge.pairing import sort_runs
from rsi.evals.judge.sequential import MIN_PAIRS, fixed_interval
from rsi.evals.types import Interval, Measurement, Purpose
from rsi.tasks.types import Metric


@dataclass(frozen=True, slots=True, kw_only=True)
class PairNoise:
    """Spread of pairs of the same code against itself."""

    pairs: int
    sd: float
    """Standard deviation of one pair's log ratio; 0.02 means 2 percent."""
    bias: Interval
    """The ratio itself with its 95 % interval; 1 should lie inside."""


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
