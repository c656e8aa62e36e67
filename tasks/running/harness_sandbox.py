"""The harness's sandbox: what is put into it, how a verb runs, what is read back.

Does not: hold anything of a candidate but the files it left.
"""

from collections.abc import Sequence

from rsi.sandboxes.errors import FileTreeError
from rsi.sandboxes.types import ExecOutcome, ExecResult, FileTree, Sandbox, SandboxSpec
from rsi.tasks.errors import HarnessError, HarnessTimeoutError
from rsi.tasks.files.trees import below, read_tree
from rsi.tasks.format.loader import HARNESS_KIT
from rsi.tasks.running.variables import harness_variables
from rsi.tasks.types import Profile, Task

MAX_INSTANCE_BYTES = 512 << 20
MAX_INSTANCE_FILES = 2000
STDERR_TAIL_BYTES = 2000
"""How much of a failed harness's last words goes into the message."""


def harness_spec(task: Task, profile: Profile, label: str) -> SandboxSpec:
    """A sandbox for one harness verb."""
    return SandboxSpec(
        environment=task.environment,
        limits=profile.grade_limits,
        variables=harness_variables(task, profile),
        label=label,
    )


def harness_tree(task: Task) -> FileTree:
    """The task's harness and the kit, side by side on PYTHONPATH, below /work; beside them the starting repository."""
    return (
        *below("trusted/harness_kit", read_tree(HARNESS_KIT)),
        *below("trusted/harness", read_tree(task.harness)),
        *below("trusted/repo", read_tree(task.repo)),
    )


def run_verb(
    sandbox: Sandbox, task: Task, profile: Profile, arguments: Sequence[str]
) -> ExecResult:
    """Run one verb that must succeed.

    Raises:
        HarnessError: It did not exit 0; the message holds its last words.
        HarnessTimeoutError: It did not end.
    """
    result = sandbox.exec(("python", "-P", "-m", "harness", *arguments))
    if result.outcome is not ExecOutcome.OK:
        kind = HarnessTimeoutError if result.outcome is ExecOutcome.TIMEOUT else HarnessError
        raise kind(
            f"harness verb {arguments[0]!r} of task {task.name!r}, profile {profile.name!r}, ended as "
            f"{result.outcome.value} (exit {result.exit_code}) after {result.wall_s:.1f} s; "
            f"{last_words(result)}"
        )
    return result


def last_words(ended: ExecResult) -> str:
    """The end of what a harness that failed said, for a message."""
    words = ended.stderr[-STDERR_TAIL_BYTES:].decode("utf-8", "replace").strip()
    return f"its last words: {words or 'none'}"


def harness_files(
    sandbox: Sandbox, task: Task, folder: str, *, max_bytes: int = MAX_INSTANCE_BYTES
) -> FileTree:
    """Files that the harness left in a folder.

    Raises:
        HarnessError: They could not be read.
    """
    try:
        return sandbox.get(folder, max_bytes=max_bytes, max_files=MAX_INSTANCE_FILES)
    except FileTreeError as error:
        raise HarnessError(
            f"what the harness of task {task.name!r} left in {folder} could not be read: {error}"
        ) from error
