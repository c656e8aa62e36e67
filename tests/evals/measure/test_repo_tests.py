"""A task whose repo has tests of its own: a candidate that fails them is refuted, whatever it gains."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from rsi.evals.judge.score import score
from rsi.evals.measure.measuring import measure
from rsi.evals.types import Purpose, Verdict
from rsi.sandboxes.process import ProcessBackend
from rsi.sandboxes.types import FileEntry, FileTree
from rsi.tasks.files.patches import apply_patch
from rsi.tasks.files.trees import read_tree
from rsi.tasks.format.loader import BUILT_IN, load_task, profile_of
from rsi.tasks.running.check import check_task
from rsi.tasks.running.runner import run_tests
from rsi.tasks.types import Task

TESTS = """import unittest

from bigram.fit import fit


class Fit(unittest.TestCase):
    def test_every_pair_is_counted(self):
        model = fit("abcabcabca" * 5)
        self.assertEqual(sum(map(sum, model["counts"])), 49)
        self.assertEqual(model["letters"], "abc")
"""
TABLES = """[rsi.tests]
entry = ["python", "-m", "unittest", "-q", "tests.test_fit"]

[[rsi.guard]]
name = "tests_cpu_s"
max_ratio = 50.0

[rsi.candidate]"""


@pytest.fixture
def task(tmp_path: Path) -> Task:
    """The toy, with tests in its repo."""
    root = tmp_path / "toy"
    shutil.copytree(BUILT_IN / "toy", root)
    (root / "repo/tests").mkdir()
    (root / "repo/tests/test_fit.py").write_text(TESTS)
    toml = (root / "task.toml").read_text()
    toml = toml.replace("[rsi.candidate]", TABLES)
    toml = toml.replace('protected = ["run.py"', 'protected = ["tests/**", "run.py"')
    (root / "task.toml").write_text(toml)
    return load_task(root)


def with_edit(tree: FileTree, path: str, old: str, new: str) -> FileTree:
    return tuple(
        replace(entry, content=entry.content.replace(old.encode(), new.encode()))
        if entry.path == path
        else entry
        for entry in tree
    )


def verdict_of(task: Task, candidate: FileTree, cache: Path):
    profile, champion = profile_of(task), read_tree(task.repo)
    runs = measure(
        task,
        profile,
        ProcessBackend(),
        champion,
        candidate,
        purpose=Purpose.SCREEN,
        campaign_secret=b"toy-toy-toy-toy!",
        lineage="main",
        round_id="tested",
        cache=cache,
    )
    return score(task, profile, runs, purpose=Purpose.SCREEN)


@pytest.mark.slow
def test_a_gain_that_passes_is_supported_and_one_that_fails_is_refuted(
    task: Task, tmp_path: Path
) -> None:
    patch = task.root / "solutions/02_row_sums_once.patch"
    faster = apply_patch(read_tree(task.repo), patch.read_bytes(), name="faster")
    kept = verdict_of(task, faster, tmp_path)
    assert kept.verdict is Verdict.SUPPORTED, kept.reason
    assert {each.name for each in kept.guards} >= {"repo's own tests", "tests_cpu_s ratio"}
    # Fewer counts: as good on a long text, and not what the tests ask for.
    broken = with_edit(faster, "bigram/fit.py", "count_pairs(text,", "count_pairs(text[:-9],")
    refuted = verdict_of(task, broken, tmp_path)
    assert refuted.verdict is Verdict.REFUTED
    assert "repo's own tests" in refuted.reason


@pytest.mark.slow
def test_a_candidate_cannot_bring_tests_of_its_own(task: Task) -> None:
    base = read_tree(task.repo)
    broken = with_edit(base, "bigram/fit.py", "count_pairs(text,", "count_pairs(text[:-9],")
    forged = tuple(
        replace(entry, content=b"") if entry.path.startswith("tests/") else entry
        for entry in broken
    )
    shadow = FileEntry(path="tests/test_fit/__init__.py", content=b"")
    for tree in (forged, (*forged, shadow)):
        found = run_tests(task, profile_of(task), tree, ProcessBackend(), "test")
        assert found is not None
        assert not found.is_passed
        assert "49" in found.detail


@pytest.mark.slow
def test_tests_that_take_too_long_fail(task: Task) -> None:
    tree = with_edit(
        read_tree(task.repo),
        "bigram/fit.py",
        "import mean_loss",
        "import mean_loss\nwhile True: pass",
    )
    hurried = replace(task, tests=replace(task.tests, wall_s=1.0))
    found = run_tests(hurried, profile_of(task), tree, ProcessBackend(), "test")
    assert found is not None
    assert not found.is_passed
    assert found.detail.startswith("timeout")


@pytest.mark.slow
def test_tests_that_got_no_time_to_run_are_given_more_once(task: Task) -> None:
    """Others keep the machine busy, which is no fault of a candidate's; here they sleep instead of waiting for it."""
    waiting = "import mean_loss\nimport time\ntime.sleep({})"
    for seconds, is_enough in ((2.0, True), (8.0, False)):
        tree = with_edit(
            read_tree(task.repo), "bigram/fit.py", "import mean_loss", waiting.format(seconds)
        )
        hurried = replace(task, tests=replace(task.tests, wall_s=1.5))
        found = run_tests(hurried, profile_of(task), tree, ProcessBackend(), "test")
        assert found is not None
        assert found.is_passed is is_enough, found.detail
    assert found.detail.startswith("timeout: not over after")


@pytest.mark.slow
def test_a_check_of_the_task_runs_them_on_the_baseline(task: Task) -> None:
    lines = check_task(task, None, ProcessBackend()).lines
    assert next(each for each in lines if each.name == "repo's own tests").is_ok
    failing = replace(
        task, tests=replace(task.tests, entry=("python", "-c", "raise SystemExit(3)"))
    )
    lines = check_task(failing, None, ProcessBackend()).lines
    assert not next(each for each in lines if each.name == "repo's own tests").is_ok
