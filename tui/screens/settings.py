"""Settings: theme, keys and habits; workers and places; secrets only as set or not set."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import ClassVar

from textual import on
from textual.binding import BindingType
from textual.containers import Container
from textual.widget import Widget

from rsi.tui.draw.phrases import duration
from rsi.tui.draw.styled import EMPTY_LINE, Line, Role, line
from rsi.tui.draw.theme import THEME_NAMES
from rsi.tui.errors import SettingsError
from rsi.tui.model.commands import COMMANDS, Command, Scope, bindings, clashes, shown_keys
from rsi.tui.model.setting_bounds import HIGHEST, is_possible
from rsi.tui.model.settings import (
    DESCRIPTIONS,
    Settings,
    secrets_set,
    settings_path,
)
from rsi.tui.model.view import View
from rsi.tui.screens.base import STALE_AFTER_S, CockpitScreen
from rsi.tui.screens.dialogues.asking import AskText
from rsi.tui.widgets.lines import LinesView
from rsi.tui.widgets.paper import Paper
from rsi.tui.widgets.vtable import Column, Row, VTable

COLUMNS = (
    Column(title="setting", width=24),
    Column(title="value", width=16),
    Column(title="", width=8, priority=2),
    Column(title="what it does", min_width=16, priority=1),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One row: a setting, or the keys of a command."""

    id: str
    value: str
    is_changed: bool
    text: str


