"""What the help of a screen says; all of it from the registry."""

from textual.widget import Widget

from rsi.tui.cockpit import Cockpit
from rsi.tui.draw.styled import EMPTY_LINE, Line, Role, fit, line
from rsi.tui.model.commands import Command, Scope, in_scope, shown_keys
from rsi.tui.screens.base import CockpitScreen
from rsi.tui.widgets.curveview import CurveView
from rsi.tui.widgets.diffview import DiffView
from rsi.tui.widgets.lines import LinesView
from rsi.tui.widgets.logview import LogView

_KEY_CELLS = 14
_TITLE_CELLS = 15
DEVICE_SECOND = (
    "A device second is one second in which a timed run, the agent's own among them, held the machine that it is "
    "measured on: its processor or its GPU. Waiting and thinking cost none."
)
HELP_INDENT = _KEY_CELLS + _TITLE_CELLS
"""Where the sentences begin."""


def help_lines(cockpit: Cockpit, screen: CockpitScreen) -> list[Line]:
    """The focused pane's keys, then the screen's, then those that work everywhere."""
    lines: list[Line] = []
    if screen.purpose:
        lines += [line(screen.purpose, Role.TEXT), EMPTY_LINE]
    own, lists = pane_scopes(screen.focused)
    for scope in (*own, screen.scope, *lists, Scope.GLOBAL):
        lines.append(line(scope.value.capitalize(), Role.TITLE))
        lines += [
            _command_line(cockpit, each, is_possible=screen.can_do(each))
            for each in in_scope(scope)
        ]
        lines.append(EMPTY_LINE)
    return [*lines, line(DEVICE_SECOND, Role.DIM)]


def pane_scopes(focused: Widget | None) -> tuple[tuple[Scope, ...], tuple[Scope, ...]]:
    """Scopes of the focused pane: those of its kind, and those of every pane with lines."""
    kinds = ((DiffView, Scope.DIFF), (CurveView, Scope.CURVE), (LogView, Scope.LOG))
    own = tuple(scope for kind, scope in kinds if isinstance(focused, kind))
    return own, (Scope.LIST,) if isinstance(focused, LinesView) else ()


def _command_line(cockpit: Cockpit, command: Command, *, is_possible: bool) -> Line:
    keys = fit(shown_keys(cockpit.keys_of(command)), _KEY_CELLS)
    role = Role.TEXT if is_possible else Role.DIM
    why = "" if is_possible else " (not now)"
    return (
        (keys, Role.KEY if is_possible else Role.DIM),
        (fit(command.title, _TITLE_CELLS), role),
        (command.help + why, Role.DIM),
    )
