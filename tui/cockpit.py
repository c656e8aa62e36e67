"""What a screen may ask of the application around it.

Screens know this protocol instead of the application, so that the application may know the screens.
"""

from collections.abc import Callable
from concurrent.futures import Future
from datetime import datetime
from pathlib import Path
from typing import Protocol, TypeVar

from textual.screen import Screen

from rsi.agent.store.home import Home
from rsi.agent.store.ledger import Ledger
from rsi.agent.store.rounds import RoundView
from rsi.tui.draw.captions import Captions
from rsi.tui.model.code import Code
from rsi.tui.model.commands import Command
from rsi.tui.model.settings import Settings
from rsi.tui.model.view import View
from rsi.tui.reading.reader import Interest

T = TypeVar("T")


class Cockpit(Protocol):
    """The application, as its screens see it."""

    view: View
    """The newest view of the ledger."""
    campaign_id: str | None
    """The campaign that was chosen last."""
    round_id: str | None
    """The round that was chosen last."""
    settings: Settings
    code: Code
    home: Home | None

    @property
    def is_read_only(self) -> bool:
        """True when nothing may be written."""
        ...

    @property
    def is_demo(self) -> bool:
        """True when what is shown was recorded."""
        ...

    @property
    def captions(self) -> Captions | None:
        """What a newcomer is told while a recording plays; None elsewhere."""
        ...

    def use_settings(self, settings: Settings) -> None:
        """Take other settings over and keep them in the settings file; read-only, until the cockpit is closed.

        Raises:
            SettingsError: The file cannot be written; the settings hold until the cockpit is closed.
        """
        ...

    @property
    def screen_behind_dialogues(self) -> Screen[object] | None:
        """The screen that is in front when no dialogue is open; None while screens change."""
        ...

    def age_s(self, then: datetime) -> float:
        """Seconds since a moment."""
        ...

    def age(self, then: datetime) -> str:
        """The same in words."""
        ...

    def keys_of(self, command: Command) -> str:
        """The keys of a command, with the person's own keymap."""
        ...

    def feed_interest(self, interest: Interest) -> None:
        """Say what the visible screen needs from the ledger."""
        ...

    def ask_ledger(self, work: Callable[[Ledger], T]) -> "Future[T]":
        """Read from, or write to, the ledger on the feed's thread."""
        ...

    def work_aside(self, work: Callable[[Ledger], T]) -> "Future[T]":
        """Do something slow with the ledger on a thread of its own."""
        ...

    def choose(self, campaign_id: str) -> None:
        """Make a campaign the chosen one; another one has no chosen round yet."""
        ...

    def choose_round(self, chosen: RoundView) -> None:
        """Make a round the chosen one, and with it its campaign."""
        ...

    def action_mode(self, mode: str) -> None:
        """Go to a screen."""
        ...

    def open_mode(self, mode: str) -> None:
        """Go to a screen from something on this one; "back" returns here."""
        ...

    def say(self, text: str, *, is_problem: bool = False) -> None:
        """A toast; plain text, made safe."""
        ...

    def open_outside(self, text: str, *, suffix: str, variable: str) -> None:
        """Show text in $PAGER or $EDITOR while the cockpit is suspended."""
        ...

    def edit_outside(self, text: str, *, suffix: str) -> str | None:
        """Let the person change text in $EDITOR; None when it is unchanged or there is no editor."""
        ...

    def edit_file(self, path: Path) -> None:
        """Open a file of the person's own in $EDITOR."""
        ...
