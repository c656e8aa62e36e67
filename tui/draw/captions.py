"""What a newcomer is told while the recording plays: the twelve steps of a round, one after the other, in a minute.

A caption says what a step does and on which screen it is seen; it stays in sight on every screen until it is switched off.
"""

import time
from collections.abc import Callable

from rsi.agent.store.records import Step
from rsi.tui.draw.styled import Line, Role

SECONDS = 5.0
"""That each caption stays."""
KEY = "C"
"""Switches the captions off, and on again from the first."""
TEXTS: dict[Step, str] = {
    Step.OPEN: "champion, seeds and error rate are fixed first",
    Step.BRIEF: "what decides and what was tried before is told",
    Step.PROPOSE: "an agent edits the repo; 4 replays its turns",
    Step.COMMIT: "the change is a commit, which alone is judged (5)",
    Step.CRITIQUE: "another model objects before runs are paid for",
    Step.ADMIT: "rules read the diff and refuse what cheats",
    Step.MEASURE: "both run in turns in a sandbox; 2 shows it live",
    Step.SCORE: "paired runs: how much faster, is quality kept?",
    Step.REVIEW: "fresh data and a reviewer try to refute it",
    Step.DECIDE: "you decide: 3 has the evidence and every hunk",
    Step.PROMOTE: "the next round starts from what you approved",
    Step.REPORT: "the lesson is kept (6); 7 says whom to trust",
}


class Captions:
    """The caption of the moment."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._begun_s: float | None = clock()
        """None while they are off."""

    def switch(self) -> None:
        """Off, or on again from the first."""
        self._begun_s = self._clock() if self._begun_s is None else None

    def line(self) -> Line | None:
        """What is said now; None while they are off."""
        if self._begun_s is None:
            return None
        number = int((self._clock() - self._begun_s) // SECONDS) % len(TEXTS)
        step = list(TEXTS)[number]
        return (
            (f" {number + 1}/{len(TEXTS)} ", Role.KEY),
            (step.value, Role.STRONG),
            (f": {TEXTS[step]}  ", Role.TEXT),
        )
