"""Quality: limits in every run, non-inferiority on average, three answers."""

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rsi.evals.judge.distributions import student_t_quantile
from rsi.evals.judge.quality import (
    QUALITY_ALPHA,
    QualityState,
    breaks_limit,
    check_quality,
    misses_limit,
    quality_levels,
)
from rsi.evals.types import Arm
from rsi.tasks.choices import Direction
from rsi.tasks.types import MeasurePlan, QualityRule

RULE = QualityRule(name="bpb", unit="bits", direction=Direction.LOWER, limit=2.0, margin=0.02)
PLAN = MeasurePlan(min_pairs=3, max_pairs=8, confirm_pairs=3, alpha=0.05)


@pytest.fixture
def graded(run_of: Callable[..., object]) -> Callable[..., list[object]]:
    def make(champion: list[float], candidate: list[float | None]) -> list[object]:
        return [
            (run_of(Arm.CHAMPION, i, 1.0, bpb=a), run_of(Arm.CANDIDATE, i, 1.0, bpb=b))
            for i, (a, b) in enumerate(zip(champion, candidate, strict=True))
        ]

    return make


def test_equal_quality_is_kept(graded) -> None:
    check = check_quality(RULE, graded([1.90, 1.92, 1.91], [1.90, 1.92, 1.91]), PLAN)
    assert check.state is QualityState.KEPT
    assert check.result.is_kept
    assert check.result.difference_low == check.result.difference_high == 0.0


def test_a_small_steady_loss_inside_the_margin_is_kept(graded) -> None:
    check = check_quality(RULE, graded([1.90, 1.92, 1.91], [1.908, 1.929, 1.917]), PLAN)
    assert check.state is QualityState.KEPT


def test_a_steady_loss_beyond_the_margin_is_broken(graded) -> None:
    check = check_quality(RULE, graded([1.90, 1.92, 1.91], [1.95, 1.97, 1.961]), PLAN)
    assert check.state is QualityState.BROKEN
    assert "worse" in check.result.reason


def test_without_a_margin_reaching_the_target_is_enough(graded) -> None:
    champion, worse = [1.70, 1.72, 1.71], [1.98, 1.99, 2.0]
    assert check_quality(RULE, graded(champion, worse), PLAN).state is QualityState.BROKEN
    target = replace(RULE, margin=None)
    reached = check_quality(target, graded(champion, worse), PLAN)
    assert (reached.state, reached.result.margin) == (QualityState.KEPT, None)
    assert reached.result.reason == "bpb: every run reached the target 2 bits"
    assert reached.result.difference_low == pytest.approx(0.27, abs=0.05), "still shown"
    missed = check_quality(target, graded(champion, [1.98, 2.01, 1.9]), PLAN)
    assert missed.state is QualityState.BROKEN
    assert (
        check_quality(target, graded(champion[:2], worse[:2]), PLAN).state is QualityState.UNSETTLED
    )


def test_a_noisy_difference_is_unsettled_not_kept(graded) -> None:
    check = check_quality(RULE, graded([1.90, 1.92, 1.91], [1.99, 1.85, 1.93]), PLAN)
    assert check.state is QualityState.UNSETTLED
    assert not check.result.is_kept


@pytest.mark.parametrize("direction", Direction)
@pytest.mark.parametrize(
    ("champion", "candidate", "margin", "is_missed"),
    [
        (2.05, 2.05, 0.02, False),  # the instance keeps both from it
        (2.05, 2.04, None, False),
        (2.05, 2.06, 0.02, False),
        (2.05, 2.08, 0.02, True),
        (2.05, 2.06, None, True),
        (1.99, 2.01, 0.05, True),  # the champion did reach it
        (None, 2.01, 0.05, True),
        (math.nan, 2.01, 0.05, True),
        (2.05, math.nan, 0.02, True),
        (math.inf, math.inf, 0.02, True),
        (2.05, None, 0.02, True),
    ],
)
def test_a_limit_that_an_instance_keeps_both_arms_from_is_not_the_candidates_fault(
    champion, candidate, margin, is_missed, direction
) -> None:
    sign = 1.0 if direction is Direction.LOWER else -1.0
    rule = replace(RULE, direction=direction, limit=sign * 2.0, margin=margin)
    turned = [None if each is None else sign * each for each in (champion, candidate)]
    assert misses_limit(rule, *turned) is is_missed


def test_one_run_over_the_absolute_limit_breaks_it(graded) -> None:
    check = check_quality(RULE, graded([1.99, 1.99, 1.99], [1.99, 1.99, 2.01]), PLAN)
    assert check.state is QualityState.BROKEN
    assert "limit 2" in check.result.reason


