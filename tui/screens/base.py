"""What every screen of the cockpit shares: bars, bindings, what it needs from the ledger, when it redraws.

Invariant: a screen draws from the view it was handed; it owns no facts.
"""

import time
from collections.abc import Callable, Iterable
from importlib import import_module
from typing import Any, ClassVar, TypeVar, cast

from textual import on
from textual.app import ComposeResult
from textual.screen import Screen
from textual.widget import Widget

from rsi.agent.store.rounds import RoundView
from rsi.agent.store.steps.facts import Opened
from rsi.sandboxes.process import ProcessBackend
from rsi.sandboxes.types import Assurance
from rsi.tui.cockpit import Cockpit
from rsi.tui.draw.captions import KEY as CAPTIONS_KEY
from rsi.tui.draw.phrases import paid
from rsi.tui.draw.styled import DASH, Role, Span
from rsi.tui.lines.next_steps import is_policys
from rsi.tui.model.commands import BY_ID, OUTSIDE, SCREENS, Command, Scope, in_scope
from rsi.tui.model.view import View
from rsi.tui.reading.reader import Interest
from rsi.tui.reading.round_reader import diff_text
from rsi.tui.waiting import when_done
from rsi.tui.widgets.bars import Bar, KeyBar, TabBar
from rsi.tui.widgets.diffview import DiffView
from rsi.tui.widgets.lines import LinesView
from rsi.tui.widgets.vtable import VTable

T = TypeVar("T")

NO_WALL = ProcessBackend.name
STALE_AFTER_S = 30.0
"""A worker beats every 5 s; half a minute of silence is worth saying."""

_OUTSIDE = frozenset(name for name, *_ in OUTSIDE)
HINT_S = 3.0
"""How long the state line says why a key did nothing."""


