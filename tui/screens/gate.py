"""The gate: everything needed to decide about one candidate, and the rules that keep it from being an accident.

Nothing here opens by itself. Approving needs every hunk seen, half a second on the screen, and two different keys
(`gate_decisions` asks for the second one); it is bound to the commit and the score digest that were shown, and the
ledger refuses it when either has changed.
"""

import time
from collections.abc import Iterable
from typing import ClassVar

from textual import on
from textual.binding import BindingType
from textual.containers import Horizontal
from textual.widget import Widget

from rsi.agent.store.records import CampaignSummary
from rsi.agent.store.rounds import RoundView
from rsi.evals.types import Severity
from rsi.tui.draw.phrases import ratio
from rsi.tui.draw.styled import EMPTY_LINE, Line, Role, Span, line
from rsi.tui.lines.evidence import case_lines
from rsi.tui.lines.next_steps import coming_lines, gate_next
from rsi.tui.lines.rounds import sentence_line
from rsi.tui.model.attempts import attempt_pairs
from rsi.tui.model.commands import Command, Scope, bindings
from rsi.tui.model.view import CampaignView, GateItem, RoundDetail, View
from rsi.tui.reading.reader import Interest
from rsi.tui.screens.dialogues.attempts import show_attempts, why_no_attempts
from rsi.tui.screens.dialogues.gate_decisions import GateDecisions, Shown
from rsi.tui.screens.outlook.batch import BatchPage
from rsi.tui.widgets.diffrows import Note
from rsi.tui.widgets.diffview import DiffView
from rsi.tui.widgets.effectview import EffectView
from rsi.tui.widgets.lines import LinesView
from rsi.tui.widgets.paper import Paper
from rsi.tui.widgets.sentence import Sentence
from rsi.tui.widgets.vtable import Column, Row, VTable

GRACE_S = 0.5
"""A key that was on its way when a candidate appeared must not decide about it."""
COLUMNS = (
    Column(title="waits", width=8, align="right"),
    Column(title="gain", width=7, align="right"),
    Column(title="doubts", width=6, align="right", priority=1),
    Column(title="candidate", min_width=8, priority=2),
)
NOTHING_WAITS: tuple[Line, ...] = (
    EMPTY_LINE,
    line(
        "Candidates whose evidence holds up come here; you are told, nothing opens by itself.",
        Role.DIM,
    ),
    (("1", Role.KEY), (" queue   ", Role.DIM), ("2", Role.KEY), (" the campaign under way", Role.DIM)),
    EMPTY_LINE,
)  # fmt: skip
_NOTE_ROLES = {Severity.BLOCK: Role.BAD, Severity.HOLD: Role.WARN, Severity.NOTE: Role.NOTE}


