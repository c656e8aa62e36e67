"""The toy task, measured in real sandboxes: a gain, a crash and a null patch."""

import time
from dataclasses import replace
from pathlib import Path

import pytest

from rsi.evals.judge.score import score
from rsi.evals.measure.measuring import measure
from rsi.evals.types import Arm, Measurement, Outcome, Purpose, Score, Verdict
from rsi.sandboxes.process import ProcessBackend
from rsi.sandboxes.types import FileTree
from rsi.tasks.files.patches import apply_patch
from rsi.tasks.files.trees import read_tree
from rsi.tasks.format.loader import BUILT_IN, load_task, profile_of

TASK = load_task(BUILT_IN / "toy")
PROFILE = profile_of(TASK)


def patched(name: str) -> tuple[FileTree, FileTree]:
    """The champion that a reference patch is made for, and the tree after it."""
    by_name = {solution.name: solution for solution in TASK.solutions}
    tree = read_tree(TASK.repo)
    for needed in by_name[name].needs:
        tree = apply_patch(tree, by_name[needed].patch.read_bytes(), name=needed)
    return tree, apply_patch(tree, by_name[name].patch.read_bytes(), name=name)


def verdict_of(name: str, tmp_path: Path) -> tuple[Score, tuple[Measurement, ...]]:
    champion, candidate = patched(name)
    runs = measure(
        TASK,
        PROFILE,
        ProcessBackend(),
        champion,
        candidate,
        purpose=Purpose.SCREEN,
        campaign_secret=b"toy-toy-toy-toy!",
        lineage="main",
        round_id=f"test-{name}",
        cache=tmp_path,
    )
    return score(TASK, PROFILE, runs, purpose=Purpose.SCREEN), runs


@pytest.mark.slow
def test_a_real_gain_is_supported(tmp_path: Path) -> None:
    result, runs = verdict_of("02_row_sums_once", tmp_path)
    assert result.verdict is Verdict.SUPPORTED, result.reason
    assert all(run.cpu_s and run.wall_s for run in runs)
    assert len(runs) < 2 * PROFILE.plan.max_pairs, "it ends at a look"


@pytest.mark.slow
def test_a_null_patch_is_not_supported(tmp_path: Path) -> None:
    result, _ = verdict_of("01_null", tmp_path)
    assert result.verdict in {Verdict.REFUTED, Verdict.INCONCLUSIVE}, result.reason


@pytest.mark.slow
def test_a_slower_patch_is_refuted(tmp_path: Path) -> None:
    result, _ = verdict_of("05_twice_the_grid", tmp_path)
    assert result.verdict is Verdict.REFUTED, result.reason


@pytest.mark.slow
def test_a_patch_that_breaks_quality_is_refuted_for_it(tmp_path: Path) -> None:
    result, _ = verdict_of("06_a_fortieth_of_the_text", tmp_path)
    assert result.verdict is Verdict.REFUTED
    assert "quality" in result.reason


@pytest.mark.slow
def test_a_patch_that_crashes_is_invalid_by_name(tmp_path: Path) -> None:
    result, runs = verdict_of("07_wrong_name", tmp_path)
    assert result.verdict is Verdict.INVALID
    assert "crashed" in result.reason
    assert len(runs) <= 4
    assert [run.outcome for run in runs if run.arm is Arm.CANDIDATE] == [Outcome.CRASHED] * 2


@pytest.mark.slow
def test_a_stop_ends_both_arms_in_the_middle_of_their_runs(tmp_path: Path) -> None:
    champion, candidate = patched("01_null")
    endless = tuple(
        replace(each, content=each.content + b"\nwhile True: pass\n")
        for each in candidate
        if each.path != "run.py"
    ) + tuple(each for each in candidate if each.path == "run.py")
    asked = time.monotonic() + 3.0
    runs = measure(
        TASK,
        PROFILE,
        ProcessBackend(),
        champion,
        endless,
        purpose=Purpose.SCREEN,
        campaign_secret=b"toy-toy-toy-toy!",
        lineage="main",
        round_id="test-stop",
        cache=tmp_path,
        should_stop=lambda: time.monotonic() > asked,
    )
    assert runs == ()
    assert time.monotonic() - asked < PROFILE.limits.wall_s / 2
