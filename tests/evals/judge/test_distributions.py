"""Known values of Student's t, far into the tails."""

import math
from statistics import NormalDist

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rsi.evals.judge.distributions import student_t_quantile, student_t_tail


@pytest.mark.parametrize(
    ("tail", "df", "expected"),
    [
        # Tables of Student's t; the far ones from the closed forms for 1 and 2 degrees of freedom.
        (0.05, 2, 2.9199856),
        (0.01, 5, 3.3649300),
        (0.025, 30, 2.0422725),
        (0.001, 10, 4.1437005),
        (1e-5, 1, 1 / math.tan(math.pi * 1e-5)),
        (1e-5, 2, (1 - 2e-5) / math.sqrt(2 * 1e-5 * (1 - 1e-5))),
    ],
)
def test_quantiles_agree_with_tables(tail: float, df: int, expected: float) -> None:
    assert student_t_quantile(tail, df) == pytest.approx(expected, rel=1e-6)


@given(st.floats(1e-7, 1 - 1e-7), st.integers(1, 200))
def test_the_quantile_inverts_the_tail(tail: float, df: int) -> None:
    assert student_t_tail(student_t_quantile(tail, df), df) == pytest.approx(tail, rel=1e-6)


@given(st.floats(-50, 50), st.integers(1, 100))
def test_both_tails_sum_to_one(t: float, df: int) -> None:
    assert student_t_tail(t, df) + student_t_tail(-t, df) == pytest.approx(1.0)


def test_many_degrees_of_freedom_approach_the_normal() -> None:
    assert student_t_quantile(0.01, 100_000) == pytest.approx(NormalDist().inv_cdf(0.99), rel=1e-4)


@pytest.mark.parametrize(("tail", "df"), [(0.0, 3), (1.0, 3), (0.1, 0)])
def test_impossible_arguments_are_refused(tail: float, df: int) -> None:
    with pytest.raises(ValueError):
        student_t_quantile(tail, df)
