"""Dialogues: ask for yes, for a line of words, or show something until it is closed.

Invariant: a dialogue never appears by itself, and the key that answers yes is not the key that opened it.
"""

import time
from collections.abc import Sequence
from typing import ClassVar

from rich.cells import cell_len
from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.message import Message
from textual.screen import ModalScreen
from textual.widgets import Input

from rsi.tui.draw.safe import safe_text
from rsi.tui.draw.styled import EMPTY_LINE, Line, Role, line
from rsi.tui.widgets.paper import Paper

BOX_PERCENT = 90
"""Most of the screen's height that a dialogue takes."""
FRAME_ROWS = 2
GRACE_S = 0.5
"""Keys that were on their way when a dialogue opened must not answer it."""


class SafeInput(Input):
    """An input that pasted control characters cannot pass."""

    def _on_paste(self, event: events.Paste) -> None:
        event.text = safe_text(event.text).replace("\t", " ")
        super()._on_paste(event)


class HintPaper(Paper):
    """The keys of a dialogue; a click on one, or on what it does, is that key."""

    class Pressed(Message):
        """A key's words were clicked."""

        def __init__(self, key: str) -> None:
            self.key = key
            super().__init__()

    def on_click(self, event: events.Click) -> None:
        index = self.index_at(event)
        key, at = "", 0
        for text, role in () if index is None else self.line_at(index):
            key = text if role is Role.KEY else key
            if at <= event.x < at + cell_len(text):
                self.post_message(self.Pressed(key))
            at += cell_len(text)


class Dialogue(ModalScreen[str | None]):
    """A box in the middle; escape closes it without an answer."""

    DEFAULT_CSS = """
    Dialogue { align: center middle; background: $background 60%; }
    Dialogue > #box {
        width: 76; max-width: 96%; height: auto; max-height: 90%;  /* BOX_PERCENT */
        border: round $accent; background: $background; padding: 0 1;
    }
    Dialogue Paper { height: auto; }
    Dialogue Input { border: tall $faint; background: $surface; }
    Dialogue Input:focus { border: tall $accent; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "cancel", "Cancel", show=False)]

    def __init__(self, title: str, lines: Sequence[Line], hint: Line, *, indent: int = 0) -> None:
        super().__init__()
        self._indent = indent
        self._title_text = title
        self._lines = tuple(lines)
        self._hint = hint
        self._opened_s = time.monotonic()

    def compose(self) -> ComposeResult:
        with Vertical(id="box"):
            yield Paper(heading=self._title_text, indent=self._indent, dom_id="text")
            yield from self.compose_answer()
            yield HintPaper(dom_id="hint")

    def compose_answer(self) -> ComposeResult:
        """What asks for the answer."""
        yield from ()

    def on_mount(self) -> None:
        for paper in self.query(Paper):
            paper.can_focus = False
        self._set_text("#text", (*self._lines, EMPTY_LINE))
        self._set_text("#hint", (self._hint,))

    def on_resize(self) -> None:
        self.call_after_refresh(self._share_height)

    @property
    def is_settled(self) -> bool:
        """True once keys typed ahead can no longer be meant for this dialogue."""
        return time.monotonic() - self._opened_s >= GRACE_S

    def action_cancel(self) -> None:
        self.dismiss(None)

    def clicked(self, key: str) -> None:
        """Do what a key does whose words were clicked, if it has an answer to give."""
        if key == "esc" and self.is_settled:
            self.action_cancel()

    @on(HintPaper.Pressed)
    def _hint_pressed(self, event: HintPaper.Pressed) -> None:
        self.clicked(event.key)

    def _set_text(self, selector: str, lines: Sequence[Line]) -> None:
        self.query_one(selector, Paper).set_lines(lines)
        self.call_after_refresh(self._share_height)

    def _share_height(self) -> None:
        """Answer and hint are always on the screen; the text takes what is left, and scrolls when that is too little."""
        text, hint = self.query_one("#text", Paper), self.query_one("#hint", Paper)
        answer_rows = sum(each.outer_size.height for each in self.query(Input))
        room = self.size.height * BOX_PERCENT // 100 - FRAME_ROWS - answer_rows
        for paper in (hint, text):
            paper.refit()
            wanted = paper.line_count() + paper.sticky_count
            rows = min(wanted, max(1, room))
            room -= rows
            paper.styles.height = rows
            paper.can_focus = rows < wanted
        if self.focused is None and text.can_focus:
            text.focus()


class Confirm(Dialogue):
    """Yes with `y`; anything that leaves says no."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "yes", "Yes", show=False),
        Binding("n,enter,q", "cancel", "No", show=False),
    ]

    def __init__(self, title: str, lines: Sequence[Line], *, yes: str) -> None:
        hint: Line = (
            ("y", Role.KEY),
            (f" {yes}    ", Role.TEXT),
            ("esc", Role.KEY),
            (" cancel (default)", Role.TEXT),
        )
        super().__init__(title, lines, hint)

    def action_yes(self) -> None:
        if self.is_settled:
            self.dismiss("yes")

    def clicked(self, key: str) -> None:
        if key == "y":
            self.action_yes()
        else:
            super().clicked(key)


class AskText(Dialogue):
    """A line of words; enter answers, an empty line does not unless it may."""

    def __init__(
        self,
        title: str,
        lines: Sequence[Line],
        *,
        label: str,
        text: str = "",
        may_be_empty: bool = False,
    ) -> None:
        hint: Line = (
            ("enter", Role.KEY), (f" {label}    ", Role.TEXT), ("esc", Role.KEY), (" cancel", Role.TEXT),
        )  # fmt: skip
        super().__init__(title, lines, hint)
        self._text = safe_text(text)
        self._may_be_empty = may_be_empty

    def compose_answer(self) -> ComposeResult:
        yield SafeInput(self._text, id="answer", select_on_focus=False)

    def on_mount(self) -> None:
        self.query_one("#answer").focus()

    def clicked(self, key: str) -> None:
        if key == "enter" and self.is_settled:
            self._answer(self.query_one("#answer", SafeInput).value)
        else:
            super().clicked(key)

    @on(Input.Submitted)
    def _submitted(self, event: Input.Submitted) -> None:
        event.stop()
        self._answer(event.value)

    def _answer(self, value: str) -> None:
        answer = value.strip()
        if answer or self._may_be_empty:
            self.dismiss(answer)
        else:
            self._set_text("#hint", (self._hint, line("▲ say why, in a few words", Role.WARN)))


class Show(Dialogue):
    """Lines to read; any usual key closes it."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("q,enter,question_mark", "cancel", "Close", show=False)
    ]

    def __init__(self, title: str, lines: Sequence[Line], *, indent: int = 0) -> None:
        """Prepare the dialogue.

        Args:
            title: Its heading.
            lines: What is read.
            indent: Spaces before what wraps, as where keys and titles stand in columns.
        """
        hint: Line = (
            ("esc", Role.KEY), (" close    ", Role.TEXT), ("j k", Role.KEY), (" scroll", Role.TEXT),
        )  # fmt: skip
        super().__init__(title, lines, hint, indent=indent)
