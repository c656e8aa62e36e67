"""What the program inside the agent's sandbox answers, checked: anything in there may have written in its place."""

import json
from collections.abc import Callable, Mapping, Sequence

from rsi.sandboxes.types import ExecResult

Form = Mapping[str, Callable[[object], bool]]
"""Keys of a head, each with what its value must be."""


class SandboxGoneError(RuntimeError):
    """A limit killed the agent's whole sandbox; its work is lost."""


def parsed(result: ExecResult, forms: Sequence[Form]) -> tuple[Mapping[str, object], bytes]:
    """The head of an answer, and the bytes that follow it.

    Raises:
        SandboxGoneError: It has none of the forms.
    """
    line, _, body = result.stdout.partition(b"\n")
    try:
        head = json.loads(line)
    except (ValueError, RecursionError):
        head = None
    if isinstance(head, dict) and any(_fits(head, form) for form in forms):
        return head, body
    tail = result.stderr[-400:].decode("utf-8", "replace")
    raise SandboxGoneError(
        f"the tool runner in the agent's sandbox gave no answer that can be read and ended with "
        f"{result.outcome.value}, exit code {result.exit_code}: {tail}"
    )


def _fits(head: Mapping[str, object], form: Form) -> bool:
    return all(name in head and fits(head[name]) for name, fits in form.items())


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 63


def _is_exit_code(value: object) -> bool:
    return value is None or (isinstance(value, int) and abs(value) < 1 << 16)


def _is_seconds(value: object) -> bool:
    return isinstance(value, int | float) and 0 <= value < 1e6


READ_HEADS: tuple[Form, ...] = (
    {"kind": lambda kind: kind == "file", "executable": lambda it: isinstance(it, bool)},
    {"kind": lambda kind: kind == "folder", "cut": lambda it: isinstance(it, bool)},
    {"kind": lambda kind: kind == "large", "size": _is_count},
    {"kind": lambda kind: kind in ("missing", "failed", "odd")},
)
PLAIN_HEADS: tuple[Form, ...] = ({"kind": lambda kind: kind in ("done", "none", "failed")},)
SHELL_HEADS: tuple[Form, ...] = (
    {
        "state": lambda state: state in ("exited", "timeout", "flooded", "failed", "running"),
        "code": _is_exit_code,
        "wall_s": _is_seconds,
    },
)
JOB_HEADS: tuple[Form, ...] = (
    {
        "state": lambda state: state in ("exited", "running", "killed"),
        "code": _is_exit_code,
        "wall_s": _is_seconds,
        "size": _is_count,
    },
    {"state": lambda state: state == "failed", "code": _is_exit_code, "wall_s": _is_seconds},
)
