"""Values and protocols of the sandbox room.

A sandbox runs commands and returns bytes and counters. It knows nothing of models, tasks or scores.
Does not: decide anything from what a command printed.
Invariant: whatever the command did is a value (`ExecResult`); only our own failure is an exception.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from rsi.sandboxes.time_slices import SliceUse, TimeSlot


class Assurance(StrEnum):
    """How strong the wall is, strongest first; stored with each result and shown at the gate."""

    VM = "vm"
    GVISOR = "gvisor"
    CONTAINER = "container"
    BUBBLEWRAP = "bubblewrap"
    NONE = "none"


class ExecOutcome(StrEnum):
    """How one command ended."""

    OK = "ok"
    """Exit status 0."""
    CRASHED = "crashed"
    """Non-zero exit status or a signal of its own."""
    TIMEOUT = "timeout"
    """The wall or CPU limit passed; the whole sandbox was killed."""
    OOM = "oom"
    """The memory limit was hit."""
    OUTPUT_LIMIT = "output_limit"
    """It printed more than allowed; the whole sandbox was killed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one sandbox may use. Every field binds on every backend or the backend says so in its label."""

    wall_s: float
    """Seconds of wall time for one `exec`."""
    memory_bytes: int
    """Bytes of memory for all processes together, writable files in memory included."""
    pids: int = 256
    """Processes and threads alive at once."""
    disk_bytes: int = 1 << 30
    """Bytes writable below the working folder and /tmp together."""
    inodes: int = 200_000
    """Files that may be created."""
    shm_bytes: int = 256 << 20
    """Bytes of /dev/shm."""
    output_bytes: int = 1 << 20
    """Bytes of stdout and of stderr that are kept; four times that kills the sandbox."""
    open_files: int = 4096
    cpus: tuple[int, ...] | None = None
    """Cores to pin to; None leaves the choice to the kernel."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mount:
    """A host folder or file visible inside."""

    source: Path
    target: str
    """Absolute path inside the sandbox."""
    is_writable: bool = False
    """For a folder that trusted code shares with another sandbox; nothing limits its size."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """The software inside a sandbox, named once and prepared differently by each backend.

    Docker builds and runs the image; bubblewrap and the plain process use the Python environment made
    from `requirements`.
    """

    name: str
    """A short tag such as "rsi-torch"."""
    requirements: tuple[str, ...] = ()
    """Pinned pip requirements; empty means a bare Python."""
    dockerfile: Path | None = None
    """Folder holding the Dockerfile; None means that the Docker backend writes a minimal one."""
    python: Path | None = None
    """Interpreter of a Python environment that is there already and holds exactly the requirements: backends without images
    use it as it is. None builds one from the requirements."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxSpec:
    """Everything that a backend needs to open one sandbox."""

    environment: Environment
    limits: Limits
    mounts: tuple[Mount, ...] = ()
    variables: Mapping[str, str] = field(default_factory=dict)
    """The only environment variables besides PATH, HOME, LANG and TMPDIR."""
    gpus: tuple[str, ...] = ()
    """UUIDs of the GPUs passed through."""
    keeps_processes: bool = False
    """Whether what a command leaves behind lives on until the sandbox closes. It runs only while another `exec` runs,
    so that limits are watched whenever anything does, and nothing disturbs what is timed elsewhere."""
    label: str = "unlabelled"
    """Owner of the sandbox, usually a round id; orphans are reaped by it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecResult:
    """What one command did, as seen from outside."""

    outcome: ExecOutcome
    exit_code: int | None
    """None when the sandbox was killed."""
    stdout: bytes
    stderr: bytes
    is_truncated: bool
    """True when stdout or stderr was longer than what is kept."""
    wall_s: float
    """Seconds from start to end on the host's monotonic clock."""
    cpu_s: float
    """User plus system CPU seconds of the whole process tree."""
    cpu_source: str
    """Where cpu_s came from: "cgroup" or "rusage"."""
    max_rss_bytes: int | None
    """Peak memory of the tree, None where it cannot be had."""
    slices: SliceUse | None = None
    """None when it did not run in time slices."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FileEntry:
    """One regular file of a tree."""

    path: str
    """Relative POSIX path without "." or ".." parts."""
    content: bytes
    is_executable: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SurveyedEntry:
    """What a folder holds under one path at one moment."""

    is_folder: bool
    mode: int
    """Kind and permissions, as `stat` has them."""
    inode: int
    changed_ns: int
    """When the inode was last changed; nothing inside can set it."""
    sha256: str | None
    """None for anything but a regular file."""


FileTree = tuple[FileEntry, ...]
Survey = Mapping[str, SurveyedEntry]
"""Everything below a folder by its relative path."""
OnOutput = Callable[[str, bytes], None]
"""Given the name of a stream and the bytes that came on it."""


class Sandbox(Protocol):
    """An open sandbox. Its working folder is /work: writable, sized, empty at first, and `exec`'s cwd."""

    @property
    def backend(self) -> str: ...

    @property
    def assurance(self) -> Assurance: ...

    def exec(
        self,
        argv: Sequence[str],
        *,
        cwd: str = "/work",
        stdin: bytes = b"",
        wall_s: float | None = None,
        variables: Mapping[str, str] | None = None,
        time_slot: TimeSlot | None = None,
        on_output: OnOutput | None = None,
    ) -> ExecResult:
        """Run one command to its end, whatever that is.

        Args:
            argv: Program and arguments; "python" is the environment's interpreter.
            cwd: Folder inside the sandbox.
            stdin: Bytes fed to the command, then end of file.
            wall_s: A tighter wall limit than the sandbox's own.
            variables: Variables added for this command only.
            time_slot: Run in turns with commands of other sandboxes. The wall limit and `wall_s` then count the time
                of the command's own turns. The time slot is left when the command has ended, however it ended.
            on_output: Called with "stdout" or "stderr" and each piece as it comes, on the calling thread.

        Raises:
            TimeSlicesAbandonedError: The turns were abandoned before the command ended.
            SandboxBrokenError: The sandbox was killed by an earlier limit or its engine is gone.
        """
        ...

    def put(self, tree: Sequence[FileEntry], target: str = "/work") -> None:
        """Write files below `target`, creating folders."""
        ...

    def get(
        self, source: str = "/work", *, max_bytes: int, max_files: int = 10_000
    ) -> tuple[FileEntry, ...]:
        """Read the regular files below `source`; links, devices and fifos are refused.

        Raises:
            FileTreeError: A link, an odd kind of file, or more bytes or files than allowed.
            SandboxBrokenError: The sandbox is gone.
        """
        ...

    def survey(self, source: str = "/work", *, skipped: str = "", max_entries: int) -> Survey:
        """List everything below `source` but the folder `skipped`, so that two surveys show what was changed between.

        Raises:
            FileTreeError: More entries than allowed, or something that cannot be read.
            SandboxBrokenError: The sandbox is gone.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Availability:
    """Whether a backend can run here, and why."""

    is_available: bool
    reason: str
    """One sentence; when not available it says what to do."""


class Backend(Protocol):
    """One way to make sandboxes."""

    @property
    def name(self) -> str: ...

    @property
    def assurance(self) -> Assurance: ...

    def availability(self) -> Availability:
        """Try it, do not guess: start something trivial."""
        ...

    def prepare(
        self, environment: Environment, progress: Callable[[str], None] | None = None
    ) -> str:
        """Build or find the environment; returns its identity (image id or environment digest).

        Raises:
            EnvironmentBuildError: The build failed; the message holds the end of its output.
        """
        ...

    def open(self, spec: SandboxSpec) -> AbstractContextManager[Sandbox]:
        """A fresh sandbox; leaving the context ends every process and removes everything.

        Raises:
            BackendUnavailableError: The backend cannot run here.
            SandboxBrokenError: It could not be started.
        """
        ...
