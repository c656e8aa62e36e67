"""Host side of the patterns in which harness and candidate run at the same time, each in a sandbox of its own, a Unix socket between them.

Does not: look into what the two say to each other. Invariants: the candidate sees the socket's folder read-only and nothing
else of the harness; a candidate that failed is never the harness's failure, and the other way round; both are over when a
run returns.
"""

import contextlib
import tempfile
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from rsi.sandboxes.machine.ceilings import lowered
from rsi.sandboxes.types import (
    Backend,
    ExecOutcome,
    ExecResult,
    FileEntry,
    FileTree,
    Mount,
    Sandbox,
    SandboxSpec,
)
from rsi.tasks.errors import HarnessError
from rsi.tasks.files.trees import below
from rsi.tasks.format.loader import HARNESS_KIT
from rsi.tasks.harness_kit.link import SOCKET_VARIABLE
from rsi.tasks.harness_kit.serving import ABANDONED_FILE, ENDED_FILE, READY, SOCKET_NAME
from rsi.tasks.running.harness_sandbox import (
    harness_files,
    harness_spec,
    harness_tree,
    last_words,
)
from rsi.tasks.running.result_file import MAX_RESULT_BYTES, RESULT_NAME
from rsi.tasks.types import Instance, Profile, Task

LINK = "/link"
"""Where both sandboxes see the socket's folder."""
KIT = "/work/kit"
LINK_MODULES = ("building.py", "canonical.py", "frames.py", "link.py")
WORKER_HEADER = "rsi_worker.h"
"""What of the kit a candidate gets: its end of the socket, for Python and for C, and the build of the latter."""
CALLS_NAME = "calls"
"""File in which a development harness counts its calls."""
START_S = 60.0
"""How long a harness may take until it listens."""
DEVELOPMENT_S = 24 * 3600.0
"""How long a development harness lives at most: longer than a proposal that a person pauses over night."""


def link_variables() -> dict[str, str]:
    """What tells a candidate where its harness listens, and where its half of the talk is."""
    return {SOCKET_VARIABLE: f"{LINK}/{SOCKET_NAME}", **kit_variables()}


def kit_variables() -> dict[str, str]:
    """Where `harness_link` is for Python, and the header for C."""
    return {"PYTHONPATH": KIT, "RSI_KIT": KIT}


def link_files() -> FileTree:
    """The package `harness_link` as a candidate has it, below its working folder."""
    files = [
        FileEntry(path=name, content=(HARNESS_KIT / name).read_bytes()) for name in LINK_MODULES
    ]
    opening = FileEntry(path="__init__.py", content=_LINK_PACKAGE)
    header = FileEntry(path=WORKER_HEADER, content=(HARNESS_KIT / WORKER_HEADER).read_bytes())
    asking = FileEntry(path="__main__.py", content=_LAST_RUN)
    return (*below("kit/harness_link", (opening, asking, *files)), *below("kit", (header,)))


_LINK_PACKAGE = b'''"""The way to the harness of this run."""

from .frames import Array, Frame, FrameError
from .link import Link, Refused, connect

__all__ = ["Array", "Frame", "FrameError", "Link", "Refused", "connect"]
'''
_LAST_RUN = b'''"""Print what the development harness says of the last run."""

import sys

from .link import Refused, last_run

try:
    sys.stdout.write(last_run() + "\\n")
except (KeyError, OSError):
    raise SystemExit("no development harness answers here") from None
except Refused as problem:
    raise SystemExit(str(problem)) from None
'''


@contextlib.contextmanager
def shared_folder() -> Iterator[Path]:
    """A folder of the host's that the two sandboxes share."""
    with tempfile.TemporaryDirectory(prefix="rsi-link-") as name:
        folder = Path(name) / "link"
        folder.mkdir()
        # The harness is another user inside; the folder above keeps all others out.
        folder.chmod(0o777)
        yield folder


@dataclass(frozen=True, slots=True, kw_only=True)
class DevelopmentUse:
    """How a development harness was used."""

    calls: int | None
    """Of all runs together; None when the harness did not live to say."""
    problem: str
    """Why it ended early; empty when it did not."""


