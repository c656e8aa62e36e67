"""An open sandbox, the same for every backend: commands, files, deadlines and what is concluded from them.

A backend hands over a `Cell`: a stream to the supervisor inside, a meter and a way to kill everything.
Invariant: when `exec` returns, nothing that the command started is running, and nothing is alive unless the
sandbox keeps processes.
"""

import contextlib
import select
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import resources
from typing import Protocol

from rsi.sandboxes.errors import FileTreeError, SandboxBrokenError, TimeSlicesAbandonedError
from rsi.sandboxes.inside.filetree import SurveyReader, TarReader, pack_tree
from rsi.sandboxes.inside.wire import (
    FrameReader,
    OutputCap,
    Report,
    Transport,
    command_frames,
    frame,
    paused_cpu_s,
)
from rsi.sandboxes.time_slices import Pace, TimeSlot
from rsi.sandboxes.types import (
    Assurance,
    ExecOutcome,
    ExecResult,
    FileEntry,
    Limits,
    OnOutput,
    Survey,
)

KILL_GRACE_S = 0.5
"""How long the supervisor may take to kill a tree and report before everything is killed from outside."""
SUPERVISOR_SLACK_S = 10.0
"""After its deadline plus this a supervisor kills its command even if we hang."""
START_TIMEOUT_S = 60.0
TRANSFER_TIMEOUT_S = 300.0
COURIER_ERROR_BYTES = 4096

SUPERVISOR_SOURCE = (
    resources.files("rsi.sandboxes.inside").joinpath("supervisor.py").read_text("utf-8")
)
COURIER_SOURCE = resources.files("rsi.sandboxes.inside").joinpath("courier.py").read_text("utf-8")
PYTHON_FLAGS = ("-I", "-S", "-B", "-c")
"""Isolated, without site packages, writing no bytecode: nothing the candidate wrote is imported."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What one command cost."""

    cpu_s: float
    cpu_source: str
    max_rss_bytes: int | None
    is_over_memory: bool
    """The memory limit was hit at least once."""


class Meter(Protocol):
    """Counts one command's cost from outside."""

    def begin(self) -> None:
        """The command is about to start."""
        ...

    def watch(self) -> tuple[bool, float | None]:
        """Whether memory is over its limit now, and in how many seconds to ask again (None: never)."""
        ...

    def end(self, report: Report | None) -> Usage:
        """The command is over; `report` is the supervisor's, None when it could not send one."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """What a backend provides for one open sandbox."""

    backend: str
    assurance: Assurance
    limits: Limits
    transport: Transport
    meter: Meter
    kill: Callable[[], None]
    """End every process inside, at once and from outside; safe to call twice."""
    interpreter: str
    """Absolute path, inside, of a Python that the candidate cannot change."""
    keeps_processes: bool = False
    """What a command leaves is stopped until the next one, not killed."""
    variables: Mapping[str, str] = field(default_factory=dict)
    translate: Callable[[str], str] = str
    """A text with paths of the inside, turned into what they are on the host (identity behind a wall)."""


@dataclass(slots=True)
class _Talk:
    """One command's conversation with the supervisor."""

    outgoing: deque[memoryview]
    wall_s: float
    pace: Pace
    on_stdout: Callable[[bytes], None]
    on_stderr: Callable[[bytes], None]
    ending: ExecOutcome | None = None
    hard_deadline: float | None = None
    report: Report | None = None
    is_partial: bool = False
    """The first outgoing frame was sent in part and has to be completed."""

    def hurry(self, urgent: bytes) -> None:
        """Send a frame before all others, but not into the middle of one, nor before the command that it is about."""
        at = int(self.is_partial)
        if len(self.outgoing) > at and bytes(self.outgoing[at][:1]) == b"X":
            at += 1
        self.outgoing.insert(at, memoryview(urgent))


