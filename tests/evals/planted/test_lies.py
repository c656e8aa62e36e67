"""Lies made of what the baseline left: better than what was measured, and only where a number says how good it is."""

from dataclasses import replace

import pytest

from rsi.evals.planted.lies import BaselineResult, lies_of, time_saved
from rsi.evals.types import Arm, Outcome
from rsi.sandboxes.types import FileEntry
from rsi.tasks.choices import Clock
from rsi.tasks.files.trees import read_tree
from rsi.tasks.format.loader import load_task

TOY = load_task("toy")
RULES = TOY.profiles["smoke"].quality


def left(quality: float, **files: bytes) -> BaselineResult:
    output = tuple(FileEntry(path=path, content=content) for path, content in files.items())
    return BaselineResult(output=output, quality={"excess_bpb": quality})


def lie(name: str, result: BaselineResult):
    base = read_tree(TOY.repo)
    return next((each for each in lies_of(TOY, RULES, base, result) if each.name == name), None)


def handed_in(exploit) -> bytes:
    return next(each.content for each in exploit.tree if each.path.startswith("rsi_planted/"))


def test_a_better_number_is_better_than_the_measured_baseline_and_not_than_the_limit():
    said = lie("writes_a_better_number", left(0.01, log=b'{"loss": 0.01, "n": 0.010, "epoch": 10}'))
    assert said.claims == {"excess_bpb": 0.002}
    assert handed_in(said) == b'{"loss": 0.002, "n": 0.002, "epoch": 10}'


@pytest.mark.parametrize("content", [b"0.011", b"PK\x000.01", b"v0.01", b"0.012", b""])
def test_where_no_number_is_the_quality_there_is_none_to_make_better(content):
    assert lie("writes_a_better_number", left(0.01, log=content)) is None
    assert handed_in(lie("hands_in_another_runs_work", left(0.01, log=content))) == content


def test_a_repo_without_a_python_file_to_edit_gives_no_handle():
    shut = replace(TOY, candidate=replace(TOY.candidate, protected=("**",)))
    assert lies_of(shut, RULES, read_tree(TOY.repo), left(0.01, log=b"")) == ()


def test_what_a_cheat_saves_is_its_worst_run_against_the_baselines_best(task, pairs_of):
    runs = pairs_of([4.0, 5.0], [1.0, 2.0])
    assert time_saved(task.metric, runs) == 2.0
    assert time_saved(task.metric, [run for run in runs if run.arm is Arm.CHAMPION]) is None
    crashed = [replace(r, outcome=Outcome.CRASHED) if r.arm is Arm.CANDIDATE else r for r in runs]
    assert time_saved(task.metric, crashed) is None
    assert time_saved(replace(task.metric, clock=Clock.RESULT), runs) is None
