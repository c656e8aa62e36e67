"""TimeSlices: commands in several sandboxes run in alternation on the same cores, one at a time, in short slices.

A machine that is shared with others changes its speed by the second. Two commands that are compared feel the same
changes only when their slices lie between each other; run one after the other, they feel different ones.
Does not: measure. A command that waits for its turn is stopped by its supervisor and uses no CPU.
Invariant: at most one time slot holds the turn, and a time slot that left never does.
"""

import contextlib
import os
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

FIRST_SLICE_S = 0.05
"""The first slices while nothing is known of the commands."""
GROWTH = 0.25
"""What a command has run, times this, is its next slice then, up to the longest."""
MIN_SLICE_S, FINE_SLICE_S, COARSE_SLICE_S = 0.02, 0.1, 0.5
"""The longest slice of the shorter command. A command that comes back finds its caches cold, which cost a training run 3 ms
a turn (measured), the same to both: fine slices scatter less, coarse ones are nearer to what a run costs by itself."""
SLICES_PER_COMMAND = 10
"""What the shorter command should be cut into at least, so that it feels the same machine as the longer one."""
MAX_SLICE_FACTOR = 8.0
BUSY_WINDOW_S = 0.2
"""Slices are put together to this length before CPU time is held against them: it may be counted in ticks of 10 ms."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SliceUse:
    """How a command that ran in time slices used them."""

    together_s: float
    """Seconds of its slices while another command was there."""
    busy_s: float
    """Seconds of those in which it ran, one core's worth at most; what is missing it waited, or others had the cores."""
    alone_cpu_s: float
    """CPU seconds that it spent after every other command had left."""


class TimeSlices:
    """One table of time slots, one for each command that takes part; a context, open until all have left.

    Args:
        needs_s: Seconds that each command is thought to need, None while nothing is known. Slices are in this
            proportion, so that the commands end together and nothing of the longer one runs without its counterpart.
        max_slice_s: The longest slice of the shorter command, or of each while nothing is known.
        first: The time slot that begins.
        decisive: The time slot without whose result nobody needs the others'; None for none.
    """

    def __init__(
        self,
        needs_s: Sequence[float | None] = (None, None),
        *,
        max_slice_s: float = FINE_SLICE_S,
        first: int = 0,
        decisive: int | None = None,
    ) -> None:
        known = [need for need in needs_s if need is not None]
        shortest = min(known) if len(known) == len(needs_s) else None
        slice_s = min(max((shortest or 0.0) / SLICES_PER_COMMAND, MIN_SLICE_S), max_slice_s)
        self.max_slice_s = max_slice_s
        self.decisive = decisive
        self._lock = threading.Lock()
        self._time_slots = [
            TimeSlot(
                self,
                index,
                slice_s * min(need / shortest, MAX_SLICE_FACTOR) if need and shortest else None,
            )
            for index, need in enumerate(needs_s)
        ]
        self._first = first
        self._holder: TimeSlot | None = None
        self.all_left = threading.Event()
        self._is_abandoned = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with self._lock:
            for time_slot in self._time_slots:
                time_slot.close()

    @property
    def time_slots(self) -> Sequence["TimeSlot"]:
        """The time slots, in the order of the needs."""
        return self._time_slots

    @property
    def is_abandoned(self) -> bool:
        """Whether every command that still runs is to be ended without a result."""
        return self._is_abandoned

    def abandon(self) -> None:
        """End the commands that still run; their `exec` raises `TimeSlicesAbandonedError`."""
        with self._lock:
            self._is_abandoned = True
            for time_slot in self._time_slots:
                time_slot.wake()

    def arrive(self, time_slot: "TimeSlot") -> None:
        """A command is ready to start; nobody has a turn before every time slot arrived or left."""
        with self._lock:
            time_slot.has_arrived = True
            self._begin_if_complete()

    def leave(self, time_slot: "TimeSlot") -> None:
        """The command of a time slot ended, or will never start."""
        with self._lock:
            if time_slot.has_left:
                return
            time_slot.has_left = True
            if self._holder is time_slot:
                self._pass(time_slot)
            else:
                self._begin_if_complete()
            if all(each.has_left for each in self._time_slots):
                self.all_left.set()

    def pass_on(self, time_slot: "TimeSlot") -> None:
        """The slice of the holder is over and its command stands still."""
        with self._lock:
            self._pass(time_slot)

    def holds(self, time_slot: "TimeSlot") -> bool:
        """Whether it is this time slot's turn."""
        return self._holder is time_slot

    def is_alone(self, time_slot: "TimeSlot") -> bool:
        """Whether every other time slot left."""
        return all(each.has_left for each in self._time_slots if each is not time_slot)

    def _begin_if_complete(self) -> None:
        if self._holder is None and all(
            each.has_arrived or each.has_left for each in self._time_slots
        ):
            self._pass(self._time_slots[self._first - 1])

    def _pass(self, time_slot: "TimeSlot") -> None:
        count = len(self._time_slots)
        following = (
            self._time_slots[(time_slot.index + step) % count] for step in range(1, count + 1)
        )
        self._holder = next((each for each in following if not each.has_left), None)
        if self._holder is not None:
            self._holder.wake()


