"""The lines around every screen: tabs above; state and keys below."""

from collections.abc import Sequence

from rich.cells import cell_len
from textual import events
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from rsi.tui.draw.pen import Pen
from rsi.tui.draw.styled import Line, Role, Span, clip, width_of
from rsi.tui.draw.theme import pen_for
from rsi.tui.model.commands import Command, shown_key

_HELP = "global.help"
"""Shows all that has no room here."""


class Bar(Widget):
    """One line that is set as spans."""

    DEFAULT_CSS = """
    Bar { height: 1; width: 1fr; background: $surface; color: $foreground; }
    """

    def __init__(self, *, dom_id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=dom_id, classes=classes)
        self.left: Line = ()
        self.right: Line = ()
        self._pen: Pen | None = None
        self._pen_theme = ""

    def set_line(self, left: Sequence[Span], right: Sequence[Span] = ()) -> None:
        """Show other spans; the right ones give way when there is no room, the first of them first."""
        if (tuple(left), tuple(right)) != (self.left, self.right):
            self.left, self.right = tuple(left), tuple(right)
            self.refresh()

    def render_line(self, y: int) -> Strip:
        if self._pen is None or self._pen_theme != self.app.theme:
            self._pen, self._pen_theme = pen_for(self.app.theme), self.app.theme
        width, right = self.size.width, self.right
        while right and width_of(self.left) + width_of(right) >= width:
            right = right[1:]
        spans = clip(self.left, width)
        if right:
            gap = width - width_of(self.left) - width_of(right)
            spans = (*self.left, (" " * gap, Role.TEXT), *right)
        return self._pen.strip(spans, self.size.width, self.rich_style)


class TabBar(Bar):
    """The screens by number; a click goes there."""

    class Chosen(Message):
        """A tab was clicked."""

        def __init__(self, mode: str) -> None:
            self.mode = mode
            super().__init__()

    def __init__(self) -> None:
        super().__init__()
        self._places: list[tuple[int, int, str]] = []

    def set_tabs(
        self, tabs: Sequence[tuple[str, str, str]], active: str, right: Sequence[Span]
    ) -> None:
        """Show the tabs.

        Args:
            tabs: Mode, key, title of each.
            active: Mode of the one that is open.
            right: What stands at the right end.
        """
        spans: list[Span] = []
        self._places = []
        at = 0
        is_narrow = self.size.width < 96
        for mode, key, title in tabs:
            text = f" {key}{'' if is_narrow else ' '}{title} "
            spans.append((text, Role.BAR_ON if mode == active else Role.BAR))
            self._places.append((at, at + cell_len(text), mode))
            at += cell_len(text)
        self.set_line(spans, right)

    def on_click(self, event: events.Click) -> None:
        for start, end, mode in self._places:
            if start <= event.x < end:
                self.post_message(self.Chosen(mode))


class KeyBar(Bar):
    """What can be done here, from the registry; what is not possible now is dimmed."""

    class Pressed(Message):
        """A key's name was clicked."""

        def __init__(self, command: Command) -> None:
            self.command = command
            super().__init__()

    def __init__(self) -> None:
        super().__init__()
        self._places: list[tuple[int, int, Command]] = []

    def set_commands(self, commands: Sequence[tuple[Command, str, bool]]) -> None:
        """Show commands; where there is no room for all, the last ones are left out, but never the help.

        Args:
            commands: Each with its keys and whether it is possible now.
        """
        spans: list[Span] = [(" ", Role.BAR)]
        self._places = []
        at = 1
        shown = list(commands)
        while len(shown) > 1 and sum(map(_cells_of, shown)) + 1 > (self.size.width or 1000):
            del shown[-2 if shown[-1][0].id == _HELP else -1]
        for command, keys, is_possible in shown:
            width = _cells_of((command, keys, is_possible))
            spans.append((shown_key(keys), Role.KEY if is_possible else Role.OFF))
            spans.append((f" {command.title.lower()}  ", Role.TEXT if is_possible else Role.OFF))
            self._places.append((at, at + width, command))
            at += width
        self.set_line(spans)

    def on_click(self, event: events.Click) -> None:
        for start, end, command in self._places:
            if start <= event.x < end:
                self.post_message(self.Pressed(command))


def _cells_of(shown: tuple[Command, str, bool]) -> int:
    """Cells that a command takes: its key, its title, what is between them and after."""
    command, keys, _ = shown
    return cell_len(shown_key(keys)) + cell_len(command.title) + 3
