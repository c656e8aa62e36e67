"""Reading speedups off a stored curve."""

import json
import math

import pytest

from rsi.tasks.lm_training.calibration.reference import (
    CurvePoint,
    OffTheCurveError,
    drift,
    mean_curve,
    reference_cpu_s,
)
from rsi.tasks.lm_training.calibration.runs import FOLDER, log_ratio_interval

CURVE = (
    CurvePoint(step=100, cpu_s=10.0, bpb=3.0),
    CurvePoint(step=200, cpu_s=20.0, bpb=2.5),
    CurvePoint(step=300, cpu_s=30.0, bpb=2.4),
)


def run_of(*points):
    curve = [{"step": s, "cpu_s": c, "validation_bpb": b} for s, c, b in points]
    return {"outcome": "ok", "curve": curve}


def test_cpu_seconds_are_linear_between_two_validations():
    assert reference_cpu_s(CURVE, 2.75) == pytest.approx(15.0)
    assert reference_cpu_s(CURVE, 2.4) == pytest.approx(30.0)


@pytest.mark.parametrize("bpb", [3.1, 2.39])
def test_a_loss_off_the_curve_has_no_time(bpb):
    with pytest.raises(OffTheCurveError, match="between"):
        reference_cpu_s(CURVE, bpb)


def test_drift_is_what_a_step_costs_now():
    assert drift(CURVE, step=100, slice_cpu_s=12.0) == pytest.approx(1.2)
    with pytest.raises(OffTheCurveError, match="step 150"):
        drift(CURVE, step=150, slice_cpu_s=12.0)


def test_the_mean_curve_averages_times_geometrically_and_losses_plainly():
    (point,) = mean_curve([run_of((100, 8.0, 3.0)), run_of((100, 18.0, 2.0))])
    assert point.cpu_s == pytest.approx(12.0)
    assert point.bpb == pytest.approx(2.5)


def test_runs_with_different_steps_are_not_averaged():
    with pytest.raises(OffTheCurveError, match="different steps"):
        mean_curve([run_of((100, 8.0, 3.0)), run_of((50, 4.0, 3.5))])
    with pytest.raises(OffTheCurveError, match="no finished run"):
        mean_curve([])


def test_the_interval_of_a_log_ratio_is_students():
    ratio, low, high = log_ratio_interval([0.1, 0.2, 0.3])
    half = 4.303 * 0.1 / math.sqrt(3)
    assert (ratio, low, high) == pytest.approx(
        (math.exp(0.2), math.exp(0.2 - half), math.exp(0.2 + half))
    )


def test_every_stored_curve_falls_and_names_its_machine():
    files = sorted(FOLDER.glob("*_fixed_model.json"))
    assert files
    for file in files:
        reference = json.loads(file.read_text(encoding="utf-8"))["reference"]
        curve = mean_curve(reference["runs"])
        assert curve[-1].bpb < curve[0].bpb
        assert reference["machine"]["cpu"]
