"""The agent's repo inside its sandbox: read, write, run, and take the tree out at the end.

Invariants: a path that leaves the open folders is refused before the sandbox sees it, which is a courtesy to the model,
not a wall: the sandbox is the wall. The repository that git sees in there is the agent's own: no git of the host ever
looks at it, and what is handed over are plain files.
"""

import json
import posixpath
from collections.abc import Mapping
from dataclasses import dataclass

from rsi.agent.roles.proposer.allowance import ProposerLimits
from rsi.agent.roles.proposer.workbench.answered import (
    JOB_HEADS,
    PLAIN_HEADS,
    READ_HEADS,
    SHELL_HEADS,
    Form,
    SandboxGoneError,
    parsed,
)
from rsi.agent.roles.proposer.workbench.inside import SOURCE
from rsi.agent.store.codec import value_of
from rsi.sandboxes.errors import FileTreeError
from rsi.sandboxes.inside.filetree import without_git
from rsi.sandboxes.types import ExecOutcome, ExecResult, FileEntry, FileTree, Sandbox

REPO = "/work/repo"
SCRATCH = "/work/scratch"
"""A folder of the agent's own that is no part of the patch."""
READABLE = (REPO, SCRATCH, "/work/io")
GRACE_S = 20.0
"""Seconds that the sandbox gives the runner beyond the command's own limit, to report a timeout."""
DROPPED_FOLDERS = frozenset(
    {"__pycache__", ".pytest_cache", ".mypy_cache", ".ruff_cache", ".hypothesis"}
)
MAX_FILE_BYTES = 1 << 19
VARIABLES = {
    "PYTHONDONTWRITEBYTECODE": "1",
    # No configuration but the repository's own, on a backend without walls too.
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_PAGER": "cat",
    "PAGER": "cat",
}
GIT_SETTINGS = {
    "user.name": "agent",
    "user.email": "agent@localhost",
    "core.autocrlf": "false",
    "commit.gpgSign": "false",
    "gc.auto": "0",
    "maintenance.auto": "false",
    "advice.detachedHead": "false",
}
FIRST_DATE = "2000-01-01T00:00:00Z"
"""One date for the first commit, so that it bears the same name whenever the round is run again."""


class WorkspaceError(ValueError):
    """The agent asked for something that its repo cannot give; the text is the tool's answer.

    `shown` holds what the sandbox says with it, which is untrusted.
    """

    def __init__(self, message: str, *, shown: str = "") -> None:
        super().__init__(message)
        self.shown = shown


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
    """"exited", "timeout", "flooded", "oom", "running", "killed" or "failed": it could not be started."""
    exit_code: int | None
    output: str
    wall_s: float
    size: int = 0
    """Bytes that a command in the background has printed by now."""


