"""Starts a supervisor as our own child process and makes sure that nothing of it outlives its context.

Does not: build walls; the command line that it is given does that.
Invariant: leaving the context closes the lease, kills what is left and waits until it is gone.
"""

import contextlib
import functools
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from rsi.sandboxes.errors import SandboxBrokenError
from rsi.sandboxes.inside.wire import PipeTransport
from rsi.sandboxes.machine.cgroups import Cgroup
from rsi.sandboxes.machine.meters import CgroupMeter, TreeMeter, tree_below
from rsi.sandboxes.machine.owners import start_ticks
from rsi.sandboxes.session import Meter, wait_until_ready
from rsi.sandboxes.types import Limits

STOP_TIMEOUT_S = 10.0
MESSAGE_BYTES = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class LaunchedSupervisor:
    """A running supervisor and the handles on it."""

    transport: PipeTransport
    meter: Meter
    kill: Callable[[], None]
    interpreter: str


@contextlib.contextmanager
def launched(
    argv: Sequence[str],
    *,
    limits: Limits,
    group: Cgroup | None,
    stored_bytes: Callable[[int], int],
    pass_fds: Sequence[int] = (),
) -> Iterator[LaunchedSupervisor]:
    """Run `argv`, which becomes a supervisor, until the context ends.

    Args:
        argv: The command line; it must end up as a supervisor on the same standard streams.
        limits: The sandbox's limits.
        group: A control group that the command joins by itself, None for the watchdog.
        stored_bytes: Given our child's pid, the bytes of files that its sandbox holds in memory.
        pass_fds: File descriptors that the command inherits.

    Raises:
        SandboxBrokenError: It did not start.
    """
    with tempfile.TemporaryFile() as messages:
        process = _spawn(argv, messages, pass_fds, limits.cpus)
        assert process.stdin is not None  # noqa: S101 - both are pipes
        assert process.stdout is not None  # noqa: S101

        def complaint() -> str:
            messages.seek(0)
            return messages.read(MESSAGE_BYTES).decode("utf-8", "replace").strip()

        try:
            transport = PipeTransport(process.stdout.fileno(), process.stdin.fileno())
            interpreter = wait_until_ready(transport, complaint)
            meter = _meter(group, process.pid, limits, stored_bytes)
            yield LaunchedSupervisor(
                transport=transport,
                meter=meter,
                kill=lambda: _kill(process, group),
                interpreter=interpreter,
            )
        finally:
            _kill(process, group)
            process.stdin.close()
            process.stdout.close()


def _spawn(
    argv: Sequence[str],
    messages: IO[bytes],
    pass_fds: Sequence[int],
    cpus: tuple[int, ...] | None,
) -> "subprocess.Popen[bytes]":
    """Start a process, on the given cores, from a thread that lives as long as we do.

    "Die with the parent" means, in Linux, with the thread that made the process: a sandbox must not end because
    a worker thread of its owner did.
    """

    def start() -> "subprocess.Popen[bytes]":
        with _on_cores(cpus):
            return subprocess.Popen(
                argv,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=messages,
                pass_fds=pass_fds,
                start_new_session=True,
                env={"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"},
                cwd="/",
            )

    return _spawner(os.getpid()).submit(start).result()


@contextlib.contextmanager
def _on_cores(cpus: tuple[int, ...] | None) -> Iterator[None]:
    """Let this thread, and so what it starts, run on these cores alone; pinned here because inside it is forbidden."""
    if cpus is None:
        yield
        return
    usual = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, cpus)
    except OSError as error:
        raise SandboxBrokenError(
            f"cannot run on the cores {', '.join(map(str, cpus))}: {error.strerror}; this process may use "
            f"{', '.join(map(str, sorted(usual)))}"
        ) from error
    try:
        yield
    finally:
        os.sched_setaffinity(0, usual)


@functools.cache
def _spawner(pid: int) -> ThreadPoolExecutor:
    """The thread that starts processes, one for this process (`pid`) and another one for a fork of it."""
    return ThreadPoolExecutor(max_workers=1, thread_name_prefix=f"sandbox-spawner-{pid}")


def _meter(
    group: Cgroup | None, pid: int, limits: Limits, stored_bytes: Callable[[int], int]
) -> Meter:
    if group is not None and group.memory is not None:
        return CgroupMeter(group)
    return TreeMeter(pid, limits.memory_bytes, lambda: stored_bytes(pid), group)


def _kill(process: "subprocess.Popen[bytes]", group: Cgroup | None) -> None:
    """SIGKILL everything below our child, then the child; wait until the kernel has let go of it."""
    family = _family(process)
    deadline = time.monotonic() + STOP_TIMEOUT_S
    while True:
        for pid, started in family:
            if _is_running(pid, started):
                _signal(pid)
        if process.poll() is None:
            # Descendants first: while our child lives, orphans stay below it and can be found.
            fresh = [each for each in _family(process) if each not in family]
            family += fresh
            if not fresh or time.monotonic() > deadline:
                process.kill()
                process.wait()
        remaining = [each for each in family if _is_running(*each)]
        members = group.members() if group is not None else ()
        for pid in members:
            _signal(pid)
        if process.poll() is not None and not remaining and not members:
            return
        if time.monotonic() > deadline:
            raise SandboxBrokenError(
                f"processes {[pid for pid, _ in remaining] or list(members)} did not die within"
                f" {STOP_TIMEOUT_S:.0f} s of SIGKILL; look at the kernel log"
            )
        time.sleep(0.002)


def _family(process: "subprocess.Popen[bytes]") -> list[tuple[int, int]]:
    if process.poll() is not None:
        return []
    return [(each.pid, each.start_ticks) for each in tree_below(process.pid)]


def _is_running(pid: int, started: int) -> bool:
    """Whether the very process that started then still exists and is no zombie."""
    if start_ticks(pid) != started:
        return False
    try:
        stat = Path(f"/proc/{pid}/stat").read_text("ascii", "replace")
        return stat.rpartition(")")[2].split()[0] not in ("Z", "X")
    except OSError:
        return False


def _signal(pid: int) -> None:
    with contextlib.suppress(OSError):
        os.kill(pid, signal.SIGKILL)
