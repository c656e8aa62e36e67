"""Fixed lines, wrapped to the width: facts, verdicts, help, anything that is read."""

from collections.abc import Sequence

from rsi.tui.draw.styled import EMPTY_LINE, Line, plain, wrap
from rsi.tui.widgets.lines import LinesView

MAX_LINES = 200_000
"""Lines kept of one text; more is cut with a sentence that says so."""


class Paper(LinesView):
    """Shows lines; long ones wrap."""

    def __init__(
        self,
        *,
        heading: str = "",
        indent: int = 0,
        wraps: bool = True,
        dom_id: str | None = None,
        classes: str | None = None,
    ) -> None:
        """Make a paper.

        Args:
            heading: First line, which stays.
            indent: Cells before what wraps of a line with a label.
            wraps: False cuts long lines at the edge.
            dom_id: Its name on the screen.
            classes: Its classes.
        """
        super().__init__(heading=heading, dom_id=dom_id, classes=classes)
        self.indent = indent
        self.wraps = wraps
        self._lines: tuple[Line, ...] = ()
        self._wrapped: list[Line] = []
        self._wrapped_width = 0

    @property
    def lines(self) -> tuple[Line, ...]:
        """The lines before wrapping."""
        return self._lines

    def set_lines(self, lines: Sequence[Line], *, from_top: bool = False) -> None:
        """Show other lines; nothing happens when they are equal."""
        new = tuple(lines[:MAX_LINES])
        if new == self._lines and not from_top:
            return
        self._lines = new
        self._wrapped_width = 0
        self._wrap()
        self.lines_changed()
        if from_top:
            self.scroll_to(y=0, animate=False, force=True)

    def plain_text(self) -> str:
        return "".join(f"{plain(each)}\n" for each in self._lines)

    def line_count(self) -> int:
        return len(self._wrapped)

    def line_at(self, index: int) -> Line:
        return self._wrapped[index] if index < len(self._wrapped) else EMPTY_LINE

    def on_resize(self) -> None:
        self.refit()

    def refit(self) -> None:
        """Wrap to the width as it is now."""
        self._wrap()
        self.lines_changed()

    def _wrap(self) -> None:
        # One cell stays free for the scroll bar, so that its appearing does not re-wrap everything.
        width = max(1, self.size.width - 1)
        if width == self._wrapped_width:
            return
        self._wrapped_width = width
        if not self.wraps:
            self._wrapped = list(self._lines)
            return
        self._wrapped = [
            part
            for each in self._lines
            for part in wrap(each, width, indent=self._indent_of(each, width))
        ]

    def _indent_of(self, spans: Line, width: int) -> int:
        """Below the value where a line has a label, below its own beginning where it is prose."""
        text = spans[0][0] if spans else ""
        own = len(text) - len(text.lstrip(" ")) if text.strip() else 0
        # What is far to the right would be cut into a narrow column.
        own = own if own < width // 2 else 0
        return max(own, self.indent) if len(spans) > 1 else own