class CockpitScreen(Screen[None]):
    """A screen with tabs above, state and keys below."""

    DEFAULT_CSS = """
    CockpitScreen { layout: vertical; background: $background; }
    """

    scope: ClassVar[Scope] = Scope.GLOBAL
    mode: ClassVar[str] = ""
    """Name of the screen, as the application switches to it."""
    purpose: ClassVar[str] = ""
    """What the screen is for, shown on top of its help."""

    def __init_subclass__(cls, **options: Any) -> None:  # noqa: ANN401 - Textual's own
        super().__init_subclass__(**options)
        cls.mode = cls.scope.value

    def __init__(self) -> None:
        super().__init__()
        self._hint = ""
        """Why the key that was pressed last did nothing."""
        self._hint_until_s = 0.0

    def compose(self) -> ComposeResult:
        yield TabBar()
        yield from self.compose_body()
        if self.cockpit.captions is not None:
            yield Bar(dom_id="caption")
        yield Bar(dom_id="state")
        yield KeyBar()

    def compose_body(self) -> Iterable[Widget]:
        """The widgets between the bars."""
        raise NotImplementedError

    def interest(self) -> Interest:
        """What this screen needs from the ledger."""
        return Interest()

    def show(self, view: View) -> None:
        """Draw a view; called when it is new or the screen comes to the front."""
        raise NotImplementedError

    def is_possible(self, command: Command) -> bool:
        """Whether a command of this screen makes sense now."""
        return True

    def state_spans(self) -> list[Span]:
        """What the state line says after the worker's state; nothing by default."""
        return []

    def id_under_cursor(self) -> str | None:
        """What "copy id" copies; None leaves it to the application."""
        return None

    def round_outside(self) -> RoundView | None:
        """Whose diff a pager shows while a table has the focus; None where rows are no rounds."""
        return None

    def text_outside(self) -> str:
        """What a pager shows otherwise: what the focused pane says."""
        focused = self.focused
        return focused.plain_text() if isinstance(focused, LinesView) else ""

    def go_back(self) -> bool:
        """Leave an inner state, such as a search; False when there is none to leave."""
        return False

    @property
    def cockpit(self) -> Cockpit:
        return cast(Cockpit, self.app)

    # --- life ---

    def on_screen_resume(self) -> None:
        self.cockpit.feed_interest(self.interest())
        self.redraw()

    def on_resize(self) -> None:
        self.call_after_refresh(self.draw_bars)

    def redraw(self) -> None:
        """Draw the newest view, if the screen is in front."""
        if self.is_mounted and self.cockpit.screen_behind_dialogues is self:
            self.show(self.cockpit.view)
            self.draw_bars()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        command = self.command_of(action, parameters)
        if command is None:
            return True
        return True if self.can_do(command) else None

    def can_do(self, command: Command) -> bool:
        """Whether a command is possible now, here, with these rights."""
        if command.writes and self.cockpit.is_read_only:
            return False
        is_always = command.scope is not self.scope or command.action in _OUTSIDE
        return is_always or (self.is_mounted and self.is_possible(command))

    def why_not(self, command: Command) -> str:
        """Why a command is not possible now, as the end of a sentence; "" where there is no more to say."""
        return ""

    def say_why_not(self, action: str) -> None:
        """Say why a key did nothing.

        Args:
            action: As the registry has it.
        """
        command = next((each for each in in_scope(self.scope) if each.action == action), None)
        if command is None or self.can_do(command):
            return
        if command.writes and self.cockpit.is_read_only:
            why = "this is a recording" if self.cockpit.is_demo else "this cockpit is read-only"
        else:
            why = self.why_not(command) or "not possible now"
        # A line that is there anyway says it: a toast would cover what is being read.
        self._hint, self._hint_until_s = f" {command.title}: {why} ", time.monotonic() + HINT_S
        self.draw_bars()

    def command_of(self, action: str, parameters: tuple[object, ...]) -> Command | None:
        """The registry's command behind an action of this screen."""
        wanted = f"{action}({','.join(map(repr, parameters))})" if parameters else action
        return next(
            (each for each in in_scope(self.scope) if each.action.replace(" ", "") == wanted), None
        )

    # --- what opens after something was read ---

    def push_over(
        self, dialogue: Screen[T], then: Callable[[T | None], None] | None = None
    ) -> None:
        """Open a dialogue that had to be read first, unless the person has gone elsewhere meanwhile."""
        if self.is_current:
            self.app.push_screen(dialogue, then)

    # --- programs outside ---

    def action_pager(self) -> None:
        self.open_outside("PAGER")

    def action_editor(self) -> None:
        self.open_outside("EDITOR")

    def open_outside(self, variable: str) -> None:
        """Open what is looked at in a program of the person's own."""
        view, code, cockpit = self.round_outside(), self.cockpit.code, self.cockpit

        def show(text: str, suffix: str = ".diff") -> None:
            if not self.is_current:
                return  # the person has gone elsewhere meanwhile
            if text.strip():
                cockpit.open_outside(text, suffix=suffix, variable=variable)
            else:
                cockpit.say("there is no text here to open")

        if view is None or not isinstance(self.focused, VTable | DiffView):
            show(self.text_outside(), ".txt")
            return
        future = cockpit.ask_ledger(lambda ledger: diff_text(ledger, code, view))
        when_done(self, future, show, lambda error: cockpit.say(str(error), is_problem=True))

    # --- bars ---

    def draw_bars(self) -> None:
        """Redraw tabs, state and keys; cheap when nothing changed."""
        if not self.is_mounted or not self.query(KeyBar):
            # A timer may come when the screen is being made or taken down: it has bars before the tables they speak of.
            return
        view = self.cockpit.view
        tabs = [
            (
                each.value,
                key,
                f"{each.label}({len(view.gate)})"
                if each is Scope.GATE and view.gate
                else each.label,
            )
            for key, each in SCREENS.items()
        ]
        self.query_one(TabBar).set_tabs(tabs, self.mode, self._right_spans(view))
        left = [*self._worker_spans(view), *self.state_spans()]
        if time.monotonic() < self._hint_until_s:
            left = [(self._hint, Role.WARN)]
        for bar in self.query("#caption").results(Bar):
            said = self.cockpit.captions.line() if self.cockpit.captions else None
            bar.display = said is not None
            bar.set_line(said or (), ((f"{CAPTIONS_KEY} hides ", Role.DIM),))
        self.query_one("#state", Bar).set_line(left, self._source_spans(view))
        is_read_only = self.cockpit.is_read_only
        commands = [
            each
            for each in in_scope(self.scope)
            if each.in_footer and not (each.writes and is_read_only)
        ]
        commands += [BY_ID["global.help"], BY_ID["global.palette"], BY_ID["global.quit"]]
        self.query_one(KeyBar).set_commands(
            [(each, self.cockpit.keys_of(each), self.can_do(each)) for each in commands]
        )

    def _right_spans(self, view: View) -> list[Span]:
        return [(f"spent {paid(view.spend_usd, view.reserved_usd)} ", Role.BAR)]

    def _worker_spans(self, view: View) -> list[Span]:
        if view.problem:
            since = self.cockpit.age(view.read_at) if view.read_at else DASH
            return [(f" ✖ ledger cannot be read for {since}: {view.problem} ", Role.BAD)]
        spans = [*self._wall_spans(view), self._heartbeat(view)]
        if self.cockpit.is_demo:
            is_over = bool(view.campaigns) and not (view.running or view.queued)
            said = " ■ recorded, played to its end " if is_over else " ▶ recorded "
            spans.insert(0, (said, Role.NOTE))
        elif self.cockpit.is_read_only:
            spans.insert(0, (" ◌ read-only ", Role.NOTE))
        waiting = self._waiting(view)
        spans.append((f"· {view.running - waiting} running · {view.queued} queued ", Role.BAR))
        if view.gate and self.mode != "gate":
            spans.append((f"· ▲ gate {len(view.gate)} ", Role.WARN))
        return spans

    def _waiting(self, view: View) -> int:
        """Campaigns under way that do nothing until a person decides."""
        items = {
            each.campaign.record.id: each
            for each in view.gate
            if not is_policys(each, self.cockpit.age_s(each.since))
        }
        return sum(each.is_held_up for each in items.values())

    def _wall_spans(self, view: View) -> list[Span]:
        """A word of warning while the chosen campaign runs its candidates without a sandbox."""
        chosen = view.summary(self.cockpit.campaign_id)
        if chosen is None:
            return []
        name, rounds = chosen.record.config.backend, view.campaign.rounds if view.campaign else ()
        opened = (
            each.left(Opened) for each in rounds if each.record.campaign_id == chosen.record.id
        )
        # A backend of another distribution has a name of its own; what its rounds were opened in says how strong it is.
        is_open = any(each is not None and each.assurance == Assurance.NONE for each in opened)
        return [(f" ▲ {name}: no isolation ", Role.BAD)] if is_open or name == NO_WALL else []

    def _heartbeat(self, view: View) -> Span:
        if not view.workers:
            is_needed = bool(view.running or view.queued)
            return (" ▲ no worker yet ", Role.WARN) if is_needed else (" ○ no worker ", Role.BAR)
        silent_s = self.cockpit.age_s(view.workers[0].heartbeat_at)
        if silent_s < STALE_AFTER_S:
            alive = sum(self.cockpit.age_s(w.heartbeat_at) < STALE_AFTER_S for w in view.workers)
            return (" ● worker ok " if alive == 1 else f" ● {alive} workers ok ", Role.GOOD)
        if not (view.running or view.queued):
            return " ○ no worker ", Role.BAR
        return f" ▲ no heartbeat {self.cockpit.age(view.workers[0].heartbeat_at)} ", Role.WARN

    def _source_spans(self, view: View) -> list[Span]:
        return [] if self.cockpit.is_demo else [(f"{view.source} ", Role.BAR)]

    @on(TabBar.Chosen)
    def _on_tab(self, event: TabBar.Chosen) -> None:
        self.cockpit.action_mode(event.mode)

    @on(KeyBar.Pressed)
    async def _on_key_bar(self, event: KeyBar.Pressed) -> None:
        if event.command.scope is Scope.GLOBAL:
            await self.app.run_action(event.command.action, self.app)
        elif self.can_do(event.command):
            await self.run_action(event.command.action)


def screen_of(scope: Scope) -> type[CockpitScreen]:
    """The class of a screen, from the entry of its scope."""
    module, _, name = scope.target.partition(":")
    found: type[CockpitScreen] = getattr(import_module(f"{__package__}.{module}"), name)
    return found
