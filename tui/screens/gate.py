"""The gate: everything needed to decide about one candidate, and the rules that keep it from being an accident.

Nothing here opens by itself. Approving needs every hunk seen, half a second on the screen, and two different keys;
it is bound to the commit and the score digest that were shown, and the ledger refuses it when either has changed.
"""

import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import ClassVar

from textual import on
from textual.binding import BindingType
from textual.containers import Horizontal
from textual.widget import Widget

from rsi.agent.store.ledger import Ledger
from rsi.agent.store.records import CampaignSummary, DecisionAction, DecisionRecord, RequestKind
from rsi.evals.types import Severity
from rsi.tui.actions import record_decision
from rsi.tui.code import diff_of_trees
from rsi.tui.commands import Command, Scope, bindings
from rsi.tui.draw import EMPTY_LINE, Line, Role, Span, line
from rsi.tui.evidence import bound_to, case_lines
from rsi.tui.phrases import interval, ratio, usd
from rsi.tui.reader import Interest
from rsi.tui.screens.dialogues import AskText, Confirm
from rsi.tui.screens.steering import SteeringActions
from rsi.tui.view import CampaignView, GateItem, RoundDetail, View
from rsi.tui.widgets.diffrows import Note
from rsi.tui.widgets.diffview import DiffView
from rsi.tui.widgets.effectview import EffectView
from rsi.tui.widgets.lines import LinesView
from rsi.tui.widgets.paper import Paper
from rsi.tui.widgets.vtable import Column, Row, VTable

GRACE_S = 0.5
"""A key that was on its way when a candidate appeared must not decide about it."""
COLUMNS = (
    Column(title="waits", width=8, align="right"),
    Column(title="gain", width=7, align="right"),
    Column(title="doubts", width=6, align="right", priority=1),
    Column(title="candidate", min_width=6),
)
_NOTE_ROLES = {Severity.BLOCK: Role.BAD, Severity.HOLD: Role.WARN, Severity.NOTE: Role.NOTE}


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """Exactly what is on the screen, and so what a decision is about."""

    round_id: str
    commit: str
    score_digest: str


