"""Simulate campaigns under measured noise: how often nothing is promoted, how often a gain is, at what cost.

Does not: use a copy of the rules that could drift unseen; `decide_many` is `sequential.decide` for arrays, and a
test holds the two equal. Invariant: everything derives from one seed.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from rsi.evals.judge.alpha_spending import PLANNED_CANDIDATES, alpha_for, attempt_alpha, stage_alpha
from rsi.evals.judge.distributions import student_t_quantile
from rsi.evals.judge.judging import plan_for
from rsi.evals.judge.sequential import (
    FUTILE_CHANCE,
    NOISE_FLOOR,
    REFUTE_ALPHA,
    REFUTE_PROBABILITY,
    TRIM,
    look_pairs,
    spent_levels,
)
from rsi.evals.types import Purpose
from rsi.tasks.types import MeasurePlan

Floats = NDArray[np.float64]
CHUNK = 25_000
"""Candidates simulated at once; keeps memory near 100 MB at a cap of 40 pairs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Noise:
    """What a machine does to the log of one run's seconds."""

    name: str
    run_sd: float
    """Spread of one run on its own; a pair's is sqrt(2) times that."""
    tail_df: float | None
    """Degrees of freedom of a Student t for heavy tails; None is Gaussian."""
    drift_sd: float
    """Spread of the step of a slow wander that neighbouring runs share."""
    burst_start: float
    """Chance per run that a neighbour starts."""
    burst_end: float
    """Chance per run that it ends."""
    burst_mean: float
    """Mean slowdown of a run during a burst, exponentially distributed."""


