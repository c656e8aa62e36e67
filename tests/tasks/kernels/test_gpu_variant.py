"""The kernels' variant for GPUs, as far as a processor can tell: its worker's code is right on every call, and its cheats are not."""

import pytest

from rsi.sandboxes.bubblewrap.backend import BubblewrapBackend
from rsi.sandboxes.errors import EnvironmentBuildError
from rsi.sandboxes.types import ExecOutcome
from rsi.tasks.files.trees import read_tree
from rsi.tasks.format.loader import load_task
from rsi.tasks.running.check import patched_tree
from rsi.tasks.running.runner import grade, make_instance, run_candidate
from rsi.tasks.types import Grade, GradeOutcome

TASK = load_task("kernels@gpu")
PATCHES = {each.name: each for each in (*TASK.solutions, *TASK.cheats)}
STRONGEST = "02_keys_and_values_kept"


def graded(name: str | None) -> Grade:
    """How a version's run on a processor compares with the truth."""
    backend, profile = BubblewrapBackend(), TASK.profiles["smoke"]
    if not backend.availability().is_available:
        pytest.skip("needs bubblewrap")
    try:
        backend.prepare(TASK.environment)
    except EnvironmentBuildError as error:
        pytest.skip(f"no torch: {error}")
    tree = read_tree(TASK.repo) if name is None else patched_tree(TASK, PATCHES[name])
    instance = make_instance(TASK, profile, "screen", bytes(range(32)), backend)
    done = run_candidate(TASK, profile, tree, instance, 1, backend, "test")
    assert done.execution.outcome is ExecOutcome.OK, done.execution.stderr[-2000:]
    assert done.output is not None, done.output_problem
    return grade(TASK, profile, instance, done.output, backend, "test")


def assert_right(found: Grade) -> None:
    assert found.outcome is GradeOutcome.OK, found.reason
    assert all(each.is_ok for each in found.quality), found.quality
    assert len(found.result["parts"]) == 5


@pytest.mark.slow
def test_the_strongest_solution_is_right_on_every_call():
    assert_right(graded(STRONGEST))


@pytest.mark.exhaustive
@pytest.mark.parametrize(
    "name", [None, *(each.name for each in TASK.solutions if each.name != STRONGEST)]
)
def test_the_start_and_every_other_solution_are_right_on_every_call(name):
    assert_right(graded(name))


@pytest.mark.exhaustive
@pytest.mark.parametrize("name", [each.name for each in TASK.cheats])
def test_every_cheat_is_wrong(name):
    found = graded(name)
    assert found.outcome is GradeOutcome.OK, found.reason
    assert not all(each.is_ok for each in found.quality), found.quality
