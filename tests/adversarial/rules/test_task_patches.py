"""The patches that ship with the tasks: solutions pass admission, cheats end as they must."""

from pathlib import Path

import pytest

from rsi.evals.admission.admission import admit, is_admitted
from rsi.evals.judge.guards import source_facts
from rsi.evals.judge.score import score
from rsi.evals.measure.measuring import measure
from rsi.evals.types import Purpose, Severity, Verdict
from rsi.sandboxes.bubblewrap.backend import BubblewrapBackend
from rsi.sandboxes.process import ProcessBackend
from rsi.sandboxes.types import FileTree
from rsi.tasks.files.patches import apply_patch
from rsi.tasks.files.trees import read_tree
from rsi.tasks.format.loader import BUILT_IN, list_tasks, load_task
from rsi.tasks.types import Cheat, Solution, Task

TASKS = {
    name: load_task(BUILT_IN / name)
    for name in sorted(each.name for each in list_tasks() if each.root.parent == BUILT_IN.resolve())
}
SOLUTIONS = [(name, solution) for name, task in TASKS.items() for solution in task.solutions]
CHEATS = [(name, cheat) for name, task in TASKS.items() for cheat in task.cheats]
NOT_ADMITTED = [
    (name, cheat) for name, cheat in CHEATS if cheat.layer.startswith(("admission", "edit policy"))
]
TOY_CHEATS = [cheat for name, cheat in CHEATS if name == "toy"]
BY_CLOCK = {"07_works_between_calls"}
"""What a wall clock decides, which beside other tests decides nothing; see `tests/tasks/running/test_clocked.py`."""
SAMPLE = {"07_another_code_each_time"}
"""The others take minutes, or more programs than the smallest size has, and are in the exhaustive lane."""
LINKED_CHEATS = [
    pytest.param(
        name, cheat, marks=pytest.mark.slow if cheat.name in SAMPLE else pytest.mark.exhaustive
    )
    for name, cheat in CHEATS
    if TASKS[name].pattern.rules.is_linked and cheat.name not in BY_CLOCK
]


def named(value: object) -> str:
    return getattr(value, "name", str(value))


def trees(task: Task, item: Solution | Cheat) -> tuple[FileTree, FileTree]:
    """The champion that a patch is made for, and the tree after it."""
    by_name = {solution.name: solution for solution in task.solutions}
    tree = read_tree(task.repo)
    for needed in getattr(item, "needs", ()):
        tree = apply_patch(tree, by_name[needed].patch.read_bytes(), name=needed)
    return tree, apply_patch(tree, item.patch.read_bytes(), name=item.name)


@pytest.mark.parametrize(("name", "solution"), SOLUTIONS, ids=named)
def test_a_reference_solution_is_admitted_without_a_word(name: str, solution: Solution) -> None:
    task = TASKS[name]
    findings = admit(task, *trees(task, solution))
    assert all(f.severity is Severity.NOTE for f in findings), findings


@pytest.mark.parametrize(("name", "cheat"), NOT_ADMITTED, ids=named)
def test_a_cheat_that_admission_must_stop_is_stopped_there(name: str, cheat: Cheat) -> None:
    task = TASKS[name]
    findings = admit(task, *trees(task, cheat))
    assert not is_admitted(findings)


def ending(task: Task, cheat: Cheat, tmp_path: Path, *, with_admission: bool) -> str:
    """How a cheat's round would end before any reviewer or person sees it."""
    champion, candidate = trees(task, cheat)
    if with_admission and not is_admitted(admit(task, champion, candidate)):
        return "not_admitted"
    profile = task.profiles["smoke"]
    runs = measure(
        task,
        profile,
        BubblewrapBackend() if task.pattern.rules.is_linked else ProcessBackend(),
        champion,
        candidate,
        purpose=Purpose.SCREEN,
        campaign_secret=b"cheats are caught",
        lineage="main",
        round_id=f"cheat-{cheat.name}",
        cache=tmp_path,
    )
    source = source_facts(champion, candidate)
    result = score(task, profile, runs, purpose=Purpose.SCREEN, source=source)
    if result.verdict is Verdict.INVALID:
        return next(name for name in result.outcomes if name != "ok")
    return str(result.verdict)


@pytest.mark.slow
@pytest.mark.parametrize("cheat", TOY_CHEATS, ids=named)
def test_a_cheat_ends_as_its_task_says(cheat: Cheat, tmp_path: Path) -> None:
    assert ending(TASKS["toy"], cheat, tmp_path, with_admission=True) in cheat.expect


@pytest.mark.parametrize(("name", "cheat"), LINKED_CHEATS, ids=named)
def test_a_cheat_on_a_linked_task_ends_as_its_task_says(
    name: str, cheat: Cheat, tmp_path: Path
) -> None:
    assert ending(TASKS[name], cheat, tmp_path, with_admission=True) in cheat.expect


@pytest.mark.exhaustive
@pytest.mark.parametrize(("name", "cheat"), LINKED_CHEATS, ids=named)
def test_on_a_linked_task_the_layers_behind_admission_hold(
    name: str, cheat: Cheat, tmp_path: Path
) -> None:
    found = ending(TASKS[name], cheat, tmp_path, with_admission=False)
    assert found not in {"supported", "not_admitted"}


@pytest.mark.slow
@pytest.mark.parametrize("cheat", TOY_CHEATS, ids=named)
def test_without_admission_the_next_layer_still_holds(cheat: Cheat, tmp_path: Path) -> None:
    """Rules are the first layer, not the only one."""
    found = ending(TASKS["toy"], cheat, tmp_path, with_admission=False)
    assert found not in {"supported", "not_admitted"}