class Workspace:
    """One repo in one sandbox."""

    def __init__(self, sandbox: Sandbox, limits: ProposerLimits) -> None:
        self._sandbox = sandbox
        self._limits = limits

    def fill(self, tree: FileTree, *, base_commit: str = "", start: FileTree | None = None) -> bool:
        """Put the champion's files in place and make a git repository of them.

        Args:
            tree: The files of the commit that the round starts from, HEAD of the agent's repository.
            base_commit: Its name, for the message of that first commit.
            start: The files as they are to stand in the folder, where git can show how they differ; None leaves
                those of the commit.

        Returns:
            Whether git is there; an image without it gives plain files.
        """
        self._sandbox.put((FileEntry(path=".keep", content=b""),), SCRATCH)
        self._sandbox.put(tree, REPO)
        job: dict[str, object] = {
            "verb": "repository", "date": FIRST_DATE, "settings": GIT_SETTINGS,
            "excluded": "".join(f"{name}/\n" for name in sorted(DROPPED_FOLDERS)),
            "message": f"The version that this round starts from ({base_commit[:12] or 'unnamed'})",
        }  # fmt: skip
        has_git = self._done(job, 120.0)["kind"] == "done"
        if has_git and start is not None:
            self._change(tree, start)
        return has_git

    def look(self, path: str) -> RepoFile | str:
        """One text file, or the sizes and names of the files below a folder.

        Raises:
            WorkspaceError: Missing, not to be read, too large or not text.
        """
        job = {"verb": "read", "path": relative(path, READABLE), "max_bytes": MAX_FILE_BYTES}
        head, body = self._run(job, GRACE_S, READ_HEADS)
        # Names in the sandbox are bytes; what is no UTF-8 in them could not be sent to a model.
        shown = body.decode("utf-8", "replace")
        match head["kind"]:
            case "file":
                try:
                    text = body.decode("utf-8")
                except UnicodeDecodeError as error:
                    raise WorkspaceError(
                        f"{path} is not UTF-8 text ({len(body)} bytes); look at it with the shell"
                    ) from error
                return RepoFile(
                    path=shown_path(path), text=text, is_executable=bool(head["executable"])
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
        """Create or replace one file of the repo or of the scratch folder.

        Raises:
            WorkspaceError: No file can be there: a folder, a file among its parents, an odd name, a full disk.
        """
        folder = SCRATCH if is_scratch(path) else REPO
        inside = posixpath.relpath(absolute(path, (REPO, SCRATCH)), folder)
        entry = FileEntry(path=inside, content=text.encode("utf-8"), is_executable=is_executable)
        try:
            self._sandbox.put((entry,), folder)
        except FileTreeError as error:
            raise WorkspaceError(
                f"{path!r} could not be written; look at what is there now:", shown=str(error)
            ) from error

    def shell(self, command: str, wall_s: float) -> ShellResult:
        """Run one command in the repo's folder; it is stopped alone when it exceeds its time."""
        job = {"verb": "shell", "command": command, "wall_s": wall_s}
        return self._shell_result(job, wall_s)

    def begin(self, command: str, name: str) -> ShellResult:
        """Start a command in the background under a name; it runs while other commands do."""
        return self._shell_result({"verb": "begin", "command": command, "name": name}, 0.0)

    def poll(self, name: str, *, offset: int, wait_s: float, kill: bool) -> ShellResult:
        """How a command in the background is doing, and what it printed from a byte on."""
        job: dict[str, object] = {"verb": "poll", "name": name, "offset": offset}
        return self._shell_result({**job, "wait_s": wait_s, "kill": kill}, wait_s)

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

    def _change(self, before: FileTree, after: FileTree) -> None:
        """Make the files of one tree those of another."""
        gone = sorted({each.path for each in before} - {each.path for each in after})
        if gone:
            self._done({"verb": "remove", "paths": gone}, GRACE_S)
        known = set(before)
        self._sandbox.put(tuple(each for each in after if each not in known), REPO)

    def _shell_result(self, job: Mapping[str, object], wall_s: float) -> ShellResult:
        keeping = {**job, "keep_bytes": self._limits.kept_output_bytes}
        forms = JOB_HEADS if job["verb"] == "poll" else SHELL_HEADS
        try:
            head, body = self._run(keeping, wall_s + GRACE_S, forms)
        except OutOfMemoryError as error:
            return ShellResult(state="oom", exit_code=None, output="", wall_s=error.wall_s)
        code, size = head["code"], head.get("size")
        return ShellResult(
            state=str(head["state"]),
            exit_code=code if isinstance(code, int) else None,
            output=body.decode("utf-8", "replace"),
            wall_s=value_of(float, head["wall_s"]),
            size=size if isinstance(size, int) else 0,
        )

    def _done(self, job: Mapping[str, object], wall_s: float) -> Mapping[str, object]:
        return self._run(job, wall_s, PLAIN_HEADS)[0]

    def _run(
        self, job: Mapping[str, object], wall_s: float, forms: tuple[Form, ...]
    ) -> tuple[Mapping[str, object], bytes]:
        result: ExecResult = self._sandbox.exec(
            ["python", "-I", "-S", "-c", SOURCE],
            cwd=REPO,
            stdin=json.dumps(job).encode(),
            wall_s=wall_s,
            variables=VARIABLES,
        )
        if result.outcome in (ExecOutcome.TIMEOUT, ExecOutcome.OUTPUT_LIMIT):
            raise SandboxGoneError(
                f"the agent's sandbox was killed by its {result.outcome.value} limit"
            )
        if result.outcome is ExecOutcome.OOM and job["verb"] in ("shell", "begin", "poll"):
            raise OutOfMemoryError(result.wall_s)
        return parsed(result, forms)


class OutOfMemoryError(Exception):
    """The sandbox's memory limit ended a command, and all that ran in the background with it."""

    def __init__(self, wall_s: float) -> None:
        super().__init__()
        self.wall_s = wall_s


def absolute(path: str, folders: tuple[str, ...] = (REPO,)) -> str:
    """A path of the sandbox, normal form; relative ones are relative to the repo.

    Raises:
        WorkspaceError: It leaves the folders or is no path.
    """
    if "\0" in path or not path.strip():
        raise WorkspaceError(f"{path!r} is not a path")
    inside = posixpath.normpath(posixpath.join(REPO, path.strip()))
    if not any(inside == folder or inside.startswith(folder + "/") for folder in folders):
        raise WorkspaceError(
            f"{path!r} is outside the repo; give a path relative to its root (the repo is {REPO}; "
            f"{SCRATCH} is yours for everything else)"
        )
    return inside


def relative(path: str, folders: tuple[str, ...] = (REPO,)) -> str:
    """The same path relative to the repo; what lies beside the repo begins with "..".

    Raises:
        WorkspaceError: As `absolute` raises it.
    """
    return posixpath.relpath(absolute(path, folders), REPO)


def shown_path(path: str) -> str:
    """The path as answers name it: relative within the repo, whole elsewhere."""
    inside = absolute(path, READABLE)
    return inside if not is_repo(path) else posixpath.relpath(inside, REPO)


def is_repo(path: str) -> bool:
    """Whether a readable path lies in the repo."""
    inside = absolute(path, READABLE)
    return inside == REPO or inside.startswith(REPO + "/")


def is_scratch(path: str) -> bool:
    """Whether a path lies in the scratch folder."""
    inside = absolute(path, READABLE)
    return inside == SCRATCH or inside.startswith(SCRATCH + "/")