class GateScreen(SteeringActions):
    """Inbox, evidence, diff."""

    DEFAULT_CSS = """
    GateScreen #gate-top { height: 9; }
    GateScreen.-tall #gate-top { height: 15; }
    GateScreen #inbox { width: 26; }
    GateScreen.-wide #inbox { width: 40; }
    GateScreen #case { width: 1fr; padding: 0 0 0 1; }
    GateScreen #effect { width: 46; display: none; padding: 0 0 0 1; }
    GateScreen.-broad #effect { display: block; }
    """
    BINDINGS: ClassVar[list[BindingType]] = bindings(Scope.GATE)
    scope = Scope.GATE
    mode = "gate"
    purpose = "Candidates that wait for a decision, least doubtful and largest gain first."

    def __init__(self) -> None:
        super().__init__()
        self._items: tuple[GateItem, ...] = ()
        self._shown: Shown | None = None
        self._shown_at_s = time.monotonic()
        self._finding = -1

    def compose_body(self) -> Iterable[Widget]:
        with Horizontal(id="gate-top"):
            yield VTable(COLUMNS, heading="Waiting", dom_id="inbox")
            yield Paper(heading="Case", indent=12, dom_id="case")
            yield EffectView(heading="Pairs", dom_id="effect")
        yield DiffView(dom_id="diff")

    def on_mount(self) -> None:
        self.inbox.empty = (EMPTY_LINE, line("Nothing waits.", Role.STRONG))
        self.diff.empty = (
            EMPTY_LINE,
            line(
                "Candidates whose evidence holds up come here; you are told, nothing opens by itself.",
                Role.DIM,
            ),
            (
                ("1", Role.KEY),
                (" queue   ", Role.DIM),
                ("2", Role.KEY),
                (" the campaign under way", Role.DIM),
            ),
        )
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
        if item is None or self._shown is None:
            case.set_lines([])
            effect.set_points([])
            self.diff.clear_diff()
            return
        detail = self.detail
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
            case "gate.inbox":
                return True
            case "gate.edit":
                return self.detail is not None and bool(self.detail.diff.hunks)
            case _:
                return self.item is not None

    def state_spans(self) -> list[Span]:
        if self.item is None:
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

    # --- deciding ---

    def action_approve(self) -> None:
        shown, item = self._shown, self.item
        if shown is None or item is None or self.why_not_approve():
            return
        if not item.round.held_by:
            self._confirm_approval(shown, item, "")
            return
        lines: list[Line] = [(("▲ ", Role.WARN), (each, Role.TEXT)) for each in item.round.held_by]
        lines.append(
            line("Approving goes against this. Say why; it is recorded with your name.", Role.DIM)
        )

        def answered(reason: str | None) -> None:
            if reason:
                self._confirm_approval(shown, item, reason)

        self.app.push_screen(AskText("Override", lines, label="go on"), answered)

    def _confirm_approval(self, shown: Shown, item: GateItem, reason: str) -> None:
        lines: list[Line] = [
            line(item.round.hypothesis or item.round.id, Role.STRONG),
            (("effect  ", Role.DIM), (interval(item.round.effect), Role.STRONG)),
            (("cost    ", Role.DIM), (usd(item.round.spend_usd), Role.TEXT)),
            bound_to(item.round),
            line("It becomes the champion, and the next round starts from it.", Role.DIM),
        ]
        if reason:
            lines.append((("override: ", Role.WARN), (reason, Role.TEXT)))

        def answered(answer: str | None) -> None:
            if answer:
                self._decide(shown, DecisionAction.APPROVE, reason)

        self.app.push_screen(Confirm(f"Approve {shown.round_id}?", lines, yes="approve"), answered)

    def action_reject(self) -> None:
        self._ask_and_decide(
            DecisionAction.REJECT,
            "Reject",
            "Why? The agent reads it before its next idea.",
            "reject",
        )

    def action_revise(self) -> None:
        self._ask_and_decide(
            DecisionAction.REVISE,
            "Send back",
            "What should be changed? The agent tries again.",
            "send back",
        )

    def _ask_and_decide(
        self, action: DecisionAction, title: str, question: str, label: str
    ) -> None:
        shown, item = self._shown, self.item
        if shown is None or item is None:
            return

        def answered(reason: str | None) -> None:
            if reason:
                self._decide(shown, action, reason)

        lines = [
            line(item.round.hypothesis or item.round.id, Role.STRONG),
            line(question, Role.DIM),
        ]
        self.app.push_screen(AskText(f"{title} {shown.round_id}", lines, label=label), answered)

    def _decide(self, shown: Shown, action: DecisionAction, reason: str) -> None:
        if shown != self._shown:
            self.cockpit.say("it changed while you decided; look at it again", is_problem=True)
            return

        def work(ledger: Ledger) -> DecisionRecord:
            return record_decision(
                ledger, shown.round_id, action,
                reason=reason, commit=shown.commit, score_digest=shown.score_digest,
            )  # fmt: skip

        self.write(work, f"{action.value}: {shown.round_id} recorded")

    def action_more_pairs(self) -> None:
        item = self.item
        if item is not None:
            self.write_request(
                RequestKind.AUDIT,
                item.campaign,
                "more pairs were asked for",
                round_id=item.round.id,
            )

    def action_edit(self) -> None:
        """Change the file under the diff's cursor; the change goes back to the agent as a patch to apply."""
        detail, shown, item = self.detail, self._shown, self.item
        if detail is None or shown is None or item is None or not detail.diff.hunks:
            return
        path = detail.diff.files[detail.diff.hunks[self.diff.current_hunk].file_index].path
        tree = self.cockpit.code.tree(item.campaign.record.lineage, shown.commit)
        if tree is None or path not in tree:
            self.cockpit.say(f"{path} is not at hand here", is_problem=True)
            return
        if "\ufffd" in tree[path]:
            self.cockpit.say(
                f"{path} is not text that an editor would leave whole", is_problem=True
            )
            return
        changed = self.cockpit.edit_outside(tree[path], suffix=PurePosixPath(path).suffix)
        if changed is None:
            self.cockpit.say("nothing was changed")
            return
        patch = diff_of_trees({path: tree[path]}, {path: changed})
        lines: list[Line] = [
            line("The candidate goes back with your change and is measured again.", Role.DIM)
        ]
        lines += [line(each) for each in patch.splitlines()[:20]]

        def answered(answer: str | None) -> None:
            if answer:
                self._decide(
                    shown,
                    DecisionAction.REVISE,
                    # A last line of context may be blank; within a fence it is not taken off.
                    f"Apply this change, then submit:\n```diff\n{patch}```",
                )

        self.app.push_screen(
            Confirm("Send back with this change?", lines, yes="send back"), answered
        )

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

    def action_pager(self) -> None:
        if self.detail is not None:
            self.cockpit.open_outside(self.detail.diff_text, suffix=".diff", variable="PAGER")

    def action_watch(self) -> None:
        item = self.item
        if item is not None:
            self.cockpit.choose_round(item.round)
            self.cockpit.action_mode("replay")

    def go_back(self) -> bool:
        return False
