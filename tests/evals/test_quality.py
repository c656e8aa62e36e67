"""Quality: limits in every run, non-inferiority on average, three answers."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rsi.evals.quality import QualityState, breaks_limit, check_quality
from rsi.evals.types import Arm
from rsi.tasks.types import Direction, QualityRule

RULE = QualityRule(name="bpb", unit="bits", direction=Direction.LOWER, limit=2.0, margin=0.02)


@pytest.fixture
def graded(run_of: Callable[..., object]) -> Callable[..., list[object]]:
    def make(champion: list[float], candidate: list[float | None]) -> list[object]:
        return [
            (run_of(Arm.CHAMPION, i, 1.0, bpb=a), run_of(Arm.CANDIDATE, i, 1.0, bpb=b))
            for i, (a, b) in enumerate(zip(champion, candidate, strict=True))
        ]

    return make


def test_equal_quality_is_kept(graded) -> None:
    check = check_quality(RULE, graded([1.90, 1.92, 1.91], [1.90, 1.92, 1.91]))
    assert check.state is QualityState.KEPT
    assert check.result.is_kept
    assert check.result.difference_low == check.result.difference_high == 0.0


def test_a_small_steady_loss_inside_the_margin_is_kept(graded) -> None:
    check = check_quality(RULE, graded([1.90, 1.92, 1.91], [1.908, 1.929, 1.917]))
    assert check.state is QualityState.KEPT


def test_a_steady_loss_beyond_the_margin_is_broken(graded) -> None:
    check = check_quality(RULE, graded([1.90, 1.92, 1.91], [1.95, 1.97, 1.961]))
    assert check.state is QualityState.BROKEN
    assert "worse" in check.result.reason


def test_a_noisy_difference_is_unsettled_not_kept(graded) -> None:
    check = check_quality(RULE, graded([1.90, 1.92, 1.91], [1.99, 1.85, 1.93]))
    assert check.state is QualityState.UNSETTLED
    assert not check.result.is_kept


def test_one_run_over_the_absolute_limit_breaks_it(graded) -> None:
    check = check_quality(RULE, graded([1.99, 1.99, 1.99], [1.99, 1.99, 2.01]))
    assert check.state is QualityState.BROKEN
    assert "limit 2" in check.result.reason


def test_a_missing_value_breaks_it(graded) -> None:
    check = check_quality(RULE, graded([1.9, 1.9], [1.9, None]))
    assert check.state is QualityState.BROKEN
    assert "missing" in check.result.reason


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_no_number_passes_for_a_quality(value: float) -> None:
    assert breaks_limit(RULE, value)
    assert breaks_limit(replace(RULE, limit=None), value)


def test_where_more_is_better_the_signs_turn(graded) -> None:
    rule = QualityRule(name="bpb", unit="share", direction=Direction.HIGHER, limit=0.5, margin=0.02)
    better = check_quality(rule, graded([0.80, 0.81, 0.80], [0.90, 0.91, 0.90]))
    worse = check_quality(rule, graded([0.80, 0.81, 0.80], [0.70, 0.71, 0.70]))
    assert better.state is QualityState.KEPT
    assert worse.state is QualityState.BROKEN


def test_no_pairs_leave_it_unsettled() -> None:
    assert check_quality(RULE, []).state is QualityState.UNSETTLED


@given(st.lists(st.floats(1.0, 1.5), min_size=2, max_size=8), st.floats(0.0, 0.3))
def test_a_wider_margin_never_turns_kept_into_broken(losses: list[float], more: float) -> None:
    from rsi.evals.quality import _against_margin, _difference_interval

    low, high = _difference_interval([loss - 1.2 for loss in losses])
    narrow, _ = _against_margin(RULE, low, high)
    wide, _ = _against_margin(replace(RULE, margin=RULE.margin + more), low, high)
    if narrow is QualityState.KEPT:
        assert wide is QualityState.KEPT