class GateScreen(GateDecisions):
    """Inbox, evidence, diff."""

    DEFAULT_CSS = """
    GateScreen #gate-top { height: 7; }
    GateScreen.-tall #gate-top { height: 15; }
    GateScreen #inbox { width: 26; }
    GateScreen.-wide #inbox { width: 40; }
    GateScreen.-narrow.-alone #inbox { display: none; }
    GateScreen #case { width: 1fr; padding: 0 0 0 1; }
    GateScreen #effect { width: 46; display: none; padding: 0 0 0 1; }
    GateScreen.-broad #effect { display: block; }
    """
    BINDINGS: ClassVar[list[BindingType]] = bindings(Scope.GATE)
    scope = Scope.GATE
    purpose = "Candidates that wait for a decision, least doubtful and largest gain first."

    def __init__(self) -> None:
        super().__init__()
        self._items: tuple[GateItem, ...] = ()
        self._shown: Shown | None = None
        self._shown_at_s = time.monotonic()
        self._finding = -1

    def compose_body(self) -> Iterable[Widget]:
        yield Sentence(most_rows=4, dom_id="said")
        with Horizontal(id="gate-top"):
            yield VTable(COLUMNS, heading="Waiting", dom_id="inbox")
            yield Paper(heading="Case", indent=12, says_rest=True, dom_id="case")
            yield EffectView(heading="Pairs", dom_id="effect")
        yield DiffView(dom_id="diff")

    def on_mount(self) -> None:
        self.inbox.empty = (EMPTY_LINE, line("Nothing waits.", Role.STRONG))
        self.diff.empty = NOTHING_WAITS
        self.diff.is_split = self.cockpit.settings.diff_split
        self.diff.focus()

    @property
    def inbox(self) -> VTable:
        return self.query_one("#inbox", VTable)

    @property
    def diff(self) -> DiffView:
        return self.query_one("#diff", DiffView)

    @property
    def item(self) -> GateItem | None:
        """The candidate that is shown."""
        wanted = self.inbox.current_id
        return next((each for each in self._items if each.round.id == wanted), None)

    @property
    def detail(self) -> RoundDetail | None:
        """Its details, once they are read."""
        found, item = self.cockpit.view.round, self.item
        return (
            found
            if found is not None and item is not None and found.view.id == item.round.id
            else None
        )

    @property
    def steered(self) -> CampaignSummary | None:
        return None if self.item is None else self.item.campaign

    def round_outside(self) -> RoundView | None:
        return None if self.item is None else self.item.round

    def id_under_cursor(self) -> str | None:
        return self.inbox.current_id

    def interest(self) -> Interest:
        item = self.item
        if item is None:
            return Interest(campaign_id=self.cockpit.campaign_id)
        return Interest(campaign_id=item.campaign.record.id, round_id=item.round.id)

    def on_screen_resume(self) -> None:
        self._shown_at_s = time.monotonic()
        self._take_items(self.cockpit.view)
        if self.cockpit.round_id is not None:
            self.inbox.select_id(self.cockpit.round_id)

    # --- drawing ---

    def show(self, view: View) -> None:
        self._take_items(view)
        item = self.item
        self._follow(item)
        case, effect = self.query_one("#case", Paper), self.query_one("#effect", EffectView)
        said = self.query_one("#said", Sentence)
        if item is None or self._shown is None:
            said.set_sentence()
            case.set_lines([])
            case.set_note(EMPTY_LINE)
            effect.set_points([])
            self.diff.clear_diff()
            self.diff.empty = (*NOTHING_WAITS, *coming_lines(view, view.campaign))
            self.diff.refresh()
            return
        lines = [sentence_line(item.round, self._campaign_of(item, view))]
        if self.has_class("-tall"):
            waited_s = self.cockpit.age_s(item.since)
            lines.append((("next: ", Role.DIM), (gate_next(item, waited_s), Role.TEXT)))
        said.set_sentence(*lines)
        detail = self.detail
        waits = line(f"waits {self.cockpit.age(item.since)}", Role.DIM)
        case.set_note(EMPTY_LINE if self.inbox.display else waits)
        case.set_lines(case_lines(item.round, detail, self._campaign_of(item, view)))
        if detail is None:
            return
        campaign = self._campaign_of(item, view)
        least = (
            None
            if campaign is None or campaign.minimum_effect is None
            else 1 + campaign.minimum_effect
        )
        effect.set_points(detail.points, final=item.round.effect, least_ratio=least)
        self.diff.set_diff(detail.diff, key=self._shown, notes=self._notes(item))

    def _take_items(self, view: View) -> None:
        self._items = view.gate
        # Where there is little room, an inbox of one leaves it to the case.
        self.set_class(len(view.gate) == 1, "-alone")
        self.inbox.set_rows([each.round.id for each in view.gate], self._row)

    def _follow(self, item: GateItem | None) -> None:
        """Notice that another candidate, or another state of it, is shown: the grace starts anew."""
        case = None if item is None else item.round.case
        shown = None
        if case is not None:
            shown = Shown(
                round_id=case.round_id, commit=case.commit, score_digest=case.score_digest
            )
        if shown != self._shown:
            self._shown, self._shown_at_s, self._finding = shown, time.monotonic(), -1
            # The former candidate's code must not stand below this one's name while its own is read.
            self.diff.clear_diff()
            self.query_one("#case", Paper).scroll_to(y=0, animate=False)
            self.set_timer(GRACE_S + 0.05, self._rights_changed)
            self.cockpit.feed_interest(self.interest())

    def _row(self, index: int) -> Row:
        each = self._items[index]
        doubts = each.risk
        return (
            (self.cockpit.age(each.since), Role.DIM),
            (ratio(None if each.round.effect is None else each.round.effect.estimate), Role.GOOD),
            (f"▲ {doubts}" if doubts else "✔ 0", Role.WARN if doubts else Role.GOOD),
            (each.round.hypothesis or each.round.id, Role.TEXT),
        )

    def _notes(self, item: GateItem) -> list[Note]:
        return [
            Note(
                file=each.file,
                line=each.line,
                text=f"{each.source}: {each.message}",
                role=_NOTE_ROLES[each.severity],
            )
            for each in item.round.findings
            if each.file is not None and each.line is not None
        ]

    def _campaign_of(self, item: GateItem, view: View) -> CampaignView | None:
        campaign = view.campaign
        return campaign if campaign is not None and campaign.id == item.campaign.record.id else None

    # --- the rules ---

    def why_not_approve(self) -> str:
        """Why approving is not possible now; empty when it is."""
        if self._shown is None or self.item is None:
            return "nothing is shown"
        if self.detail is None:
            return "the evidence is being read"
        if not self.diff.hunk_count:
            return "the code is not at hand here"
        if not self.diff.is_all_seen:
            left = self.diff.hunk_count - self.diff.seen_count
            return f"{left} of {self.diff.hunk_count} hunks not seen yet"
        if time.monotonic() - self._shown_at_s < GRACE_S:
            return "it has only just appeared"
        return ""

    def is_possible(self, command: Command) -> bool:
        match command.id:
            case "gate.approve":
                return not self.why_not_approve()
            case "gate.findings":
                return bool(self._places())
            case "gate.inbox" | "gate.batch":
                return True
            case "gate.unseen":
                return self.diff.hunk_count > 0
            case "gate.attempts":
                return self.item is not None and bool(attempt_pairs(self.item.round))
            case "gate.edit":
                return self.detail is not None and bool(self.detail.diff.hunks)
            case _:
                return self.item is not None

    def why_not(self, command: Command) -> str:
        if self.item is None:
            return "nothing waits"
        match command.id:
            case "gate.approve":
                why = self.why_not_approve()
                return f"{why}; space reads on" if self.diff.hunk_count else why
            case "gate.findings":
                return "no finding names a line"
            case "gate.attempts":
                return why_no_attempts(self.item.round)
            case _:
                return ""

    def state_spans(self) -> list[Span]:
        if self.item is None or self.cockpit.is_read_only:
            return []
        why = self.why_not_approve()
        return [(f"· approve: {why} ", Role.WARN)] if why else [("· approve: ready ", Role.GOOD)]

    def _rights_changed(self) -> None:
        if self.is_mounted:
            self.draw_bars()
            self.refresh_bindings()

    @on(DiffView.SeenChanged)
    def _seen(self) -> None:
        self._rights_changed()

    @on(LinesView.CursorMoved, "#inbox")
    def _moved(self) -> None:
        item = self.item
        if item is not None:
            self.cockpit.choose_round(item.round)
        self.redraw()

    # --- looking around ---

    def _places(self) -> list[tuple[str, int]]:
        item = self.item
        if item is None:
            return []
        return [
            (e.file, e.line)
            for e in item.round.findings
            if e.file is not None and e.line is not None
        ]

    def action_next_finding(self) -> None:
        places = self._places()
        if not places:
            return
        self._finding = (self._finding + 1) % len(places)
        file, number = places[self._finding]
        if not self.diff.jump_to(file, number):
            self.cockpit.say(f"{file}:{number} is not part of the diff")

    def action_unseen(self) -> None:
        self.diff.show_unseen()

    def action_attempts(self) -> None:
        item = self.item
        if item is not None:
            show_attempts(self, item.round, item.campaign.record.lineage)

    def action_batch(self) -> None:
        self.app.push_screen(
            BatchPage(self.cockpit, (each.round for each in self._items)), self._looked
        )

    def _looked(self, _: None) -> None:
        """Show the candidate that was chosen in the batch."""
        if self.cockpit.round_id is not None:
            self.inbox.select_id(self.cockpit.round_id)

    def action_watch(self) -> None:
        item = self.item
        if item is not None:
            self.cockpit.choose_round(item.round)
            self.cockpit.open_mode("replay")

    def go_back(self) -> bool:
        return False
