"""A field that takes one of a few words: left and right go through them."""

from collections.abc import Sequence
from typing import ClassVar

from textual import events
from textual.binding import Binding, BindingType
from textual.message import Message

from rsi.tui.draw.styled import Role, Span
from rsi.tui.widgets.bars import Bar


class Choice(Bar, can_focus=True):
    """Shows the chosen word between arrows, and the others beside it where there is room."""

    DEFAULT_CSS = """
    Choice { background: $surface; padding: 0 1; }
    Choice:focus { background: $panel; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("right,space,l", "turn(1)", "Next", show=False),
        Binding("left,h", "turn(-1)", "Previous", show=False),
        Binding("enter", "app.focus_next", "Next field", show=False),
    ]

    class Changed(Message):
        """Another word was chosen."""

        def __init__(self, choice: "Choice") -> None:
            self.choice = choice
            super().__init__()

        @property
        def control(self) -> "Choice":
            return self.choice

    def __init__(self, choices: Sequence[str], value: str, *, dom_id: str | None = None) -> None:
        super().__init__(dom_id=dom_id)
        self._choices = tuple(choices)
        self.value = value if value in self._choices else (self._choices or ("",))[0]

    def on_mount(self) -> None:
        self._redraw()

    def set_choices(self, choices: Sequence[str], value: str | None) -> None:
        """Offer other words; the first is chosen when the value is not among them."""
        self._choices = tuple(choices)
        self.value = (
            value if value is not None and value in choices else (self._choices or ("",))[0]
        )
        self._redraw()

    def action_turn(self, by: int) -> None:
        if len(self._choices) < 2:
            return
        at = self._choices.index(self.value) if self.value in self._choices else 0
        self.value = self._choices[(at + by) % len(self._choices)]
        self._redraw()
        self.post_message(self.Changed(self))

    def on_click(self, event: events.Click) -> None:
        self.focus()
        self.action_turn(-1 if event.x < 2 else 1)

    def on_focus(self) -> None:
        self._redraw()

    def on_blur(self) -> None:
        self._redraw()

    def _redraw(self) -> None:
        arrow = Role.KEY if self.has_focus and len(self._choices) > 1 else Role.RULE
        spans: list[Span] = [("◂ ", arrow), (self.value, Role.STRONG), (" ▸", arrow)]
        others = [each for each in self._choices if each != self.value]
        if others:
            spans.append(("   " + "  ".join(others), Role.DIM))
        self.set_line(spans)
