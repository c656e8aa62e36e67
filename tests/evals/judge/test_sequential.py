"""The boundary: what it spends, when it stops, and what it calls the result."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rsi.evals.errors import TooFewPairsError
from rsi.evals.judge.distributions import student_t_quantile
from rsi.evals.judge.sequential import (
    NOISE_FLOOR,
    decide,
    fixed_interval,
    log_ratio,
    look_pairs,
    spent_levels,
    trimmed_mean,
)
from rsi.evals.types import Verdict
from rsi.tasks.types import MeasurePlan

PLAN = MeasurePlan(min_pairs=3, max_pairs=6, confirm_pairs=3, alpha=0.01)
LONG = MeasurePlan(min_pairs=3, max_pairs=40, confirm_pairs=8, alpha=0.01)
RATIOS = st.lists(st.floats(-0.5, 0.5), min_size=3, max_size=40)


def test_half_again_as_fast_stops_at_three_pairs() -> None:
    state = decide([math.log(1.5), math.log(1.52), math.log(1.48)], PLAN, 0.02)
    assert state.stop
    assert state.verdict is Verdict.SUPPORTED
    assert state.interval is not None
    assert 1.02 < state.interval.low < 1.5 < state.interval.high


def test_a_null_patch_stops_early_as_refuted() -> None:
    state = decide([0.01, -0.012, 0.002], PLAN, 0.02)
    assert state.stop
    assert state.verdict is Verdict.REFUTED


def test_a_slower_patch_is_refuted_at_the_first_look() -> None:
    state = decide([-0.30, -0.33, -0.31], PLAN, 0.02)
    assert state.stop
    assert state.verdict is Verdict.REFUTED
    assert "below" in state.reason


def test_a_gain_below_the_minimum_effect_is_not_supported_however_sure() -> None:
    state = decide([0.0100, 0.0101, 0.0099] * 13 + [0.01], LONG, 0.02)
    assert state.stop
    assert state.verdict is Verdict.REFUTED


def test_noise_without_an_answer_is_inconclusive_at_the_cap() -> None:
    state = decide([0.2, -0.1, 0.15, -0.05, 0.1, 0.12], PLAN, 0.02)
    assert state.stop
    assert state.verdict is Verdict.INCONCLUSIVE


def test_a_promising_start_goes_on() -> None:
    state = decide([0.06, 0.09, 0.05], PLAN, 0.02)
    assert not state.stop
    assert state.verdict is Verdict.INCONCLUSIVE


def test_three_pairs_that_agree_by_luck_do_not_promote() -> None:
    """Their spread is taken as no smaller than what a machine can repeat."""
    assert decide([0.0250, 0.0250, 0.0250], PLAN, 0.02).verdict is not Verdict.SUPPORTED
    assert trimmed_mean([0.025] * 3).error == pytest.approx(NOISE_FLOOR / math.sqrt(3))


def test_one_wild_pair_of_sixteen_does_not_hide_a_gain() -> None:
    steady = [0.05 + 0.004 * (-1) ** i for i in range(15)]
    spoiled = decide([*steady, -0.9], LONG, 0.02)
    assert spoiled.interval is not None
    assert spoiled.interval.low > 1.02
    plain_mean = sum([*steady, -0.9]) / 16
    assert plain_mean < 0


def test_fewer_than_two_pairs_say_nothing() -> None:
    assert decide([], PLAN, 0.02).interval is None
    assert decide([0.4], PLAN, 0.02).interval is None
    with pytest.raises(TooFewPairsError):
        trimmed_mean([0.4])
    with pytest.raises(TooFewPairsError):
        fixed_interval([0.4])


def test_a_cap_of_one_pair_ends_without_a_verdict() -> None:
    tiny = MeasurePlan(min_pairs=1, max_pairs=1, confirm_pairs=1, alpha=0.05)
    state = decide([0.4], tiny, 0.02)
    assert state.stop
    assert state.verdict is Verdict.INCONCLUSIVE


@given(st.integers(1, 12), st.integers(0, 60), st.sampled_from([0.05, 0.01, 1e-4]))
def test_the_levels_spent_sum_to_alpha(minimum: int, more: int, alpha: float) -> None:
    levels = spent_levels(minimum, minimum + more, alpha)
    assert math.fsum(level for _, level in levels) == pytest.approx(alpha)
    assert all(level > 0 for _, level in levels)
    looks = [pairs for pairs, _ in levels]
    assert looks == sorted(set(looks))
    assert looks[-1] == minimum + more


def test_looks_thin_out() -> None:
    assert look_pairs(3, 40) == (3, 4, 5, 6, 7, 8, 10, 12, 15, 18, 22, 27, 33, 40)
    assert look_pairs(2, 4) == (3, 4)


def test_one_look_is_the_textbook_interval() -> None:
    """With min = max the boundary is Student's t at the whole alpha."""
    values = [0.10, 0.14, 0.09, 0.13]
    fixed = MeasurePlan(min_pairs=4, max_pairs=4, confirm_pairs=4, alpha=0.025)
    state = decide(values, fixed, 0.02)
    mean = sum(values) / 4
    spread = math.sqrt(sum((x - mean) ** 2 for x in values) / 3)
    half = student_t_quantile(0.025, 3) * spread / 2
    assert state.interval is not None
    assert state.interval.low == pytest.approx(math.exp(mean - half))
    assert state.interval.high == pytest.approx(math.exp(mean + half))
    assert fixed_interval(values).low == pytest.approx(state.interval.low)