class TimeSlot:
    """One command's place, usable once."""

    def __init__(self, turns: TimeSlices, index: int, slice_s: float | None) -> None:
        self.index = index
        self._slice_s = slice_s
        self.has_arrived = False
        self.has_left = False
        self._turns = turns
        self._is_open = True
        self._wake_read, self._wake_write = os.pipe()
        for fd in (self._wake_read, self._wake_write):
            os.set_blocking(fd, False)

    def slice_s(self, used_s: float) -> float:
        """Seconds of the next slice of a command that has run so long."""
        if self._slice_s is not None:
            return self._slice_s
        return min(max(FIRST_SLICE_S, used_s * GROWTH), self._turns.max_slice_s)

    @property
    def wake_fd(self) -> int:
        """Readable when it may have become this time slot's turn, or the turns were abandoned."""
        return self._wake_read

    @property
    def has_turn(self) -> bool:
        """Whether the command may run now."""
        return self._turns.holds(self)

    @property
    def count(self) -> int:
        """TimeSlots at this table."""
        return len(self._turns.time_slots)

    @property
    def is_alone(self) -> bool:
        """Whether nobody else waits for a turn."""
        return self._turns.is_alone(self)

    @property
    def is_abandoned(self) -> bool:
        """Whether the command is to be ended without a result."""
        return self._turns.is_abandoned

    def arrive(self) -> None:
        """Ready to start."""
        self._turns.arrive(self)

    def pass_on(self) -> None:
        """Give the turn to the next time slot."""
        self._turns.pass_on(self)

    def leave(self) -> None:
        """Give the turn away for good; safe to call twice."""
        self._turns.leave(self)

    def fail(self) -> None:
        """The command did not end well; where this time slot is the decisive one, the others are ended too."""
        self.leave()
        if self._turns.decisive == self.index:
            self._turns.abandon()

    def wait_for_others(self) -> None:
        """Block until every command has ended, so that reading results disturbs none of them."""
        self.leave()
        self._turns.all_left.wait()

    def wake(self) -> None:
        """Make `wake_fd` readable."""
        if not self._is_open:
            return
        with contextlib.suppress(BlockingIOError):
            os.write(self._wake_write, b"!")

    def close(self) -> None:
        """Give the descriptors back."""
        self._is_open = False
        os.close(self._wake_read)
        os.close(self._wake_write)

    def drain(self) -> None:
        """Forget past wake-ups."""
        with contextlib.suppress(BlockingIOError):
            os.read(self._wake_read, 4096)


class Pace:
    """How long one command may and did run: all the time without a time slot, in its turns with one."""

    def __init__(self, time_slot: TimeSlot | None) -> None:
        self.time_slot = time_slot
        self._used_s = 0.0
        self._since: float | None = None
        self._slice_end = 0.0
        self._has_begun = False
        self._is_stopping = False
        self._is_alone = False
        """Whether every other command had left when the slice began."""
        self._cpu_s = 0.0
        """Spent until the last pause."""
        self._together_s = self._busy_s = 0.0
        self._window_s = self._window_cpu_s = 0.0

    def start(self, now: float) -> None:
        """The command is ready to run."""
        if self.time_slot is None:
            self._since = now
        else:
            self.time_slot.arrive()

    @property
    def is_running(self) -> bool:
        """Whether the command may be running now."""
        return self._since is not None

    def used_s(self, now: float) -> float:
        """Seconds that the command could run."""
        return self._used_s + (now - self._since if self._since is not None else 0.0)

    def wait_s(self, now: float) -> float | None:
        """Seconds until something is to be done here; None when a descriptor will tell."""
        if self.time_slot is None or self._since is None or self._is_stopping:
            return None
        return max(0.0, self._slice_end - now)

    def order(self, now: float) -> bytes | None:
        """The frame that the supervisor has to get now: b"P" to stand still, b"G" to go on; None for neither."""
        time_slot = self.time_slot
        if time_slot is None:
            return None
        time_slot.drain()
        if self._since is None:
            if not time_slot.has_turn:
                return None
            self._since, self._slice_end = now, now + time_slot.slice_s(self._used_s)
            self._is_alone = time_slot.is_alone
            is_first, self._has_begun = not self._has_begun, True
            return None if is_first else b"G"
        if self._is_stopping or now < self._slice_end:
            return None
        if time_slot.is_alone:
            self._slice_end = now + time_slot.slice_s(self.used_s(now))
            return None
        self._is_stopping = True
        return b"P"

    def stand_still(self, now: float, cpu_s: float) -> None:
        """The supervisor says that nothing runs any more, and how much CPU time the command has spent in all."""
        if self.time_slot is None or self._since is None or not self._is_stopping:
            return
        self._shared(now - self._since, cpu_s - self._cpu_s)
        self._used_s, self._cpu_s = self.used_s(now), cpu_s
        self._since, self._is_stopping = None, False
        self.time_slot.pass_on()

    def use(self, now: float, cpu_s: float) -> SliceUse | None:
        """How the command, which has ended with so much CPU time spent, used its slices; None without any."""
        if self.time_slot is None:
            return None
        last_cpu_s = max(0.0, cpu_s - self._cpu_s)
        if self._since is not None and not self._is_alone:
            self._shared(now - self._since, last_cpu_s)
        return SliceUse(
            together_s=self._together_s,
            busy_s=self._busy_s + min(self._window_s, self._window_cpu_s),
            alone_cpu_s=last_cpu_s if self._is_alone else 0.0,
        )

    def _shared(self, slice_s: float, cpu_s: float) -> None:
        """A slice is over that began while another command was there."""
        self._together_s += slice_s
        self._window_s += slice_s
        self._window_cpu_s += cpu_s
        if self._window_s >= BUSY_WINDOW_S:
            self._busy_s += min(self._window_s, self._window_cpu_s)
            self._window_s = self._window_cpu_s = 0.0