class SupervisorSandbox:
    """Implements `Sandbox` over a cell."""

    def __init__(self, cell: Cell) -> None:
        self._cell = cell
        self._frames = FrameReader()
        self._lock = threading.Lock()
        self._broken: str | None = None
        self._residue: tuple[
            memoryview, ...
        ] = ()  # rest of a frame that the last command did not wait for

    @property
    def backend(self) -> str:
        """Name of the backend."""
        return self._cell.backend

    @property
    def assurance(self) -> Assurance:
        """Strength of the wall."""
        return self._cell.assurance

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
        """Run one command to its end; see `Sandbox.exec`."""
        limits = self._cell.limits
        wall = limits.wall_s if wall_s is None else min(wall_s, limits.wall_s)
        stdout, stderr = OutputCap(limits.output_bytes), OutputCap(limits.output_bytes)
        with self._lock, contextlib.ExitStack() as leaving:
            if time_slot is not None:
                leaving.callback(time_slot.leave)
            talk = self._start(
                argv, cwd=cwd, stdin=stdin, wall_s=wall, variables=variables or {},
                on_stdout=_both(stdout, "stdout", on_output),
                on_stderr=_both(stderr, "stderr", on_output), time_slot=time_slot,
            )  # fmt: skip
            if self._cell.keeps_processes:
                talk.hurry(frame(b"H"))
            self._cell.meter.begin()
            talk.pace.start(time.monotonic())
            self._converse(talk, lambda: stdout.is_flood or stderr.is_flood)
            ended_s = time.monotonic()
            usage = self._cell.meter.end(talk.report)
            self._settle(talk)
        outcome = _outcome(talk, usage)
        was_killed = outcome in (ExecOutcome.TIMEOUT, ExecOutcome.OUTPUT_LIMIT)
        return ExecResult(
            outcome=outcome,
            exit_code=None if was_killed or talk.report is None else talk.report.exit_code,
            stdout=stdout.kept(),
            stderr=stderr.kept(),
            is_truncated=stdout.is_truncated or stderr.is_truncated,
            wall_s=talk.pace.used_s(ended_s),
            cpu_s=usage.cpu_s,
            cpu_source=usage.cpu_source,
            max_rss_bytes=usage.max_rss_bytes,
            slices=talk.pace.use(ended_s, usage.cpu_s),
        )

    def put(self, tree: Sequence[FileEntry], target: str = "/work") -> None:
        """Write files below `target`; see `Sandbox.put`.

        Raises:
            FileTreeError: A path breaks a rule, or the files do not fit.
            SandboxBrokenError: The sandbox is gone.
        """
        self._carry("unpack", (target,), stdin=pack_tree(tree), sink=lambda _: None)

    def get(
        self, source: str = "/work", *, max_bytes: int, max_files: int = 10_000
    ) -> tuple[FileEntry, ...]:
        """Read the regular files below `source`; see `Sandbox.get`."""
        reader = TarReader(max_bytes=max_bytes, max_files=max_files)
        self._carry("pack", (source,), stdin=b"", sink=reader.feed)
        return reader.finish()

    def survey(self, source: str = "/work", *, skipped: str = "", max_entries: int) -> Survey:
        """List everything below `source`; see `Sandbox.survey`."""
        reader = SurveyReader(max_entries=max_entries)
        self._carry("survey", (source, skipped), stdin=b"", sink=reader.feed)
        return reader.finish()

    def close(self) -> None:
        """Refuse every later call; the backend ends the processes."""
        self._broken = "the sandbox is closed"

    def _carry(
        self, verb: str, paths: Sequence[str], *, stdin: bytes, sink: Callable[[bytes], None]
    ) -> None:
        complaint = OutputCap(COURIER_ERROR_BYTES)
        refusal: list[FileTreeError] = []

        def take(chunk: bytes) -> None:
            if not refusal:
                try:
                    sink(chunk)
                except FileTreeError as error:
                    refusal.append(error)

        argv = (self._cell.interpreter, *PYTHON_FLAGS, COURIER_SOURCE, verb, *paths)
        with self._lock:
            talk = self._start(
                argv, cwd="/", stdin=stdin, wall_s=TRANSFER_TIMEOUT_S, variables={},
                on_stdout=take, on_stderr=complaint.add,
            )  # fmt: skip
            talk.pace.start(time.monotonic())
            self._converse(talk, lambda: bool(refusal))
            if talk.ending is not ExecOutcome.OUTPUT_LIMIT:
                self._settle(talk)
        if refusal:
            raise refusal[0]
        if talk.report is None or talk.report.exit_code != 0:
            text = complaint.kept().decode("utf-8", "replace")
            raise FileTreeError(
                f"could not {verb} {paths[0]!r} in the sandbox: {text or 'it took too long'}"
            )

    def _start(
        self, argv: Sequence[str], *, cwd: str, stdin: bytes, wall_s: float,
        variables: Mapping[str, str],
        on_stdout: Callable[[bytes], None], on_stderr: Callable[[bytes], None],
        time_slot: TimeSlot | None = None,
    ) -> _Talk:  # fmt: skip
        if self._broken is not None:
            raise SandboxBrokenError(f"{self._broken}; open a fresh sandbox")
        if not argv:
            raise ValueError("an empty command; give at least a program")
        translate = self._cell.translate
        environ = {**self._cell.variables, **variables}
        frames = command_frames(
            [translate(word) for word in argv],
            cwd=translate(cwd),
            environ={name: translate(value) for name, value in environ.items()},
            stdin=stdin,
            deadline_s=wall_s * (time_slot.count if time_slot is not None else 1)
            + SUPERVISOR_SLACK_S,
        )
        return _Talk(
            outgoing=deque((*self._residue, *(memoryview(each) for each in frames))),
            is_partial=bool(self._residue),
            wall_s=wall_s,
            pace=Pace(time_slot),
            on_stdout=on_stdout,
            on_stderr=on_stderr,
        )

    def _converse(self, talk: _Talk, is_flooded: Callable[[], bool]) -> None:
        """Relay until the supervisor reports or everything is dead."""
        transport = self._cell.transport
        time_slot = talk.pace.time_slot
        while talk.report is None:
            self._keep_pace(talk)
            wait_s = self._check_limits(talk, is_flooded)
            if wait_s is not None and wait_s < 0:
                return
            may_send = talk.pace.is_running or talk.ending is not None
            wanted = {transport.read_fd: select.POLLIN}
            if talk.outgoing and may_send:
                wanted[transport.write_fd] = wanted.get(transport.write_fd, 0) | select.POLLOUT
            if time_slot is not None:
                wanted[time_slot.wake_fd] = select.POLLIN
            poller = select.poll()
            for fd, events in wanted.items():
                poller.register(fd, events)
            ready = dict(poller.poll(None if wait_s is None else wait_s * 1000))
            if talk.outgoing and may_send and ready.get(transport.write_fd, 0) & ~select.POLLIN:
                self._send(talk)
            if ready.get(transport.read_fd, 0) & ~select.POLLOUT:
                self._receive(talk)
        # Whole frames that were not sent are dropped; a frame that was begun has to be completed.
        self._residue = (talk.outgoing[0],) if talk.is_partial else ()

    def _keep_pace(self, talk: _Talk) -> None:
        """Stop or continue the command as its time slot says."""
        time_slot = talk.pace.time_slot
        if time_slot is not None and time_slot.is_abandoned:
            self._cell.kill()
            self._broken = "the sandbox was killed because its turns were abandoned"
            raise TimeSlicesAbandonedError(
                "the command was ended in the middle: its turns were abandoned"
            )
        if talk.ending is None and (order := talk.pace.order(time.monotonic())) is not None:
            talk.hurry(frame(order))

    def _check_limits(self, talk: _Talk, is_flooded: Callable[[], bool]) -> float | None:
        """Seconds to wait for the next event, None for no limit; negative when the grace is over and all was killed."""
        now = time.monotonic()
        if talk.hard_deadline is not None:
            if now < talk.hard_deadline:
                return talk.hard_deadline - now
            self._cell.kill()
            self._broken = "the sandbox was killed because it did not end in time"
            return -1.0
        if not talk.pace.is_running:
            return None  # it stands still: nothing of it grows
        is_over, next_look_s = self._cell.meter.watch()
        left_s = talk.wall_s - talk.pace.used_s(now)
        if left_s <= 0:
            self._order_end(talk, ExecOutcome.TIMEOUT)
        elif is_flooded():
            self._order_end(talk, ExecOutcome.OUTPUT_LIMIT)
        elif is_over:
            self._order_end(talk, ExecOutcome.OOM)
        else:
            waits = (left_s, next_look_s, talk.pace.wait_s(now))
            return min(each for each in waits if each is not None)
        return KILL_GRACE_S

    def _order_end(self, talk: _Talk, ending: ExecOutcome) -> None:
        talk.ending = ending
        talk.hard_deadline = time.monotonic() + KILL_GRACE_S
        talk.outgoing = deque([talk.outgoing[0]] if talk.is_partial else [])
        talk.hurry(frame(b"K"))

    def _send(self, talk: _Talk) -> None:
        first = talk.outgoing[0]
        taken = self._cell.transport.write(first)
        if taken == len(first):
            talk.outgoing.popleft()
            talk.is_partial = False
        elif taken:
            talk.outgoing[0] = first[taken:]
            talk.is_partial = True

    def _receive(self, talk: _Talk) -> None:
        chunk = self._cell.transport.read()
        if chunk is None:
            return
        if not chunk:
            self._lose(talk)
            return
        for kind, payload in self._frames.feed(chunk):
            match kind:
                case b"O":
                    talk.on_stdout(payload)
                case b"S":
                    talk.on_stderr(payload)
                case b"P":
                    talk.pace.stand_still(time.monotonic(), cpu_s=paused_cpu_s(payload))
                case b"F":
                    talk.report = Report.parse(payload)
                case _:
                    raise SandboxBrokenError(f"the sandbox sent an unknown frame {kind!r}")

    def _lose(self, talk: _Talk) -> None:
        """The stream ended without a report: ours only if nothing the command did explains it."""
        self._cell.kill()
        self._broken = "the sandbox is gone"
        if talk.ending is None:
            if not self._cell.meter.end(None).is_over_memory:
                raise SandboxBrokenError(
                    f"the {self.backend} sandbox ended by itself in the middle of a command;"
                    " look at the engine's or the kernel's log, then open a fresh one"
                )
            talk.ending = ExecOutcome.OOM
        talk.hard_deadline = 0.0

    def _settle(self, talk: _Talk) -> None:
        """Kill the whole sandbox where the contract says so."""
        if talk.ending in (ExecOutcome.TIMEOUT, ExecOutcome.OUTPUT_LIMIT) and not self._broken:
            self._cell.kill()
            self._broken = f"the sandbox was killed by an earlier limit ({talk.ending.value})"


