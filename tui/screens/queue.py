"""The queue: every campaign with its state, and what the one under the cursor is about."""

from collections.abc import Iterable
from datetime import datetime
from typing import ClassVar

from textual import on
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical
from textual.widget import Widget

from rsi.agent.store.records import Asked, CampaignState, CampaignSummary, RequestKind
from rsi.agent.store.rounds import RoundView
from rsi.agent.store.stages import stage_times
from rsi.tui.draw.phrases import paid_briefly, plural, ratio, round_word
from rsi.tui.draw.styled import DASH, EMPTY_LINE, Line, Role, Span, line
from rsi.tui.lines.controls_brief import time_lines
from rsi.tui.lines.next_steps import is_policys, next_line
from rsi.tui.lines.orders import OPEN_STATES, SORTED_BY, SORTINGS
from rsi.tui.lines.queue import (
    about_lines,
    known_lines,
    state_shown,
    step_after,
    unmet_wishes,
)
from rsi.tui.lines.rounds import sentence_line
from rsi.tui.model.commands import Command, Scope, bindings
from rsi.tui.model.view import CampaignView, GateItem, View
from rsi.tui.reading.reader import Interest
from rsi.tui.reading.silence import is_silent, last_heard
from rsi.tui.screens.dialogues.filtering import FilteredScreen
from rsi.tui.screens.dialogues.new_campaign import NewCampaign
from rsi.tui.screens.dialogues.steering import SteeringActions
from rsi.tui.screens.outlook.agenda import AgendaPage
from rsi.tui.widgets.championview import ChampionView, champion_line, sparkline
from rsi.tui.widgets.lines import LinesView
from rsi.tui.widgets.paper import Choices, Paper
from rsi.tui.widgets.vtable import Column, Row, VTable

LEAST_BARS, MOST_BARS = 4, 8
"""Of a lineage's trend in the list."""
COLUMNS = (
    Column(title="state", width=10),
    Column(title="campaign", width=10),
    Column(title="task", min_width=11),
    Column(title="track", width=13, priority=6),
    Column(title="size", width=6, priority=5),
    Column(title="round", width=6, align="right", priority=2),
    Column(title="prom", width=4, align="right", priority=3),
    Column(title="rise", min_width=LEAST_BARS, priority=1),
    Column(title="gain", width=7, align="right", priority=1),
    Column(title="cost", width=7, align="right", priority=2),
    Column(title="now", width=16),
    Column(title="age", width=9, align="right", priority=4),
)
ABOUT_CELLS = 116
"""From this width on there is room for what the campaign under the cursor is about, beside the table."""
TABLE_SHARE = 0.4
"""Of the screen's height that the campaigns may take from the rounds of the one that is chosen."""
LEAST_ROWS = 6
"""Rows of the table, its two lines of heading among them, however low the screen is."""
ROUND_INDENT = 5
BAR_LINES = 3
"""Tabs, state and keys."""
MORE_ROWS = 7
"""Least rows in which the champion's curve and the time say something."""
TALL = 44
"""From this height on they are there however many rounds there are."""


