"""Program output: appended, followed, filtered, searched; a million lines cost what is visible."""

import re
from collections.abc import Iterable
from typing import ClassVar

from textual.binding import BindingType

from rsi.tui.draw.safe import safe_log_line
from rsi.tui.draw.styled import Line, Role, Span
from rsi.tui.model.commands import Scope, bindings
from rsi.tui.widgets.lines import LinesView

MAX_LINES = 200_000
"""Older lines are let go of; the ledger keeps them all."""


class LogView(LinesView):
    """Lines of text as they came; sanitised when drawn."""

    BINDINGS: ClassVar[list[BindingType]] = bindings(Scope.LOG)

    def __init__(
        self,
        *,
        heading: str = "",
        dom_id: str | None = None,
        classes: str | None = None,
    ) -> None:
        super().__init__(heading=heading, dom_id=dom_id, classes=classes)
        self._lines: list[str] = []
        self._shown: list[int] | None = None
        self._pattern: re.Pattern[str] | None = None
        self._is_inverse = False
        self._tail = ""
        self.follows = True

    def append(self, text: str) -> None:
        """Add output; a line that has not ended yet is continued by the next call."""
        if not text:
            return
        *complete, self._tail = (self._tail + text).split("\n")
        self.append_lines(complete)

    def append_lines(self, lines: Iterable[str]) -> None:
        """Add whole lines."""
        start = len(self._lines)
        self._lines.extend(lines)
        if len(self._lines) > MAX_LINES:
            del self._lines[: len(self._lines) - MAX_LINES]
            self._apply_filter()
        elif self._shown is not None:
            self._shown.extend(i for i in range(start, len(self._lines)) if self._keeps(i))
        self._grown()

    def set_text(self, text: str) -> None:
        """Show this text instead."""
        self._lines = text.split("\n")
        self._tail = ""
        self._apply_filter()
        self._grown()

    def clear_text(self) -> None:
        """Show nothing."""
        self._lines, self._tail, self._shown = [], "", None
        self._apply_filter()
        self.lines_changed()

    def set_filter(self, pattern: str) -> None:
        """Show matching lines only; a leading "!" shows the others. Not a regex: taken literally then."""
        self._is_inverse = pattern.startswith("!")
        pattern = pattern.removeprefix("!")
        try:
            self._pattern = re.compile(pattern, re.IGNORECASE) if pattern else None
        except re.error:
            self._pattern = re.compile(re.escape(pattern), re.IGNORECASE)
        self._apply_filter()
        self._grown()

    def line_count(self) -> int:
        count = len(self._lines) if self._shown is None else len(self._shown)
        return count + (1 if self._tail else 0)

    def line_at(self, index: int) -> Line:
        numbers = self._shown
        count = len(self._lines) if numbers is None else len(numbers)
        if index >= count:
            return self._styled(self._tail)
        return self._styled(self._lines[index if numbers is None else numbers[index]])

    def action_move(self, lines: int) -> None:
        self._stop_following_if(lines < 0)
        super().action_move(lines)

    def action_page(self, pages: int) -> None:
        self._stop_following_if(pages < 0)
        super().action_page(pages)

    def action_first(self) -> None:
        self._stop_following_if(True)
        super().action_first()

    def action_last(self) -> None:
        self.follows = True
        super().action_last()

    def on_mouse_scroll_up(self) -> None:
        self._stop_following_if(True)

    def _stop_following_if(self, is_upwards: bool) -> None:
        if is_upwards:
            self.follows = False

    def _grown(self) -> None:
        self.lines_changed()
        if self.follows:
            self.scroll_to(y=self.max_scroll_y, animate=False, force=True)

    def _keeps(self, index: int) -> bool:
        if self._pattern is None:
            return True
        return (self._pattern.search(self._lines[index]) is None) == self._is_inverse

    def _apply_filter(self) -> None:
        self._shown = (
            None
            if self._pattern is None
            else [i for i in range(len(self._lines)) if self._keeps(i)]
        )

    def _styled(self, text: str) -> Line:
        text = safe_log_line(text)
        pattern = self._pattern
        if pattern is None or self._is_inverse:
            return ((text, Role.TEXT),)
        spans: list[Span] = []
        start = 0
        for match in pattern.finditer(text):
            if match.end() == match.start():
                continue
            spans.append((text[start : match.start()], Role.TEXT))
            spans.append((match.group(), Role.MATCH))
            start = match.end()
        spans.append((text[start:], Role.TEXT))
        return tuple(spans)
