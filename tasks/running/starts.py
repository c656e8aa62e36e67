"""What a lineage begins from: the task's own repo, or the strongest of its solutions."""

from rsi.sandboxes.types import FileTree
from rsi.tasks.choices import Start
from rsi.tasks.errors import TaskError
from rsi.tasks.files.trees import read_tree
from rsi.tasks.running.check import patched_tree
from rsi.tasks.types import Solution, Task


def start_tree(task: Task, start: Start) -> FileTree:
    """The files of a lineage's first commit.

    Raises:
        TaskError: The task has no solution that is faster, so nothing is harder than its repo.
        PatchError: A solution does not apply.
    """
    if start is Start.EASY:
        return read_tree(task.repo)
    _, solution = strongest(task)
    if solution is None:
        raise TaskError(
            f"task {task.name!r} (track {task.track}) has no solution that gains anything, so it has no hard start"
        )
    return patched_tree(task, solution)


def strongest(task: Task) -> tuple[float, Solution | None]:
    """The largest product of expected ratios over a solution and its parents, and that solution."""
    ratios = {each.name: each.predicted_ratio or 1.0 for each in task.solutions}
    found: tuple[float, Solution | None] = (1.0, None)
    for each in task.solutions:
        product = ratios[each.name]
        for need in each.needs:
            product *= ratios.get(need, 1.0)
        if each.expect == "faster" and product > found[0]:
            found = (product, each)
    return found
