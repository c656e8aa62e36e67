"""The notebook: every idea with its result and lesson, failures included, searchable."""

from collections.abc import Iterable
from typing import ClassVar

from textual import on
from textual.binding import BindingType
from textual.containers import Container
from textual.widget import Widget

from rsi.agent.report.filters import round_text
from rsi.agent.report.reasons import reason_line
from rsi.agent.store.rounds import RoundView
from rsi.agent.store.steps.facts import Reviewed
from rsi.tui.draw.phrases import EFFECT_CELLS, ENDED_CELLS, ended, interval, ratio
from rsi.tui.draw.styled import DASH, EMPTY_LINE, Line, Role, line
from rsi.tui.lines.evidence import finding_lines, score_lines, similar_lines, vote_lines
from rsi.tui.lines.rounds import idea, sentence_line
from rsi.tui.model.commands import Command, Scope, bindings
from rsi.tui.model.view import CampaignView, View
from rsi.tui.reading.reader import Interest
from rsi.tui.screens.dialogues.filtering import FilteredScreen
from rsi.tui.widgets.lines import LinesView
from rsi.tui.widgets.paper import Paper
from rsi.tui.widgets.sentence import Sentence
from rsi.tui.widgets.vtable import Column, Row, VTable

COLUMNS = (
    Column(title="round", width=16),
    Column(title="ended", width=ENDED_CELLS),
    Column(title="effect", width=EFFECT_CELLS, priority=1),
    Column(title="predicted", width=9, align="right", priority=2),
    Column(title="idea", min_width=10),
)
BAR_LINES = 3
"""Tabs, state and keys."""
NOTHING_TRIED: tuple[Line, ...] = (
    EMPTY_LINE,
    line("Nothing was tried yet.", Role.STRONG),
    (("1", Role.KEY), (" choose a campaign; the notebook of its lineage is shown here", Role.DIM)),
)


class NotebookScreen(FilteredScreen):
    """A table of ideas and the lesson of the one under the cursor."""

    DEFAULT_CSS = """
    NotebookScreen #notes-body { height: 1fr; layout: vertical; }
    NotebookScreen #ideas { height: 3fr; }
    NotebookScreen #lesson { height: 1fr; }
    """
    BINDINGS: ClassVar[list[BindingType]] = bindings(Scope.NOTEBOOK)
    scope = Scope.NOTEBOOK
    purpose = (
        "What was tried on this lineage and what it taught. The agent reads it before each idea."
    )

    def __init__(self) -> None:
        super().__init__()
        self._shown: tuple[RoundView, ...] = ()

    def compose_body(self) -> Iterable[Widget]:
        with Container(id="notes-body"):
            yield VTable(COLUMNS, heading="Ideas", dom_id="ideas")
            yield Sentence(dom_id="said")
            yield Paper(heading="Lesson", indent=12, says_rest=True, dom_id="lesson")
        yield from self.compose_filter()

    def on_mount(self) -> None:
        self.table.focus()

    @property
    def table(self) -> VTable:
        return self.query_one("#ideas", VTable)

    def filtered(self) -> VTable:
        return self.table

    @property
    def chosen(self) -> RoundView | None:
        """The round under the cursor."""
        wanted = self.table.current_id
        return next((each for each in self._shown if each.id == wanted), None)

    def round_outside(self) -> RoundView | None:
        return self.chosen

    def id_under_cursor(self) -> str | None:
        return self.table.current_id

    def interest(self) -> Interest:
        summary = self.cockpit.view.summary(self.cockpit.campaign_id)
        lineage = None if summary is None else summary.record.lineage
        return Interest(campaign_id=self.cockpit.campaign_id, lineage=lineage)

    # --- drawing ---

    def show(self, view: View) -> None:
        self._shown = tuple(
            each for each in reversed(view.lineage) if self.is_kept(round_text(each))
        )
        self.table.empty = self.nothing_kept() if self.pattern else NOTHING_TRIED
        self.table.set_rows([each.id for each in self._shown], self._row)
        found = f"{len(self._shown)} of {len(view.lineage)}"
        self.table.set_note((*self.filter_note(), (found, Role.DIM)))
        # As many rows as there are ideas, up to three fifths; what is left is the lesson's and its proof.
        most = (self.size.height - BAR_LINES) * 3 // 5
        self.table.styles.height = max(5, min(len(self._shown) + 2, most))
        self._show_lesson()

    def _row(self, index: int) -> Row:
        each = self._shown[index]
        return (
            (each.id, Role.DIM),
            ended(each),
            (interval(each.effect), Role.TEXT if each.effect else Role.DIM),
            (ratio(each.predicted_ratio), Role.DIM),
            (idea(each), Role.TEXT),
        )

    def _show_lesson(self) -> None:
        each, campaign = self.chosen, self.cockpit.view.campaign
        said = () if each is None else (sentence_line(each, campaign),)
        self.query_one("#said", Sentence).set_sentence(*said)
        self.query_one("#lesson", Paper).set_lines(
            [] if each is None else [*lesson_lines(each), *proof_lines(each, campaign)]
        )

    # --- actions ---

    def why_not(self, command: Command) -> str:
        return "no idea is chosen"

    def is_possible(self, command: Command) -> bool:
        return command.id != "notebook.open" or self.chosen is not None

    @on(LinesView.CursorMoved, "#ideas")
    def _moved(self) -> None:
        self._show_lesson()
        if self.chosen is not None:
            self.cockpit.choose_round(self.chosen)

    @on(LinesView.Opened, "#ideas")
    def _opened(self) -> None:
        self.action_open()

    def action_open(self) -> None:
        if self.chosen is not None:
            self.cockpit.choose_round(self.chosen)
            self.cockpit.open_mode("replay")


def lesson_lines(view: RoundView) -> list[Line]:
    """What one round taught."""
    accuracy = "" if view.report is None else view.report.accuracy.value
    lines: list[Line] = [
        (("idea        ", Role.DIM), (idea(view), Role.STRONG)),
        (
            ("ended       ", Role.DIM),
            ended(view),
            (f"  {interval(view.effect)}", Role.TEXT),
        ),
        (
            ("predicted   ", Role.DIM),
            (ratio(view.predicted_ratio), Role.TEXT),
            (f"  {accuracy}", Role.DIM),
        ),
    ]
    # A lesson mostly ends with why the round ended so: the same words twice would push what follows out of sight.
    why, lesson = reason_line(view.reason), reason_line(view.lesson)
    if not lesson or why.rstrip(".") not in lesson:
        lines.append((("why         ", Role.DIM), (why or DASH, Role.TEXT)))
    lines.append((("lesson      ", Role.DIM), (lesson or DASH, Role.ACCENT)))
    if view.report is not None:
        lines.append((("changed     ", Role.DIM), (view.report.changed, Role.TEXT)))
    if view.findings:
        lines += finding_lines(view.findings)
    return lines


def proof_lines(view: RoundView, campaign: CampaignView | None) -> list[Line]:
    """What the lesson rests on: how the number was measured, who looked at it, and what resembles it."""
    best = view.confirm or view.score
    scored = [] if best is None else score_lines(best, campaign)
    return [*scored, *vote_lines(view.left(Reviewed)), *similar_lines(view, campaign)]