@given(RATIOS)
def test_swapping_the_arms_gives_the_reciprocal(values: list[float]) -> None:
    there = decide(values, LONG, 0.02).interval
    back = decide([-value for value in values], LONG, 0.02).interval
    assert there is not None
    assert back is not None
    assert back.estimate == pytest.approx(1 / there.estimate)
    assert back.low == pytest.approx(1 / there.high)
    assert back.high == pytest.approx(1 / there.low)


@given(
    st.lists(st.tuples(st.floats(0.5, 50), st.floats(0.5, 50)), min_size=3, max_size=12),
    st.floats(1e-3, 1e3),
)
def test_scaling_both_arms_changes_nothing(pairs: list[tuple[float, float]], k: float) -> None:
    plain = decide([log_ratio(a, b, is_lower_better=True) for a, b in pairs], LONG, 0.02)
    scaled = decide([log_ratio(k * a, k * b, is_lower_better=True) for a, b in pairs], LONG, 0.02)
    assert plain.interval is not None
    assert scaled.interval is not None
    assert scaled.interval.estimate == pytest.approx(plain.interval.estimate)
    assert scaled.interval.low == pytest.approx(plain.interval.low, rel=1e-6)


@given(RATIOS, st.floats(0.001, 0.3))
def test_more_gain_never_loses_support(values: list[float], gain: float) -> None:
    before = decide(values, LONG, 0.02)
    after = decide([value + gain for value in values], LONG, 0.02)
    if before.verdict is Verdict.SUPPORTED:
        assert after.verdict is Verdict.SUPPORTED


@given(RATIOS)
def test_the_order_of_pairs_does_not_matter(values: list[float]) -> None:
    assert decide(values, LONG, 0.02) == decide(sorted(values), LONG, 0.02)


@given(RATIOS)
def test_supported_means_the_lower_bound_clears_the_minimum_effect(values: list[float]) -> None:
    state = decide(values, LONG, 0.02)
    if state.verdict is Verdict.SUPPORTED:
        assert state.interval is not None
        assert state.interval.low > 1.02


@pytest.mark.parametrize("bad", [0.0, -1.0, math.inf, math.nan])
def test_a_ratio_needs_positive_finite_values(bad: float) -> None:
    with pytest.raises(ValueError, match="positive finite"):
        log_ratio(1.0, bad, is_lower_better=True)


def test_a_ratio_is_above_one_when_the_candidate_is_better() -> None:
    assert log_ratio(2.0, 1.0, is_lower_better=True) > 0
    assert log_ratio(1.0, 2.0, is_lower_better=False) > 0
