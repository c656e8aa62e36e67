"""One measurement at a time on a machine, whoever runs it.

Does not: queue fairly. Invariant: the kernel releases the lock when its holder dies, so nothing stale remains.
"""

import fcntl
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from platformdirs import user_cache_path

from rsi.evals.errors import MeasurementError

LOCK_NAME = "measuring.lock"
POLL_S = 0.1


def cache_folder(environ: Mapping[str, str] | None = None) -> Path:
    """`$RSI_CACHE`, or the platform's cache folder."""
    variables = os.environ if environ is None else environ
    named = variables.get("RSI_CACHE")
    return Path(named) if named else user_cache_path("rsi")


@contextmanager
def machine_lock(folder: Path, *, should_stop: Callable[[], bool] | None = None) -> Iterator[bool]:
    """Hold the machine for a measurement; yields False when `should_stop` ended the wait.

    Raises:
        MeasurementError: The lock file cannot be made.
    """
    path = folder / LOCK_NAME
    try:
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    except OSError as error:
        raise MeasurementError(
            f"cannot open the measurement lock {str(path)!r}: {error.strerror}; "
            "set RSI_CACHE to a folder that can be written"
        ) from error
    try:
        yield _acquire(descriptor, should_stop)
    finally:
        os.close(descriptor)


def _acquire(descriptor: int, should_stop: Callable[[], bool] | None) -> bool:
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if should_stop is not None and should_stop():
                return False
            time.sleep(POLL_S)
        else:
            return True
