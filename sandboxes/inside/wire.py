"""Frames between us and a supervisor, the pipes that carry them, and the capped buffers that keep what a command prints.

Does not: know what a sandbox is. A frame is a kind, a length and bytes; the supervisor's docstring lists the kinds.
Invariant: no buffer here grows beyond its cap, whatever the other side sends.
"""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from rsi.sandboxes.errors import SandboxBrokenError

FRAME_HEAD_BYTES = 5
STDIN_FRAME_BYTES = 1 << 15
MAX_FRAME_BYTES = 1 << 17
"""The supervisor never sends more than 64 KiB at once; more is a forgery."""
READ_BYTES = 1 << 18
OUTPUT_KILL_FACTOR = 4
"""Times `Limits.output_bytes` that a stream may carry before the sandbox is killed."""


class Transport(Protocol):
    """A two-way stream to a supervisor, never blocking."""

    @property
    def read_fd(self) -> int: ...

    @property
    def write_fd(self) -> int: ...

    def read(self) -> bytes | None:
        """Bytes from the supervisor; None when nothing is there yet, empty at the end."""
        ...

    def write(self, frame: memoryview) -> int:
        """Bytes of the frame that were taken; 0 when the stream is full or gone."""
        ...

    def close(self) -> None: ...


class PipeTransport:
    """A supervisor that is our own child, over its standard streams."""

    def __init__(self, read_fd: int, write_fd: int) -> None:
        os.set_blocking(read_fd, False)
        os.set_blocking(write_fd, False)
        self.read_fd = read_fd
        self.write_fd = write_fd

    def read(self) -> bytes | None:
        try:
            return os.read(self.read_fd, READ_BYTES)
        except BlockingIOError:
            return None

    def write(self, frame: memoryview) -> int:
        try:
            return os.write(self.write_fd, frame)
        except (BlockingIOError, BrokenPipeError):
            return 0

    def close(self) -> None:
        os.close(self.read_fd)
        os.close(self.write_fd)


class FrameReader:
    """Cuts a byte stream into frames."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, chunk: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Yield (kind, payload) of each frame that is complete.

        Raises:
            SandboxBrokenError: A frame is longer than the supervisor ever sends.
        """
        self._buffer += chunk
        while len(self._buffer) >= FRAME_HEAD_BYTES:
            length = int.from_bytes(self._buffer[1:FRAME_HEAD_BYTES], "big")
            if length > MAX_FRAME_BYTES:
                raise SandboxBrokenError(
                    f"the sandbox sent a frame of {length} bytes; open a fresh one"
                )
            end = FRAME_HEAD_BYTES + length
            if len(self._buffer) < end:
                return
            kind, payload = bytes(self._buffer[:1]), bytes(self._buffer[FRAME_HEAD_BYTES:end])
            del self._buffer[:end]
            yield kind, payload


def frame(kind: bytes, payload: bytes = b"") -> bytes:
    """One frame for the supervisor."""
    return kind + len(payload).to_bytes(4, "big") + payload


def command_frames(
    argv: Sequence[str], *, cwd: str, environ: dict[str, str], stdin: bytes, deadline_s: float
) -> Iterator[bytes]:
    """The frames that start a command and feed it.

    Raises:
        ValueError: An argument, variable or folder holds a NUL byte.
    """
    pairs = [f"{name}={value}" for name, value in environ.items()]
    fields = [cwd, f"{deadline_s:.3f}", str(len(pairs)), *pairs, *argv]
    encoded = [os.fsencode(field) for field in fields]
    if any(b"\0" in field for field in encoded):
        raise ValueError(f"a NUL byte in the command {argv[0]!r}, its folder or its variables")
    yield frame(b"X", b"\0".join(encoded))
    for start in range(0, len(stdin), STDIN_FRAME_BYTES):
        yield frame(b"I", stdin[start : start + STDIN_FRAME_BYTES])
    yield frame(b"E")


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What the supervisor says about a finished command; its cgroup facts are None outside a container."""

    exit_code: int | None
    """Negative for a signal."""
    cpu_s: float
    """User plus system seconds of every reaped process."""
    max_rss_bytes: int
    """Peak of the largest single process."""
    cgroup_cpu_s: float | None
    oom_kills: int | None
    """Processes killed for memory since the container began."""
    cgroup_peak_bytes: int | None

    @classmethod
    def parse(cls, payload: bytes) -> "Report":
        """Read a finished frame.

        Raises:
            SandboxBrokenError: It is not what a supervisor sends.
        """
        try:
            words = [None if word == b"-" else int(word) for word in payload.split(b" ")]
            status, cpu_us, rss_kb, cgroup_ns, oom_kills, peak = words
        except ValueError:
            raise SandboxBrokenError(
                f"the sandbox sent a malformed report {payload[:80]!r}"
            ) from None
        return cls(
            exit_code=status,
            cpu_s=(cpu_us or 0) / 1e6,
            max_rss_bytes=(rss_kb or 0) * 1024,
            cgroup_cpu_s=None if cgroup_ns is None else cgroup_ns / 1e9,
            oom_kills=oom_kills,
            cgroup_peak_bytes=peak,
        )


def paused_cpu_s(payload: bytes) -> float:
    """CPU seconds that a command had spent when it was paused.

    Raises:
        SandboxBrokenError: It is not what a supervisor sends.
    """
    if not payload.isdigit():
        raise SandboxBrokenError(f"the sandbox sent a malformed pause {payload[:80]!r}")
    return int(payload) / 1e6


class OutputCap:
    """Keeps the beginning and the end of a stream that may be longer than we want to hold."""

    def __init__(self, limit_bytes: int) -> None:
        self._limit = limit_bytes
        self._head = bytearray()
        self._tail = bytearray()
        self.total_bytes = 0

    def add(self, chunk: bytes) -> None:
        """Take the next bytes."""
        self.total_bytes += len(chunk)
        room = self._limit // 2 - len(self._head)
        if room > 0:
            self._head += chunk[:room]
            chunk = chunk[room:]
        self._tail += chunk
        spare = self._limit - self._limit // 2
        if len(self._tail) > 2 * spare + READ_BYTES:
            del self._tail[:-spare]

    @property
    def is_truncated(self) -> bool:
        """More came than is kept."""
        return self.total_bytes > self._limit

    @property
    def is_flood(self) -> bool:
        """More came than a sandbox is allowed to print."""
        return self.total_bytes > OUTPUT_KILL_FACTOR * self._limit

    def kept(self) -> bytes:
        """What is kept, at most the limit: the whole, or the first and the last half of it."""
        if not self.is_truncated:
            return bytes(self._head + self._tail)
        spare = self._limit - self._limit // 2
        return bytes(self._head + self._tail[-spare:]) if spare else bytes(self._head)
