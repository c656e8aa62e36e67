"""Demo: a recorded campaign played into a ledger of its own, so that every screen is alive without a key.

Nothing of the person's own home is read or written; the temporary ledger goes when the cockpit closes. What is shown
was really measured, on another day; the screens say that it is recorded.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from rsi.agent.store.home import Home
from rsi.agent.store.ledger import Ledger
from rsi.agent.store.records import (
    DecisionRecord,
    PromotionRecord,
    Step,
    WorkerRecord,
    utc_now,
)
from rsi.agent.store.steps.record import StepRecord
from rsi.tui.demo.campaign_file import Recording, load, unpack_code, write_row
from rsi.tui.draw.captions import Captions

RECORDING = Path(__file__).parent / "recorded" / "campaign.tar.xz"
PLAYED_S = 180.0
"""How long the part after the beginning takes; real campaigns take longer than a newcomer looks."""
GATE_HOLD_S = 20.0
"""Seconds that a candidate waits at the gate before its recorded decision is played."""
BEAT_S = 5.0
LOOK_S = 0.5
"""Time between looks at whether a person still looks at the gate."""


class Player:
    """Writes a recording into a ledger, the first part at once, the rest at a pace that can be watched."""

    def __init__(
        self,
        recording: Recording,
        ledger: Ledger,
        *,
        played_s: float = PLAYED_S,
        first: int | None = None,
        is_looked_at: Callable[[], bool] = lambda: False,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        """Prepare; nothing is written before `start`.

        Args:
            recording: What to play.
            ledger: An empty ledger.
            played_s: Seconds that the part after the beginning takes.
            first: Rows that are there from the start; None takes `first_part`.
            is_looked_at: Whether a person looks at the gate; what lies there is not decided meanwhile.
            now: The clock that the facts are dated by.
        """
        self._recording = recording
        self._ledger = ledger
        self._now = now
        self._is_looked_at = is_looked_at
        self._beaten_s = 0.0
        self._first = first_part(recording) if first is None else first
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._play, name="rsi-demo", daemon=True)
        rows = recording.rows
        self._zero_s = rows[self._first - 1].at_s if self._first else 0.0
        rest_s = rows[-1].at_s - self._zero_s
        self._speed = max(1.0, rest_s / played_s)

    def start(self, *, is_playing: bool = True) -> None:
        """Write the first part, then go on in the background."""
        now = self._now()
        for row in self._recording.rows[: self._first]:
            write_row(self._ledger, row, now - timedelta(seconds=self._zero_s - row.at_s))
        self._beat()
        if is_playing:
            self._thread.start()

    def stop(self) -> None:
        """Stop playing."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(timeout=2)

    def _play(self) -> None:
        before_s = self._zero_s
        is_held = False
        for row in self._recording.rows[self._first :]:
            wait_s = (row.at_s - before_s) / self._speed
            before_s = row.at_s
            if isinstance(row.fact, DecisionRecord) and not is_held:
                wait_s += GATE_HOLD_S
            is_held = isinstance(row.fact, DecisionRecord)
            if not self._wait(wait_s):
                return
            while is_held and self._is_looked_at():
                if not self._wait(LOOK_S):
                    return
            write_row(self._ledger, row, self._now())
        while self._wait(BEAT_S):
            pass

    def _wait(self, seconds: float) -> bool:
        """Wait, beating now and then; False when told to stop."""
        while True:
            if time.monotonic() - self._beaten_s >= BEAT_S:
                self._beat()
            if self._stopping.wait(max(0.0, min(seconds, BEAT_S))):
                return False
            seconds -= BEAT_S
            if seconds <= 0:
                return True

    def _beat(self) -> None:
        self._beaten_s, now = time.monotonic(), self._now()
        self._ledger.heartbeat(
            WorkerRecord(
                id="recorded",
                host="recorded",
                pid=1,
                started_at=now,
                heartbeat_at=now,
                version="recorded",
            ),
            at=now,
        )


def first_part(recording: Recording) -> int:
    """How many rows are there from the start: up to the second candidate that comes to the gate, or the last one."""
    reviews = [
        number
        for number, row in enumerate(recording.rows, start=1)
        if isinstance(row.fact, StepRecord)
        and row.fact.step is Step.REVIEW
        and row.fact.outcome.goes_on
    ]
    promoted = [
        n for n, row in enumerate(recording.rows, start=1) if isinstance(row.fact, PromotionRecord)
    ]
    later = [number for number in reviews if promoted and number > promoted[0]]
    chosen = (later or reviews)[:1]
    return chosen[0] if chosen else max(1, len(recording.rows) // 2)


@contextmanager
def demo_home(
    path: Path = RECORDING,
    *,
    played_s: float = PLAYED_S,
    is_whole: bool = False,
    is_playing: bool = True,
    is_looked_at: Callable[[], bool] = lambda: False,
    now: Callable[[], datetime] = utc_now,
) -> Iterator[tuple[Home, Ledger]]:
    """A temporary home in which a recording is played.

    Args:
        path: The recording.
        played_s: Seconds that the part after the beginning takes.
        is_whole: Everything is there from the start.
        is_playing: Go on after the first part.
        is_looked_at: Whether a person looks at the gate.
        now: The clock that the facts are dated by.

    Raises:
        CampaignFileError: The recording cannot be read.
    """
    recording = load(path)
    with TemporaryDirectory(prefix="rsi-demo-") as folder:
        home = Home(root=Path(folder)).create()
        unpack_code(recording, home)
        with Ledger.open(home) as ledger:
            first = len(recording.rows) if is_whole else None
            player = Player(
                recording,
                ledger,
                played_s=played_s,
                first=first,
                is_looked_at=is_looked_at,
                now=now,
            )
            player.start(is_playing=is_playing)
            try:
                yield home, ledger
            finally:
                player.stop()


def open_demo(*, first_mode: str = "queue") -> int:
    """Open the cockpit on the recorded campaign; returns the exit code."""
    from rsi.tui.app import CockpitApp

    opened: list[CockpitApp] = []

    def is_looked_at() -> bool:
        return any(each.current_mode == "gate" for each in opened)

    with demo_home(is_looked_at=is_looked_at) as (home, ledger):
        app = CockpitApp(
            ledger,
            home=home,
            is_read_only=True,
            first_mode=first_mode,
            is_demo=True,
            captions=Captions(),
        )
        opened.append(app)
        app.run()
        return app.return_code or 0
