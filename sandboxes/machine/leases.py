"""Exclusive use of something on this machine across processes: a lock file per name.

Does not: queue fairly, or survive its holder. The kernel drops the lock when the process ends, however it ends.
Set RSI_LEASE_DIR to one shared folder when several users, or several RSI_CACHE, measure on one machine.
"""

import contextlib
import fcntl
import json
import logging
import os
import re
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from rsi.sandboxes.errors import LeaseTimeoutError, OperatorSettingError
from rsi.sandboxes.machine.environments import cache_folder

logger = logging.getLogger(__name__)

VARIABLE = "RSI_LEASE_DIR"
MACHINE = "measuring"
"""Held by whoever times something: one measurement at a time on a machine."""
_NOTE = f"{MACHINE}.holder"
"""File beside the lock that says who holds it; for people, the lock itself is what counts."""
POLL_S = 0.1
SAID_AFTER_S = 2.0
"""A wait for the machine that is longer is said, once, with who holds it."""


def lease_folder() -> Path:
    """Where lock files live: $RSI_LEASE_DIR or a folder of the cache."""
    configured = os.environ.get(VARIABLE)
    return Path(configured) if configured else cache_folder() / "leases"


@contextlib.contextmanager
def leased(
    names: Iterable[str],
    *,
    wait_s: float | None,
    folder: Path | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> Iterator[bool]:
    """Hold every name exclusively, taken in sorted order so that two holders cannot block each other.

    Args:
        names: What to hold, such as GPU UUIDs or `MACHINE`.
        wait_s: Seconds to wait for all of them together; None for as long as it takes.
        folder: Where the lock files are; None for `lease_folder()`.
        should_stop: Asked several times a second while it waits; True gives up, and False is yielded.

    Raises:
        LeaseTimeoutError: Somebody else held one of them all that time.
        OperatorSettingError: A lock file cannot be opened.
    """
    place = folder or lease_folder()
    deadline = None if wait_s is None else time.monotonic() + wait_s
    with contextlib.ExitStack() as held:
        for name in sorted(set(names)):
            descriptor = _opened(place, re.sub(r"[^A-Za-z0-9._-]", "_", name) + ".lock")
            held.callback(os.close, descriptor)
            while not _is_taken(descriptor):
                if should_stop is not None and should_stop():
                    held.close()
                    yield False
                    return
                if deadline is not None and time.monotonic() >= deadline:
                    raise LeaseTimeoutError(
                        f"{name!r} was in use elsewhere for {wait_s:.0f} s; wait for the other"
                        " measurement or stop it"
                    )
                time.sleep(POLL_S)
        yield True


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """Who holds the machine for a measurement."""

    what: str
    """What is measured, such as "screen of c1-0003"."""
    pid: int
    since: datetime


@contextlib.contextmanager
def machine_lock(
    folder: Path | None = None,
    *,
    should_stop: Callable[[], bool] | None = None,
    what: str = "a measurement",
) -> Iterator[bool]:
    """Hold the machine for a measurement, however long that takes; False when `should_stop` ended the wait.

    Not to be taken twice by one thread: it would wait for itself.

    Args:
        folder: Where the lock is; None for `lease_folder()`.
        should_stop: As for `leased`.
        what: Told to others meanwhile, see `machine_holder`.

    Raises:
        OperatorSettingError: The lock file cannot be opened.
    """
    place = folder or lease_folder()
    wait = _Wait(place=place, should_stop=should_stop)
    with leased([MACHINE], wait_s=None, folder=place, should_stop=wait.is_over) as is_held:
        if not is_held:
            yield False
            return
        note = place / _NOTE
        told = {"what": what, "pid": os.getpid(), "since": datetime.now(UTC).isoformat()}
        # Others are only told: a folder in which no note can be written still holds the lock.
        with contextlib.suppress(OSError):
            part = note.with_suffix(f".{os.getpid()}")
            part.write_text(json.dumps(told), encoding="utf-8")
            part.replace(note)
        try:
            yield True
        finally:
            with contextlib.suppress(OSError):
                note.unlink()


@dataclass(slots=True, kw_only=True)
class _Wait:
    """A wait for the machine, which a person is told of once it is long."""

    place: Path
    should_stop: Callable[[], bool] | None
    since: float = field(default_factory=time.monotonic)
    is_said: bool = False

    def is_over(self) -> bool:
        if not self.is_said and time.monotonic() - self.since >= SAID_AFTER_S:
            self.is_said = True
            holder = machine_holder(self.place)
            who = "somebody measures on it"
            if holder is not None:
                since = holder.since.astimezone().strftime("%H:%M:%S")
                who = f"{holder.what} (process {holder.pid}) has it since {since}"
            logger.warning("waiting for this machine: %s", who)
        return self.should_stop is not None and self.should_stop()


def machine_holder(folder: Path | None = None) -> Holder | None:
    """Who holds this machine now; None when nobody does, or who does left no note.

    What a killed holder left behind is passed over: the kernel dropped its lock.
    """
    place = folder or lease_folder()
    try:
        descriptor = os.open(place / f"{MACHINE}.lock", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        pass
    else:
        return None
    finally:
        os.close(descriptor)
    try:
        told = json.loads((place / _NOTE).read_text(encoding="utf-8"))
        return Holder(
            what=str(told["what"]),
            pid=int(told["pid"]),
            since=datetime.fromisoformat(told["since"]),
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _opened(place: Path, name: str) -> int:
    """A descriptor of a lock file; reading is enough, so that it may be another user's."""
    path = place / name
    try:
        place.mkdir(parents=True, exist_ok=True)
        try:
            # Without O_CREAT first: in a folder that all may write, the kernel refuses it for another user's file.
            return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return os.open(path, os.O_RDONLY | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise OperatorSettingError(
            f"cannot open the lock {str(path)!r}: {error.strerror}; set {VARIABLE} (or RSI_CACHE) to a folder that "
            "can be written"
        ) from error


def _is_taken(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
