"""Exclusive use of something on this machine across processes: a lock file per name.

Does not: queue fairly, or survive its holder. The kernel drops the lock when the process ends, however it ends.
Set RSI_LEASE_DIR to one shared folder when several users, or several RSI_CACHE, measure on one machine.
"""

import contextlib
import fcntl
import os
import re
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from rsi.sandboxes.errors import LeaseTimeoutError, OperatorSettingError
from rsi.sandboxes.machine.environments import cache_folder

VARIABLE = "RSI_LEASE_DIR"
MACHINE = "measuring"
"""Held by whoever times something: one measurement at a time on a machine."""
POLL_S = 0.1


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


def machine_lock(
    folder: Path | None = None, *, should_stop: Callable[[], bool] | None = None
) -> contextlib.AbstractContextManager[bool]:
    """Hold the machine for a measurement, however long that takes; False when `should_stop` ended the wait.

    Not to be taken twice by one thread: it would wait for itself.

    Raises:
        OperatorSettingError: The lock file cannot be opened.
    """
    return leased([MACHINE], wait_s=None, folder=folder, should_stop=should_stop)


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
