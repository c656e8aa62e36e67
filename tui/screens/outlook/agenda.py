"""The agenda: campaigns that could be next, by expected gain per dollar and with their reasons; one key queues one."""

import math
from collections.abc import Iterable, Sequence
from typing import ClassVar

from textual import on
from textual.binding import Binding, BindingType
from textual.widget import Widget

from rsi.agent.store.ledger import Ledger
from rsi.agent.store.records import CampaignRecord
from rsi.agent.trust.agenda import Proposal, agenda
from rsi.tui.actions import queue_proposal
from rsi.tui.cockpit import Cockpit
from rsi.tui.draw.phrases import plural, usd
from rsi.tui.draw.styled import DASH, EMPTY_LINE, Line, Role, line
from rsi.tui.screens.outlook.pages import Page
from rsi.tui.waiting import when_done
from rsi.tui.widgets.lines import LinesView
from rsi.tui.widgets.paper import Paper
from rsi.tui.widgets.vtable import Column, Row, VTable

COLUMNS = (
    Column(title="#", width=2, align="right"),
    Column(title="task", min_width=18),
    Column(title="model", width=24, priority=2),
    Column(title="rounds", width=6, align="right", priority=3),
    Column(title="budget", width=8, align="right", priority=1),
    Column(title="gain", width=7, align="right"),
    Column(title="cost", width=8, align="right"),
    Column(title="log gain/$", width=10, align="right"),
)
NOTHING_KNOWN: tuple[Line, ...] = (
    EMPTY_LINE,
    line("No campaign has ended yet, so nothing is known.", Role.STRONG),
    line("What ended campaigns gained and cost is what the agenda is made of.", Role.DIM),
)


class AgendaPage(Page[tuple[Proposal, ...]]):
    """Proposals in a table, the reasons of the one under the cursor below."""

    DEFAULT_CSS = """
    AgendaPage #agenda { height: 3fr; }
    AgendaPage #why { height: 2fr; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [Binding("enter", "queue", "Queue", show=False)]
    keys = (("enter", "queue it"), ("j k", "up and down"), ("tab", "reasons"))

    def __init__(self, cockpit: Cockpit) -> None:
        super().__init__(cockpit)
        self._found: tuple[Proposal, ...] = ()
        self._is_queueing = False
        """A second press while the first one is being written queues nothing."""
        self._queued_as: dict[int, str] = {}
        """Campaign by number of the line that was queued as it; a line is queued once."""

    def compose_page(self) -> Iterable[Widget]:
        yield VTable(COLUMNS, heading="Agenda", dom_id="agenda")
        yield Paper(heading="Why", indent=2, dom_id="why")

    def on_mount(self) -> None:
        self.table.focus()
        self.table.set_note(
            (("by expected gain per dollar, a machine's hour counted as one", Role.DIM),)
        )

    @property
    def table(self) -> VTable:
        return self.query_one("#agenda", VTable)

    @property
    def chosen(self) -> Proposal | None:
        """The proposal under the cursor."""
        at = self.table.cursor
        return self._found[at] if at < len(self._found) else None

    def read(self, ledger: Ledger) -> tuple[Proposal, ...]:
        return agenda(ledger)

    def show_found(self, found: tuple[Proposal, ...]) -> None:
        self._found = found
        self.table.empty = NOTHING_KNOWN
        self.table.set_rows([str(number) for number in range(1, len(found) + 1)], self._row)
        self._show_why()

    def _row(self, index: int) -> Row:
        each = self._found[index]
        role = Role.DIM if each.is_locked else Role.TEXT
        return (
            ("✔" if index in self._queued_as else str(index + 1), Role.DIM),
            (f"{'▲ ' if each.is_locked else ''}{each.task} ({each.track}, {each.profile})", role),
            (each.model, role),
            (str(each.rounds), role),
            (DASH if each.budget_usd is None else usd(each.budget_usd), role),
            (f"{math.expm1(each.expected_log_gain):.1%}", Role.DIM if each.is_locked else Role.GOOD),
            (usd(each.expected_usd), role),
            (f"{each.gain_per_usd:.3g}", role),
        )  # fmt: skip

    @on(LinesView.CursorMoved, "#agenda")
    def _show_why(self) -> None:
        each = self.chosen
        self.say(*([] if each is None else why_lines(each)))

    @on(LinesView.Opened, "#agenda")
    def _opened(self) -> None:
        self.action_queue()

    def action_queue(self) -> None:
        chosen, home = self.chosen, self.cockpit.home
        if chosen is None or not self.is_settled or self._is_queueing:
            return
        if self.cockpit.is_read_only or home is None:
            word = "a recording" if self.cockpit.is_demo else "read-only"
            self.cockpit.say(f"this cockpit is {word}: nothing was queued", is_problem=True)
            return
        at = self.table.cursor
        if (queued := self._queued_as.get(at)) is not None:
            self.cockpit.say(f"queued already, as {queued}; esc goes to it")
            return
        self._is_queueing = True
        when_done(
            self,
            self.cockpit.work_aside(lambda ledger: queue_proposal(ledger, home, chosen)),
            lambda record: self._queued(at, record),
            self._refused,
        )

    def _queued(self, at: int, record: CampaignRecord) -> None:
        # The page stays: were it gone, the second half of a double press would open on Queue what the first put there.
        self._is_queueing = False
        self._queued_as[at] = record.id
        self.table.lines_changed()
        self.cockpit.say(f"{record.id} on {record.task} is queued; esc goes to it, x there ends it")

    def action_close(self) -> None:
        if self._queued_as:
            self.cockpit.choose(list(self._queued_as.values())[-1])
        self.dismiss()

    def _refused(self, error: Exception) -> None:
        self._is_queueing = False
        self.cockpit.say(str(error), is_problem=True)


def why_lines(each: Proposal) -> Sequence[Line]:
    """What would be queued, and why it is ranked where it is."""
    budget = "no limit" if each.budget_usd is None else f"a limit of {usd(each.budget_usd)}"
    lock = line("▲ promotions by policy are locked there now: a person decides", Role.WARN)
    return (
        (
            (each.lineage, Role.STRONG),
            (f": {plural(each.rounds, 'round')} by {each.model}, {budget}", Role.TEXT),
        ),
        *((lock,) if each.is_locked else ()),
        *(line(f"· {reason}", Role.TEXT) for reason in each.reasons),
    )
