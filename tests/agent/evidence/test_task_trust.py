"""The verdict on an evaluator follows from what was measured, and the generic exploits are noticed."""

from dataclasses import replace

import pytest

from rsi.agent.exploit_pack import NOTICED, exploits_of
from rsi.agent.task_trust import (
    NoiseFacts,
    TriedCheat,
    TriedPatch,
    judge_evaluator,
    smallest_detectable,
)
from rsi.evals.admission import admit
from rsi.evals.types import Interval, Severity
from rsi.tasks.loader import load_task
from rsi.tasks.trees import read_tree

TASK = load_task("toy")
FINE = NoiseFacts(
    pairs=8, log_ratio_sd=0.004, smallest_detectable=0.08, floor_s=0.1,
    null_effect=Interval(estimate=1.0, low=0.99, high=1.01, confidence=0.95, pairs=8),
)  # fmt: skip
GAIN = TriedPatch(
    name="g", expect="faster", verdict="supported", effect=None, is_as_expected=True, reason=""
)
CAUGHT = TriedCheat(
    name="c", layer="grading", expect=("invalid_output",), ended_as="invalid_output",
    stopped_by="x", behind="invalid_output",
)  # fmt: skip


def test_an_evaluator_whose_parts_all_hold_is_trusted():
    assert judge_evaluator(TASK, FINE, [GAIN], [CAUGHT]) == ((), ())


@pytest.mark.parametrize(
    ("noise", "patch", "cheat", "words"),
    [
        (FINE, GAIN, replace(CAUGHT, ended_as="supported"), "WINS"),
        (FINE, GAIN, replace(CAUGHT, ended_as="refuted"), "expected invalid_output"),
        (FINE, replace(GAIN, expect="same"), CAUGHT, "promotes it"),
        (FINE, replace(GAIN, verdict="inconclusive"), CAUGHT, "none of its known gains"),
        (
            replace(FINE, null_effect=replace(FINE.null_effect, low=1.08, high=1.12)),
            GAIN, CAUGHT, "not treated alike",
        ),
    ],
)  # fmt: skip
def test_each_failure_is_named(noise, patch, cheat, words):
    problems, _ = judge_evaluator(TASK, noise, [patch], [cheat])
    assert any(words in each for each in problems), problems


def test_a_winning_cheat_is_the_first_thing_to_fix():
    wins = replace(CAUGHT, ended_as="supported")
    problems, _ = judge_evaluator(TASK, FINE, [replace(GAIN, verdict="refuted")], [CAUGHT, wins])
    assert "WINS" in problems[0]


def test_a_cheat_that_one_layer_alone_stops_is_pointed_out():
    alone = replace(CAUGHT, ended_as="not_admitted", expect=("not_admitted",), behind="supported")
    problems, warnings = judge_evaluator(TASK, FINE, [GAIN], [alone])
    assert not problems
    assert any("admission alone" in each for each in warnings)


def test_more_noise_hides_larger_gains_and_more_pairs_show_smaller_ones():
    plan = TASK.profiles["smoke"].plan
    quiet, noisy = (smallest_detectable(sd, plan, 0.05) for sd in (0.01, 0.05))
    assert 0.05 < quiet < noisy
    assert smallest_detectable(0.05, replace(plan, max_pairs=40), 0.05) < noisy


@pytest.mark.parametrize("name", ["toy", "lm_training"])
def test_the_generic_exploits_are_noticed_in_every_task_and_not_with_the_rules_off(name):
    task = load_task(name)
    base = read_tree(task.repo)
    exploits = [each for each in exploits_of(task, base) if each.expect == NOTICED]
    assert len(exploits) == 8
    for each in exploits:
        assert any(e.severity is not Severity.NOTE for e in admit(task, base, each.tree)), each.name
    open_door = replace(task.candidate, editable=("**",), protected=(), max_files_added=9)
    unseen = [
        each.name
        for each in exploits
        if not admit(replace(task, candidate=open_door), base, each.tree, rules={})
    ]
    assert len(unseen) >= 6, unseen