@contextlib.contextmanager
def opened(cell: Cell) -> Iterator[SupervisorSandbox]:
    """A sandbox over a cell that refuses to be used after the context."""
    sandbox = SupervisorSandbox(cell)
    try:
        yield sandbox
    finally:
        sandbox.close()


def _both(cap: OutputCap, name: str, on_output: OnOutput | None) -> Callable[[bytes], None]:
    """Keep what comes, and show it to whoever listens."""
    if on_output is None:
        return cap.add

    def take(chunk: bytes) -> None:
        cap.add(chunk)
        on_output(name, chunk)

    return take


def _outcome(talk: _Talk, usage: Usage) -> ExecOutcome:
    if talk.ending is not None:
        return talk.ending
    if usage.is_over_memory:
        return ExecOutcome.OOM
    is_clean = talk.report is not None and talk.report.exit_code == 0
    return ExecOutcome.OK if is_clean else ExecOutcome.CRASHED


def wait_until_ready(transport: Transport, complaint: Callable[[], str]) -> str:
    """Wait for the supervisor's first frame; returns the path of its interpreter.

    Raises:
        SandboxBrokenError: It did not come in time or the stream ended.
    """
    frames = FrameReader()
    deadline = time.monotonic() + START_TIMEOUT_S
    while (left_s := deadline - time.monotonic()) > 0:
        poller = select.poll()
        poller.register(transport.read_fd, select.POLLIN)
        if not poller.poll(left_s * 1000):
            break
        chunk = transport.read()
        if chunk is None:
            continue
        if not chunk:
            raise SandboxBrokenError(f"the sandbox did not start: {complaint() or 'no message'}")
        for kind, payload in frames.feed(chunk):
            if kind == b"R":
                return payload.decode()
    raise SandboxBrokenError(
        f"the sandbox was not ready after {START_TIMEOUT_S:.0f} s: {complaint()}"
    )


def base_variables(path_folders: Iterable[str], variables: Mapping[str, str]) -> dict[str, str]:
    """The whole environment of a command: four fixed variables, then the caller's."""
    fixed = {"PATH": ":".join(path_folders), "HOME": "/tmp", "LANG": "C.UTF-8", "TMPDIR": "/tmp"}  # noqa: S108 - inside
    return {**fixed, **variables}
