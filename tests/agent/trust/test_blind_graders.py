"""A grader that takes a run's word is found out, whatever words it takes; one that computes is trusted, and was tried."""

from dataclasses import replace

import pytest
from tests.agent.trust.test_task_trust import CAUGHT, FINE, GAIN

from rsi.agent.cli.verbs.task.trust_page import trust_page
from rsi.agent.trust.task_trust import Examiner, examine
from rsi.agent.trust.trust_verdict import judge_evaluator
from rsi.evals.planted.exploits import Layer
from rsi.sandboxes.bubblewrap.backend import BubblewrapBackend
from rsi.sandboxes.process import ProcessBackend
from rsi.tasks.choices import Clock, Honesty
from rsi.tasks.files.trees import read_tree
from rsi.tasks.format.loader import load_task
from rsi.tasks.making.new_task import create_task
from rsi.tasks.making.wanted import Wanted
from rsi.tasks.running.check import says_it_recomputes

TOY = load_task("toy")
TRAIN = """\
import json, os, random
import fit
loss = fit.fit() + random.Random(os.environ["RSI_SEED"]).random() / 100
json.dump({"loss": loss}, open("out.json", "w"))
"""
FIT = "def fit():\n    return 1.3 + 0 * sum(n % 7 for n in range(6_000_000))\n"
"""Reaches 1.3, far below the limit of 2.0: a lie made of the limit would be worse than the truth."""


def test_where_no_generic_cheat_reaches_the_code_it_is_said():
    own = replace(CAUGHT, is_generic=False)
    _, warnings = judge_evaluator(TOY, FINE, [GAIN], [own], is_recomputed=True)
    assert any("nothing was tried on the grader" in each for each in warnings)


LIE = replace(
    CAUGHT, name="lie", layer=Layer.GRADING, is_generic=True, time_saved=9.0, behind="refuted"
)


@pytest.mark.parametrize(
    ("cheat", "is_recomputed", "words"),
    [
        (replace(LIE, behind="supported"), True, "BLIND"),
        (LIE, False, "takes a run's word"),
        (LIE, None, "does not say whether"),
        (replace(LIE, time_saved=1.01), True, "no cheat could have won"),
        (replace(LIE, time_saved=None), True, "no cheat could have won"),
    ],
)
def test_each_way_of_not_knowing_the_quality_is_a_problem(cheat, is_recomputed, words):
    problems, _ = judge_evaluator(TOY, FINE, [GAIN], [cheat], is_recomputed=is_recomputed)
    assert [each for each in problems if words in each], problems


def test_where_no_host_clock_decides_it_is_not_said_that_a_cheat_could_not_have_won():
    stated = replace(TOY, metric=replace(TOY.metric, clock=Clock.RESULT))
    cheat = replace(LIE, time_saved=None)
    assert cheat.could_have_won(stated.metric) is None
    problems, warnings = judge_evaluator(stated, FINE, [GAIN], [cheat], is_recomputed=True)
    assert not problems
    assert not [each for each in warnings if "could not have won" in each]


def test_one_lie_that_could_have_won_is_enough_and_those_that_could_not_are_named():
    idle = replace(LIE, name="idle", time_saved=1.0)
    problems, warnings = judge_evaluator(TOY, FINE, [GAIN], [LIE, idle], is_recomputed=True)
    assert not problems
    assert [each for each in warnings if "idle could not have won" in each]
    assert not [each for each in warnings if "lie could not" in each]


@pytest.fixture(scope="module")
def backend():
    strongest = BubblewrapBackend()
    return strongest if strongest.availability().is_available else ProcessBackend()


@pytest.fixture
def reported(tmp_path):
    """A task whose grader takes the number that a run wrote."""
    repo = tmp_path / "repo"
    repo.mkdir()
    (repo / "train.py").write_text(TRAIN, encoding="utf-8")
    (repo / "fit.py").write_text(FIT, encoding="utf-8")
    wanted = Wanted(
        name="reported", repo=str(repo), entry=("python", "train.py"), editable=("fit.py",),
        clock=Clock.CPU_S, quality="loss", limit=2.0, margin=0.02,
    )  # fmt: skip
    return create_task(wanted, tmp_path / "tasks").task


def examiner(task, backend, tmp_path, profile="demo", kind=Examiner):
    backend.prepare(task.environment)
    return kind(
        task=task, profile=task.profiles[profile], backend=backend, secret=bytes(range(16)),
        progress=lambda _: None, lock_folder=tmp_path / "locks",
    )  # fmt: skip


def tried_lies(task, backend, tmp_path, profile="demo"):
    chief = examiner(task, backend, tmp_path, profile)
    base = read_tree(task.repo)
    return {each.name: chief.try_exploit(base, each) for each in chief.lies(base)}


@pytest.mark.slow
def test_a_grader_that_takes_a_runs_word_is_not_trusted(reported, backend, tmp_path):
    tried = tried_lies(reported, backend, tmp_path)
    assert {each.behind for each in tried.values()} == {"supported"}, tried
    problems, _ = judge_evaluator(reported, FINE, [GAIN], [*tried.values()], is_recomputed=True)
    assert [each for each in problems if "BLIND" in each and "writes_a_better_number" in each]


@pytest.mark.slow
def test_a_grader_that_computes_refuses_them_and_each_could_have_won(backend, tmp_path):
    tried = tried_lies(TOY, backend, tmp_path, "smoke")
    assert set(tried) == {"hands_in_another_runs_work"}
    [only] = tried.values()
    assert only.behind_layer is not None, only
    assert only.behind in {"refuted", "invalid_output"}
    assert only.could_have_won(TOY.metric)


class QuickExaminer(Examiner):
    """Measures the lies alone."""

    def noise(self, pairs=8):
        return FINE

    def cheats(self):
        base = read_tree(self.task.repo)
        return tuple(self.try_exploit(base, each) for each in self.lies(base))


@pytest.mark.slow
def test_an_examination_asks_the_harness_and_says_what_to_do(reported, backend, tmp_path):
    report = examine(examiner(reported, backend, tmp_path, kind=QuickExaminer))
    assert report.basics.is_ok, report.basics.lines
    assert not report.is_trusted
    assert [each for each in report.problems if "BLIND" in each and "compute the quality" in each]
    assert "VERDICT: not yet; fix this first:" in trust_page(report, reported)
    assert says_it_recomputes(reported, reported.profiles["demo"], backend) is False
    assert says_it_recomputes(TOY, TOY.profiles["smoke"], backend) is True


@pytest.mark.parametrize(
    ("honesty", "ended_as", "problem"),
    [
        (Honesty.L2, "not_admitted", None),
        (Honesty.L2, "supported", "BLIND"),
        (Honesty.L1, "not_admitted", "data that the run had too"),
        (Honesty.L0, "not_admitted", "BLIND"),
        (None, "not_admitted", "BLIND"),
    ],
)
def test_what_is_brought_along_is_a_problem_where_nothing_else_keeps_it_out(
    honesty, ended_as, problem
):
    brought = replace(
        CAUGHT, is_generic=True, layer=Layer.GRADING, expect=("not_admitted", "refuted"),
        ended_as=ended_as, behind="supported", time_saved=5.0,
    )  # fmt: skip
    task = replace(TOY, honesty=honesty)
    problems, warnings = judge_evaluator(task, FINE, [GAIN], [brought], is_recomputed=True)
    assert (problem is None and not problems) or any(str(problem) in each for each in problems)
    said = [each for each in warnings if each.startswith("honesty")]
    assert len(said) == (0 if honesty is None else 1)
    assert all("cannot see" in each for each in said)
