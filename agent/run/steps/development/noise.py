"""What a few runs beside a few others say about a difference, and what they do not."""

import math
from collections.abc import Sequence
from statistics import fmean

from rsi.evals.judge.distributions import student_t_quantile
from rsi.tasks.choices import Direction

TAIL = 0.025
"""Of each side: the interval holds 95 %."""


def compared(mine: Sequence[float], champion: Sequence[float], direction: Direction) -> str:
    """How much better one version is than the champion, with an interval, as a sentence.

    Args:
        mine: Values of the deciding metric of one version.
        champion: The same of the champion, on the same instance.
        direction: Which way is better.

    Source: Student's t on the means of logarithms, with one variance for both.
    """
    if not mine or not champion or min(*mine, *champion) <= 0:
        return "no ratio to the champion can be told"
    ours, theirs = ([math.log(each) for each in values] for values in (mine, champion))
    sign = -1.0 if direction is Direction.LOWER else 1.0
    gain = sign * (fmean(ours) - fmean(theirs))
    freedom = len(ours) + len(theirs) - 2
    if freedom < 1:
        return f"{math.exp(gain):.3f} times as good as the champion; one run each does not tell noise apart: repeat"
    squares = sum((x - fmean(values)) ** 2 for values in (ours, theirs) for x in values)
    error = math.sqrt(squares / freedom * (1 / len(ours) + 1 / len(theirs)))
    half = student_t_quantile(TAIL, freedom) * error
    low, high = math.exp(gain - half), math.exp(gain + half)
    word = "within the noise" if low <= 1.0 <= high else "beyond the noise"
    return f"{math.exp(gain):.3f} times as good as the champion (95 % interval {low:.3f} to {high:.3f}): {word}"
