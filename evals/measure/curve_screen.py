"""Watch the curves that both arms of the first pair print, and say early that the candidate's is behind.

A screen: it can end the measurement of a candidate, never pass one, and no number of it is evidence. The arms are compared
at equal times since each began; where a run prints too few points before its half, nothing is said.
"""

import statistics
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from rsi.evals.measure.running import Listener, Slot
from rsi.evals.types import Arm

LOOKS = (0.35, 0.45, 0.55)
"""Shares of a run after which the curves are compared; the candidate has to be behind at each."""
POINTS = 3
"""Latest points of a curve that are taken together: one batch's loss jumps."""
MARGINS = 3.0
"""A curve is behind when it is worse by so many margins of the quality."""
MAX_LINE = 2000
SCREENED_PAIR = 0
"""Later pairs share the cores in proportion to what was seen, so their times cannot be compared while they run."""


@dataclass(slots=True, kw_only=True)
class CurveScreen:
    """A listener that compares what the arms print; not for several candidates."""

    read: Callable[[str], float | None]
    """The value in a printed line; None where it has none."""
    name: str
    """Of the quality, for people."""
    is_higher_better: bool
    margin: float
    run_s: float
    """Seconds that a run of the champion takes while both run, as the listener's clock sees it."""
    inner: Listener | None = None
    clock: Callable[[], float] = time.monotonic
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _begun: dict[Arm, float] = field(default_factory=dict)
    _rest: dict[tuple[Arm, str], str] = field(default_factory=dict)
    _points: dict[Arm, list[tuple[float, float]]] = field(
        default_factory=lambda: {arm: [] for arm in Arm}
    )

    def heard(self, slot: Slot, stream: str, chunk: bytes) -> None:
        """Take what a run printed, and pass it on."""
        if self.inner is not None:
            self.inner.heard(slot, stream, chunk)
        if slot.pair != SCREENED_PAIR:
            return
        with self._lock:
            now = self.clock()
            at = now - self._begun.setdefault(slot.arm, now)
            text = self._rest.get((slot.arm, stream), "") + chunk.decode("utf-8", "replace")
            *lines, rest = text.replace("\r", "\n").split("\n")
            self._rest[slot.arm, stream] = rest[-MAX_LINE:]
            for line in lines:
                value = self.read(line[:MAX_LINE])
                if value is not None:
                    self._points[slot.arm].append((at, value))

    def ended(self, slot: Slot) -> None:
        """Pass on that a run is over."""
        if self.inner is not None:
            self.inner.ended(slot)

    def behind(self) -> str | None:
        """What shows that the candidate is behind, in one sentence; None while nothing does."""
        with self._lock:
            curves = {arm: tuple(points) for arm, points in self._points.items()}
        last = LOOKS[-1] * self.run_s
        if any(not points or points[-1][0] < last for points in curves.values()):
            return None
        levels = [
            (_level(curves[Arm.CHAMPION], at), _level(curves[Arm.CANDIDATE], at))
            for at in (share * self.run_s for share in LOOKS)
        ]
        if not all(self._is_worse(*each) for each in levels):
            return None
        champion, candidate = levels[-1]
        return (
            f"after {LOOKS[-1]:.0%} of a run its {self.name} stood at {candidate:.4g}, the champion's at {champion:.4g}, and it was "
            f"behind at each of {len(LOOKS)} looks"
        )

    def _is_worse(self, champion: float | None, candidate: float | None) -> bool:
        if champion is None or candidate is None:
            return False
        worse_by = champion - candidate if self.is_higher_better else candidate - champion
        return worse_by > MARGINS * self.margin


def _level(points: tuple[tuple[float, float], ...], until: float) -> float | None:
    """Mean of the latest points up to a moment; None where they are too few."""
    values = [value for at, value in points if at <= until][-POINTS:]
    return statistics.fmean(values) if len(values) == POINTS else None