QUIET = Noise(
    name="quiet",
    run_sd=0.0106,
    tail_df=None,
    drift_sd=0.0,
    burst_start=0.0,
    burst_end=1.0,
    burst_mean=0.0,
)
"""CPU seconds of interleaved runs without added load: pairs spread by 1.5 %."""
DRIFTING = replace(QUIET, name="drift", drift_sd=0.01)
"""A machine whose speed wanders by 1 % from run to run: 20 % over a few hundred."""
HEAVY = replace(QUIET, name="heavy tails", run_sd=0.014, tail_df=3.0)
BURSTY = replace(
    QUIET,
    name="bursts",
    burst_start=0.12,
    burst_end=0.35,
    burst_mean=0.06,
)
"""Neighbours that come and go over a few runs and add 6 % on average while there; pairs spread by 5 %."""
MEASURED = replace(
    QUIET,
    name="measured mix",
    run_sd=0.011,
    tail_df=4.0,
    drift_sd=0.005,
    burst_start=0.05,
    burst_end=0.35,
    burst_mean=0.05,
)
"""All of it together at the sizes seen on a shared two-core machine."""
NOISES = (QUIET, DRIFTING, HEAVY, BURSTY, MEASURED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Decisions:
    """Outcome of many sequential tests, each array of shape (candidates,)."""

    supported: NDArray[np.bool_]
    refuted: NDArray[np.bool_]
    pairs: NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Promotions:
    """Outcome of screen and confirmation together."""

    promoted: NDArray[np.bool_]
    pairs: NDArray[np.int64]
    """Pairs of both stages."""
    screened: NDArray[np.bool_]


def simulate_pairs(
    noise: Noise, effect: float | Floats, candidates: int, pairs: int, rng: np.random.Generator
) -> Floats:
    """Log ratios of pairs run in randomised ABBA order, shape (candidates, pairs).

    Args:
        noise: What the machine does.
        effect: True log of how many times better, one value or shape (candidates,).
        candidates: Independent candidates.
        pairs: Pairs each.
        rng: Source of all randomness.
    """
    runs = _run_noise(noise, (candidates, 2 * pairs), rng)
    first, second = runs[:, 0::2], runs[:, 1::2]
    coins = rng.integers(0, 2, size=(candidates, (pairs + 1) // 2)).astype(bool)
    champion_first = np.repeat(coins, 2, axis=1)[:, :pairs]
    champion_first[:, 1::2] ^= True
    difference = np.where(champion_first, first - second, second - first)
    shift: Floats = np.reshape(np.asarray(effect, dtype=np.float64), (-1, 1))
    return np.asarray(difference + shift, dtype=np.float64)


def decide_many(log_ratios: Floats, plan: MeasurePlan, minimum_effect: float) -> Decisions:
    """`sequential.decide` after every pair for many candidates at once.

    Args:
        log_ratios: Shape (candidates, plan.max_pairs).
        plan: Pairs and error rate.
        minimum_effect: 0.02 means 2 percent.
    """
    count = len(log_ratios)
    threshold = math.log1p(minimum_effect)
    supported = np.zeros(count, bool)
    refuted = np.zeros(count, bool)
    pairs_used = np.full(count, plan.max_pairs)
    open_ = np.ones(count, bool)
    refuting = dict(spent_levels(plan.min_pairs, plan.max_pairs, REFUTE_ALPHA))
    for pairs, level in spent_levels(plan.min_pairs, plan.max_pairs, plan.alpha):
        rows = np.flatnonzero(open_)
        if not len(rows):
            break
        mean, error, df = _trimmed(log_ratios[rows, :pairs])
        wins = mean - error * student_t_quantile(level, df) > threshold
        loses = ~wins & (mean + error * student_t_quantile(refuting[pairs], df) < threshold)
        if pairs < plan.max_pairs:
            ends = _is_futile(mean, error, df, pairs, plan, threshold)
        else:
            ends = np.ones(len(rows), bool)
        # The minimum effect is improbable: P(true mean > threshold) below the bound.
        improbable = (threshold - mean) / error > student_t_quantile(REFUTE_PROBABILITY, df)
        loses |= ends & ~wins & improbable
        stops = wins | loses | ends
        supported[rows[wins]] = True
        refuted[rows[loses]] = True
        pairs_used[rows[stops]] = pairs
        open_[rows[stops]] = False
    return Decisions(supported=supported, refuted=refuted, pairs=pairs_used)


def promote_many(
    noise: Noise,
    effects: Floats,
    plan: MeasurePlan,
    minimum_effect: float,
    rng: np.random.Generator,
) -> Promotions:
    """Screen every candidate and confirm the supported ones with fresh runs, as a campaign does.

    Args:
        noise: What the machine does.
        effects: True log effect of each candidate, shape (candidates,).
        plan: Its alpha is the rate of one stage.
        minimum_effect: 0.02 means 2 percent.
        rng: Source of all randomness.
    """
    promoted = np.zeros(len(effects), bool)
    screened = np.zeros(len(effects), bool)
    pairs = np.zeros(len(effects), np.int64)
    again = plan_for(plan, Purpose.CONFIRM, None)
    for rows in _chunks(len(effects)):
        ratios = simulate_pairs(noise, effects[rows], len(rows), plan.max_pairs, rng)
        first = decide_many(ratios, plan, minimum_effect)
        pairs[rows] = first.pairs
        winners = rows[first.supported]
        screened[winners] = True
        if len(winners):
            fresh = simulate_pairs(noise, effects[winners], len(winners), plan.max_pairs, rng)
            second = decide_many(fresh, again, minimum_effect)
            pairs[winners] += second.pairs
            promoted[winners] = second.supported
    return Promotions(promoted=promoted, pairs=pairs, screened=screened)


def campaign_plan(
    *, max_pairs: int, campaign_alpha: float, min_pairs: int = 3, confirm_pairs: int = 4
) -> MeasurePlan:
    """A plan whose stages share one candidate's part of a campaign's budget."""
    return MeasurePlan(
        min_pairs=min_pairs,
        max_pairs=max_pairs,
        confirm_pairs=confirm_pairs,
        alpha=stage_alpha(attempt_alpha(alpha_for(1, campaign_alpha), 0)),
    )


def keep_if_better(
    noise: Noise, campaigns: int, rng: np.random.Generator, candidates: int = PLANNED_CANDIDATES
) -> tuple[Floats, Floats]:
    """The rule "run once, keep if faster than the best so far", on candidates that change nothing.

    Returns:
        Promotions of each campaign, and the speedup that each claims, both of shape (campaigns,).
    """
    logs = _run_noise(noise, (campaigns, candidates + 1), rng)
    best = np.minimum.accumulate(logs, axis=1)
    promotions = (np.diff(best, axis=1) < 0).sum(axis=1).astype(np.float64)
    return promotions, np.exp(logs[:, 0] - best[:, -1])


def fixed_pairs_needed(
    noise: Noise,
    effect: float,
    alpha: float,
    minimum_effect: float,
    rng: np.random.Generator,
    *,
    power: float = 0.9,
    candidates: int = 4_000,
    most: int = 400,
) -> int:
    """Smallest number of pairs, fixed beforehand and looked at once, that reaches the power at this alpha.

    Args:
        noise: What the machine does.
        effect: True log effect to be found.
        alpha: One-sided error rate of the single look.
        minimum_effect: The bound that the effect has to clear.
        rng: Source of all randomness.
        power: Share of candidates with this effect that must be supported.
        candidates: Simulated candidates a number of pairs.
        most: Give up beyond this many.

    Raises:
        ValueError: Even `most` pairs do not reach the power.
    """
    ratios = simulate_pairs(noise, effect, candidates, most, rng)
    threshold = math.log1p(minimum_effect)
    low, high = 2, most
    while low < high:
        middle = (low + high) // 2
        mean, error, df = _trimmed(ratios[:, :middle])
        found = (mean - error * student_t_quantile(alpha, df) > threshold).mean()
        low, high = (low, middle) if found >= power else (middle + 1, high)
    if low >= most:
        raise ValueError(f"{most} pairs do not reach power {power} under {noise.name} noise")
    return low


def _chunks(count: int) -> Iterator[NDArray[np.int64]]:
    for start in range(0, count, CHUNK):
        yield np.arange(start, min(start + CHUNK, count))


def _run_noise(noise: Noise, shape: tuple[int, int], rng: np.random.Generator) -> Floats:
    """Log slowdown of consecutive runs, shape (sequences, runs)."""
    if noise.tail_df is None:
        own = rng.standard_normal(shape)
    else:
        scale = math.sqrt(noise.tail_df / (noise.tail_df - 2))
        own = rng.standard_t(noise.tail_df, shape) / scale
    total = noise.run_sd * own
    if noise.drift_sd:
        total += noise.drift_sd * np.cumsum(rng.standard_normal(shape), axis=1)
    if noise.burst_start:
        total += _bursts(noise, shape, rng)
    return total


def _bursts(noise: Noise, shape: tuple[int, int], rng: np.random.Generator) -> Floats:
    """Slowdowns while a neighbour is there; it comes and goes as a two-state Markov chain."""
    steady = noise.burst_start / (noise.burst_start + noise.burst_end)
    present = rng.random(shape[0]) < steady
    slowdown = np.zeros(shape)
    for run in range(shape[1]):
        slowdown[:, run] = present * rng.exponential(noise.burst_mean, shape[0])
        change = rng.random(shape[0])
        present = np.where(present, change >= noise.burst_end, change < noise.burst_start)
    return slowdown


def _trimmed(values: Floats) -> tuple[Floats, Floats, int]:
    """Mean, standard error and degrees of freedom of every row, as `sequential.trimmed_mean`."""
    pairs = values.shape[1]
    ordered = np.sort(values, axis=1)
    cut = int(TRIM * pairs)
    kept = ordered[:, cut : pairs - cut]
    winsorised = np.clip(ordered, kept[:, :1], kept[:, -1:])
    spread = winsorised.std(axis=1, ddof=1)
    error = np.maximum(spread / (1 - 2 * cut / pairs), NOISE_FLOOR) / math.sqrt(pairs)
    return kept.mean(axis=1), error, kept.shape[1] - 1


def _is_futile(
    mean: Floats, error: Floats, df: int, pairs: int, plan: MeasurePlan, threshold: float
) -> NDArray[np.bool_]:
    """Whether support by the last look is too improbable, as `sequential.decide` has it."""
    last_pairs = look_pairs(plan.min_pairs, plan.max_pairs)[-1]
    last_level = spent_levels(plan.min_pairs, plan.max_pairs, plan.alpha)[-1][1]
    spread = error * math.sqrt(pairs)
    last_df = last_pairs - 2 * int(TRIM * last_pairs) - 1
    needed = threshold + student_t_quantile(last_level, last_df) * spread / math.sqrt(last_pairs)
    wander = spread * math.sqrt(1 / pairs - 1 / last_pairs)
    return np.asarray((needed - mean) / wander > student_t_quantile(FUTILE_CHANCE, df))
