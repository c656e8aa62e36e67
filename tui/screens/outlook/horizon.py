"""The length of task that each model finishes half of the time, drawn from every finished campaign."""

from collections.abc import Iterable
from typing import ClassVar

from textual.binding import BindingType
from textual.widget import Widget

from rsi.agent.memory.horizon import Horizon, horizons
from rsi.agent.store.ledger import Ledger
from rsi.tui.cockpit import Cockpit
from rsi.tui.lines.horizon import horizon_lines
from rsi.tui.screens.outlook.pages import Page
from rsi.tui.widgets.paper import Paper


class HorizonPage(Page[tuple[Horizon, ...]]):
    """One paper that scrolls."""

    DEFAULT_CSS = """
    HorizonPage #horizons { height: 1fr; }
    """
    BINDINGS: ClassVar[list[BindingType]] = []
    keys = (("j k", "scroll"),)

    def __init__(self, cockpit: Cockpit) -> None:
        super().__init__(cockpit)
        self._found: tuple[Horizon, ...] | None = None
        """None until it is read."""

    def compose_page(self) -> Iterable[Widget]:
        yield Paper(heading="Time horizon", dom_id="horizons")

    def on_mount(self) -> None:
        self.paper.focus()

    def read(self, ledger: Ledger) -> tuple[Horizon, ...]:
        return horizons(ledger)

    def show_found(self, found: tuple[Horizon, ...]) -> None:
        self._found = found
        self.say(*horizon_lines(found, self.size.width - 2))

    def on_resize(self) -> None:
        if self._found is not None:
            self.say(*horizon_lines(self._found, self.size.width - 2))
