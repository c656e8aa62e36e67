"""The cockpit's application: screens by number, the feed, dialogues, toasts.

Invariants: it only reads the ledger, but for what `actions` writes; nothing opens or takes focus by itself; every
cell passes the filter that takes out what could act on a terminal.
"""

import os
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from rich.segment import Segment
from textual import events
from textual.actions import ActionParseResult
from textual.app import App, SuspendNotSupported, SystemCommand
from textual.binding import BindingType
from textual.color import Color
from textual.dom import DOMNode
from textual.filter import LineFilter, NoColor
from textual.message import Message
from textual.screen import Screen

from rsi.agent.store.home import Home
from rsi.agent.store.ledger import Ledger
from rsi.agent.store.records import utc_now
from rsi.agent.store.rounds import RoundView
from rsi.tui.draw.captions import KEY as CAPTIONS_KEY
from rsi.tui.draw.captions import Captions
from rsi.tui.draw.phrases import duration, plural
from rsi.tui.draw.safe import is_inert, safe_line, safe_text, without_active
from rsi.tui.draw.theme import MONO_NAME, THEME_NAMES, textual_themes
from rsi.tui.errors import ProgramError
from rsi.tui.held_keys import HeldKeys, Typed
from rsi.tui.model.code import Code
from rsi.tui.model.commands import SCREENS, Command, Scope, bindings
from rsi.tui.model.settings import Settings, save_settings, settings_path
from rsi.tui.model.view import View
from rsi.tui.palette import CommandProvider
from rsi.tui.programs import run_program, words_of
from rsi.tui.reading.feed import Feed
from rsi.tui.reading.reader import Interest
from rsi.tui.screens.base import CockpitScreen, screen_of
from rsi.tui.screens.dialogues.asking import Show
from rsi.tui.screens.dialogues.help import HELP_INDENT, help_lines
from rsi.tui.widgets.vtable import VTable

T = TypeVar("T")

CLOCK_S = 1.0
"""How often the worker's state is redrawn."""
SAID_AGAIN_S = 3.0
"""The same toast does not come twice within this time."""
AGES_EVERY = 5
"""Ticks of the clock between redrawing the ages in tables."""


class NoControl(LineFilter):
    """The second wall: whatever widget drew it, no control character reaches the terminal."""

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        return [
            segment
            if segment.control or is_inert(segment.text)
            else Segment(without_active(segment.text), segment.style)
            for segment in segments
        ]


class NewView(Message):
    """The feed left a newer view."""


