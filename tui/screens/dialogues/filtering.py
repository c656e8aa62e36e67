"""The line in which a filter or a search is typed."""

from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.widget import Widget

from rsi.tui.screens.dialogues.asking import SafeInput


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

    def __init__(self, placeholder: str = "filter; !word shows the others") -> None:
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
