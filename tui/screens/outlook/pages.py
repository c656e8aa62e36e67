"""A page over the whole screen that reads the ledger once, aside, and stays until it is closed."""

import time
from collections.abc import Iterable
from typing import ClassVar, Generic, TypeVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import ModalScreen
from textual.widget import Widget

from rsi.agent.store.ledger import Ledger
from rsi.tui.cockpit import Cockpit
from rsi.tui.draw.styled import Line, Role, line
from rsi.tui.waiting import when_done
from rsi.tui.widgets.bars import Bar
from rsi.tui.widgets.paper import Paper

GRACE_S = 0.5
"""Keys that were on their way when the page opened must not act on it."""

T = TypeVar("T")


class Page(ModalScreen[None], Generic[T]):
    """What `read` finds is shown by `show_found`; a problem is said in the page's paper."""

    DEFAULT_CSS = """
    Page { background: $background; layout: vertical; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,q", "close", "Close", show=False)]
    keys: ClassVar[tuple[tuple[str, str], ...]] = ()
    """What can be done besides closing: key and word."""

    def __init__(self, cockpit: Cockpit) -> None:
        super().__init__()
        self.cockpit = cockpit
        self._opened_s = time.monotonic()

    def compose(self) -> ComposeResult:
        yield from self.compose_page()
        yield Bar(dom_id="page-keys")

    def compose_page(self) -> Iterable[Widget]:
        """The widgets above the line of keys; one of them is a Paper."""
        raise NotImplementedError

    def read(self, ledger: Ledger) -> T:
        """What the page is about; may take seconds."""
        raise NotImplementedError

    def show_found(self, found: T) -> None:
        """Draw it."""
        raise NotImplementedError

    def on_mount(self) -> None:
        spans: list[tuple[str, Role]] = [(" esc", Role.KEY), (" close  ", Role.TEXT)]
        for key, word in self.keys:
            spans += [(key, Role.KEY), (f" {word}  ", Role.TEXT)]
        self.query_one("#page-keys", Bar).set_line(spans)
        self.paper.set_lines([line("… reading the ledger", Role.DIM)])
        when_done(self, self.cockpit.work_aside(self.read), self.show_found, self._failed)

    @property
    def paper(self) -> Paper:
        """Where a problem is said."""
        return self.query(Paper).first()

    @property
    def is_settled(self) -> bool:
        """True once keys typed ahead can no longer be meant for this page."""
        return time.monotonic() - self._opened_s >= GRACE_S

    def say(self, *lines: Line) -> None:
        """Show lines in the paper."""
        self.paper.set_lines(lines, from_top=True)

    def _failed(self, error: Exception) -> None:
        self.say(((f"✖ {error}", Role.BAD),))

    def action_close(self) -> None:
        self.dismiss()
