"""Exclusive use of something on this machine across processes: a lock file per name.

Does not: survive its holder. The kernel drops the lock when the process ends, however it ends.
Set RSI_LEASE_DIR to one shared folder when several users measure on one machine.
"""

import contextlib
import fcntl
import os
import re
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from rsi.sandboxes.environments import cache_folder
from rsi.sandboxes.errors import LeaseTimeoutError

POLL_S = 0.05


def lease_folder() -> Path:
    """Where lock files live: $RSI_LEASE_DIR or a folder of the cache."""
    configured = os.environ.get("RSI_LEASE_DIR")
    return Path(configured) if configured else cache_folder() / "leases"


@contextlib.contextmanager
def leased(names: Iterable[str], *, wait_s: float, folder: Path | None = None) -> Iterator[None]:
    """Hold every name exclusively, taken in sorted order so that two holders cannot block each other.

    Args:
        names: What to hold, such as GPU UUIDs or "cpu-0".
        wait_s: Seconds to wait for all of them together.
        folder: Where the lock files are; None for `lease_folder()`.

    Raises:
        LeaseTimeoutError: Somebody else held one of them all that time.
    """
    place = folder or lease_folder()
    place.mkdir(parents=True, exist_ok=True)
    deadline = time.monotonic() + wait_s
    with contextlib.ExitStack() as held:
        for name in sorted(set(names)):
            path = place / (re.sub(r"[^A-Za-z0-9._-]", "_", name) + ".lock")
            file = held.enter_context(path.open("a+"))
            while True:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if time.monotonic() >= deadline:
                        raise LeaseTimeoutError(
                            f"{name!r} was in use elsewhere for {wait_s:.0f} s; wait for the other"
                            " measurement or stop it"
                        ) from None
                    time.sleep(POLL_S)
        yield
