"""The agent's repo inside its sandbox: read, write, run, and take the tree out at the end.

Invariant: every path is relative to the repo; a path that leaves it is refused before the sandbox
sees it. That is a courtesy to the model, not a wall: the sandbox is the wall.
"""

import json
import posixpath
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from rsi.agent.roles.proposer.allowance import ProposerLimits
from rsi.agent.roles.proposer.inside import SOURCE
from rsi.agent.store.codec import value_of
from rsi.sandboxes.errors import FileTreeError
from rsi.sandboxes.inside.filetree import without_git
from rsi.sandboxes.types import ExecOutcome, ExecResult, FileEntry, FileTree, Sandbox

REPO = "/work/repo"
GRACE_S = 20.0
"""Seconds that the sandbox gives the runner beyond the command's own limit, to report a timeout."""
DROPPED_FOLDERS = frozenset(
    {"__pycache__", ".pytest_cache", ".mypy_cache", ".ruff_cache", ".hypothesis"}
)
MAX_FILE_BYTES = 1 << 19


_Form = Mapping[str, Callable[[object], bool]]
"""Keys of a runner's head, each with what its value must be."""
_READ_HEADS: Sequence[_Form] = (
    {"kind": lambda kind: kind == "file", "executable": lambda it: isinstance(it, bool)},
    {"kind": lambda kind: kind == "folder", "cut": lambda it: isinstance(it, bool)},
    {"kind": lambda kind: kind == "large", "size": lambda it: _is_count(it)},
    {"kind": lambda kind: kind in ("missing", "failed", "odd")},
)
_SHELL_HEADS: Sequence[_Form] = (
    {
        "state": lambda state: state in ("exited", "timeout", "flooded", "failed"),
        "code": lambda code: code is None or (isinstance(code, int) and abs(code) < 1 << 16),
        "wall_s": lambda wall_s: isinstance(wall_s, int | float) and 0 <= wall_s < 1e6,
    },
)


class WorkspaceError(ValueError):
    """The agent asked for something that its repo cannot give; the text is the tool's answer.

    `shown` holds what the sandbox says with it, which is untrusted.
    """

    def __init__(self, message: str, *, shown: str = "") -> None:
        super().__init__(message)
        self.shown = shown


class SandboxGoneError(RuntimeError):
    """A limit killed the agent's whole sandbox; its work is lost."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RepoFile:
    """One file as read from the sandbox."""

    path: str
    text: str
    is_executable: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ShellResult:
    """One shell command's end."""

    state: str
    """"exited", "timeout", "flooded", "oom" or "failed": it could not be started."""
    exit_code: int | None
    output: str
    wall_s: float


