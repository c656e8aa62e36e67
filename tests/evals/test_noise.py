"""Noise of a task against itself, and what its plan can find."""

import numpy as np
import pytest

from rsi.evals.errors import TooFewPairsError
from rsi.evals.noise import pair_noise, smallest_detectable_effect
from rsi.evals.types import Purpose
from rsi.tasks.types import MeasurePlan

PLAN = MeasurePlan(min_pairs=3, max_pairs=12, confirm_pairs=4, alpha=0.01)


def test_the_spread_of_pairs_is_recovered(task, pairs_of) -> None:
    rng = np.random.default_rng(0)
    champion = np.exp(0.02 * rng.standard_normal(200))
    candidate = np.exp(0.02 * rng.standard_normal(200))
    found = pair_noise(task.metric, pairs_of(list(champion), list(candidate)), Purpose.SCREEN)
    assert found.sd == pytest.approx(0.02 * 2**0.5, rel=0.15)
    assert found.pairs == 200
    assert found.is_unbiased


def test_a_steady_difference_between_the_arms_is_a_bias(task, pairs_of) -> None:
    champion = [1.0, 1.01, 0.99, 1.0, 1.01, 0.99]
    found = pair_noise(
        task.metric, pairs_of(champion, [0.95 * x for x in champion]), Purpose.SCREEN
    )
    assert not found.is_unbiased


def test_one_pair_has_no_noise(task, pairs_of) -> None:
    with pytest.raises(TooFewPairsError):
        pair_noise(task.metric, pairs_of([1.0], [1.0]), Purpose.SCREEN)


def test_more_noise_needs_larger_gains_and_more_pairs_find_smaller_ones() -> None:
    quiet = smallest_detectable_effect(PLAN, 0.02, 0.015)
    loud = smallest_detectable_effect(PLAN, 0.02, 0.06)
    longer = smallest_detectable_effect(
        MeasurePlan(min_pairs=3, max_pairs=48, confirm_pairs=4, alpha=0.01), 0.02, 0.06
    )
    assert quiet is not None
    assert loud is not None
    assert longer is not None
    assert 0.02 < quiet < longer < loud


def test_a_plan_that_can_find_nothing_says_so() -> None:
    tiny = MeasurePlan(min_pairs=1, max_pairs=1, confirm_pairs=1, alpha=0.01)
    assert smallest_detectable_effect(tiny, 0.02, 0.5) is None
