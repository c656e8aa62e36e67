"""What a trial's numbers lead to: limits, pairs, margins, the smallest gain that counts. Does not: run anything."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rsi.agent.trial.measuring import spread
from rsi.tasks.types import MeasurePlan

ALPHA = 0.025
SHORT_S, LONG_S = 60.0, 600.0
"""Runs below the first get all pairs, beyond the second a smaller size is proposed."""
LEAST_WALL_S = 60.0
WALL_TIMES = 5.0
"""Limit of a run over what was seen: another machine, a neighbour, an idea that is slower."""
LEAST_MEMORY_MB, MEMORY_TIMES = 1024, 2.5
MARGIN_SPREADS = 2.0
"""A margin is so many standard deviations over seeds: another order of random draws alone must not break it."""
LEAST_MARGIN_SHARE = 0.002
UNKNOWN_MARGIN_SHARE = 0.01
"""Of the value, where every seed gives the same."""
EFFECTS = (0.02, 0.03, 0.05, 0.1, 0.2)
"""Smallest gains that may be declared."""
TYPICAL_PAIRS = 8
"""Of an idea that gets to the gate: a screen and a confirmation."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """Limits and pairs that follow from one run."""

    wall_s: float
    memory_mb: int
    plan: MeasurePlan


def sizes_of(wall_s: float, max_rss_bytes: int | None, written_bytes: int) -> Sizes:
    """Limits and pairs for runs like one that was seen."""
    pairs = (4, 16, 4) if wall_s <= SHORT_S else (4, 8, 4) if wall_s <= LONG_S else (3, 6, 3)
    seen_mb = ((max_rss_bytes or 0) + written_bytes) / (1 << 20)
    memory_mb = max(LEAST_MEMORY_MB, 256 * math.ceil(MEMORY_TIMES * seen_mb / 256))
    return Sizes(
        wall_s=max(LEAST_WALL_S, float(math.ceil(WALL_TIMES * wall_s / 10) * 10)),
        memory_mb=memory_mb,
        plan=MeasurePlan(
            min_pairs=pairs[0], max_pairs=pairs[1], confirm_pairs=pairs[2], alpha=ALPHA
        ),
    )


def plan_sentences(wall_s: float, sizes: Sizes) -> list[str]:
    """What an idea will cost, in words."""
    minutes = TYPICAL_PAIRS * 2 * wall_s / 60
    cost = f"{minutes:.0f} min" if minutes >= 2 else f"{60 * minutes:.0f} s"
    said = [
        f"plan: {sizes.plan.min_pairs} to {sizes.plan.max_pairs} pairs, at most {sizes.wall_s:.0f} s and {sizes.memory_mb} MiB a "
        f"run; an idea that gets to the gate takes about {cost} of this machine, and a model's dollars besides (`rsi run` says "
        "them before it starts)"
    ]
    if wall_s > LONG_S:
        said.append(
            f"a run takes {wall_s / 60:.0f} min: try a smaller size first (fewer steps, a smaller model) as a proxy, and measure "
            "what wins there once at full size"
        )
    return said


def margin_of(values: Sequence[float]) -> float:
    """How much worse a quality may be on average, from its values over seeds."""
    level = abs(sum(values) / len(values)) if values else 1.0
    deviation = spread(values)
    if not deviation:
        return _rounded(UNKNOWN_MARGIN_SHARE * level)
    return _rounded(max(MARGIN_SPREADS * deviation, LEAST_MARGIN_SHARE * level))


def minimum_effect_of(log_ratio_sd: float) -> float:
    """The smallest gain worth declaring with pairs of this spread."""
    return next((each for each in EFFECTS if each >= log_ratio_sd), EFFECTS[-1])


def quality_sd(values: Sequence[float]) -> float:
    """Spread of the log ratio of two runs with different seeds; 0 where every seed gives the same."""
    logs = [math.log(value) for value in values if value > 0]
    return math.sqrt(2) * (spread(logs) or 0.0)


def value_words(values: Mapping[str, Sequence[float]]) -> str:
    """Each quality with its spread over seeds."""
    said = []
    for name, seen in values.items():
        deviation = spread(seen)
        mean = sum(seen) / len(seen)
        digits = (
            4
            if not deviation
            else max(1, min(6, 2 + math.ceil(-math.log10(deviation / max(abs(mean), 1e-12)))))
        )
        plus = f" ± {deviation:.2g}" if deviation else " (the same for every seed)"
        said.append(f"{name} {mean:.{digits}g}{plus}")
    return ", ".join(said)


def _rounded(value: float) -> float:
    return float(f"{value:.2g}") if value > 0 else 1e-6
