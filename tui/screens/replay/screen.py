"""Replay: an agent's steps in one round, one by one, live or finished, of any length."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import ClassVar, TypeVar

from textual import on
from textual.binding import BindingType
from textual.containers import Horizontal
from textual.timer import Timer
from textual.widget import Widget

from rsi.agent.store.ledger import Ledger
from rsi.agent.store.records import AgentRole, CampaignSummary, TrajectoryEvent
from rsi.agent.store.rounds import RoundView
from rsi.tui.draw.phrases import clock, count, ended, usd
from rsi.tui.draw.styled import DASH, EMPTY_LINE, TIMES, Line, Role, Span, line
from rsi.tui.lines.rounds import sentence_line
from rsi.tui.model.commands import Command, Scope, bindings
from rsi.tui.model.trajectory import SIGNS, Group, event_lines
from rsi.tui.model.view import View
from rsi.tui.reading.event_store import PAGE_EVENTS, EventStore, PositionIds
from rsi.tui.reading.reader import Interest
from rsi.tui.screens.dialogues.filtering import FilterInput
from rsi.tui.screens.replay.search import ReplaySearch
from rsi.tui.waiting import when_done
from rsi.tui.widgets.bars import Bar
from rsi.tui.widgets.diffview import DiffView
from rsi.tui.widgets.lines import LinesView
from rsi.tui.widgets.paper import Paper
from rsi.tui.widgets.sentence import Sentence
from rsi.tui.widgets.vtable import Column, Row, VTable

T = TypeVar("T")

FIRST_EVENTS = 200
"""Read before the first paint."""
FOLLOWING_EVENTS = 500
"""Read at once afterwards, so that the feed's looks come in between."""
COLUMNS = (
    Column(title="step", width=6, align="right"),
    Column(title="kind", width=8),
    Column(title="what", min_width=10),
)
_TOGGLED: Mapping[str, tuple[Group, ...]] = {
    "model": (Group.MODEL,),
    "tool": (Group.TOOL, Group.EDIT, Group.MEASURE),
    "thinking": (Group.THINKING,),
}
_JUMPS: Mapping[str, Group] = {"edit": Group.EDIT, "measure": Group.MEASURE}


