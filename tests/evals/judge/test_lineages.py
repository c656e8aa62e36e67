"""No chain of promotions ends where one step would have been refused."""

from dataclasses import replace

import numpy as np
import pytest
from benchmarks.lineages import cases, run_chain

from rsi.evals.judge import judging
from rsi.evals.judge.judging import fresh_stages
from rsi.evals.types import Purpose
from rsi.tasks.types import GuardRule

CASES = [
    pytest.param(task, replace(profile, guards=()), id=f"{task.name}-{task.track}-{profile.name}")
    for task, profile in cases()
]
NOISY = (0.0, 0.17, 0.4)


@pytest.mark.parametrize(("task", "profile"), CASES)
def test_ten_small_losses_end_within_the_margin_of_one(task, profile):
    rng = np.random.default_rng(10)
    for spread in NOISY:
        for loss in (0.15, 0.3, 0.6, 0.9):
            chain = run_chain(task, profile, rng, loss=loss, spread=spread)
            assert chain.champion.loss <= 1 + 1e-9, (spread, loss, chain)
            if chain.promoted and chain.champion.loss + loss > 1:
                assert chain.refused, (spread, loss)


@pytest.mark.parametrize(("task", "profile"), CASES)
def test_ten_gains_that_cost_no_quality_are_all_promoted(task, profile):
    rng = np.random.default_rng(11)
    for spread in (0.0, 0.17):
        chain = run_chain(task, profile, rng, spread=spread)
        assert (chain.promoted, chain.refused) == (10, 0), (spread, chain.reasons)


@pytest.mark.parametrize(("task", "profile"), CASES)
def test_without_the_stage_against_the_baseline_the_margin_is_a_ratchet(task, profile):
    """The control of the two tests above: they can fail."""
    rng = np.random.default_rng(1)
    assert run_chain(task, profile, rng, loss=0.9, is_bound=False).champion.loss > 8


def test_a_bound_on_memory_is_no_ratchet_either():
    task, profile = CASES[0].values
    guarded = replace(
        profile, guards=(GuardRule(name="max_rss_bytes", max_ratio=1.5, max_value=None),)
    )
    chain = run_chain(task, guarded, np.random.default_rng(2), memory=1.2)
    assert chain.champion.memory <= 1.5
    assert chain.promoted == 2
    assert "max_rss_bytes" in chain.reasons[0]


def test_a_first_step_is_measured_against_the_baseline_once():
    assert fresh_stages(is_first_step=True) == (Purpose.CONFIRM,)
    assert Purpose.BASELINE in judging.AGAINST_BASELINE
