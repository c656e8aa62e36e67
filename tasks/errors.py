"""Errors of the task room.

TaskError
├── TaskNotFoundError   no such task; also a LookupError
├── TaskFormatError     a task folder breaks the format; every problem in one message; also a ValueError
├── PatchError          a patch is unsafe or does not apply; also a ValueError
├── NewTaskError        no task can be made of what was named; also a ValueError
├── RepoUnreachableError  a repository could not be fetched; also a ConnectionError
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


class NewTaskError(TaskError, ValueError):
    """No task can be made of what was named: the word at fault, and what to do instead."""


class RepoUnreachableError(TaskError, ConnectionError):
    """A repository could not be fetched, or git is not there to do it."""


class HarnessError(TaskError):
    """The trusted harness of a task failed."""


class HarnessTimeoutError(HarnessError):
    """The trusted harness of a task did not end in the time that it has."""
