"""Errors of the task room.

TaskError
├── TaskNotFoundError   no such task; also a LookupError
├── TaskFormatError     a task folder breaks the format; every problem in one message; also a ValueError
└── HarnessError        a task's own harness failed; never scored, never held against a candidate
"""


class TaskError(Exception):
    """Base of everything this room raises."""


class TaskNotFoundError(TaskError, LookupError):
    """No task of that name or at that path."""


class TaskFormatError(TaskError, ValueError):
    """The task folder breaks the format: file, key, what was found, what was expected."""


class HarnessError(TaskError):
    """The trusted harness of a task failed."""