class Server:
    """A harness that listens, until the candidate has ended."""

    def __init__(self, folder: Path, sandbox: Sandbox, task: Task) -> None:
        self._folder = folder
        self._sandbox = sandbox
        self._task = task
        self._is_ready = threading.Event()
        self.work: Future[ExecResult] = Future()

    def heard(self, stream: str, chunk: bytes) -> None:
        """The harness printed something."""
        if stream == "stdout" and READY.encode() in chunk:
            self._is_ready.set()

    def wait_until_ready(self) -> None:
        """Return when it listens.

        Raises:
            HarnessError: It ended or took too long before.
        """
        self.work.add_done_callback(lambda _: self._is_ready.set())
        if not self._is_ready.wait(START_S):
            raise HarnessError(
                f"the harness of task {self._task.name!r} did not listen within {START_S:g} s"
            )
        if self.work.done():
            self._require_success(self.work.result())

    def abandon(self) -> None:
        """Nobody asks for a result any more; the harness goes at once, whatever it does."""
        (self._folder / ABANDONED_FILE).touch()

    def result(self) -> FileTree:
        """What it wrote when the candidate had left.

        Raises:
            HarnessError: It failed, or left no result.
        """
        (self._folder / ENDED_FILE).touch()
        self._require_success(self.work.result())
        files = harness_files(self._sandbox, self._task, "/work/result", max_bytes=MAX_RESULT_BYTES)
        return tuple(entry for entry in files if entry.path == RESULT_NAME)

    def use(self) -> DevelopmentUse:
        """End a development harness and say how it was used: one that failed took nothing from what was developed on it.

        Raises:
            HarnessError: What it left cannot be read.
        """
        self.abandon()
        ended = self.work.result()
        if ended.outcome is not ExecOutcome.OK:
            return DevelopmentUse(calls=None, problem=self._failure(ended))
        files = harness_files(self._sandbox, self._task, "/work/result", max_bytes=MAX_RESULT_BYTES)
        counts = [
            int(each.content)
            for each in files
            if each.path == CALLS_NAME and each.content.isdigit()
        ]
        return DevelopmentUse(calls=sum(counts), problem="")

    def _require_success(self, ended: ExecResult) -> None:
        if ended.outcome is not ExecOutcome.OK:
            raise HarnessError(self._failure(ended))

    def _failure(self, ended: ExecResult) -> str:
        return (
            f"the harness of task {self._task.name!r} ended as {ended.outcome.value} while it served; "
            f"{last_words(ended)}"
        )


@contextlib.contextmanager
def serving(
    task: Task,
    profile: Profile,
    instance: Instance,
    backend: Backend,
    label: str,
    *,
    folder: Path,
    wall_s: float,
) -> Iterator[Server]:
    """A harness that serves one run on an instance; leaving the context ends it, whatever it does.

    Args:
        task: The task.
        profile: Its size.
        instance: What is served; made before.
        backend: Where the harness runs.
        label: Owner of the sandbox.
        folder: Of `shared_folder`, for the socket.
        wall_s: How long the candidate may take; the harness's own limit comes on top.

    Raises:
        HarnessError: It did not come to listen.
        SandboxError: The sandbox itself failed.
    """
    limit_s = wall_s + profile.grade_limits.wall_s
    spec = _server_spec(task, profile, label, folder, wall_s=limit_s + profile.grade_limits.wall_s)
    verb = task.pattern.rules.verb
    with _listening(verb, RESULT_NAME, task, instance, backend, spec, folder, limit_s) as server:
        yield server


@contextlib.contextmanager
def developing(
    task: Task, profile: Profile, instance: Instance, backend: Backend, label: str, *, folder: Path
) -> Iterator[Server | None]:
    """A harness that serves as many runs on a development instance as an agent makes; None where the pattern has none.

    The arguments and errors are those of `serving`.
    """
    verb = task.pattern.rules.develop_verb
    if verb is None:
        yield None
        return
    spec = _server_spec(task, profile, label, folder, wall_s=DEVELOPMENT_S)
    spec = replace(spec, limits=lowered(spec.limits))
    limit_s = spec.limits.wall_s
    with _listening(verb, CALLS_NAME, task, instance, backend, spec, folder, limit_s) as server:
        yield server


@contextlib.contextmanager
def _listening(
    verb: str,
    written: str,
    task: Task,
    instance: Instance,
    backend: Backend,
    spec: SandboxSpec,
    folder: Path,
    limit_s: float,
) -> Iterator[Server]:
    with contextlib.ExitStack() as stack:
        sandbox = stack.enter_context(backend.open(spec))
        sandbox.put(
            (
                *harness_tree(task),
                *below("instance/public", instance.public),
                *below("instance/secret", instance.secret),
                *below("result", (FileEntry(path=".keep", content=b""),)),
            )
        )
        server = Server(folder, sandbox, task)
        pool = stack.enter_context(ThreadPoolExecutor(1, thread_name_prefix="harness"))
        stack.callback(server.abandon)
        words = ("--instance", "instance", "--link", LINK, "--result", f"result/{written}")
        server.work = pool.submit(
            sandbox.exec,
            ("python", "-P", "-m", "harness", verb, *words),
            wall_s=limit_s,
            on_output=server.heard,
        )
        server.wait_until_ready()
        yield server


def _server_spec(
    task: Task, profile: Profile, label: str, folder: Path, *, wall_s: float
) -> SandboxSpec:
    spec = harness_spec(task, profile, label)
    limits = replace(spec.limits, wall_s=wall_s)
    return replace(
        spec, limits=limits, mounts=(Mount(source=folder, target=LINK, is_writable=True),)
    )
