"""The verdict on an evaluator follows from what was measured, and the page says it."""

from dataclasses import replace

import pytest

from rsi.agent.cli.verbs.task.trust_page import trust_page
from rsi.agent.trust.task_trust import TrustReport, smallest_detectable
from rsi.agent.trust.trust_verdict import (
    GOT_THROUGH,
    NoiseFacts,
    TriedCheat,
    TriedPatch,
    judge_evaluator,
)
from rsi.evals.planted.exploits import Layer
from rsi.evals.types import Interval
from rsi.tasks.format.loader import load_task
from rsi.tasks.running.check import CheckReport
from rsi.tasks.types import RepoTests

TASK = load_task("toy")
FINE = NoiseFacts(
    pairs=8, log_ratio_sd=0.004, smallest_detectable=0.08, floor_s=0.1, times_floor=5.0,
    null_effect=Interval(estimate=1.0, low=0.99, high=1.01, confidence=0.95, pairs=8),
)  # fmt: skip
GAIN = TriedPatch(
    name="g", expect="faster", verdict="supported", effect=None, is_as_expected=True, reason=""
)
CAUGHT = TriedCheat(
    name="c", layer="grading", expect=("invalid_output",), ended_as="invalid_output",
    stopped_by=Layer.GRADING, reason="x", behind="invalid_output", behind_layer=Layer.GRADING,
)  # fmt: skip


def test_an_evaluator_whose_parts_all_hold_is_trusted():
    tested = replace(TASK, tests=RepoTests(entry=("python", "tests.py"), wall_s=None))
    lie = replace(CAUGHT, is_generic=True, time_saved=5.0)
    assert judge_evaluator(tested, FINE, [GAIN], [CAUGHT, lie], is_recomputed=True) == ((), ())


def test_a_task_whose_program_nobody_tests_is_pointed_out():
    assert TASK.tests is None
    problems, warnings = judge_evaluator(TASK, FINE, [GAIN], [CAUGHT], is_recomputed=True)
    assert not problems
    assert [each for each in warnings if "[rsi.tests]" in each]


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
        (
            FINE, GAIN,
            replace(CAUGHT, ended_as="not_admitted", expect=("not_admitted",), behind=GOT_THROUGH),
            "GETS THROUGH",
        ),
    ],
)  # fmt: skip
def test_each_failure_is_named(noise, patch, cheat, words):
    problems, _ = judge_evaluator(TASK, noise, [patch], [cheat], is_recomputed=True)
    assert any(words in each for each in problems), problems


def test_a_winning_cheat_is_the_first_thing_to_fix():
    wins = replace(CAUGHT, ended_as="supported")
    problems, _ = judge_evaluator(
        TASK, FINE, [replace(GAIN, verdict="refuted")], [CAUGHT, wins], is_recomputed=True
    )
    assert "WINS" in problems[0]


def test_a_cheat_that_one_layer_alone_stops_is_pointed_out():
    alone = replace(CAUGHT, ended_as="not_admitted", expect=("not_admitted",), behind="supported")
    problems, warnings = judge_evaluator(TASK, FINE, [GAIN], [alone], is_recomputed=True)
    assert not problems
    assert any("admission alone" in each for each in warnings)


def test_more_noise_hides_larger_gains_and_more_pairs_show_smaller_ones():
    plan = TASK.profiles["smoke"].plan
    quiet, noisy = (smallest_detectable(sd, plan, 0.05) for sd in (0.01, 0.05))
    assert 0.05 < quiet < noisy
    assert smallest_detectable(0.05, replace(plan, max_pairs=40), 0.05) < noisy


def test_a_baseline_that_is_mostly_start_up_is_pointed_out():
    _, warnings = judge_evaluator(
        TASK, replace(FINE, times_floor=1.4), [GAIN], [CAUGHT], is_recomputed=True
    )
    assert any("1.4 times an empty run" in each for each in warnings)


def test_the_page_names_the_layer_that_stopped_each_cheat_with_admission_and_without():
    unnoticed = replace(CAUGHT, name="links")
    refused = replace(
        CAUGHT, name="socket", ended_as="not_admitted", expect=("not_admitted",),
        stopped_by=Layer.ADMISSION, reason="network", behind="inconclusive",
        behind_layer=Layer.ISOLATION,
    )  # fmt: skip
    through = replace(refused, name="walk", behind=GOT_THROUGH, behind_layer=None)
    basics = CheckReport(task="toy", track="t", profile="smoke", digest="d", backend="b", lines=())
    report = TrustReport(
        basics=basics, noise=FINE, patches=(), cheats=(unnoticed, refused, through), problems=(),
        warnings=(),
    )  # fmt: skip
    rows = {line.split()[0]: line for line in trust_page(report, TASK) if line.strip()}
    assert rows["links"].endswith("grading: x          invalid_output, by grading")
    assert rows["socket"].endswith("admission: network  inconclusive, by isolation")
    assert rows["walk"].endswith("admission: network  got_through, by NOTHING")


def test_a_floor_that_a_solution_passed_is_not_told_as_a_bound():
    basics = CheckReport(task="toy", track="t", profile="smoke", digest="d", backend="b", lines=())
    for estimate, said in ((4.9, "the baseline 5.0 times that"), (5.1, "which g passed")):
        effect = Interval(estimate=estimate, low=4.5, high=5.5, confidence=0.95, pairs=3)
        report = TrustReport(
            basics=basics, noise=FINE, patches=(replace(GAIN, effect=effect),), cheats=(),
            problems=(), warnings=(),
        )  # fmt: skip
        [line] = [line for line in trust_page(report, TASK) if line.startswith("floor")]
        assert said in line
