"""One campaign, live: which step each round is in, what its agent does, how its evidence narrows."""

from collections.abc import Iterable
from typing import ClassVar

from textual import on
from textual.binding import BindingType
from textual.containers import Horizontal
from textual.widget import Widget

from rsi.agent.report.filters import round_text
from rsi.agent.store.records import CampaignSummary, Step
from rsi.agent.store.rounds import RoundView
from rsi.agent.store.state import ENDED_STATES
from rsi.tui.draw.phrases import (
    EFFECT_CELLS,
    ENDED_CELLS,
    device,
    duration,
    ended,
    interval,
    paid,
    paid_briefly,
    ratio,
    usd,
)
from rsi.tui.draw.styled import DASH, EMPTY_LINE, Line, Role, Span, line
from rsi.tui.lines.next_steps import is_policys
from rsi.tui.lines.queue import state_shown
from rsi.tui.lines.rounds import idea, sentence_line
from rsi.tui.lines.run import (
    agent_lines,
    asked_spans,
    machine_line,
    run_series,
    step_strip,
    step_words,
)
from rsi.tui.log_follower import LogFollower
from rsi.tui.model.commands import Command, Scope, bindings
from rsi.tui.model.view import CampaignView, RoundDetail, View
from rsi.tui.reading.reader import Interest
from rsi.tui.reading.silence import is_silent, last_heard
from rsi.tui.screens.dialogues.filtering import FilteredScreen, FilterInput
from rsi.tui.screens.dialogues.steering import SteeringActions
from rsi.tui.widgets.bars import Bar
from rsi.tui.widgets.curveview import CurveView
from rsi.tui.widgets.effectview import EffectView
from rsi.tui.widgets.lines import LinesView
from rsi.tui.widgets.logview import LogView
from rsi.tui.widgets.paper import Paper
from rsi.tui.widgets.sentence import Sentence
from rsi.tui.widgets.vtable import Column, Row, VTable

COLUMNS = (
    Column(title="#", width=4, align="right"),
    Column(title="steps", width=12, priority=5),
    Column(title="now", width=ENDED_CELLS),
    Column(title="effect", width=EFFECT_CELLS, priority=1),
    Column(title="predicted", width=9, align="right", priority=4),
    Column(title="cost", width=7, align="right", priority=3),
    Column(title="took", width=8, align="right", priority=2),
    Column(title="idea", min_width=12),
)
NO_ROUND: tuple[Line, ...] = (
    EMPTY_LINE,
    line("No round yet.", Role.STRONG),
    (
        ("1", Role.KEY),
        (" the queue; a campaign starts when a worker is free: ", Role.DIM),
        ("rsi worker", Role.KEY),
    ),
)


ROOM_FOR_THE_TRACK = 100
"""Columns from which the headline names the track as well."""


