"""Too good to be true: below the floor under every run, or too far in one step.

Does not: refuse anything by itself; an implausible score is held for a person whatever the statistics say.
Invariant: a bound comes from a measurement or from the task's declaration, never from the candidate; one that a measurement
has passed is not told as a bound.
"""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rsi.evals.types import Interval, Measurement
from rsi.tasks.choices import Clock, Direction
from rsi.tasks.types import Metric

FLOOR_SETTING = "floor_s"
"""Key in a profile's settings: seconds on the deciding clock of a run that starts, imports and ends."""
FLOOR_TOLERANCE = 0.6
"""Floor and run are measured minutes apart and not in turns: on a crowded machine the same work then differs by up to two
thirds. A run that skips what the floor does lies far below: starting an interpreter alone is a few hundredths."""
NEAR_FLOOR = 1.25
"""Within a quarter of the floor there is little left to gain, and the report says so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plausibility:
    """Whether a claim can be true."""

    is_plausible: bool
    text: str
    """One sentence: the bound and how near the claim is."""


def best_reachable(
    champion: Sequence[float], floor: float | None, seen: Sequence[float]
) -> float | None:
    """How many times better than the champion a run that does the least it must is.

    Args:
        champion: The champion's deciding values.
        floor: The floor on the same clock.
        seen: Every deciding value there is, of whatever arm.

    Returns:
        Median over floor; None when no floor is known, nothing was measured, or a measurement is below the floor.
    """
    if not floor or not champion or min(seen, default=floor) < floor:
        return None
    return statistics.median(champion) / floor


def check_plausibility(
    metric: Metric,
    settings: Mapping[str, object],
    effect: Interval | None,
    pairs: Sequence[tuple[Measurement, Measurement]],
    *,
    is_one_step: bool = True,
) -> Plausibility:
    """Hold a claim against the floor and against the largest believable step.

    Args:
        metric: Its clock says whether a floor in seconds applies; `plausible_ratio` bounds one step.
        settings: The profile's settings; `floor_s` is the floor where one was measured.
        effect: The ratio measured; None when there was none.
        pairs: (champion, candidate) of each valid pair.
        is_one_step: False where the ratio is against the baseline and may hold many steps.
    """
    if effect is None:
        return Plausibility(is_plausible=True, text="no effect to judge")
    floor = floor_of(metric, settings)
    champions = _known([left.metric_value for left, _ in pairs])
    candidates = _known([right.metric_value for _, right in pairs])
    reachable = best_reachable(champions, floor, (*champions, *candidates))
    candidate = statistics.median(candidates) if candidates else None
    if floor is not None and candidate is not None and candidate < FLOOR_TOLERANCE * floor:
        text = (
            f"{candidate:.3g} {metric.unit} is below {floor:.3g}, what the least that a run must do takes: "
            "a person must look"
        )
        return Plausibility(is_plausible=False, text=text)
    if is_one_step and effect.estimate > metric.plausible_ratio:
        text = (
            f"{effect.estimate:.2f}x in one step is beyond {metric.plausible_ratio:g}x: "
            "a person must look"
        )
        return Plausibility(is_plausible=False, text=text)
    text = f"{effect.estimate:.2f}x"
    text += f" of at most {metric.plausible_ratio:g}x believed in one step" if is_one_step else ""
    if floor is not None and reachable is not None and effect.estimate < reachable:
        text += f"; the least that a run must do would reach {reachable:.1f}x"
        if candidate is not None and candidate < NEAR_FLOOR * floor:
            text += ", so little is left"
    return Plausibility(is_plausible=True, text=text)


def floor_of(metric: Metric, settings: Mapping[str, object]) -> float | None:
    """The measured floor in seconds; None when the metric is no time or none is known."""
    if metric.clock is Clock.RESULT or metric.direction is not Direction.LOWER:
        return None
    value = settings.get(FLOOR_SETTING)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or value <= 0:
        return None
    return float(value)


def _known(values: Sequence[float | None]) -> list[float]:
    return [value for value in values if value is not None]
