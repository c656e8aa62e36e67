"""What a trial's numbers lead to: limits, pairs, margins, the smallest gain that counts. Does not: run anything."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rsi.agent.trial.measuring import spread
from rsi.tasks.making.own.command_words import Command
from rsi.tasks.making.own.grading import FullSize
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
FULL_PAIRS = (3, 6)
"""Least and most at a size that takes long."""
LEAST_FULL_WALL_S = 86_400.0
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


def full_size(command: Command, wall_s: float) -> FullSize:
    """The run as it is, which nobody has timed: as few pairs as can show anything, and a day or more for each run."""
    plan = MeasurePlan(
        min_pairs=FULL_PAIRS[0], max_pairs=FULL_PAIRS[1], confirm_pairs=FULL_PAIRS[0], alpha=ALPHA
    )
    return FullSize(command=command, wall_s=max(wall_s, LEAST_FULL_WALL_S), plan=plan)


def plan_sentences(
    wall_s: float, sizes: Sizes, *, has_full: bool = False, stops_early: bool = False
) -> list[str]:
    """What an idea will cost, in words."""
    cost = span_words(TYPICAL_PAIRS * 2 * wall_s)
    said = [
        f"plan: {sizes.plan.min_pairs} to {sizes.plan.max_pairs} pairs, at most {sizes.wall_s:.0f} s and {sizes.memory_mb} MiB a "
        f"run; an idea that gets to the gate takes about {cost} of this machine, and a model's dollars besides (`rsi run` says "
        "them before it starts)"
    ]
    if has_full:
        said.append(
            "ideas are searched on the smaller size; the full one is not run now, and `rsi try --full` measures there what wins"
        )
    elif wall_s > LONG_S:
        said.append(
            f'a run takes {span_words(wall_s)}: add a smaller size of it, such as --proxy "python train.py --steps 500" (fewer steps, '
            "a smaller model); ideas are then searched on that, and `rsi try --full` measures once at full size what wins there"
        )
    if wall_s > SHORT_S and not stops_early:
        said.append(
            "--early-stop gives a change up in its first run where its curve is plainly behind; what gets through is measured whole"
        )
    return said


def span_words(seconds: float) -> str:
    """A time as a person says it, from seconds to days."""
    for unit, size in (("days", 86_400.0), ("h", 3600.0), ("min", 60.0)):
        if seconds >= 2 * size:
            count = seconds / size
            return (
                f"{count:.0f} {unit}" if count >= 10 else f"{count:.1f} {unit}".replace(".0 ", " ")
            )
    return f"{seconds:.0f} s"


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
