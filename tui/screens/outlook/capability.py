"""Capability and control of one lineage on one time axis, and every moment of it in a table."""

from collections.abc import Iterable
from typing import ClassVar

from textual.binding import BindingType
from textual.widget import Widget

from rsi.agent.store.ledger import Ledger
from rsi.agent.trust.capability import Moment, capability_and_control
from rsi.tui.cockpit import Cockpit
from rsi.tui.draw.phrases import EFFECT_CELLS, interval
from rsi.tui.draw.styled import Role
from rsi.tui.lines.capability import NOTHING_YET, axis_lines, moment_text
from rsi.tui.screens.outlook.pages import Page
from rsi.tui.widgets.paper import Paper
from rsi.tui.widgets.vtable import Column, Row, VTable

COLUMNS = (
    Column(title="when", width=11),
    Column(title="ideas", width=5, align="right", priority=3),
    Column(title="event", min_width=16),
    Column(title="speedup", width=EFFECT_CELLS, priority=1),
    Column(title="caught", width=7, align="right"),
    Column(title="false", width=7, align="right"),
    Column(title="seen", width=7, align="right"),
)


class CapabilityPage(Page[tuple[Moment, ...]]):
    """The axis above, its moments below, the newest on top."""

    DEFAULT_CSS = """
    CapabilityPage #axis { height: 9; }
    CapabilityPage #moments { height: 1fr; }
    """
    BINDINGS: ClassVar[list[BindingType]] = []
    keys = (("j k", "up and down"),)

    def __init__(self, cockpit: Cockpit, lineage: str) -> None:
        super().__init__(cockpit)
        self._lineage = lineage
        self._found: tuple[Moment, ...] = ()

    def compose_page(self) -> Iterable[Widget]:
        heading = f"Capability and control of {self._lineage}"
        yield Paper(heading=heading, indent=18, wraps=False, dom_id="axis")
        yield VTable(COLUMNS, heading="Moments, the newest first", dom_id="moments")

    def on_mount(self) -> None:
        self.table.focus()

    @property
    def table(self) -> VTable:
        return self.query_one("#moments", VTable)

    def read(self, ledger: Ledger) -> tuple[Moment, ...]:
        return capability_and_control(ledger, self._lineage)

    def show_found(self, found: tuple[Moment, ...]) -> None:
        self._found = found[::-1]
        self.table.set_rows([str(number) for number in range(len(found))], self._row)
        self._draw_axis()

    def on_resize(self) -> None:
        if self._found:
            self._draw_axis()

    def _draw_axis(self) -> None:
        moments = self._found[::-1]
        self.say(*(axis_lines(moments, self.size.width) if moments else NOTHING_YET))

    def _row(self, index: int) -> Row:
        each = self._found[index]
        return (
            (f"{each.at:%m-%d %H:%M}", Role.DIM),
            (str(each.ideas), Role.DIM),
            (f"▲ {each.event}" if each.is_failure else each.event, Role.BAD if each.is_failure else Role.TEXT),
            (interval(each.speedup), Role.GOOD if each.speedup else Role.DIM),
            *((moment_text(rate), Role.TEXT) for rate in (each.cheats_caught, each.false_promotions, each.seen)),
        )  # fmt: skip
