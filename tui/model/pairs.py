"""Measurements as pairs: each pair's ratio, and how the evidence narrows as they come in.

Does not: judge; the verdict comes from the score alone.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rsi.evals.judge.sequential import MIN_PAIRS, fixed_interval, log_ratio
from rsi.evals.types import Arm, Interval, Measurement, Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class PairPoint:
    """One pair: champion divided by candidate, and the interval over all pairs up to it."""

    label: str
    """Such as "screen 3"."""
    purpose: str
    ratio: float | None
    """None when one of its runs did not end ok."""
    remark: str
    """Why there is no ratio, or empty."""
    interval: Interval | None


def pair_points(
    measurements: Sequence[Measurement], *, is_lower_better: bool, is_spoiled_by_load: bool = False
) -> tuple[PairPoint, ...]:
    """Pairs in the order measured, each with the interval over all pairs of its purpose so far."""
    arms: dict[tuple[str, int], dict[Arm, Measurement]] = {}
    for each in measurements:
        arms.setdefault((each.purpose.value, each.pair), {})[each.arm] = each
    logs: dict[str, list[float]] = {}
    points = []
    for (purpose, pair), runs in arms.items():
        ratio, remark = _pair_ratio(runs, is_lower_better, is_spoiled_by_load)
        if ratio is not None:
            logs.setdefault(purpose, []).append(math.log(ratio))
        points.append(
            PairPoint(
                label=f"{purpose} {pair + 1}",
                purpose=purpose,
                ratio=ratio,
                remark=remark,
                interval=running_interval(logs.get(purpose, ())) if ratio is not None else None,
            )
        )
    return tuple(points)


def _pair_ratio(
    runs: Mapping[Arm, Measurement], is_lower_better: bool, is_spoiled_by_load: bool
) -> tuple[float | None, str]:
    for arm in Arm:
        run = runs.get(arm)
        if run is None:
            return None, f"{arm.value} is running"
        if run.outcome is not Outcome.OK or run.metric_value is None:
            return None, f"{arm.value} {run.outcome.value}: {run.detail}".rstrip(": ")
        if is_spoiled_by_load and run.disturbance.is_disturbed:
            return None, f"{arm.value} was disturbed by other work on the machine"
    champion, candidate = runs[Arm.CHAMPION].metric_value, runs[Arm.CANDIDATE].metric_value
    if champion is None or candidate is None or champion <= 0 or candidate <= 0:
        return None, "a value is not positive"
    return math.exp(log_ratio(champion, candidate, is_lower_better=is_lower_better)), ""


def running_interval(logs: Sequence[float]) -> Interval | None:
    """The interval over the pairs so far; None before there are enough for a spread.

    It shows how the evidence narrows; the verdict comes from the scored interval, which pays for every look.
    """
    return fixed_interval(logs) if len(logs) >= MIN_PAIRS else None
