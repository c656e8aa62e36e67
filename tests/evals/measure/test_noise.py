"""Noise of a task against itself."""

import numpy as np
import pytest

from rsi.evals.errors import TooFewPairsError
from rsi.evals.measure.noise import pair_noise
from rsi.evals.types import Purpose


def test_the_spread_of_pairs_is_recovered(task, pairs_of) -> None:
    rng = np.random.default_rng(0)
    champion = np.exp(0.02 * rng.standard_normal(200))
    candidate = np.exp(0.02 * rng.standard_normal(200))
    found = pair_noise(task.metric, pairs_of(list(champion), list(candidate)), Purpose.SCREEN)
    assert found.sd == pytest.approx(0.02 * 2**0.5, rel=0.15)
    assert found.pairs == 200
    assert found.bias.low <= 1 <= found.bias.high


def test_a_steady_difference_between_the_arms_is_a_bias(task, pairs_of) -> None:
    champion = [1.0, 1.01, 0.99, 1.0, 1.01, 0.99]
    found = pair_noise(
        task.metric, pairs_of(champion, [0.95 * x for x in champion]), Purpose.SCREEN
    )
    assert found.bias.low > 1


def test_one_pair_has_no_noise(task, pairs_of) -> None:
    with pytest.raises(TooFewPairsError):
        pair_noise(task.metric, pairs_of([1.0], [1.0]), Purpose.SCREEN)
