"""Lineage: the tree of champions and candidates, and the leaderboard beside it."""

from collections.abc import Callable, Iterable, Sequence
from typing import ClassVar

from textual import on
from textual.binding import BindingType
from textual.containers import Container
from textual.widget import Widget

from rsi.agent.memory.tree import TreeRow, champion_of, tree_rows
from rsi.agent.policy.rollbacks import unseen_window
from rsi.agent.report.filters import round_text
from rsi.agent.store.home import Home
from rsi.agent.store.ledger import Ledger
from rsi.agent.store.records import CampaignSummary, PromotionRecord
from rsi.agent.store.rounds import RoundView
from rsi.evals.types import Interval
from rsi.tui.actions import roll_back_to
from rsi.tui.draw.phrases import (
    EFFECT_CELLS,
    ENDED_CELLS,
    device,
    ended,
    interval,
    paid_briefly,
    plural,
    ratio,
    short_commit,
)
from rsi.tui.draw.styled import DASH, EMPTY_LINE, TIMES, Line, Role, Span, line
from rsi.tui.lines.evidence import case_lines
from rsi.tui.lines.rounds import sentence_line
from rsi.tui.model.commands import Command, Scope, bindings
from rsi.tui.model.diffs import Diff, diff_to_show
from rsi.tui.model.lineages import Place, leaderboard, rolled_back
from rsi.tui.model.view import View
from rsi.tui.reading.reader import Interest
from rsi.tui.screens.dialogues.asking import AskText
from rsi.tui.screens.dialogues.attempts import show_attempts
from rsi.tui.screens.dialogues.diff import DiffDialogue
from rsi.tui.screens.dialogues.filtering import FilteredScreen
from rsi.tui.screens.dialogues.steering import SteeringActions
from rsi.tui.waiting import when_done
from rsi.tui.widgets.bars import Bar
from rsi.tui.widgets.championview import ChampionView
from rsi.tui.widgets.lines import LinesView
from rsi.tui.widgets.paper import Paper
from rsi.tui.widgets.vtable import Column, Row, VTable

TREE_COLUMNS = (
    Column(title="champions and candidates", min_width=20),
    Column(title="effect", width=EFFECT_CELLS),
    Column(title="", width=ENDED_CELLS, priority=1),
)
BOARD_COLUMNS = (
    Column(title="#", width=3, align="right"),
    Column(title="effect over its champion", width=EFFECT_CELLS + 1),
    Column(title="ended", width=ENDED_CELLS),
    Column(title="cost", width=7, align="right", priority=2),
    Column(title="idea", min_width=10, priority=1),
)
LINE_ID = "line"
BAR_LINES = 4
"""Tabs, the lineage's own line, state and keys."""
LEAST_CASE_ROWS = 6
"""Below this the case of a candidate is left to Replay."""
CHAMPION_LINES, TALL_CHAMPION_LINES, TALL_LINES = 6, 12, 36
"""Most lines of the champion's curve, and on a screen of so many lines or more; it scrolls beyond."""
NO_CANDIDATE: tuple[Line, ...] = (
    EMPTY_LINE,
    line("No candidate yet.", Role.STRONG),
    (("1", Role.KEY), (" choose a campaign; its lineage is shown here", Role.DIM)),
)
SORTINGS: tuple[tuple[str, Callable[[Place], float] | None], ...] = (
    ("surest first", None),
    ("newest first", lambda each: each.view.record.created_at.timestamp()),
    ("dearest first", lambda each: each.view.spend_usd),
)
"""The first one is the leaderboard's own order, the only one with a line of significance."""
SORTED_BY = {"#": 0, "effect over its champion": 0, "idea": 1, "cost": 2}
"""Number of the order that a click on a column's head of the leaderboard asks for."""


def threshold_spans(thresholds: Sequence[float], found: Interval | None) -> Line:
    """Gains that a reference elsewhere names, those marked that the champion has surely passed."""
    if not thresholds:
        return ()
    spans: list[Span] = [("reference ", Role.DIM)]
    for each in thresholds:
        is_passed = found is not None and found.low >= each
        text = f"{each:g}{TIMES} "
        spans.append((f"✔{text}", Role.GOOD) if is_passed else (text, Role.DIM))
    return tuple(spans)


