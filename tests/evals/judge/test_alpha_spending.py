"""The campaign's false-promotion budget is never overspent."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rsi.evals.judge.alpha_spending import PLANNED_CANDIDATES, alpha_for, attempt_alpha, stage_alpha


@given(st.integers(1, 3000), st.floats(0.001, 0.5))
def test_shares_never_sum_to_more_than_the_budget(candidates: int, budget: float) -> None:
    spent = math.fsum(alpha_for(number, budget) for number in range(1, candidates + 1))
    assert spent <= budget * (1 + 1e-12)


def test_the_planned_campaign_gets_nine_tenths() -> None:
    spent = sum(alpha_for(number, 0.01) for number in range(1, PLANNED_CANDIDATES + 1))
    assert spent == pytest.approx(0.009)


def test_two_independent_stages_multiply_to_the_candidates_rate() -> None:
    rate = alpha_for(1, 0.01)
    assert stage_alpha(rate) ** 2 == pytest.approx(rate)


@given(st.integers(1, 50), st.floats(1e-6, 0.5))
def test_attempts_at_one_candidate_never_sum_to_more_than_its_share(
    attempts: int, share: float
) -> None:
    rates = [attempt_alpha(share, attempt) for attempt in range(attempts)]
    assert math.fsum(rates) <= share * (1 + 1e-12)
    assert rates[0] > share / 2, "the first attempt keeps most"
    assert rates == sorted(rates, reverse=True)


def test_an_attempt_before_the_first_is_refused() -> None:
    with pytest.raises(ValueError, match="numbered from 0"):
        attempt_alpha(0.01, -1)


@pytest.mark.parametrize(("number", "budget"), [(0, 0.01), (1, 0.0), (1, 1.0)])
def test_impossible_arguments_are_refused(number: int, budget: float) -> None:
    with pytest.raises(ValueError):
        alpha_for(number, budget)
