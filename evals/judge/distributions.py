"""Student's t, accurate far out in the tails, without SciPy.

Does not: fit anything. The host depends on NumPy alone, and boundaries need tail areas near 1e-5.
"""

import math
from functools import lru_cache

MAX_ITERATIONS = 300
"""Steps of the continued fraction; it converges in under 50 for every df used here."""
RELATIVE_PRECISION = 1e-14
TINY = 1e-300
"""Keeps a denominator of the continued fraction away from zero."""


def student_t_tail(t: float, df: int) -> float:
    """P(T > t) for Student's t with `df` degrees of freedom.

    Args:
        t: Any finite value.
        df: Degrees of freedom, at least 1.

    Raises:
        ValueError: df < 1.
    """
    if df < 1:
        raise ValueError(f"degrees of freedom must be at least 1, got {df!r}")
    upper = 0.5 * _regularised_beta(df / (df + t * t), df / 2.0, 0.5)
    return upper if t >= 0 else 1.0 - upper


@lru_cache(maxsize=8192)
def student_t_quantile(tail: float, df: int) -> float:
    """The t with P(T > t) = `tail`, for 0 < tail < 1.

    Raises:
        ValueError: tail is not inside (0, 1), or df < 1.
    """
    if not 0.0 < tail < 1.0:
        raise ValueError(f"tail must lie inside (0, 1), got {tail!r}")
    if tail > 0.5:
        return -student_t_quantile(1.0 - tail, df)
    low, high = 0.0, 1.0
    while student_t_tail(high, df) > tail:
        low, high = high, high * 2.0
    for _ in range(80):
        middle = 0.5 * (low + high)
        if student_t_tail(middle, df) > tail:
            low = middle
        else:
            high = middle
    return 0.5 * (low + high)


def _regularised_beta(x: float, a: float, b: float) -> float:
    """I_x(a, b), by the continued fraction of the incomplete beta function.

    Source: Abramowitz and Stegun, Handbook of Mathematical Functions (1964), 26.5.8.
    """
    if x <= 0.0:
        return 0.0
    if x >= 1.0:
        return 1.0
    log_front = (
        math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)
    )
    if x < (a + 1.0) / (a + b + 2.0):
        return math.exp(log_front) * _beta_fraction(x, a, b) / a
    return 1.0 - math.exp(log_front) * _beta_fraction(1.0 - x, b, a) / b


def _beta_fraction(x: float, a: float, b: float) -> float:
    """Lentz's evaluation of the continued fraction of I_x(a, b)."""
    c = 1.0
    d = 1.0 / _away_from_zero(1.0 - (a + b) * x / (a + 1.0))
    value = d
    for m in range(1, MAX_ITERATIONS):
        even = m * (b - m) * x / ((a + 2 * m - 1.0) * (a + 2 * m))
        d = 1.0 / _away_from_zero(1.0 + even * d)
        c = _away_from_zero(1.0 + even / c)
        value *= d * c
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1.0))
        d = 1.0 / _away_from_zero(1.0 + odd * d)
        c = _away_from_zero(1.0 + odd / c)
        step = d * c
        value *= step
        if abs(step - 1.0) < RELATIVE_PRECISION:
            break
    return value


def _away_from_zero(value: float) -> float:
    return value if abs(value) > TINY else TINY