class RunScreen(SteeringActions, FilteredScreen):
    """Rounds above; curves and effect, agent and log below."""

    DEFAULT_CSS = """
    RunScreen #headline, RunScreen #machine { background: $background; }
    RunScreen #rounds { height: 2fr; min-height: 5; }
    RunScreen .pair { height: 2fr; }
    RunScreen.-tall .pair { height: 3fr; }
    RunScreen #curve, RunScreen #agent { width: 1fr; padding: 0 1 0 0; }
    """
    BINDINGS: ClassVar[list[BindingType]] = bindings(Scope.RUN)
    scope = Scope.RUN
    purpose = (
        "One campaign, live. The panes below the rounds follow the round under the cursor. Each round's twelve signs "
        f"are its steps: {', '.join(Step)}. ● done, ◐ under way, ▲ waits for you, ✖ ended here, · not reached."
    )

    def __init__(self) -> None:
        super().__init__()
        self._rounds: tuple[RoundView, ...] = ()
        self._of: str | None = None
        """The campaign whose rounds are shown."""
        self._log = LogFollower()
        self._all: tuple[RoundView, ...] | None = None
        self._kept_by = ""
        """The rounds and the pattern that `_rounds` come from."""
        self._log_pattern = ""
        self._filters_log = False

    def compose_body(self) -> Iterable[Widget]:
        yield Bar(dom_id="headline")
        yield Bar(dom_id="machine")
        yield VTable(COLUMNS, heading="Rounds", dom_id="rounds")
        yield Sentence(most_rows=2, dom_id="said")
        with Horizontal(classes="pair"):
            yield CurveView(heading="Training", x_label="step", dom_id="curve")
            yield EffectView(heading="Effect, pair by pair", dom_id="effect")
        with Horizontal(classes="pair"):
            yield Paper(heading="Agent", wraps=False, dom_id="agent")
            yield LogView(heading="Output", dom_id="log")
        yield from self.compose_filter()

    def on_mount(self) -> None:
        self.query_one("#curve", CurveView).empty = (
            EMPTY_LINE, line("Curves come with the first run.", Role.DIM),
        )  # fmt: skip
        self.query_one("#effect", EffectView).empty = (
            EMPTY_LINE, line("No pair measured yet.", Role.DIM),
        )  # fmt: skip
        self.query_one("#agent", Paper).empty = (
            EMPTY_LINE,
            line("The agent has not spoken yet.", Role.DIM),
        )
        self.query_one("#log", LogView).empty = (EMPTY_LINE, line("No output yet.", Role.DIM))
        self.table.focus()

    @property
    def table(self) -> VTable:
        return self.query_one("#rounds", VTable)

    @property
    def campaign(self) -> CampaignView | None:
        """The campaign that is shown, once it is read."""
        found = self.cockpit.view.campaign
        return found if found is not None and found.id == self.cockpit.campaign_id else None

    @property
    def steered(self) -> CampaignSummary | None:
        return None if self.campaign is None else self.campaign.summary

    @property
    def round_view(self) -> RoundView | None:
        """The round under the cursor."""
        wanted = self.table.current_id
        return next((each for each in self._rounds if each.id == wanted), None)

    def round_outside(self) -> RoundView | None:
        return self.round_view

    def id_under_cursor(self) -> str | None:
        return self.table.current_id

    def interest(self) -> Interest:
        chosen = self.round_view
        return Interest(
            campaign_id=self.cockpit.campaign_id, round_id=None if chosen is None else chosen.id
        )

    def on_screen_resume(self) -> None:
        if self.cockpit.round_id is not None:
            self.table.select_id(self.cockpit.round_id)

    # --- drawing ---

    def show(self, view: View) -> None:
        campaign = self.campaign
        rounds = () if campaign is None else campaign.rounds
        if rounds is not self._all or self.pattern != self._kept_by:
            self._all, self._kept_by = rounds, self.pattern
            kept = (
                tuple(each for each in rounds if self.is_kept(round_text(each)))
                if self.pattern
                else rounds
            )
            self.table.empty = self.nothing_kept() if self.pattern else NO_ROUND
            self._take_rounds(kept, is_other=campaign is not None and campaign.id != self._of)
            self._of = None if campaign is None else campaign.id
        self.query_one("#headline", Bar).set_line(*self._headline(campaign))
        self.cockpit.feed_interest(self.interest())
        chosen = self.round_view
        item = next((i for i in view.gate if chosen is not None and i.round.id == chosen.id), None)
        waited_s = 0.0 if item is None else self.cockpit.age_s(item.since)
        words = EMPTY_LINE if chosen is None else step_words(
            chosen, view.machine_holder, is_policys=item is not None and is_policys(item, waited_s)
        )  # fmt: skip
        self.table.set_note((*self.filter_note(), *words))
        said = () if chosen is None else (sentence_line(chosen, campaign),)
        self.query_one("#said", Sentence).set_sentence(*said)
        detail = (
            view.round
            if chosen is not None and view.round is not None and view.round.view.id == chosen.id
            else None
        )
        self._show_detail(campaign, detail)

    def _take_rounds(self, rounds: tuple[RoundView, ...], *, is_other: bool) -> None:
        """Show other rounds; the newest is followed, unless a person looks at another one of this campaign."""
        is_at_end = self.table.cursor >= len(self._rounds) - 1
        self._rounds = rounds
        self.table.set_rows([each.id for each in rounds], self._row)
        if is_other:
            wanted = self.cockpit.round_id
            is_wanted = wanted is not None and self.table.select_id(wanted)
            self.table.is_moved_by_person = is_wanted and self.table.cursor < len(rounds) - 1
        if (is_at_end or is_other) and rounds and not self.table.is_moved_by_person:
            self.table.move_cursor(len(rounds) - 1)

    def _show_detail(self, campaign: CampaignView | None, detail: RoundDetail | None) -> None:
        runs = () if detail is None else detail.measurements
        self.query_one("#machine", Bar).set_line(*machine_line(runs))
        curve, effect = self.query_one("#curve", CurveView), self.query_one("#effect", EffectView)
        agent, log = self.query_one("#agent", Paper), self.query_one("#log", LogView)
        if detail is None or campaign is None:
            curve.set_series(())
            effect.set_points(())
            agent.set_lines(())
            self._log.show_nothing(log)
            return
        if detail.curves:
            curve.heading, curve.x_label = f"Training: {detail.curve_name}", "step"
            curve.set_series(detail.curves)
        else:
            curve.heading, curve.x_label = f"Runs: {campaign.metric or 'deciding value'}", "pair"
            curve.set_series(run_series(detail.measurements))
        least = None if campaign.minimum_effect is None else 1 + campaign.minimum_effect
        effect.set_points(detail.points, final=detail.view.effect, least_ratio=least)
        at_end = agent.scroll_offset.y >= agent.max_scroll_y - 1
        agent.set_lines(agent_lines(detail))
        agent.set_note(((f"{len(detail.tail)} latest steps", Role.DIM),) if detail.tail else ())
        if at_end:
            agent.action_last()
        if detail.streams:
            self._log.follow(self.cockpit, detail.view.id, detail.streams, log)
        else:
            self._log.show_runs(detail.measurements, log)

    def _waits_for_a_person(self, summary: CampaignSummary) -> bool:
        items = [i for i in self.cockpit.view.gate if i.campaign.record.id == summary.record.id]
        return any(not is_policys(each, self.cockpit.age_s(each.since)) for each in items)

    def _headline(self, campaign: CampaignView | None) -> tuple[list[Span], list[Span]]:
        if campaign is None:
            return [(" no campaign chosen", Role.DIM)], []
        summary = campaign.summary
        record = summary.record
        rounds = record.config.rounds
        # Where there is little room the money stays, and the track is on the queue.
        is_narrow = self.app.size.width < ROOM_FOR_THE_TRACK
        names = (
            (record.task, record.profile)
            if is_narrow
            else (record.task, record.track, record.profile)
        )
        left: list[Span] = [
            (f" {record.id} ", Role.TITLE),
            (f"{'·'.join(names)}  ", Role.TEXT),
            state_shown(summary, is_waiting=self._waits_for_a_person(summary)),
            (f"  {summary.rounds}/{rounds or DASH} rounds  ", Role.TEXT),
            (f"✔ {summary.promoted} ", Role.GOOD if summary.promoted else Role.DIM),
        ]
        view = self.cockpit.view
        # An agent that was asked to hold says nothing until it is told to go on.
        if not campaign.is_pause_asked and is_silent(summary, view, self.cockpit.age_s):
            since = self.cockpit.age(last_heard(summary, view))
            left.append((f" ▲ nothing new for {since}", Role.WARN))
        left += asked_spans(campaign)
        budget = campaign.budget_usd
        spent = paid(summary.spend_usd, summary.reserved_usd) + (
            f" of {usd(budget)}" if budget else ""
        )
        device_s = sum(each.device_s for each in campaign.spend.values())
        right: list[Span] = [
            (f"{device(device_s)}  ", Role.DIM),
            (f"{self._elapsed(campaign)}  ", Role.DIM),
            (f"{spent} ", Role.TEXT),
        ]
        return left, right

    def _elapsed(self, campaign: CampaignView) -> str:
        summary = campaign.summary
        if summary.state in ENDED_STATES:
            took = duration((summary.changed_at - summary.record.created_at).total_seconds())
            return f"took {took}"
        return f"for {self.cockpit.age(summary.record.created_at)}"

    def _row(self, index: int) -> Row:
        each = self._rounds[index]
        is_open = each.state.step is not None
        took = (
            self.cockpit.age(each.last_at)
            if is_open
            else duration(sum(step.wall_s for step in each.steps))
        )
        predicted = ratio(each.predicted_ratio)
        return (
            (each.label, Role.DIM),
            (step_strip(each), Role.ACCENT if is_open else Role.DIM),
            ended(each),
            (interval(each.effect), Role.TEXT if each.effect else Role.DIM),
            (predicted, Role.DIM),
            (paid_briefly(each.spend_usd, each.reserved_usd), Role.DIM),
            (took, Role.DIM),
            (idea(each), Role.TEXT),
        )

    # --- actions ---

    def is_possible(self, command: Command) -> bool:
        state = None if self.steered is None else self.steered.state
        match command.id:
            case "run.open":
                return self.round_view is not None
            case "run.filter" | "run.previous_campaign" | "run.next_campaign":
                return True
            case "run.budget" if state in ENDED_STATES:
                # A higher limit is what lets a campaign go on that has spent its budget.
                return self.campaign is not None and not self.campaign.retry_refusal
            case _:
                return state is not None and state not in ENDED_STATES

    def why_not(self, command: Command) -> str:
        if self.campaign is None or command.id == "run.open":
            return "no round is chosen" if self.campaign else "no campaign is chosen"
        refusal = self.campaign.retry_refusal if command.id == "run.budget" else ""
        return f"the campaign has ended{f'; {refusal}' if refusal else ''}"

    @on(LinesView.CursorMoved, "#rounds")
    def _moved(self) -> None:
        self.table.is_moved_by_person = self.table.cursor < len(self._rounds) - 1
        if self.round_view is not None:
            self.cockpit.choose_round(self.round_view)
        self.redraw()

    @on(LinesView.Opened, "#rounds")
    def _opened(self) -> None:
        self.action_open()

    def action_open(self) -> None:
        chosen = self.round_view
        if chosen is not None:
            self.cockpit.choose_round(chosen)
            self.cockpit.open_mode("gate" if chosen.is_waiting else "replay")

    def action_campaign(self, by: int) -> None:
        ids = [each.record.id for each in self.cockpit.view.campaigns]
        if self.cockpit.campaign_id in ids:
            at = ids.index(self.cockpit.campaign_id) + by
            if 0 <= at < len(ids):
                self.cockpit.choose(ids[at])
                self.redraw()

    # --- filtering: rounds, or lines of the log where that has the focus ---

    def filtered(self) -> VTable:
        return self.table

    def action_filter(self) -> None:
        log = self.query_one("#log", LogView)
        self._filters_log = self.focused is log
        if self._filters_log:
            self.query_one(FilterInput).open(self._log_pattern, back_to=log)
        else:
            super().action_filter()

    def take_pattern(self, pattern: str) -> None:
        if not self._filters_log:
            super().take_pattern(pattern)
            return
        log = self.query_one("#log", LogView)
        self._log_pattern = pattern
        log.set_filter(pattern)
        log.set_note(((f"/{pattern}", Role.WARN),) if pattern else ())

    def go_back(self) -> bool:
        self._filters_log = bool(self._log_pattern) and not self.pattern
        if not (self._log_pattern or self.pattern):
            return False
        self.take_pattern("")
        return True
