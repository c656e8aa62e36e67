"""Curves keep their spikes and survive every number."""

import math
import time

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from rsi.tui.model.curves import Series, draw_curve, frame_of, gap_count, smoothed, value_at
from rsi.tui.reading.training import add_points

NAN = float("nan")


def series(ys, xs=None, name="a"):
    return Series(name=name, xs=tuple(xs if xs is not None else range(len(ys))), ys=tuple(ys))


@given(
    st.lists(st.tuples(st.floats(), st.floats()), max_size=60), st.booleans(),
    st.integers(2, 12), st.integers(2, 40),
)  # fmt: skip
def test_any_numbers_can_be_drawn(points, is_log, rows, columns):
    one = series([y for _, y in points], [x for x, _ in points])
    frame = frame_of([one], is_log=is_log)
    if frame is None or not all(
        map(math.isfinite, (frame.y_high - frame.y_low, frame.x_high - frame.x_low))
    ):
        return
    assert draw_curve(one, frame, rows, columns).shape == (rows, columns)


def test_a_single_spike_in_many_points_is_drawn():
    ys = [0.0] * 20_000
    ys[777] = 100.0
    one = series(ys)
    frame = frame_of([one], is_log=False)
    assert draw_curve(one, frame, 10, 60)[0].any(), "the top row shows the spike"


def test_what_is_not_a_number_is_a_gap_and_is_counted():
    one = series([1.0, 1.0, 1.0, NAN, float("inf"), 1.0, 1.0, 1.0], range(0, 80, 10))
    frame = frame_of([one], is_log=False)
    drawn = draw_curve(one, frame, 4, 40)
    empty = ~drawn.any(axis=0)
    assert gap_count(one) == 2
    assert empty[15:24].all(), "nothing joins the points on both sides of the gap"
    assert not empty[:10].all()


def test_constant_and_single_points_have_a_frame():
    for ys in ([2.0], [2.0, 2.0], [0.0]):
        one = series(ys)
        frame = frame_of([one], is_log=False)
        assert frame.y_low < ys[0] < frame.y_high
        assert draw_curve(one, frame, 4, 10).any()
    assert frame_of([series([NAN])], is_log=False) is None
    assert frame_of([], is_log=False) is None


def test_log_scale_leaves_out_what_is_not_positive():
    one = series([-1.0, 0.0, 1.0, 100.0])
    frame = frame_of([one], is_log=True)
    assert (frame.y_low, frame.y_high) == (0.0, 2.0)


def test_smoothing_passes_over_gaps():
    one = smoothed(series([1.0, NAN, 1.0, 1.0]), 0.9)
    assert math.isnan(one.ys[1])
    assert np.allclose([one.ys[0], one.ys[2], one.ys[3]], 1.0)


def test_points_out_of_order_are_sorted():
    forward, backward = series([1, 2, 3], [0, 1, 2]), series([3, 2, 1], [2, 1, 0])
    frame = frame_of([forward], is_log=False)
    assert (draw_curve(forward, frame, 4, 10) == draw_curve(backward, frame, 4, 10)).all()


def test_a_curve_is_read_at_the_nearest_point():
    assert value_at(series([5.0, 6.0, 7.0]), 1.4) == 6.0
    assert value_at(series([]), 1.0) is None
    assert value_at(series([NAN]), 0.0) is None


def test_output_lines_become_points():
    points = {}
    for text in (
        "step=10 loss=2.5 validation_bpb=2.60",
        "iter: 20, Loss: nan",
        "no step loss=1",
        "step 30 loss 1e-3",
        "x" * 9_000,
    ):
        add_points(points, text)
    xs, ys = points["loss"]
    assert xs == [10.0, 20.0, 30.0]
    assert ys[0] == 2.5
    assert math.isnan(ys[1])
    assert ys[2] == 1e-3
    assert points["validation_bpb"] == ([10.0], [2.6])


def test_twenty_thousand_points_are_drawn_quickly():
    one = series(np.cumsum(np.random.default_rng(0).normal(size=20_000)).tolist())
    frame = frame_of([one], is_log=False)
    started = time.process_time()
    for _ in range(5):
        draw_curve(one, frame, 30, 120)
    assert (time.process_time() - started) / 5 < 0.2