def test_a_missing_value_breaks_it(graded) -> None:
    check = check_quality(RULE, graded([1.9, 1.9], [1.9, None]), PLAN)
    assert check.state is QualityState.BROKEN
    assert "missing" in check.result.reason


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_no_number_passes_for_a_quality(value: float) -> None:
    assert breaks_limit(RULE, value)
    assert breaks_limit(replace(RULE, limit=None), value)


def test_where_more_is_better_the_signs_turn(graded) -> None:
    rule = QualityRule(name="bpb", unit="share", direction=Direction.HIGHER, limit=0.5, margin=0.02)
    better = check_quality(rule, graded([0.80, 0.81, 0.80], [0.90, 0.91, 0.90]), PLAN)
    worse = check_quality(rule, graded([0.80, 0.81, 0.80], [0.70, 0.71, 0.70]), PLAN)
    assert better.state is QualityState.KEPT
    assert worse.state is QualityState.BROKEN


def test_a_difference_is_judged_only_where_the_plan_looks(graded) -> None:
    long = replace(PLAN, max_pairs=40)
    steady = [1.91 + 0.001 * (pair % 2) for pair in range(10)]
    looked = {
        count
        for count in range(1, 11)
        if check_quality(RULE, graded(steady[:count], steady[:count]), long).state
        is QualityState.KEPT
    }
    assert looked == {3, 4, 5, 6, 7, 8, 10}


@pytest.mark.parametrize(("low", "cap"), [(3, 3), (3, 8), (4, 16), (3, 40), (2, 5)])
def test_the_looks_at_a_quality_spend_its_error_rate_once(low: int, cap: int) -> None:
    assert sum(level for _, level in quality_levels(low, cap)) == pytest.approx(QUALITY_ALPHA)


def settled_by_look(differences, plan: MeasurePlan):
    """`check_quality` for arrays: at each look, which rows are called kept and which broken."""
    for count, level in quality_levels(plan.min_pairs, plan.max_pairs):
        seen = differences[:, :count]
        half = student_t_quantile(level, count - 1) * seen.std(1, ddof=1) / math.sqrt(count)
        kept = seen.mean(1) + half <= RULE.margin
        yield count, kept, ~kept & (seen.mean(1) - half > RULE.margin)


def test_the_arrays_settle_exactly_as_the_rule(graded) -> None:
    differences = np.random.default_rng(6).normal(RULE.margin, 0.02, size=(40, PLAN.max_pairs))
    for count, kept, broken in settled_by_look(differences, PLAN):
        for row, losses in enumerate(differences):
            pairs = graded([0.0] * count, [float(loss) for loss in losses[:count]])
            state = check_quality(RULE, pairs, PLAN).state
            assert (state is QualityState.KEPT, state is QualityState.BROKEN) == (
                kept[row],
                broken[row],
            )


@pytest.mark.parametrize("cap", [8, 40])
def test_a_loss_exactly_at_the_margin_is_rarely_settled_however_often_it_is_looked_at(
    cap: int,
) -> None:
    """Looks at the full level would call 13 of 100 such candidates kept with 8 pairs, 22 with 40."""
    differences = np.random.default_rng(6).normal(RULE.margin, 0.02, size=(20_000, cap))
    looks = list(settled_by_look(differences, replace(PLAN, max_pairs=cap)))
    assert np.any([kept for _, kept, _ in looks], axis=0).mean() < QUALITY_ALPHA
    assert np.any([broken for _, _, broken in looks], axis=0).mean() < QUALITY_ALPHA


def test_the_flagships_known_gains_are_settled_by_three_pairs(graded) -> None:
    """Its calibration: batched heads differ by 0.001 with a spread of 0.005, the margin is 0.03."""
    rng, rule = np.random.default_rng(6), replace(RULE, margin=0.03)
    kept = 0
    for _ in range(300):
        losses = [float(loss) for loss in rng.normal(0.001, 0.0052, size=3)]
        check = check_quality(rule, graded([1.9] * 3, [1.9 + loss for loss in losses]), PLAN)
        kept += check.state is QualityState.KEPT
    assert kept / 300 > 0.95


def test_no_pairs_leave_it_unsettled() -> None:
    assert check_quality(RULE, [], PLAN).state is QualityState.UNSETTLED


@given(st.lists(st.floats(1.0, 1.5), min_size=2, max_size=8), st.floats(0.0, 0.3))
def test_a_wider_margin_never_turns_kept_into_broken(losses: list[float], more: float) -> None:
    from rsi.evals.judge.quality import _against_margin, _difference_interval

    low, high = _difference_interval([loss - 1.2 for loss in losses], 0.05)
    narrow, _ = _against_margin(RULE, low, high)
    wide, _ = _against_margin(replace(RULE, margin=RULE.margin + more), low, high)
    if narrow is QualityState.KEPT:
        assert wide is QualityState.KEPT