class SettingsScreen(CockpitScreen):
    """A table of settings and keys; facts about this cockpit below."""

    DEFAULT_CSS = """
    SettingsScreen #settings-body { height: 1fr; layout: vertical; }
    SettingsScreen.-wide #settings-body, SettingsScreen.-broad #settings-body { layout: horizontal; }
    SettingsScreen #items { width: 100%; height: 3fr; }
    SettingsScreen #facts { width: 100%; height: 2fr; }
    SettingsScreen.-wide #items, SettingsScreen.-broad #items { width: 3fr; height: 100%; }
    SettingsScreen.-wide #facts, SettingsScreen.-broad #facts { width: 2fr; height: 100%; padding: 0 0 0 1; }
    """
    BINDINGS: ClassVar[list[BindingType]] = bindings(Scope.SETTINGS)
    scope = Scope.SETTINGS
    purpose = "Enter changes what is under the cursor. Keys of every command can be changed."

    def __init__(self) -> None:
        super().__init__()
        self._items: tuple[Item, ...] = ()

    def compose_body(self) -> Iterable[Widget]:
        with Container(id="settings-body"):
            yield VTable(COLUMNS, heading="Settings and keys", dom_id="items")
            yield Paper(heading="This cockpit", indent=12, dom_id="facts")

    def on_mount(self) -> None:
        self.table.focus()

    @property
    def table(self) -> VTable:
        return self.query_one("#items", VTable)

    @property
    def item(self) -> Item | None:
        """The row under the cursor."""
        at = self.table.cursor
        return self._items[at] if at < len(self._items) else None

    def id_under_cursor(self) -> str | None:
        return None if self.item is None else self.item.id

    def show(self, view: View) -> None:
        self._items = items_of(self.cockpit.settings)
        self.table.set_rows([each.id for each in self._items], self._row)
        self.query_one("#facts", Paper).set_lines(self._facts(view))

    def _row(self, index: int) -> Row:
        each = self._items[index]
        return (
            (each.id, Role.TEXT),
            (each.value, Role.STRONG if each.is_changed else Role.TEXT),
            ("changed" if each.is_changed else "", Role.ACCENT),
            (each.text, Role.DIM),
        )

    def _facts(self, view: View) -> list[Line]:
        home = self.cockpit.home
        is_kept = home is not None and not self.cockpit.is_read_only
        kept = str(settings_path(home.root)) if home and is_kept else "kept until you leave"
        lines: list[Line] = []
        if self.item is not None:
            lines += [((f"{self.item.id}  ", Role.TITLE), (self.item.text, Role.TEXT)), EMPTY_LINE]
        lines += [
            (("ledger      ", Role.DIM), (view.source, Role.TEXT)),
            (("home        ", Role.DIM), (str(home.root) if home else "none; only the ledger is at hand", Role.TEXT)),
            (("settings    ", Role.DIM), (kept, Role.TEXT)),
            (("rights      ", Role.DIM), ("read-only" if self.cockpit.is_read_only else "may decide and ask", Role.TEXT)),
            EMPTY_LINE,
            line("Workers", Role.TITLE),
        ]  # fmt: skip
        for each in view.workers[:8]:
            silent_s = self.cockpit.age_s(each.heartbeat_at)
            is_alive = silent_s < STALE_AFTER_S
            sign = ("● ", Role.GOOD) if is_alive else ("▲ ", Role.WARN)
            state = "paused" if each.is_paused else "alive"
            state = "draining" if each.is_draining else state
            said = state if is_alive else f"silent for {duration(silent_s)}"
            lines.append(
                (
                    sign,
                    (f"{each.host} {each.pid} ", Role.TEXT),
                    (f"{said}, version {each.version}", Role.DIM),
                )
            )
        if not view.workers:
            lines.append(
                (("none yet; ", Role.DIM), ("rsi worker", Role.KEY), (" starts one", Role.DIM))
            )
        lines += [EMPTY_LINE, line("Secrets in this shell (workers read their own)", Role.TITLE)]
        for name, is_set in secrets_set():
            sign = ("✔ set     ", Role.GOOD) if is_set else ("○ not set ", Role.DIM)
            lines.append((sign, (name, Role.TEXT)))
        return lines

    # --- actions ---

    def is_possible(self, command: Command) -> bool:
        return (
            self.cockpit.home is not None
            if command.id == "settings.file"
            else self.item is not None
        )

    @on(LinesView.CursorMoved, "#items")
    def _moved(self) -> None:
        facts = self.query_one("#facts", Paper)
        facts.set_lines(self._facts(self.cockpit.view), from_top=True)

    @on(LinesView.Opened, "#items")
    def _opened(self) -> None:
        self.action_edit()

    def action_edit(self) -> None:
        item, settings = self.item, self.cockpit.settings
        if item is None:
            return
        match item.id:
            case "theme":
                at = THEME_NAMES.index(settings.theme)
                self._use(replace(settings, theme=THEME_NAMES[(at + 1) % len(THEME_NAMES)]))
            case "bell":
                self._use(replace(settings, bell=not settings.bell))
            case "title":
                self._use(replace(settings, title=not settings.title))
            case "diff_split":
                self._use(replace(settings, diff_split=not settings.diff_split))
            case name if name in HIGHEST:
                self._ask_number(settings, name)
            case _:
                self._ask_keys(settings, item)

    def _ask_number(self, settings: Settings, name: str) -> None:
        """Ask for a number; empty means no limit, where that is possible."""
        now, may_be_none = getattr(settings, name), getattr(Settings(), name) is None

        def answered(text: str | None) -> None:
            if text is None:
                return
            if not text:
                self._use(with_value(settings, name, None))
                return
            try:
                value = float(text)
            except ValueError:
                value = 0.0
            if is_possible(name, value):
                self._use(with_value(settings, name, value))
            else:
                said = f"{text!r} is no number from 0 to {HIGHEST[name]:g}"
                self.cockpit.say(said, is_problem=True)

        lines = [
            line(f"{DESCRIPTIONS[name]}{'; empty for no limit' if may_be_none else ''}", Role.DIM)
        ]
        self.app.push_screen(
            AskText(name.replace("_", " ").capitalize(), lines, label="set",
                    text="" if now is None else f"{now:g}", may_be_empty=may_be_none), answered)  # fmt: skip

    def _ask_keys(self, settings: Settings, item: Item) -> None:
        command = next((each for each in COMMANDS if each.id == item.id), None)
        if command is None:
            return
        now = settings.keys.get(command.id, command.keys)
        lines: list[Line] = [
            line(command.help),
            line(
                "Key names as in: a  A  ctrl+a  f2  space  enter  right_square_bracket; commas between several.",
                Role.DIM,
            ),
            line("Empty takes the default back.", Role.DIM),
        ]

        def answered(text: str | None) -> None:
            if text is None:
                return
            keys = {name: value for name, value in settings.keys.items() if name != command.id}
            if text and text != command.keys:
                keys[command.id] = text
            found = clashes(keys)
            if found:
                self.cockpit.say(found[0], is_problem=True)
            else:
                self._use(replace(settings, keys=keys))

        self.app.push_screen(
            AskText(
                f"Keys of {command.title.lower()}", lines, label="set", text=now, may_be_empty=True
            ),
            answered,
        )

    def _use(self, settings: Settings) -> None:
        try:
            self.cockpit.use_settings(settings)
        except SettingsError as error:
            self.cockpit.say(str(error), is_problem=True)
        self.redraw()

    def action_edit_file(self) -> None:
        home = self.cockpit.home
        if home is None:
            return
        path = settings_path(home.root)
        if not path.exists():
            self._use(self.cockpit.settings)
        self.cockpit.edit_file(path)


def items_of(settings: Settings) -> tuple[Item, ...]:
    """Settings first, then the keys of every command."""
    default = Settings()
    items = []
    for name, text in DESCRIPTIONS.items():
        if name == "keys":
            continue
        value = getattr(settings, name)
        items.append(
            Item(
                id=name, value=_shown(value), is_changed=value != getattr(default, name), text=text
            )
        )
    for command in COMMANDS:
        keys = settings.keys.get(command.id, command.keys)
        items.append(
            Item(
                id=command.id,
                value=shown_keys(keys),
                is_changed=command.id in settings.keys,
                text=command.help,
            )
        )
    return tuple(items)


def with_value(settings: Settings, name: str, value: float | None) -> Settings:
    """The settings with another number."""
    return replace(settings, **{name: value})  # type: ignore[arg-type]  # one of HIGHEST: all are numbers


def _shown(value: object) -> str:
    match value:
        case None:
            return "no limit"
        case bool():
            return "yes" if value else "no"
        case _:
            return str(value)