class QueueScreen(SteeringActions, FilteredScreen):
    """Campaigns in a table; enter opens one."""

    DEFAULT_CSS = """
    QueueScreen #queue-body { height: 1fr; }
    QueueScreen #queue-left { width: 5fr; }
    QueueScreen #campaigns { height: 1fr; }
    QueueScreen #queue-rounds { height: 1fr; }
    QueueScreen #queue-more { height: 0; display: none; }
    QueueScreen #queue-champions { width: 3fr; }
    QueueScreen #queue-time { width: 1fr; }
    QueueScreen.-broad #queue-time { width: 58; padding: 0 0 0 1; }
    QueueScreen #about { width: 3fr; display: none; padding: 0 0 0 1; }
    QueueScreen.-about #about { display: block; }
    """
    BINDINGS: ClassVar[list[BindingType]] = bindings(Scope.QUEUE)
    scope = Scope.QUEUE
    purpose = (
        "Every campaign, and below it the rounds of the one under the cursor, newest first, in a sentence each (tab goes "
        "there, enter or a second click opens one); on wide "
        "terminals it is described at the right. A gain is over the "
        "baseline, as last audited; ↑ marks what the last promotion alone gained over the champion before it; the rise is the "
        "champion of its lineage, from the baseline on. A click on a column's head sorts by it."
    )

    def __init__(self) -> None:
        super().__init__()
        self._shown: tuple[CampaignSummary, ...] = ()
        self._sorting = 0
        self._arranged: tuple[object, ...] | None = None
        self._timed: CampaignView | None = None
        """The campaign whose curve and time are drawn."""
        self._wanted: str | None = None
        """A campaign that was chosen elsewhere and is not highlighted here yet."""

    def compose_body(self) -> Iterable[Widget]:
        with Horizontal(id="queue-body"):
            with Vertical(id="queue-left"):
                yield VTable(COLUMNS, heading="Campaigns", dom_id="campaigns")
                yield Choices(heading="Rounds", indent=ROUND_INDENT, dom_id="queue-rounds")
                with Horizontal(id="queue-more"):
                    yield ChampionView(dom_id="queue-champions")
                    yield Paper(heading="Time", dom_id="queue-time")
            yield Paper(heading="About", indent=10, dom_id="about")
        yield from self.compose_filter()

    def interest(self) -> Interest:
        return Interest(campaign_id=self.cockpit.campaign_id)

    @property
    def table(self) -> VTable:
        return self.query_one("#campaigns", VTable)

    def filtered(self) -> VTable:
        return self.table

    @property
    def rounds_pane(self) -> Choices:
        return self.query_one("#queue-rounds", Choices)

    @property
    def chosen_round(self) -> RoundView | None:
        """The round under the cursor of the rounds, while they have the focus."""
        pane, campaign = self.rounds_pane, self.campaign
        if campaign is None or not pane.has_focus:
            return None
        return campaign.round_by_id(pane.current_id)

    def round_outside(self) -> RoundView | None:
        return self.chosen_round

    @property
    def steered(self) -> CampaignSummary | None:
        return self.cockpit.view.summary(self.table.current_id)

    @property
    def campaign(self) -> CampaignView | None:
        """The campaign under the cursor with its rounds, once it is read."""
        found = self.cockpit.view.campaign
        return found if found is not None and found.id == self.table.current_id else None

    def text_outside(self) -> str:
        panes = (self.query_one("#about", Paper), self.rounds_pane)
        return "\n".join(each.plain_text() for each in panes if each.lines)

    def id_under_cursor(self) -> str | None:
        chosen = self.chosen_round
        return self.table.current_id if chosen is None else chosen.id

    def on_mount(self) -> None:
        self.table.empty = (EMPTY_LINE, line("… reading the ledger", Role.DIM))
        self.table.focus()

    def _say_none(self) -> None:
        self.table.empty = (
            EMPTY_LINE,
            (("No campaigns yet.", Role.STRONG),),
            (("this cockpit is read-only; rsi run queues one", Role.DIM),) if self.cockpit.is_read_only
            else (("n", Role.KEY), (" queues one.", Role.DIM)),
            (("rsi demo", Role.KEY), (" in a shell runs a real one in minutes, without a key.", Role.DIM)),
        )  # fmt: skip

    def on_screen_resume(self) -> None:
        self._wanted = self.cockpit.campaign_id

    def on_resize(self) -> None:
        super().on_resize()
        # Round, speedup and cost of all campaigns come before the details of one.
        self.set_class(self.size.width >= ABOUT_CELLS, "-about")
        self._share_height()
        self._show_about(self.cockpit.view)

    def _share_height(self) -> None:
        """As many rows as there are campaigns, up to a share of the screen; the rest is the rounds'."""
        rounds = self.rounds_pane
        rounds.display = bool(self._shown)
        most = max(LEAST_ROWS, round(self.size.height * TABLE_SHARE))
        wanted = min(len(self._shown) + 2, most)
        self.table.styles.height = wanted if self._shown else "1fr"
        self._share_rest(wanted)

    def _share_rest(self, table_rows: int) -> None:
        """What the rounds do not need goes to the champion's curve and to where the time went."""
        more, rounds = self.query_one("#queue-more"), self.rounds_pane
        champions = self.query_one("#queue-champions", ChampionView)
        left = self.size.height - BAR_LINES - table_rows
        needed = min(
            rounds.line_count() + 1, left - MORE_ROWS if self.size.height >= TALL else left
        )
        rest = left - needed
        has_more = self.campaign is not None and bool(self.campaign.rounds)
        more.display = rest >= MORE_ROWS and has_more
        # Where there is less room, the pane at the right says it in a line.
        champions.display = bool(champions.points) and self.has_class("-broad")
        time_rows = self.query_one("#queue-time", Paper).line_count() + 1
        curve_rows = champions.height_for(champions.size.width) if champions.display else 0
        more.styles.height = min(rest, max(time_rows, curve_rows))

    def show(self, view: View) -> None:
        arranged = (
            view.campaigns, view.gate, view.speedups, view.gains, view.totals, view.waits_for,
            self._sorting, self.pattern,
        )  # fmt: skip
        before = self._arranged
        if before is None or any(a is not b for a, b in zip(arranged, before, strict=True)):
            # Ten thousand campaigns are arranged when the list changed, not at every look.
            self._arranged = arranged
            self._arrange(view)
        if self._wanted is not None and self.table.select_id(self._wanted):
            self._wanted = None
        self._choose_highlighted()
        shown = self._shown
        if self.pattern:
            self.table.empty = self.nothing_kept()
        elif view.read_at is not None:
            self._say_none()
        self.table.set_note(
            (
                *self.filter_note(),
                (SORTINGS[self._sorting][0], Role.DIM),
                (f"  {len(shown)} of {len(view.campaigns)}", Role.DIM),
            )
        )
        self._show_about(view)

    def _choose_highlighted(self) -> None:
        """What keys act on is what is highlighted, however the rows moved."""
        highlighted = self.table.current_id
        if highlighted is not None and highlighted != self.cockpit.campaign_id:
            self.cockpit.choose(highlighted)

    def _arrange(self, view: View) -> None:
        _, key = SORTINGS[self._sorting]
        shown = [each for each in view.campaigns if self.is_kept(_text(each))]
        if self._sorting:
            shown.sort(key=lambda each: key(each, view))
        self._shown = tuple(shown)
        self.table.set_rows([each.record.id for each in shown], self._row)
        self._share_height()

    def is_possible(self, command: Command) -> bool:
        state = None if self.steered is None else self.steered.state
        match command.id:
            case "queue.new" | "queue.filter" | "queue.sort" | "queue.agenda":
                return True
            case "queue.pause" | "queue.stop":
                return state in OPEN_STATES
            case "queue.sooner" | "queue.later":
                return state is CampaignState.QUEUED
            case "queue.retry":
                campaign = self.campaign
                return campaign is not None and not campaign.retry_refusal
            case _:
                return state is not None

    def why_not(self, command: Command) -> str:
        if self.steered is None:
            return "no campaign is chosen"
        match command.id:
            case "queue.sooner" | "queue.later":
                return "it does not wait in the queue"
            case "queue.retry":
                return "" if self.campaign is None else self.campaign.retry_refusal
            case _:
                return "it has ended"

    def go_back(self) -> bool:
        super().go_back()
        return True  # there is nothing to go back to

    # --- drawing ---

    def _row(self, index: int) -> Row:
        each = self._shown[index]
        record = each.record
        rounds = record.config.rounds
        return (
            state_shown(each, is_waiting=self._waits_since(each) is not None),
            (record.id, Role.DIM),
            (record.task, Role.TEXT),
            (record.track, Role.DIM),
            (record.profile, Role.DIM),
            (f"{each.rounds}/{rounds or DASH}", Role.TEXT),
            (str(each.promoted or DASH), Role.GOOD if each.promoted else Role.DIM),
            self._trend(each),
            self._speedup(each),
            (paid_briefly(each.spend_usd, each.reserved_usd), Role.TEXT),
            self._now(each),
            (self.cockpit.age(record.created_at), Role.DIM),
        )

    def _trend(self, each: CampaignSummary) -> Span:
        totals = self.cockpit.view.totals.get(each.record.lineage, ())
        if len(totals) < 2:
            return DASH, Role.DIM
        room = self.table.cells_of("rise")
        return sparkline(totals, max(LEAST_BARS, min(MOST_BARS, room))), Role.GOOD

    def _speedup(self, each: CampaignSummary) -> Span:
        view, campaign_id = self.cockpit.view, each.record.id
        found = view.speedups.get(campaign_id)
        if each.record.lineage in view.failed_audits and each.promoted:
            return "▲ audit", Role.WARN
        if found is not None:
            return ratio(found.estimate), Role.GOOD
        gain = view.gains.get(campaign_id)
        # Before an audit only one step of several is known; steps are never multiplied up.
        return (ratio(None), Role.DIM) if gain is None else (f"↑{ratio(gain.estimate)}", Role.TEXT)

    def _now(self, each: CampaignSummary) -> Span:
        waiting = self._at_gate(each)
        if waiting is not None:
            if is_policys(waiting, self.cockpit.age_s(waiting.since)):
                return "◐ policy decides", Role.ACCENT
            return "▲ waits for you", Role.WARN
        before = self.cockpit.view.waits_for.get(each.record.id)
        if before is not None and unmet_wishes(self.cockpit.view, each.record.id):
            return "▲ no machine", Role.WARN
        if before is not None:
            return f"after {before}" if before else "for a worker", Role.DIM
        if is_silent(each, self.cockpit.view, self.cockpit.age_s):
            heard = last_heard(each, self.cockpit.view)
            return f"▲ silent {self.cockpit.age(heard)}", Role.WARN
        is_open = each.state in OPEN_STATES
        if each.latest_step is None or each.latest_outcome is None or not is_open:
            return DASH, Role.DIM
        under_way = step_after(each.latest_step, each.latest_outcome)
        if under_way is not None:
            return round_word(under_way.value)
        is_last = each.rounds >= each.record.config.rounds
        return ("audit" if is_last else "next round"), Role.DIM

    def _at_gate(self, each: CampaignSummary) -> GateItem | None:
        gate = self.cockpit.view.gate
        return next((item for item in gate if item.campaign.record.id == each.record.id), None)

    def _waits_since(self, each: CampaignSummary) -> datetime | None:
        """Since when a candidate of it waits for a person; None when none does."""
        item = self._at_gate(each)
        if item is None or is_policys(item, self.cockpit.age_s(item.since)):
            return None
        return item.since

    def _next(self, view: View, summary: CampaignSummary) -> list[Line]:
        if summary.state is CampaignState.QUEUED:
            # What it waits for is said at length.
            return []
        item = self._at_gate(summary)
        waited_s = 0.0 if item is None else self.cockpit.age_s(item.since)
        return [next_line(view, summary, self.campaign, waited_s)]

    def _show_about(self, view: View) -> None:
        paper, rounds = self.query_one("#about", Paper), self.rounds_pane
        summary = view.summary(self.table.current_id)
        if summary is None:
            paper.set_lines([])
            rounds.set_choices([])
            return
        campaign = self.campaign
        self._show_rounds(rounds, view, summary, campaign)
        self._show_more(campaign)
        limit = summary.record.config.budget_usd if campaign is None else campaign.budget_usd
        device_s = None if campaign is None else sum(s.device_s for s in campaign.spend.values())
        lines = about_lines(
            summary,
            self.cockpit.age,
            limit,
            waits_since=self._waits_since(summary),
            device_s=device_s,
        )
        lines[1:1] = [*self._next(view, summary), *known_lines(view, summary.record.id)]
        if campaign is not None and campaign.champions:
            lines.insert(1, champion_line(campaign.champions))
        paper.set_lines(lines)

    def _show_more(self, campaign: CampaignView | None) -> None:
        if campaign is not None and campaign is not self._timed:
            self._timed = campaign
            unit = campaign.metric.rpartition(", ")[2]
            champions = self.query_one("#queue-champions", ChampionView)
            champions.set_points(campaign.champions, unit=unit)
            times = stage_times([each.steps for each in campaign.rounds], campaign.events)
            self.query_one("#queue-time", Paper).set_lines(time_lines(times))
        self._share_height()

    def _show_rounds(
        self, paper: Choices, view: View, summary: CampaignSummary, campaign: CampaignView | None
    ) -> None:
        if campaign is None:
            paper.set_choices([(None, line("… reading its rounds", Role.DIM))])
            return
        before: list[Line] = []
        if not self.has_class("-about"):
            # What the pane at the right would say first.
            before += [champion_line(campaign.champions)] if campaign.champions else []
            before += [*self._next(view, summary), *known_lines(view, summary.record.id)]
        lines: list[tuple[str | None, Line]] = [(None, each) for each in before]
        for each in reversed(campaign.rounds):
            said: Line = (
                (f"{each.label:>{ROUND_INDENT - 2}}  ", Role.DIM),
                *sentence_line(each, campaign),
                (f"  {each.hypothesis}" if each.hypothesis else "", Role.DIM),
            )
            lines.append((each.id, said))
        paper.set_choices(lines or [(None, line("No round yet.", Role.DIM))])
        paper.set_note(((plural(len(campaign.rounds), "round"), Role.DIM),))

    # --- events and actions ---

    @on(LinesView.CursorMoved, "#campaigns")
    def _moved(self) -> None:
        self._wanted = None
        self._choose_highlighted()
        self._show_about(self.cockpit.view)
        self.draw_bars()

    @on(LinesView.Opened, "#campaigns")
    def _opened(self) -> None:
        self.action_open()

    @on(LinesView.Opened, "#queue-rounds")
    def _round_opened(self) -> None:
        self.action_open()

    def action_open(self) -> None:
        chosen = self.chosen_round
        if chosen is not None:
            self.cockpit.choose_round(chosen)
            self.cockpit.open_mode("gate" if chosen.is_waiting else "replay")
            return
        found = self.table.current_id
        if found is None:
            return
        self.cockpit.choose(found)
        waiting = [each for each in self.cockpit.view.gate if each.campaign.record.id == found]
        if waiting:
            self.cockpit.choose_round(waiting[0].round)
        self.cockpit.open_mode("gate" if waiting else "run")

    def action_sort(self) -> None:
        self._sorting = (self._sorting + 1) % len(SORTINGS)
        self.redraw()

    @on(VTable.HeadClicked, "#campaigns")
    def _head_clicked(self, event: VTable.HeadClicked) -> None:
        names = [name for name, _ in SORTINGS]
        if (wanted := SORTED_BY.get(event.title)) is not None:
            # A second click takes it back.
            at = names.index(wanted)
            self._sorting = 0 if at == self._sorting else at
            self.redraw()

    def action_agenda(self) -> None:
        self.app.push_screen(AgendaPage(self.cockpit))

    def action_new_campaign(self) -> None:
        self.app.push_screen(NewCampaign(self.cockpit))

    def action_clone(self) -> None:
        if self.steered is not None:
            self.app.push_screen(NewCampaign(self.cockpit, self.steered.record))

    def action_priority(self, by: int) -> None:
        if self.steered is not None:
            word = "sooner" if by > 0 else "later"
            self.write_request(RequestKind.PRIORITY, self.steered, word, Asked(by=by))


def _text(each: CampaignSummary) -> str:
    record = each.record
    return f"{record.id} {record.task} {record.track} {record.profile} {each.state.value} {record.lineage}"