class Workspace:
    """One repo in one sandbox."""

    def __init__(self, sandbox: Sandbox, limits: ProposerLimits) -> None:
        self._sandbox = sandbox
        self._limits = limits

    def fill(self, tree: FileTree) -> None:
        """Put the champion's files in place."""
        self._sandbox.put(tree, REPO)

    def look(self, path: str) -> RepoFile | str:
        """One text file, or the sizes and names of the files below a folder.

        Raises:
            WorkspaceError: Missing, not to be read, too large or not text.
        """
        job = {"verb": "read", "path": relative(path), "max_bytes": MAX_FILE_BYTES}
        head, body = _parse(self._run(job, GRACE_S), _READ_HEADS)
        # Names in the sandbox are bytes; what is no UTF-8 in them could not be sent to a model.
        shown = body.decode("utf-8", "replace")
        match head["kind"]:
            case "file":
                try:
                    text = body.decode("utf-8")
                except UnicodeDecodeError as error:
                    raise WorkspaceError(f"{path} is not UTF-8 text ({len(body)} bytes)") from error
                return RepoFile(
                    path=relative(path), text=text, is_executable=bool(head["executable"])
                )
            case "folder":
                more = "\n[more files not listed]" if head["cut"] else ""
                return shown + more
            case "large":
                raise WorkspaceError(f"{path} has {head['size']} bytes; read parts with the shell")
            case "missing":
                raise WorkspaceError(
                    f"there is no {path}; beside it there is:", shown=shown or "nothing"
                )
            case "failed":
                raise WorkspaceError(f"{path} cannot be read:", shown=shown)
            case _:
                raise WorkspaceError(f"{path} is not a regular file")

    def read(self, path: str) -> RepoFile:
        """One text file.

        Raises:
            WorkspaceError: Missing, a folder, too large or not text.
        """
        found = self.look(path)
        if isinstance(found, str):
            raise WorkspaceError(f"{path} is a folder")
        return found

    def write(self, path: str, text: str, *, is_executable: bool = False) -> None:
        """Create or replace one file.

        Raises:
            WorkspaceError: No file can be there: a folder, a file among its parents, an odd name, a full disk.
        """
        entry = FileEntry(
            path=relative(path), content=text.encode("utf-8"), is_executable=is_executable
        )
        try:
            self._sandbox.put((entry,), REPO)
        except FileTreeError as error:
            raise WorkspaceError(
                f"{path!r} could not be written; look at what is there now:", shown=str(error)
            ) from error

    def shell(self, command: str, wall_s: float) -> ShellResult:
        """Run one command in the repo's folder; it is stopped alone when it exceeds its time."""
        job = {
            "verb": "shell",
            "command": command,
            "wall_s": wall_s,
            "keep_bytes": self._limits.kept_output_bytes,
        }
        result = self._run(job, wall_s + GRACE_S)
        if result.outcome is ExecOutcome.OOM:
            return ShellResult(state="oom", exit_code=None, output="", wall_s=result.wall_s)
        head, body = _parse(result, _SHELL_HEADS)
        code = head["code"]
        return ShellResult(
            state=str(head["state"]),
            exit_code=code if isinstance(code, int) else None,
            output=body.decode("utf-8", "replace"),
            wall_s=value_of(float, head["wall_s"]),
        )

    def snapshot(self) -> FileTree:
        """The repo's files now, without caches and without anything that git could take for a repository.

        Raises:
            FileTreeError: Links, odd files, too many files or bytes.
        """
        tree = self._sandbox.get(
            REPO, max_bytes=self._limits.max_tree_bytes, max_files=self._limits.max_tree_files
        )
        kept = [e for e in without_git(tree) if not DROPPED_FOLDERS.intersection(e.path.split("/"))]
        return tuple(sorted(kept, key=lambda entry: entry.path))

    def _run(self, job: dict[str, object], wall_s: float) -> ExecResult:
        result = self._sandbox.exec(
            ["python", "-I", "-S", "-c", SOURCE],
            cwd=REPO,
            stdin=json.dumps(job).encode(),
            wall_s=wall_s,
            variables={"PYTHONDONTWRITEBYTECODE": "1"},
        )
        if result.outcome in (ExecOutcome.TIMEOUT, ExecOutcome.OUTPUT_LIMIT):
            raise SandboxGoneError(
                f"the agent's sandbox was killed by its {result.outcome.value} limit"
            )
        return result


def relative(path: str) -> str:
    """A path relative to the repo, normal form.

    Raises:
        WorkspaceError: It leaves the repo or is no path.
    """
    if "\0" in path or not path.strip():
        raise WorkspaceError(f"{path!r} is not a path")
    inside = posixpath.normpath(posixpath.join(REPO, path.strip()))
    if inside == REPO:
        return "."
    if not inside.startswith(REPO + "/"):
        raise WorkspaceError(f"{path!r} is outside the repo; give a path relative to its root")
    return inside[len(REPO) + 1 :]


def _parse(result: ExecResult, forms: Sequence[_Form]) -> tuple[Mapping[str, object], bytes]:
    """The runner's head and what follows it; anything in the sandbox may have written in its place."""
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


def _fits(head: Mapping[str, object], form: _Form) -> bool:
    return all(name in head and fits(head[name]) for name, fits in form.items())


def _is_count(value: object) -> bool:
    return isinstance(value, int) and 0 <= value < 1 << 63
