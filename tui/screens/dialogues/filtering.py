"""The line in which a filter or a search is typed, and what every screen with a filtered table does with it."""

from collections.abc import Iterable
from typing import ClassVar

from textual import on
from textual.binding import Binding, BindingType
from textual.widget import Widget

from rsi.agent.report.filters import keeps
from rsi.tui.draw.styled import EMPTY_LINE, Line, Role, line
from rsi.tui.screens.base import CockpitScreen
from rsi.tui.screens.dialogues.asking import SafeInput
from rsi.tui.widgets.vtable import VTable


class FilterInput(SafeInput):
    """Hidden until opened; filters while it is typed, enter keeps, escape drops."""

    DEFAULT_CSS = """
    FilterInput { display: none; height: 1; border: none; background: $panel; padding: 0 1; }
    FilterInput:focus { border: none; }
    FilterInput.-open { display: block; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "drop", "Drop", show=False, priority=True),
        Binding("down", "submit", "Keep", show=False),
    ]

    def __init__(self, placeholder: str = "words that must all be there; !word shows the others") -> None:  # fmt: skip
        super().__init__(placeholder=placeholder, select_on_focus=False)
        self._back_to: Widget | None = None

    def open(self, text: str, *, back_to: Widget) -> None:
        """Show the line with a text and take the focus."""
        self._back_to = back_to
        self.value = text
        self.add_class("-open")
        self.focus()

    async def action_submit(self) -> None:
        self.post_message(self.Submitted(self, self.value))
        self._close()

    def action_drop(self) -> None:
        self.value = ""
        self._close()

    def _close(self) -> None:
        self.remove_class("-open")
        if self._back_to is not None:
            self._back_to.focus()


class FilteredScreen(CockpitScreen):
    """A screen whose table shows what a pattern keeps; escape shows all again."""

    def __init__(self) -> None:
        super().__init__()
        self.pattern = ""

    def filtered(self) -> VTable:
        """The table that is filtered, and has the focus afterwards."""
        raise NotImplementedError

    def compose_filter(self) -> Iterable[Widget]:
        """The line that the filter is typed in, the last one of the screen's body."""
        yield FilterInput()

    def is_kept(self, text: str) -> bool:
        """Whether the pattern keeps what has this text."""
        return keeps(self.pattern, text)

    def filter_note(self) -> Line:
        """The pattern, for the table's heading."""
        return ((f"/{self.pattern}  ", Role.WARN),) if self.pattern else ()

    def nothing_kept(self) -> tuple[Line, ...]:
        """What stands where nothing matches."""
        return (EMPTY_LINE, line(f"Nothing matches {self.pattern!r}. esc shows all.", Role.DIM))

    def action_filter(self) -> None:
        self.query_one(FilterInput).open(self.pattern, back_to=self.filtered())

    @on(FilterInput.Changed)
    def _pattern_changed(self, event: FilterInput.Changed) -> None:
        event.stop()
        self.take_pattern(event.value.strip())

    def take_pattern(self, pattern: str) -> None:
        """Filter by another pattern."""
        self.pattern = pattern
        self.redraw()

    def go_back(self) -> bool:
        if not self.pattern:
            return False
        self.take_pattern("")
        return True