class CockpitApp(App[None]):
    """Supervise, queue, judge and replay."""

    TITLE = "rsi"
    ENABLE_COMMAND_PALETTE = True
    HORIZONTAL_BREAKPOINTS = [  # noqa: RUF012 - declared so by Textual
        (0, "-narrow"),
        (100, "-wide"),
        (150, "-broad"),
    ]
    VERTICAL_BREAKPOINTS = [(0, "-short"), (34, "-tall")]  # noqa: RUF012 - as above
    BINDINGS: ClassVar[list[BindingType]] = bindings(Scope.GLOBAL)
    COMMAND_PALETTE_BINDING = "ctrl+p"
    COMMANDS = {CommandProvider}  # noqa: RUF012 - declared so by Textual
    MODES: ClassVar[dict[str, str | Callable[[], Screen[Any]]]] = {
        each.value: screen_of(each) for each in SCREENS.values()
    }
    DEFAULT_MODE = Scope.QUEUE.value
    CSS = """
    Screen { color: $foreground; }
    Toast { background: $panel; }
    SearchIcon { display: none; }
    .-maximized { width: 100% !important; }
    """

    def __init__(
        self,
        ledger: Ledger,
        *,
        home: Home | None = None,
        settings: Settings | None = None,
        is_read_only: bool = False,
        first_mode: str = "queue",
        campaign_id: str | None = None,
        is_demo: bool = False,
        captions: Captions | None = None,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        """Prepare the cockpit.

        Args:
            ledger: Open ledger, closed by the caller.
            home: Where repositories and settings are; None when only the ledger is at hand.
            settings: Theme, keys and the like.
            is_read_only: Write neither decisions nor requests.
            first_mode: The screen to open with.
            campaign_id: The campaign to show first; None takes the newest.
            is_demo: What is shown was recorded; said on every screen.
            captions: What a newcomer is told on every screen meanwhile; None for nothing.
            now: The clock that ages are told by.
        """
        super().__init__()
        self.settings = settings or Settings()
        self.home = home
        self.code = Code(home)
        self.campaign_id: str | None = campaign_id
        self._is_demo = is_demo
        self.captions = captions
        self._now = now
        self.round_id: str | None = None
        self.view = View(at=utc_now(), source=ledger.label)
        self._is_read_only = is_read_only or ledger.is_read_only
        self._first_mode = first_mode
        self._came_from: list[str] = []
        """Screens from which the next was opened, oldest first; a digit goes elsewhere for good and forgets them."""
        self._feed = Feed(ledger, self.code, self._take_view)
        self._ledger = ledger
        self._aside = ThreadPoolExecutor(max_workers=1, thread_name_prefix="rsi-aside")
        self._next_view: View | None = None
        self._handing_over = threading.Lock()
        self._ticks = 0
        self._said = ("", 0.0)
        """What the last toast said, and when."""
        self._known_gate: frozenset[str] | None = None
        self._keys = HeldKeys(self)
        self._filters_always: tuple[LineFilter, ...] = (NoControl(),)
        self._mono_filters: tuple[LineFilter, ...] = (*self._filters_always, NoColor())
        self._dress()

    def _dress(self) -> None:
        for theme in textual_themes():
            self.register_theme(theme)
        self.theme = MONO_NAME if os.environ.get("NO_COLOR") else self.settings.theme
        self.set_keymap(self.settings.keys)

    # --- life ---

    def on_mount(self) -> None:
        if self.captions is not None:
            self.bind(CAPTIONS_KEY, "captions", description="Captions", show=False)
        self.switch_mode(self._first_mode)
        self._feed.start()
        self.set_interval(CLOCK_S, self._on_clock)

    def on_unmount(self) -> None:
        self._keys.stop()
        self._feed.stop()
        self._aside.shutdown(wait=False, cancel_futures=True)

    async def on_event(self, event: events.Event) -> None:
        if isinstance(event, Typed) and not event.is_forwarded and self._keys.holds(event):
            return
        await super().on_event(event)

    def _take_view(self, view: View) -> None:
        """Called on the feed's thread: leave the view and say so once."""
        with self._handing_over:
            is_first, self._next_view = self._next_view is None, view
        if is_first:
            self.post_message(NewView())

    def on_new_view(self) -> None:
        with self._handing_over:
            view, self._next_view = self._next_view, None
        if view is None:
            return
        self.view = view
        if self.campaign_id is None and view.campaigns:
            self.campaign_id = view.campaigns[0].record.id
        self._notice_gate(view)
        screen = self.screen_behind_dialogues
        if isinstance(screen, CockpitScreen):
            # The default campaign may only be known now.
            self.feed_interest(screen.interest())
            screen.redraw()

    def _on_clock(self) -> None:
        screen = self.screen_behind_dialogues
        if not isinstance(screen, CockpitScreen):
            return
        screen.draw_bars()
        self._ticks += 1
        if self._ticks % AGES_EVERY == 0:
            for table in screen.query(VTable):
                table.refresh()

    def _notice_gate(self, view: View) -> None:
        """Say that something arrived at the gate, once, without opening it."""
        waiting = frozenset(f"{each.round.id}:{each.round.commit}" for each in view.gate)
        arrived = [] if self._known_gate is None else sorted(waiting - self._known_gate)
        if arrived:
            if self.current_mode != Scope.GATE.value:
                # There the inbox says it, and a toast would cover the code.
                self.say(f"{plural(len(arrived), 'candidate')} at the gate: press 3 to look")
            if self.settings.bell:
                self.bell()
        if waiting != self._known_gate and self.settings.title:
            self._set_terminal_title(f"rsi · {len(waiting)} at the gate" if waiting else "rsi")
        self._known_gate = waiting

    def _set_terminal_title(self, title: str) -> None:
        driver = self._driver
        if driver is not None and not self.is_headless:
            driver.write(f"\x1b]0;{title}\x07")

    # --- what screens ask for ---

    @property
    def is_read_only(self) -> bool:
        return self._is_read_only

    @property
    def is_demo(self) -> bool:
        return self._is_demo

    @property
    def screen_behind_dialogues(self) -> Screen[Any] | None:
        # Nothing is in front for a moment while screens change or are taken down; a view may come then.
        shown = reversed(self.screen_stack)
        return next((each for each in shown if isinstance(each, CockpitScreen)), None)

    def age_s(self, then: datetime) -> float:
        return (self._now() - then).total_seconds()

    def age(self, then: datetime) -> str:
        return duration(self.age_s(then))

    def keys_of(self, command: Command) -> str:
        return self.settings.keys.get(command.id, command.keys)

    def feed_interest(self, interest: Interest) -> None:
        self._feed.set_interest(interest)

    def use_settings(self, settings: Settings) -> None:
        self.settings = settings
        if not os.environ.get("NO_COLOR"):
            self.theme = settings.theme
        self.set_keymap(settings.keys)
        if self.home is not None and not self._is_read_only:
            save_settings(settings_path(self.home.root), settings)

    def ask_ledger(self, work: Callable[[Ledger], T]) -> "Future[T]":
        return self._feed.call(work)

    def work_aside(self, work: Callable[[Ledger], T]) -> "Future[T]":
        return self._aside.submit(work, self._ledger)

    def choose(self, campaign_id: str) -> None:
        if campaign_id != self.campaign_id:
            self.campaign_id, self.round_id = campaign_id, None
        self._say_interest()

    def choose_round(self, chosen: RoundView) -> None:
        self.campaign_id, self.round_id = chosen.record.campaign_id, chosen.id
        self._say_interest()

    def _say_interest(self) -> None:
        screen = self.screen_behind_dialogues
        if isinstance(screen, CockpitScreen):
            self.feed_interest(screen.interest())

    def say(self, text: str, *, is_problem: bool = False) -> None:
        now_s = time.monotonic()
        said, said_s = self._said
        if text == said and now_s - said_s < SAID_AGAIN_S:
            # A key that is held down says it once.
            return
        self._said = text, now_s
        self.notify(text, severity="error" if is_problem else "information")

    def notify(
        self,
        message: str,
        *,
        title: str = "",
        severity: Any = "information",  # noqa: ANN401 - Textual's own literal type is not exported
        timeout: float | None = None,
        markup: bool = False,
    ) -> None:
        """A toast; markup stays off whatever the caller says, and the text is made safe."""
        super().notify(
            safe_text(message)[:600],
            title=safe_line(title),
            severity=severity,
            timeout=timeout,
            markup=False,
        )

    async def run_action(
        self,
        action: "str | ActionParseResult",
        default_namespace: DOMNode | None = None,
        namespaces: Mapping[str, DOMNode] | None = None,
    ) -> bool:
        """Run an action; a key of the screen that does nothing now says why."""
        is_done = await super().run_action(action, default_namespace, namespaces)
        if not is_done and isinstance(default_namespace, CockpitScreen) and isinstance(action, str):
            default_namespace.say_why_not(action)
        return is_done

    def get_line_filters(self) -> Sequence[LineFilter]:
        # Every colour of our themes is a true one, so the filters that translate colours have nothing to do.
        return self._mono_filters if self.theme == MONO_NAME else self._filters_always

    def get_system_commands(self, screen: Screen[Any]) -> Iterable[SystemCommand]:
        return ()

    # --- actions that work everywhere ---

    def action_mode(self, mode: str) -> None:
        if isinstance(self.screen, CockpitScreen):
            left = self.current_mode
            if mode != left:
                # Whoever looks in at the gate goes on where they were.
                self._came_from = [left] if mode == Scope.GATE.value else []
            self.switch_mode(mode)

    def open_mode(self, mode: str) -> None:
        if isinstance(self.screen, CockpitScreen):
            if mode != self.current_mode:
                self._came_from.append(self.current_mode)
            self.switch_mode(mode)

    def action_help(self) -> None:
        screen = self.screen_behind_dialogues
        is_in_front = self.screen is screen
        if isinstance(screen, CockpitScreen) and is_in_front:
            self.push_screen(
                Show(f"Help: {screen.mode}", help_lines(self, screen), indent=HELP_INDENT)
            )

    def action_next_gate(self) -> None:
        if not self.view.gate:
            self.say("nothing waits at the gate")
            return
        item = self.view.gate[0]
        self.choose_round(item.round)
        self.open_mode("gate")

    def action_captions(self) -> None:
        if self.captions is not None:
            self.captions.switch()
            self._on_clock()

    def action_cycle_theme(self) -> None:
        names = list(THEME_NAMES)
        at = names.index(self.theme) if self.theme in names else -1
        self.theme = names[(at + 1) % len(names)]

    def action_zoom(self) -> None:
        screen = self.screen
        if screen.maximized is not None:
            screen.minimize()
        elif screen.focused is not None:
            screen.maximize(screen.focused)

    def action_copy_id(self) -> None:
        selected = self.screen.get_selected_text()
        if selected:
            self.copy_to_clipboard(safe_text(selected))
            self.say(f"copied {plural(selected.count(chr(10)) + 1, 'line')}")
            return
        found = self.round_id or self.campaign_id
        screen = self.screen_behind_dialogues
        if isinstance(screen, CockpitScreen):
            found = screen.id_under_cursor() or found
        if found:
            self.copy_to_clipboard(safe_line(found))
            self.say(f"copied {found}")

    def action_save_screen(self) -> None:
        if self._is_read_only:
            self.say("read-only: nothing was written", is_problem=True)
            return
        folder = self.home.reports if self.home is not None else Path.cwd()
        path = folder / f"rsi-{datetime.now().astimezone():%Y%m%d-%H%M%S}.svg"
        try:
            path.write_text(self.export_screenshot(title="rsi"), encoding="utf-8")
        except OSError as error:
            self.say(f"{path} cannot be written: {error.strerror}", is_problem=True)
        else:
            self.say(f"saved {path}")

    def action_back(self) -> None:  # type: ignore[override]  # Textual's is a coroutine; this one does not wait
        screen = self.screen
        if screen.maximized is not None:
            screen.minimize()
        elif isinstance(screen, CockpitScreen) and not screen.go_back():
            self.switch_mode(self._came_from.pop() if self._came_from else Scope.QUEUE.value)

    def action_leave(self) -> None:
        self.exit()

    # --- programs outside ---

    def open_outside(self, text: str, *, suffix: str, variable: str) -> None:
        self._run_on_text(safe_text(text), suffix=suffix, variable=variable)

    def edit_outside(self, text: str, *, suffix: str) -> str | None:
        changed = self._run_on_text(text, suffix=suffix, variable="EDITOR")
        return None if changed is None or changed == text else changed

    def edit_file(self, path: Path) -> None:
        self._run(path, "EDITOR")

    def _run_on_text(self, text: str, *, suffix: str, variable: str) -> str | None:
        with tempfile.TemporaryDirectory(prefix="rsi-") as folder:
            path = Path(folder) / f"rsi{suffix}"
            # Line ends stay as they are: a file is sent back with what was changed in it and nothing else.
            path.write_text(text, encoding="utf-8", errors="replace", newline="")
            if not self._run(path, variable):
                return None
            with path.open(encoding="utf-8", errors="replace", newline="") as changed:
                return changed.read()

    def _run(self, path: Path, variable: str) -> bool:
        try:
            words = words_of(variable, os.environ)
            with self.suspend():
                run_program(words, path, is_pager=variable == "PAGER")
        except ProgramError as error:
            self.say(str(error), is_problem=True)
            return False
        except SuspendNotSupported:
            self.say("this terminal cannot be handed to another program", is_problem=True)
            return False
        return True