class LineageScreen(SteeringActions, FilteredScreen):
    """Tree and leaderboard of the lineage of the chosen campaign."""

    DEFAULT_CSS = """
    LineageScreen #lineage-head { background: $background; }
    LineageScreen #lineage-body { height: 1fr; layout: vertical; }
    LineageScreen.-broad #lineage-body { layout: horizontal; }
    LineageScreen #tree { width: 100%; height: 1fr; }
    LineageScreen #board { width: 100%; height: 1fr; }
    LineageScreen #candidate { height: 0; display: none; }
    LineageScreen #champions { display: none; }
    LineageScreen.-climbing #champions { display: block; }
    LineageScreen.-broad #tree { width: 1fr; height: 100%; }
    LineageScreen.-broad #board { width: 1fr; height: 100%; padding: 0 0 0 1; }
    """
    BINDINGS: ClassVar[list[BindingType]] = bindings(Scope.LINEAGE)
    scope = Scope.LINEAGE
    purpose = "Each candidate below the champion that it started from; the leaderboard compares single steps."

    def __init__(self) -> None:
        super().__init__()
        self._tree: tuple[TreeRow, ...] = ()
        self._board: tuple[Place | None, ...] = ()
        self._promotions: tuple[PromotionRecord, ...] = ()
        self._rolled_back: frozenset[str] = frozenset()
        self._drawn: tuple[object, ...] | None = None
        """What tree and leaderboard were made of."""
        self._sorting = 0

    def compose_body(self) -> Iterable[Widget]:
        yield Bar(dom_id="lineage-head")
        with Container(id="lineage-body"):
            yield VTable(TREE_COLUMNS, heading="Tree", dom_id="tree")
            yield VTable(BOARD_COLUMNS, heading="Leaderboard", dom_id="board")
        yield Paper(heading="Candidate", indent=12, says_rest=True, dom_id="candidate")
        yield ChampionView(dom_id="champions")
        yield from self.compose_filter()

    def on_mount(self) -> None:
        self.tree_table.focus()

    def filtered(self) -> VTable:
        return self.board_table if self.focused is self.board_table else self.tree_table

    @property
    def tree_table(self) -> VTable:
        return self.query_one("#tree", VTable)

    @property
    def board_table(self) -> VTable:
        return self.query_one("#board", VTable)

    @property
    def steered(self) -> CampaignSummary | None:
        return self.cockpit.view.summary(self.cockpit.campaign_id)

    @property
    def lineage_name(self) -> str | None:
        """The lineage of the chosen campaign."""
        return None if self.steered is None else self.steered.record.lineage

    def interest(self) -> Interest:
        return Interest(campaign_id=self.cockpit.campaign_id, lineage=self.lineage_name)

    @property
    def chosen_row(self) -> TreeRow | None:
        """The candidate under the cursor of the focused table, as a row of the tree."""
        if self.focused is self.board_table:
            wanted = self.board_table.current_id
            return next((r for r in self._tree if r.view is not None and r.view.id == wanted), None)
        at = self.tree_table.cursor
        return self._tree[at] if at < len(self._tree) else None

    @property
    def chosen(self) -> RoundView | None:
        """The round under the cursor."""
        row = self.chosen_row
        return None if row is None else row.view

    def round_outside(self) -> RoundView | None:
        return self.chosen

    def id_under_cursor(self) -> str | None:
        row = self.chosen_row
        return None if row is None else row.commit

    # --- drawing ---

    def show(self, view: View) -> None:
        made_of = (view.lineage, view.campaign, self._sorting, self.pattern)
        if self._drawn is None or any(
            a is not b for a, b in zip(made_of, self._drawn, strict=True)
        ):
            # Thousands of rounds are put in order when they changed, not at every look.
            self._drawn = made_of
            self._arrange(view)
        self._show_champions(view)
        champion = champion_of(self._promotions)
        lineage = self.lineage_name or DASH
        self.query_one("#lineage-head", Bar).set_line(
            [(f" {lineage} ", Role.TITLE), ("champion ", Role.DIM),
             (short_commit(champion) if champion else "the baseline", Role.STRONG),
             (f"  cost {self._cost(view)}", Role.DIM)],
            self._speedup_spans(view),
        )  # fmt: skip

    def _cost(self, view: View) -> str:
        """Of all rounds of the lineage; those of its audits are in the campaigns' sums."""
        spent = sum(each.spend_usd for each in view.lineage)
        reserved = sum(each.reserved_usd for each in view.lineage)
        device_s = sum(each.device_s for each in view.lineage)
        return f"{paid_briefly(spent, reserved)} {device(device_s)}".removeprefix(f"{DASH} ")

    def _show_champions(self, view: View) -> None:
        points = () if view.campaign is None else view.campaign.champions
        unit = "" if view.campaign is None else view.campaign.metric.rpartition(", ")[2]
        self.set_class(bool(points), "-climbing")
        champions = self.query_one("#champions", ChampionView)
        champions.set_points(points, unit=unit)
        if view.campaign is not None and view.campaign.metric:
            champions.set_note(((f"{view.campaign.metric}: before → after", Role.DIM),))
        most = TALL_CHAMPION_LINES if self.size.height >= TALL_LINES else CHAMPION_LINES
        curve_rows = min(champions.height_for(self.size.width), most) if points else 0
        champions.styles.height = curve_rows
        self._show_candidate(view, self.size.height - BAR_LINES - curve_rows)

    def _show_candidate(self, view: View, rows: int) -> None:
        """The case of the candidate under the cursor, in the rows that tree and leaderboard do not need."""
        paper, chosen = self.query_one("#candidate", Paper), self.chosen
        if chosen is None:
            # The baseline has no case of its own; the champion is what it has become.
            chosen = next((each.view for each in self._tree if each.is_champion), None)
        tables = [each.line_count() + 2 for each in (self.tree_table, self.board_table)]
        needed = max(tables) if self.has_class("-broad") else sum(tables)
        rest = rows - max(needed, rows // 3)
        is_stacked = not self.has_class("-broad")
        self.tree_table.styles.height = tables[0] if is_stacked and rest > 0 else None
        paper.display = rest >= LEAST_CASE_ROWS and bool(self._tree)
        if not paper.display:
            return
        campaign = view.campaign
        paper.heading = "Candidate" if self.chosen is not None else "Champion"
        if chosen is None:
            lines = [line("The baseline: what the task starts from.", Role.DIM)]
        else:
            own = campaign if campaign and campaign.id == chosen.record.campaign_id else None
            lines = [sentence_line(chosen, own), *case_lines(chosen, None, own)]
        paper.set_lines(lines)
        paper.styles.height = rest

    def _arrange(self, view: View) -> None:
        campaign = view.campaign
        self._promotions = () if campaign is None else campaign.promotions
        self._rolled_back = rolled_back(self._promotions)
        least = None if campaign is None else campaign.minimum_effect
        for table in self.query(VTable):
            table.empty = self.nothing_kept() if self.pattern else NO_CANDIDATE
        rows_kept = (
            each for each in tree_rows(view.lineage, self._promotions) if self._keeps(each.view)
        )
        self._tree = tuple(rows_kept)
        self.tree_table.set_note((*self.filter_note(), *_not_drawn(view.lineage)))
        self.tree_table.set_rows([_tree_id(each) for each in self._tree], self._tree_row)
        ranked = leaderboard(view.lineage, minimum_effect=least)
        places = [each for each in ranked if self._keeps(each.view)]
        name, key = SORTINGS[self._sorting]
        if key is not None:
            places.sort(key=key, reverse=True)
        rows: list[Place | None] = list(places)
        first_without = next((i for i, each in enumerate(places) if each.place is None), None)
        if first_without is not None and key is None:
            rows.insert(first_without, None)
        self._board = tuple(rows)
        self.board_table.set_rows(
            [LINE_ID if r is None else r.view.id for r in rows], self._board_row
        )
        self.board_table.set_note(((name, Role.DIM),))

    def _keeps(self, view: RoundView | None) -> bool:
        if view is None:
            return self.is_kept("baseline")
        return not self.pattern or self.is_kept(round_text(view))

    def _speedup_spans(self, view: View) -> Line:
        campaign = view.campaign
        failed = (
            None if campaign is None else view.failed_audits.get(campaign.summary.record.lineage)
        )
        if failed is not None:
            return ((f"▲ {failed.text}; {failed.offer} ", Role.WARN),)
        found = None if campaign is None else campaign.cumulative
        passed = () if campaign is None else threshold_spans(campaign.thresholds, found)
        if found is None:
            return (("over the baseline: claimed only after an audit ", Role.DIM), *passed)
        measured = f"{interval(found)} "
        return (("against the baseline, measured: ", Role.DIM), (measured, Role.GOOD), *passed)

    def _tree_row(self, index: int) -> Row:
        row = self._tree[index]
        gone = row.commit in self._rolled_back
        flag = "◆ champion" if row.is_champion else "↩ rolled back" if gone else ""
        if row.view is None:
            return ("baseline", Role.STRONG), (ratio(1.0), Role.DIM), (flag, Role.GOOD)
        word, role = ended(row.view)
        sign = word.split(" ", 1)[0]
        text = f"{row.prefix}{sign} {row.view.label} {row.view.hypothesis}"
        return (
            (text, role),
            (interval(row.view.effect), Role.TEXT),
            (flag or word, Role.GOOD if row.is_champion else role),
        )

    def _board_row(self, index: int) -> Row:
        place = self._board[index]
        if place is None:
            return (
                ("", Role.DIM),
                ("no gain or refused below", Role.WARN),
                ("", Role.DIM),
                ("", Role.DIM),
                ("", Role.DIM),
            )
        view = place.view
        return (
            (DASH if place.place is None else str(place.place), Role.STRONG),
            (interval(view.effect), Role.GOOD if place.place else Role.DIM),
            ended(view),
            (paid_briefly(view.spend_usd, view.reserved_usd), Role.DIM),
            (view.hypothesis, Role.TEXT),
        )

    # --- actions ---

    def is_possible(self, command: Command) -> bool:
        row = self.chosen_row
        match command.id:
            case "lineage.sort" | "lineage.filter":
                return True
            case "lineage.compare":
                return len(self.tree_table.marked) == 2
            case "lineage.mark":
                return row is not None and self.focused is self.tree_table
            case "lineage.rollback":
                return row is not None and not row.is_champion and self._was_champion(row)
            case "lineage.rollback_unseen":
                return unseen_window(self._promotions) is not None
            case "lineage.diff_baseline" | "lineage.diff" | "lineage.open" | "lineage.attempts":
                return row is not None and row.view is not None
            case _:
                return True

    def why_not(self, command: Command) -> str:
        row = self.chosen_row
        match command.id:
            case "lineage.compare":
                return "mark two candidates first, with space"
            case "lineage.mark":
                return "marks are set in the tree"
            case "lineage.rollback_unseen":
                return "a person saw every promotion that is in the champion"
            case "lineage.rollback" if row is not None:
                return "it is the champion" if row.is_champion else "it never was the champion"
            case _ if row is not None and row.view is None:
                return "the baseline has no round"
            case _:
                return "no candidate is chosen"

    def _was_champion(self, row: TreeRow) -> bool:
        return row.view is None or any(each.new_commit == row.commit for each in self._promotions)

    @on(LinesView.CursorMoved)
    def _moved(self) -> None:
        if self.chosen is not None:
            self.cockpit.choose_round(self.chosen)
        self._cursor_changed()

    def _cursor_changed(self) -> None:
        if self.is_mounted and self.cockpit.screen_behind_dialogues is self:
            self._show_champions(self.cockpit.view)
        self.draw_bars()

    def on_descendant_focus(self) -> None:
        self._cursor_changed()

    @on(LinesView.Opened)
    def _opened(self) -> None:
        self.action_open()

    def action_open(self) -> None:
        if self.chosen is not None:
            self.cockpit.choose_round(self.chosen)
            self.cockpit.open_mode("replay")

    @on(VTable.HeadClicked, "#board")
    def _head_clicked(self, event: VTable.HeadClicked) -> None:
        self._sorting = SORTED_BY.get(event.title, self._sorting)
        self.redraw()

    def action_sort(self) -> None:
        self._sorting = (self._sorting + 1) % len(SORTINGS)
        self.redraw()

    def action_mark(self) -> None:
        self.tree_table.toggle_mark()
        self.draw_bars()

    def action_compare(self) -> None:
        rows = [each for each in self._tree if _tree_id(each) in self.tree_table.marked]
        if len(rows) == 2:
            self._show_diff(rows[0].commit, rows[1].commit)

    def action_diff(self) -> None:
        view = self.chosen
        if view is not None and view.commit is not None:
            self._show_diff(view.parent, view.commit)

    def action_diff_baseline(self) -> None:
        row = self.chosen_row
        base = next((each.commit for each in self._tree if each.view is None), None)
        if row is not None and base is not None:
            self._show_diff(base, row.commit)

    def _show_diff(self, base: str, commit: str) -> None:
        name, code = self.lineage_name, self.cockpit.code
        if name is None:
            return

        def work(_: Ledger) -> tuple[str, Diff] | None:
            text = code.diff(name, base, commit)
            return None if text is None else (text, diff_to_show(text))

        def show(found: tuple[str, Diff] | None) -> None:
            if found is None:
                self.cockpit.say(
                    "the repository of this lineage is on another machine", is_problem=True
                )
                return
            text, diff = found
            title = f"{short_commit(base)} → {short_commit(commit)}"
            self.push_over(DiffDialogue(self.cockpit, title, diff, text=text))

        when_done(self, self.cockpit.ask_ledger(work), show, self.say_problem)

    def action_attempts(self) -> None:
        if self.chosen is not None and self.lineage_name is not None:
            show_attempts(self, self.chosen, self.lineage_name)

    def action_rollback(self) -> None:
        row, name, home = self.chosen_row, self.lineage_name, self.cockpit.home
        if row is None or name is None or home is None or not self._was_champion(row):
            return
        self._ask_rollback("Roll back", row, name, home)

    def action_rollback_unseen(self) -> None:
        window, name, home = unseen_window(self._promotions), self.lineage_name, self.cockpit.home
        if window is None or name is None or home is None:
            return
        # Not those of the table, from which a filter may have taken it.
        rows = tree_rows(self.cockpit.view.lineage, self._promotions)
        row = next((each for each in rows if each.commit == window.back_to), None)
        if row is not None:
            title = f"Take back {plural(len(window.commits), 'promotion')} that nobody saw"
            self._ask_rollback(title, row, name, home)

    def _ask_rollback(self, title: str, row: TreeRow, name: str, home: Home) -> None:
        what = (
            "the baseline" if row.view is None else f"round {row.view.label}: {row.view.hypothesis}"
        )
        lines: list[Line] = [
            (("back to ", Role.DIM), (what, Role.STRONG)),
            (("commit  ", Role.DIM), (short_commit(row.commit), Role.STRONG)),
            line(
                "Later champions stay in the lineage; the next round starts from this one.",
                Role.DIM,
            ),
            line("Why?", Role.DIM),
        ]

        def answered(reason: str | None) -> None:
            if reason:
                self.write(
                    lambda ledger: roll_back_to(ledger, home, name, row.commit, reason=reason),
                    f"champion of {name} is {short_commit(row.commit)} again",
                )

        self.app.push_screen(AskText(title, lines, label="roll back"), answered)


def _not_drawn(rounds: Sequence[RoundView]) -> Line:
    """Rounds that the tree leaves out, so that nobody looks for their numbers there."""
    planted = sum(each.planted is not None for each in rounds)
    without = sum(each.planted is None and each.commit is None for each in rounds)
    said = [f"{plural(planted, 'planted control')}, on 7"] if planted else []
    said += [f"{plural(without, 'round')} without code"] if without else []
    return ((f"not here: {'; '.join(said)}", Role.DIM),) if said else ()


def _tree_id(row: TreeRow) -> str:
    return row.commit if row.view is None else row.view.id
