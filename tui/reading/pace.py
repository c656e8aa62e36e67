"""How often something dear is read again: the dearer it is, the less often."""

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager

SHARE = 0.05
"""Most of one core that reading one thing again and again may cost."""


class Pace:
    """Whether one thing is stale, and whether its last reading is paid for."""

    def __init__(self) -> None:
        self.is_stale = True
        self._read_at_s = -math.inf
        self._cost_s = 0.0

    @property
    def is_due(self) -> bool:
        """True when it is stale and may be read now."""
        return self.is_stale and time.monotonic() - self._read_at_s >= self._cost_s / SHARE

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Count what a reading costs; afterwards it is not stale."""
        started = time.thread_time()
        yield
        self._cost_s = time.thread_time() - started
        self._read_at_s = time.monotonic()
        self.is_stale = False
