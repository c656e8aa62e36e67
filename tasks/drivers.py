"""The tasks whose repo is a part of rsi itself: what drives a campaign besides its models, a scaffold and a reviewer."""

from enum import StrEnum
from pathlib import Path

from rsi.tasks.format.loader import BUILT_IN
from rsi.tasks.harness_kit.canonical import folder_files, tree_digest
from rsi.tasks.types import Task

REVIEWER_BEFORE = "reviewer_before"
"""In a campaign's digests: the reviewer that goes on voting beside a new one."""


class DriverKind(StrEnum):
    """What is versioned; also the name of its task and of its folder in the task's repo."""

    SCAFFOLD = "scaffold"
    REVIEWER = "reviewer"

    @property
    def shipped(self) -> Path:
        """The folder that comes with rsi: where the lineage starts."""
        return BUILT_IN / self / "repo" / self

    @property
    def lineage(self) -> str:
        """Name of its lineage, such as "scaffold-1a2b3c4d": another start has another one.

        A version of rsi that ships another scaffold begins with that one, and never runs on prompts that its tools have left.
        """
        return f"{self}-{tree_digest(folder_files(BUILT_IN / self / 'repo'))[:8]}"


def driver_of(task: Task) -> DriverKind | None:
    """What a task's champion drives; None for every other task."""
    for kind in DriverKind:
        if task.root.resolve() == (BUILT_IN / kind).resolve():
            return kind
    return None
