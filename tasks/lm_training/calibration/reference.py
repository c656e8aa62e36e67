"""Read a candidate's speedup off the stored reference curve, without running the long baseline.

A short slice of the baseline is run beside the candidate; its CPU seconds divided by the stored ones at
the same step say how fast the machine is just now.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise


@dataclass(frozen=True, slots=True, kw_only=True)
class CurvePoint:
    """Mean over the seeds of one validation of the baseline."""

    step: int
    cpu_s: float
    bpb: float


class OffTheCurveError(ValueError):
    """The stored curve does not reach that far."""


def mean_curve(runs: Sequence[Mapping[str, object]]) -> tuple[CurvePoint, ...]:
    """Average the stored runs step by step: geometric for CPU seconds, arithmetic for losses.

    Raises:
        OffTheCurveError: No runs, or runs with different steps.
    """
    curves = [run["curve"] for run in runs if run["outcome"] == "ok"]
    if not curves:
        raise OffTheCurveError(
            "the stored calibration has no finished run; run `measure curve` first"
        )
    points = []
    for column in zip(*(curve for curve in curves if isinstance(curve, list)), strict=True):
        steps = {point["step"] for point in column}
        if len(steps) != 1:
            raise OffTheCurveError(f"the stored runs validate at different steps: {sorted(steps)}")
        logs = [math.log(point["cpu_s"]) for point in column]
        losses = [point["validation_bpb"] for point in column]
        mean_log, mean_loss = sum(logs) / len(logs), sum(losses) / len(losses)
        points.append(CurvePoint(step=steps.pop(), cpu_s=math.exp(mean_log), bpb=mean_loss))
    return tuple(points)


def reference_cpu_s(curve: Sequence[CurvePoint], bpb: float) -> float:
    """CPU seconds at which the baseline first had a loss of `bpb`, linear between validations.

    Raises:
        OffTheCurveError: The loss is above the first point or below the last.
    """
    for before, after in pairwise(curve):
        if before.bpb >= bpb >= after.bpb:
            share = (before.bpb - bpb) / (before.bpb - after.bpb)
            return before.cpu_s + share * (after.cpu_s - before.cpu_s)
    raise OffTheCurveError(
        f"{bpb:.4f} bits per byte is not between {curve[0].bpb:.4f} and {curve[-1].bpb:.4f}, "
        "where the stored curve runs"
    )


def drift(curve: Sequence[CurvePoint], *, step: int, slice_cpu_s: float) -> float:
    """How much more CPU a step costs now than when the curve was stored.

    Raises:
        OffTheCurveError: The curve has no validation at that step.
    """
    for point in curve:
        if point.step == step:
            return slice_cpu_s / point.cpu_s
    raise OffTheCurveError(f"the stored curve has no point at step {step}")