class ReplayScreen(ReplaySearch):
    """Timeline at the left; the step, the code as of it, or its diff at the right."""

    DEFAULT_CSS = """
    ReplayScreen #replay-head { background: $background; }
    ReplayScreen #timeline { width: 34; }
    ReplayScreen.-wide #timeline, ReplayScreen.-broad #timeline { width: 52; }
    ReplayScreen #body { width: 1fr; padding: 0 0 0 1; }
    ReplayScreen #body-diff { width: 1fr; display: none; padding: 0 0 0 1; }
    ReplayScreen.-diff #body-diff { display: block; }
    ReplayScreen.-diff #body { display: none; }
    """
    BINDINGS: ClassVar[list[BindingType]] = bindings(Scope.REPLAY)
    scope = Scope.REPLAY
    purpose = "An agent's steps in one round. h and l step, 0 and $ go to the ends, H and L change the round."

    def __init__(self) -> None:
        super().__init__()
        self.store = EventStore()
        self._of: tuple[str, AgentRole] | None = None
        self._hidden: frozenset[Group] = frozenset()
        self._is_loading = False
        self._has_more = False
        self._wanted_pages: set[int] = set()
        self._follows = False
        self._timer: Timer | None = None
        self._speed = 0.0
        self._drawn: tuple[object, ...] = ()
        """Which step stands at the right."""

    def compose_body(self) -> Iterable[Widget]:
        yield Bar(dom_id="replay-head")
        yield Sentence(most_rows=2, dom_id="said")
        with Horizontal():
            yield VTable(COLUMNS, heading="Steps", dom_id="timeline")
            yield Paper(heading="Step", dom_id="body")
            yield DiffView(heading="Diff so far", dom_id="body-diff")
        yield FilterInput("search in all steps; enter goes to the first, n and N to others")

    def on_mount(self) -> None:
        self._speed = self.cockpit.settings.play_speed
        self.table.empty = (
            EMPTY_LINE,
            line("No steps.", Role.STRONG),
            (("2", Role.KEY), (" choose a round there", Role.DIM)),
            (("H L", Role.KEY), (" other rounds", Role.DIM)),
        )
        # Stepping shows what comes next, and does not repaint the list at every step.
        self.table.scroll_share = 0.5
        self.table.focus()

    @property
    def table(self) -> VTable:
        return self.query_one("#timeline", VTable)

    @property
    def steered(self) -> CampaignSummary | None:
        return self.cockpit.view.summary(self.cockpit.campaign_id)

    @property
    def position(self) -> int:
        """Position of the event under the cursor; -1 when there is none."""
        found = self.table.current_id
        return -1 if found is None else int(found)

    @property
    def event(self) -> TrajectoryEvent | None:
        """The event under the cursor, once its page is here."""
        return self.store.event_at(self.position) if self.position >= 0 else None

    def id_under_cursor(self) -> str | None:
        return self.round_id

    def interest(self) -> Interest:
        return Interest(campaign_id=self.cockpit.campaign_id, round_id=self.round_id)

    @property
    def round_id(self) -> str | None:
        """The round that is replayed: the chosen one, or the latest of the campaign as it was when this was opened."""
        if self.cockpit.round_id is not None:
            return self.cockpit.round_id
        summary = self.steered
        if summary is None:
            return None
        if self._of is not None and not self._follows:
            # Who reads a round is not thrown into the next one when that begins; who follows its end goes on.
            here, campaign_id = self._of[0], summary.record.id
            if here in {each.id for each in self._rounds_of(campaign_id)}:
                return here
        return summary.latest_round_id

    def _rounds_of(self, campaign_id: str) -> Sequence[RoundView]:
        campaign = self.cockpit.view.campaign
        return campaign.rounds if campaign is not None and campaign.id == campaign_id else ()

    # --- drawing ---

    def show(self, view: View) -> None:
        round_id = self.round_id
        if round_id is None:
            if self._of is not None:
                self._forget(None)
            self._draw_head()
            return
        agent = self._of[1] if self._of is not None else AgentRole.PROPOSER
        if self._of is None or self._of[0] != round_id:
            self._open(round_id, AgentRole.PROPOSER)
        elif not self._is_loading:
            self._load(round_id, agent)
        self.cockpit.feed_interest(self.interest())
        self._draw_head()

    def _open(self, round_id: str, agent: AgentRole) -> None:
        self._forget((round_id, agent))
        self._load(round_id, agent)

    def _forget(self, of: tuple[str, AgentRole] | None) -> None:
        """Begin with another trajectory, or with none."""
        self._of = of
        self.store = EventStore()
        self._wanted_pages.clear()
        self.forget_matches()
        self._is_loading = self._follows = False
        self.table.cursor = 0
        self.forget_views()
        self._refill()

    def _load(self, round_id: str, agent: AgentRole) -> None:
        """Fetch what follows the last known event, piece by piece."""
        if self._is_loading:
            return
        self._is_loading = True
        store, of = self.store, self._of
        amount = FIRST_EVENTS if not len(store) else FOLLOWING_EVENTS
        after = store.last_seq

        def arrived(events: tuple[TrajectoryEvent, ...]) -> None:
            if store is not self.store or of != self._of:
                return
            self._is_loading = False
            was_at_end = self._follows or not len(store)
            is_first = not len(store)
            if events:
                store.add(events)
                if is_first:
                    store.add_page(0, events[:PAGE_EVENTS])
                self._refill(go_to_end=self._follows and was_at_end)
            self._has_more = len(events) == amount
            self._search_on()
            if self._has_more:
                self._load(round_id, agent)

        def failed(_: Exception) -> None:
            # The next look tries again; the state line says that the ledger cannot be read.
            if store is self.store:
                self._is_loading = False

        future = self.cockpit.ask_ledger(
            lambda ledger: ledger.events(round_id, agent, after, amount)
        )
        when_done(self, future, arrived, failed)

    def fetch(self, work: Callable[[Ledger], T], arrived: Callable[[T], None]) -> None:
        """Read from the ledger off the event loop and hand the result to a function."""
        when_done(self, self.cockpit.ask_ledger(work), arrived, self.say_problem)

    def _refill(self, *, go_to_end: bool = False) -> None:
        if self._hidden:
            positions: Sequence[int] = self.store.positions(lambda group: group not in self._hidden)
        else:
            positions = range(len(self.store))
        self.table.set_rows(PositionIds(positions), self._row)
        if go_to_end:
            self.table.move_cursor(len(positions) - 1)
        self._draw_step()

    def _row(self, index: int) -> Row:
        position = int(self.table.ids[index])
        found = self.store.headline_at(position)
        sign, role = SIGNS[self.store.group_at(position)]
        is_bad = self.store.is_error_at(position)
        number = (str(self.store.seq_at(position)), Role.DIM)
        kind = (("✖ " + sign[2:] if is_bad else sign), Role.BAD if is_bad else role)
        if found is None:
            self._want_page(position // PAGE_EVENTS)
            return number, kind, ("…", Role.DIM)
        text_role = Role.MATCH if self.is_match(position) else Role.BAD if is_bad else Role.TEXT
        return number, kind, (found.text, text_role)

    def _want_page(self, page: int) -> None:
        """Fetch the whole events of a page that is on the screen."""
        start = self.store.page_start(page)
        if page in self._wanted_pages or self._of is None or start is None:
            return
        self._wanted_pages.add(page)
        store, (round_id, agent) = self.store, self._of

        def arrived(events: tuple[TrajectoryEvent, ...]) -> None:
            if store is self.store:
                self._wanted_pages.discard(page)
                store.add_page(page, events)
                self.table.refresh()
                self._draw_step()

        def failed(_: Exception) -> None:
            # Asked for again when it is drawn again; the state line says that the ledger cannot be read.
            self._wanted_pages.discard(page)

        future = self.cockpit.ask_ledger(
            lambda ledger: ledger.events(round_id, agent, start, PAGE_EVENTS)
        )
        when_done(self, future, arrived, failed)

    def _draw_step(self) -> None:
        position = self.position
        body = self.query_one("#body", Paper)
        if position < 0:
            body.set_lines(())
            self._drawn = ()
            self._draw_head()
            return
        event = self.event
        if event is None:
            self._want_page(position // PAGE_EVENTS)
        elif self.shown_view != "step":
            self._drawn = ()
            self.draw_code(position)
        elif self._drawn != (self._of, event.seq):
            # Who reads a long step is not thrown back to its top when others arrive.
            self._drawn = (self._of, event.seq)
            body.heading = f"Step {event.seq}: {event.kind.value.replace('_', ' ')}"
            body.set_note(((clock(event.at), Role.DIM),))
            body.set_lines(event_lines(event), from_top=True)
        self._draw_head()

    def _draw_head(self) -> None:
        bar = self.query_one("#replay-head", Bar)
        if self._of is None:
            bar.set_line([(" no round chosen", Role.DIM)])
            self.query_one("#said", Sentence).set_sentence()
            return
        round_id, agent = self._of
        total, at = len(self.store), self.position
        view = self.cockpit.view.round
        word: Span = ("", Role.DIM)
        said: tuple[Line, ...] = ()
        if view is not None and view.view.id == round_id:
            word = ended(view.view)
            said = (sentence_line(view.view, self.cockpit.view.campaign),)
        self.query_one("#said", Sentence).set_sentence(*said)
        left: list[Span] = [
            (f" {round_id} ", Role.TITLE), word,
            (f"  {agent.value}  ", Role.ACCENT),
            (f"step {self.store.seq_at(at) if at >= 0 else DASH} · {at + 1} of {count(total)}", Role.TEXT),
            ("+ " if self._has_more else " ", Role.DIM),
            (_progress(at, total, 10), Role.ACCENT),
        ]  # fmt: skip
        if self._hidden:
            left.append(
                (f"  without {', '.join(sorted(each.value for each in self._hidden))}", Role.WARN)
            )
        if self._search:
            left.append((f"  /{self._search}: {self.match_count()}", Role.WARN))
        if self._timer is not None:
            left.append((f"  ▶ {self._speed:g}{TIMES}", Role.GOOD))
        right: list[Span] = [
            (f"{count(self.store.tokens_at(at))} tok  ", Role.DIM),
            (f"{usd(self.store.cost_at(at)) if total else DASH} ", Role.TEXT),
        ]
        bar.set_line(left, right)

    # --- moving ---

    def is_possible(self, command: Command) -> bool:
        match command.id:
            case "replay.next_round" | "replay.previous_round" | "replay.agent":
                return self.round_id is not None
            case "replay.search_next" | "replay.search_previous":
                return bool(self._matches)
            case _:
                return len(self.store) > 0

    def why_not(self, command: Command) -> str:
        if command.id in {"replay.search_next", "replay.search_previous"}:
            return "nothing matches" if self._search else "search for something first, with /"
        return "no round is chosen" if self.round_id is None else "there are no steps"

    @on(LinesView.CursorMoved, "#timeline")
    def _moved(self) -> None:
        self._follows = self.table.cursor == self.table.line_count() - 1
        self._draw_step()

    def action_step(self, by: int) -> None:
        self.table.move_cursor(self.table.cursor + by)

    def action_ends(self, which: int) -> None:
        self.table.move_cursor(0 if which < 0 else self.table.line_count() - 1)

    def action_jump(self, what: str, by: int) -> None:
        if what == "error":
            found = self.store.next_position(self.position, by, self.store.is_error_at)
        else:
            wanted = _JUMPS[what]
            found = self.store.next_position(
                self.position,
                by,
                lambda at: self.store.group_at(at) is wanted and self.store.is_call_at(at),
            )
        if found is None:
            self.cockpit.say(f"no {what} {'after' if by > 0 else 'before'} this step")
        else:
            self._go_to(found)

    def _go_to(self, position: int) -> None:
        if not self.table.select_id(str(position)):
            self._hidden = frozenset()
            self._refill()
            self.table.select_id(str(position))
        if self._search:
            self._draw_head()

    def action_toggle_kind(self, kind: str) -> None:
        at = self.position
        self._hidden ^= frozenset(_TOGGLED[kind])
        self._refill()
        if at >= 0 and not self.table.select_id(str(at)):
            self._draw_step()

    def action_other_round(self, by: int) -> None:
        campaign = self.cockpit.view.campaign
        if campaign is None or self.round_id is None:
            return
        ids = [each.id for each in campaign.rounds]
        if self.round_id in ids and 0 <= ids.index(self.round_id) + by < len(ids):
            self.cockpit.choose_round(campaign.rounds[ids.index(self.round_id) + by])
            self.redraw()

    def action_other_agent(self) -> None:
        if self._of is None:
            return
        view = self.cockpit.view.round
        agents = list(view.agents) if view is not None and view.view.id == self._of[0] else []
        if len(agents) < 2:
            self.cockpit.say("only one agent spoke in this round")
            return
        at = agents.index(self._of[1]) if self._of[1] in agents else -1
        self._open(self._of[0], agents[(at + 1) % len(agents)])

    # --- playing ---

    def action_play(self) -> None:
        if self._timer is not None:
            self._stop_playing()
        else:
            self._timer = self.set_interval(1 / self._speed, self._tick)
        self._draw_head()

    def action_speed(self, by: int) -> None:
        self._speed = min(64.0, max(0.25, self._speed * 2.0**by))
        if self._timer is not None:
            self._stop_playing()
            self._timer = self.set_interval(1 / self._speed, self._tick)
        self._draw_head()

    def _tick(self) -> None:
        if self.table.cursor >= self.table.line_count() - 1 and not self._is_loading:
            self._stop_playing()
            self._draw_head()
        else:
            self.action_step(1)

    def _stop_playing(self) -> None:
        if self._timer is not None:
            self._timer.stop()
            self._timer = None

    def on_screen_suspend(self) -> None:
        self._stop_playing()


def _progress(at: int, total: int, cells: int) -> str:
    filled = round((at + 1) / total * cells) if total else 0
    return "▮" * filled + "▯" * (cells - filled)
