"""Errors of the task room.

TaskError
├── TaskNotFoundError   no such task; also a LookupError
├── TaskFormatError     a task folder breaks the format; every problem in one message; also a ValueError
├── PatchError          a patch is unsafe or does not apply; also a ValueError
└── HarnessError        a task's own harness failed; never scored, never held against a candidate
"""

from collections.abc import Sequence


class TaskError(Exception):
    """Base of everything this room raises."""


class TaskNotFoundError(TaskError, LookupError):
    """No task of that name or at that path."""


class TaskFormatError(TaskError, ValueError):
    """The task folder breaks the format: file, key, what was found, what was expected."""

    def __init__(self, message: str, problems: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.problems = tuple(problems)
        """One sentence each; the message lists them all."""


class PatchError(TaskError, ValueError):
    """A patch is unsafe or does not apply; the message names the file and the hunk."""


class HarnessError(TaskError):
    """The trusted harness of a task failed."""
