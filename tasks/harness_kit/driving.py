"""The harness's end of a clocked task: it gives a worker one call after the other and keeps the clock.

Inputs and outputs lie in memory that the harness made and sealed: the worker can write the outputs alone, and can make neither
larger nor smaller. Does not: run or stop the worker; the host does. Invariants: one call is in flight; a call's time on this clock is
from before its inputs can be seen until its outputs are copied, so nothing of it can be done earlier or later.
"""
# ruff: noqa: TID251, TID252 - relative imports, because it also runs outside `rsi`

import array
import fcntl
import math
import mmap
import os
import socket
import struct
import time
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field

from .artifacts import InvalidArtifact

WORDS = 16
"""Whole numbers of one call; what they mean is the task's."""
BOUNDARY = 64
"""Bytes; arrays of one content begin at multiples of it."""
_SEAL_SHRINK, _SEAL_GROW, _SEAL_FUTURE_WRITE = 2, 4, 16
"""Of linux/fcntl.h; the last one leaves the mapping that exists writable and forbids every other."""
_STATUS = struct.Struct("<q")
POISON = 0xFF
"""What outputs are filled with before a call: not a number in every float, and no plausible count."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What one call gave."""

    wall_s: float
    output: bytes


class Worker:
    """A connected worker."""

    def __init__(self, link: socket.socket, *, in_bytes: int, out_bytes: int) -> None:
        """Share memory with whoever connected.

        Raises:
            InvalidArtifact: It left already.
        """
        self._link = link
        self.clocked_s = 0.0
        """All calls so far together."""
        self.calls = 0
        self._in, ours = _memory("rsi-in", in_bytes, _SEAL_FUTURE_WRITE)
        self._out, theirs = _memory("rsi-out", out_bytes, 0)
        reading = os.open(f"/proc/self/fd/{ours}", os.O_RDONLY)
        sizes = struct.pack("<qq", in_bytes, out_bytes)
        rights = (socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [reading, theirs]))
        try:
            link.sendmsg([sizes], [rights])
        except OSError:
            raise InvalidArtifact("the worker left before its first call") from None
        for file in (reading, ours, theirs):
            os.close(file)

    def call(self, words: Sequence[int], content: bytes, *, out_bytes: int) -> Answer:
        """Give one call and wait for its answer.

        Args:
            words: At most WORDS whole numbers of 64 bits.
            content: The inputs.
            out_bytes: How much of the outputs is poisoned before and copied after.

        Raises:
            InvalidArtifact: The worker left in the middle of it, or said that it is not done.
        """
        message = struct.pack(f"<{WORDS}q", *words, *[0] * (WORDS - len(words)))
        self._out[:out_bytes] = bytes([POISON]) * out_bytes
        # Whoever watches the memory could begin when the inputs appear, and go on after saying that it is done.
        begin = time.monotonic()
        self._in[: len(content)] = content
        try:
            self._link.sendall(message)
            said = self._link.recv(_STATUS.size, socket.MSG_WAITALL)
        except OSError:
            said = b""
        output = self._out[:out_bytes]
        wall_s = time.monotonic() - begin
        if len(said) != _STATUS.size:
            raise InvalidArtifact(f"the worker ended in call {self.calls + 1}")
        self.calls += 1
        self.clocked_s += wall_s
        (status,) = _STATUS.unpack(said)
        if status != 0:
            raise InvalidArtifact(f"the worker answered {status}")
        return Answer(wall_s=wall_s, output=output)


def packed(parts: Sequence[bytes]) -> bytes:
    """Several arrays as one content, each at a multiple of BOUNDARY."""
    return b"".join(each.ljust(_padded(len(each)), b"\0") for each in parts)


def packed_size(sizes: Sequence[int]) -> int:
    """Bytes of a content that holds arrays of so many bytes."""
    return sum(_padded(each) for each in sizes)


def unpacked(content: bytes, sizes: Sequence[int]) -> list[bytes]:
    """The arrays of a content, of so many bytes each."""
    parts, at = [], 0
    for size in sizes:
        parts.append(content[at : at + size])
        at += _padded(size)
    return parts


def _padded(size: int) -> int:
    return -(-size // BOUNDARY) * BOUNDARY


@dataclass(frozen=True, kw_only=True)
class Repeats:
    """Timed calls of several kinds: each goes on until enough time is together, and the fastest counts.

    What else a shared machine does only ever adds time.
    """

    at_least: int
    """Calls of a kind."""
    until_s: float
    """Together; no more are wanted then."""
    took: dict[Hashable, list[float]] = field(default_factory=dict)
    """Seconds of each call so far, by kind."""

    def is_wanted(self, kind: Hashable) -> bool:
        """Whether another call of this kind is to be timed."""
        times = self.took.setdefault(kind, [])
        return len(times) < self.at_least or sum(times) < self.until_s

    def fastest(self) -> float:
        """Geometric mean over the kinds of their fastest calls, in seconds."""
        return math.exp(sum(math.log(min(times)) for times in self.took.values()) / len(self.took))


def _memory(name: str, size: int, seals: int) -> tuple[mmap.mmap, int]:
    """Shared memory of a fixed size, mapped here, and its file."""
    file = os.memfd_create(name, os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    os.ftruncate(file, size)
    mapped = mmap.mmap(file, size)
    fcntl.fcntl(file, fcntl.F_ADD_SEALS, _SEAL_SHRINK | _SEAL_GROW | seals)
    return mapped, file
