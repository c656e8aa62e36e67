"""The low-risk batch at the gate: candidates without a doubt, the one that differs most on top, and how long decisions take."""

from collections.abc import Iterable
from typing import ClassVar

from textual import on
from textual.binding import Binding, BindingType
from textual.widget import Widget

from rsi.agent.memory.inbox import DecisionTimes, LowRisk, decision_times_of, low_risk
from rsi.agent.store.ledger import Ledger
from rsi.agent.store.rounds import RoundView
from rsi.agent.store.steps.facts import Committed
from rsi.tui.cockpit import Cockpit
from rsi.tui.draw.phrases import EFFECT_CELLS, duration, interval, plural
from rsi.tui.draw.styled import DASH, EMPTY_LINE, Line, Role, line
from rsi.tui.screens.outlook.pages import Page
from rsi.tui.widgets.lines import LinesView
from rsi.tui.widgets.paper import Paper
from rsi.tui.widgets.vtable import Column, Row, VTable

COLUMNS = (
    Column(title="differs", width=7, align="right"),
    Column(title="effect", width=EFFECT_CELLS),
    Column(title="change", width=11, align="right", priority=2),
    Column(title="files", width=24, priority=3),
    Column(title="candidate", min_width=14),
)
NO_LOW_RISK: tuple[Line, ...] = (
    EMPTY_LINE,
    line("Nothing without a doubt waits.", Role.STRONG),
    line("A candidate comes here whose evidence holds up, with no finding and held by nothing.", Role.DIM),
)  # fmt: skip


class BatchPage(Page[DecisionTimes]):
    """What waits without a doubt; enter looks at one at the gate, where it is decided as always."""

    DEFAULT_CSS = """
    BatchPage #batch { height: 1fr; }
    BatchPage #times { height: 5; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [Binding("enter", "look", "Look", show=False)]
    keys = (("enter", "look at it"), ("j k", "up and down"))

    def __init__(self, cockpit: Cockpit, waiting: Iterable[RoundView]) -> None:
        super().__init__(cockpit)
        self._all = tuple(waiting)
        self._batch: tuple[LowRisk, ...] = low_risk(self._all)

    def compose_page(self) -> Iterable[Widget]:
        yield VTable(COLUMNS, heading="Low risk, the most different first", dom_id="batch")
        yield Paper(heading="Time for a decision", indent=2, dom_id="times")

    def on_mount(self) -> None:
        self.table.empty = NO_LOW_RISK
        self.table.set_rows([each.view.id for each in self._batch], self._row)
        self.table.set_note(((f"{len(self._batch)} of {len(self._all)} that wait", Role.DIM),))
        self.table.focus()

    @property
    def table(self) -> VTable:
        return self.query_one("#batch", VTable)

    def read(self, ledger: Ledger) -> DecisionTimes:
        return decision_times_of(ledger)

    def show_found(self, found: DecisionTimes) -> None:
        self.say(*time_lines(found, len(self._all)))

    def _row(self, index: int) -> Row:
        each = self._batch[index]
        committed = each.view.left(Committed)
        changed = (
            "" if committed is None else f"+{committed.lines_added} -{committed.lines_removed}"
        )
        files = () if committed is None else committed.files
        return (
            (DASH if each.difference is None else f"{each.difference:.0%}", Role.TEXT),
            (interval(each.view.effect), Role.GOOD),
            (changed, Role.DIM),
            (", ".join(file.path for file in files), Role.DIM),
            (each.view.hypothesis or each.view.id, Role.TEXT),
        )  # fmt: skip

    @on(LinesView.Opened, "#batch")
    def _opened(self) -> None:
        self.action_look()

    def action_look(self) -> None:
        at = self.table.cursor
        if at < len(self._batch) and self.is_settled:
            self.cockpit.choose_round(self._batch[at].view)
            self.dismiss()


def time_lines(found: DecisionTimes, waiting: int) -> list[Line]:
    """How long people took, and how long what waits would take them at that pace."""
    if found.median_s is None:
        return [line("No person has decided yet.", Role.DIM)]
    ahead = duration(found.median_s * waiting)
    return [
        (
            (duration(found.median_s), Role.STRONG),
            (f" is the median of {plural(found.decisions, 'decision')} by people, ", Role.TEXT),
            (f"{duration(found.total_s)} in all; ", Role.TEXT),
            (f"{plural(waiting, 'candidate')} that wait: about {ahead}", Role.TEXT),
        ),
        line("Each is counted from when the candidate was there and the person had decided the one before.", Role.DIM),
    ]  # fmt: skip
