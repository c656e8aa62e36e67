"""Fixed lines, wrapped to the width: facts, verdicts, help, anything that is read."""

from collections.abc import Sequence

from textual import events

from rsi.tui.draw.styled import EMPTY_LINE, Line, Role, plain, width_of, wrap
from rsi.tui.widgets.lines import LinesView

MAX_LINES = 200_000
"""Lines kept of one text; more is cut with a sentence that says so."""
HEADING_CELLS = 8
"""Of a heading line beside its words: dashes, blanks, and two cells between notes."""


class Paper(LinesView):
    """Shows lines; long ones wrap."""

    def __init__(
        self,
        *,
        heading: str = "",
        indent: int = 0,
        wraps: bool = True,
        says_rest: bool = False,
        dom_id: str | None = None,
        classes: str | None = None,
    ) -> None:
        """Make a paper.

        Args:
            heading: First line, which stays.
            indent: Cells before what wraps of a line with a label.
            wraps: False cuts long lines at the edge.
            says_rest: The heading says how many lines are below the fold, and their labels.
            dom_id: Its name on the screen.
            classes: Its classes.
        """
        super().__init__(heading=heading, dom_id=dom_id, classes=classes)
        self.indent = indent
        self.says_rest = says_rest
        self.wraps = wraps
        self._lines: tuple[Line, ...] = ()
        self._wrapped: list[Line] = []
        self._wrapped_width = 0
        self._numbers: list[int] = []
        """Which of the lines each wrapped one is a part of."""

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

    def sticky_lines(self) -> tuple[Line, ...]:
        if not self.says_rest or not self.heading:
            return super().sticky_lines()
        room = self.size.width - len(self.heading) - HEADING_CELLS - width_of(self.note)
        rest = self._rest(room)
        before = self.note
        if rest:
            self.note = (*before, ("  " if before else "", Role.DIM), (rest, Role.WARN))
        try:
            return super().sticky_lines()
        finally:
            self.note = before

    def _rest(self, room: int) -> str:
        """Such as "▼ 3 more below: findings, cost"; as much of it as there is room for."""
        below = self._wrapped[self.scroll_offset.y + self.page_lines :]
        while below and not plain(below[-1]).strip():
            below = below[:-1]
        if not below:
            return ""
        said = f"▼ {len(below)} more below"
        labels = dict.fromkeys(each[0][0].strip() for each in below if len(each) > 1)
        names = [each for each in labels if each]
        while names and len(f"{said}: {', '.join(names)}") > room:
            names.pop()
        return f"{said}: {', '.join(names)}" if names else said

    def _wrap(self) -> None:
        # One cell stays free for the scroll bar, so that its appearing does not re-wrap everything.
        width = max(1, self.size.width - 1)
        if width == self._wrapped_width:
            return
        self._wrapped_width = width
        if not self.wraps:
            self._wrapped = list(self._lines)
            self._numbers = list(range(len(self._lines)))
            return
        parts = [
            (number, part)
            for number, each in enumerate(self._lines)
            for part in wrap(each, width, indent=self._indent_of(each, width))
        ]
        self._wrapped = [part for _, part in parts]
        self._numbers = [number for number, _ in parts]

    def _indent_of(self, spans: Line, width: int) -> int:
        """Below the value where a line has a label, below its own beginning where it is prose."""
        text = spans[0][0] if spans else ""
        own = len(text) - len(text.lstrip(" ")) if text.strip() else 0
        # What is far to the right would be cut into a narrow column.
        own = own if own < width // 2 else 0
        return max(own, self.indent) if len(spans) > 1 else own


class Choices(Paper):
    """Lines of which some have an id: the cursor goes from one of these to the next, over all the rows that each takes."""

    has_cursor = True

    def __init__(self, *, heading: str = "", indent: int = 0, dom_id: str | None = None) -> None:
        super().__init__(heading=heading, indent=indent, dom_id=dom_id)
        self._ids: tuple[str | None, ...] = ()
        self._chosen: str | None = None

    @property
    def current_id(self) -> str | None:
        """Id of the line under the cursor; None where no line has one."""
        return self._chosen

    def set_choices(self, choices: Sequence[tuple[str | None, Line]]) -> None:
        """Show other lines; the cursor stays on its id, wherever that has moved.

        Args:
            choices: Each line with its id; None for a line that cannot be chosen.
        """
        self._ids = tuple(each for each, _ in choices)
        if self._chosen is None or self._chosen not in self._ids:
            self._chosen = next((each for each in self._ids if each is not None), None)
        self.set_lines([each for _, each in choices])
        self._to_chosen()

    def refit(self) -> None:
        super().refit()
        self._to_chosen()

    def over_at(self, index: int) -> Role | None:
        if not self.has_focus or self._chosen is None or self._id_at(index) != self._chosen:
            # The table of campaigns has the cursor that keys act on, until the focus comes here.
            return None
        return Role.CURSOR

    def move_cursor(self, index: int) -> None:
        rows = self._rows()
        if not rows:
            return
        at = next((n for n, (each, _, _) in enumerate(rows) if each == self._chosen), 0)
        index = max(0, min(index, self.line_count() - 1))
        _, first, last = rows[at]
        if first <= index <= last:
            found = at
        elif index > last:
            found = max((n for n, (_, top, _) in enumerate(rows) if top <= index), default=at)
            found = max(found, min(at + 1, len(rows) - 1))
        else:
            found = min((n for n, (_, _, end) in enumerate(rows) if end >= index), default=at)
        self._chosen, self.cursor, _ = rows[found]
        self.show_line(rows[found][2])
        self.show_line(self.cursor)
        self.refresh()

    def action_move(self, lines: int) -> None:
        here = next(((top, end) for each, top, end in self._rows() if each == self._chosen), None)
        if here is not None:
            self.move_cursor(here[1] + lines if lines > 0 else here[0] + lines)

    def on_click(self, event: events.Click) -> None:
        index = self.index_at(event)
        if index is None or self.text_selection is not None or self._id_at(index) is None:
            return
        is_again = self._id_at(index) == self._chosen and self._was_focused
        self._was_focused = True
        self._chosen, self.cursor = self._id_at(index), index
        self.refresh()
        if is_again or event.chain >= 2:
            self.post_message(self.Opened(self, index))

    def on_blur(self) -> None:
        self._was_focused = False

    _was_focused = False
    """Whether a click has chosen a line here since the focus came."""

    def _id_at(self, index: int) -> str | None:
        if index >= len(self._numbers) or self._numbers[index] >= len(self._ids):
            return None
        return self._ids[self._numbers[index]]

    def _rows(self) -> list[tuple[str, int, int]]:
        """Each id with its first and its last row."""
        found: dict[str, tuple[int, int]] = {}
        for index in range(self.line_count()):
            own = self._id_at(index)
            if own is not None:
                found[own] = (found.get(own, (index, index))[0], index)
        return [(own, first, last) for own, (first, last) in found.items()]

    def _to_chosen(self) -> None:
        self.cursor = next((top for each, top, _ in self._rows() if each == self._chosen), 0)
