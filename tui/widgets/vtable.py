"""A table that asks for the rows it shows, so that ten thousand of them cost what forty do.

The cursor stays on its row's id when the rows change around it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from textual import events
from textual.message import Message

from rsi.tui.draw.styled import EMPTY_LINE, Line, Role, Span, fit
from rsi.tui.widgets.lines import LinesView

Row = Sequence[Span]
"""One span a column."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column; `width` None takes what is left."""

    title: str
    width: int | None = None
    align: str = "left"
    priority: int = 0
    """Columns with higher numbers are left out first when the table is narrow."""
    min_width: int = 8
    """Least cells of a column without a width."""


class VTable(LinesView):
    """Rows by id; `row_at` gives the spans of one row when it is drawn."""

    class HeadClicked(Message):
        """A column's head was clicked."""

        def __init__(self, view: "VTable", title: str) -> None:
            self.view = view
            self.title = title
            super().__init__()

        @property
        def control(self) -> "VTable":
            return self.view

    has_cursor = True

    def __init__(
        self,
        columns: Sequence[Column],
        *,
        heading: str = "",
        dom_id: str | None = None,
        classes: str | None = None,
    ) -> None:
        super().__init__(heading=heading, dom_id=dom_id, classes=classes)
        self.columns = tuple(columns)
        self.ids: Sequence[str] = ()
        self.marked: frozenset[str] = frozenset()
        self.is_moved_by_person = False
        """True while a person looks at another row than the newest, which then must not take the cursor."""
        self._row_at: Callable[[int], Row] = lambda _: ()
        self._layout_width = 0
        self._widths: tuple[int, ...] = ()

    def on_resize(self) -> None:
        super().on_resize()
        # What takes rows from a table must not take the one that keys act on.
        self.show_line(self.cursor)

    def set_rows(self, ids: Sequence[str], row_at: Callable[[int], Row]) -> None:
        """Show other rows.

        Args:
            ids: One id a row, in order; unique.
            row_at: Spans of the row with this number, one a column.
        """
        current = self.current_id
        top_shift = self.cursor - self.scroll_offset.y
        self.ids, self._row_at = ids, row_at
        if current is not None and self.current_id != current:
            try:
                self.cursor = ids.index(current)
            except ValueError:
                self.cursor = min(self.cursor, max(0, len(ids) - 1))
            self.lines_changed()
            self.scroll_to(y=max(0, self.cursor - top_shift), animate=False, force=True)
        self.lines_changed()

    @property
    def current_id(self) -> str | None:
        """Id of the row under the cursor, None when there is no row."""
        return self.ids[self.cursor] if 0 <= self.cursor < len(self.ids) else None

    def select_id(self, row_id: str) -> bool:
        """Put the cursor on a row; False when it is not there."""
        try:
            index = self.ids.index(row_id)
        except ValueError:
            return False
        self.move_cursor(index)
        return True

    def toggle_mark(self) -> None:
        """Mark or unmark the row under the cursor and move on."""
        if self.current_id is not None:
            self.marked ^= {self.current_id}
            self.action_move(1)
            self.refresh()

    def line_count(self) -> int:
        return len(self.ids)

    def line_at(self, index: int) -> Line:
        is_marked = self.ids[index] in self.marked
        sign = "*" if is_marked else "▸" if index == self.cursor else " "
        spans: list[Span] = [(sign, Role.MARK if is_marked else Role.ACCENT)]
        row = self._row_at(index)
        for column, width, (text, role) in zip(
            self.columns, self._column_widths(), row, strict=True
        ):
            if width:
                spans.append((fit(text, width, align=column.align), role))
                spans.append((" ", Role.TEXT))
        return tuple(spans)

    @property
    def sticky_count(self) -> int:
        return super().sticky_count + 1

    def sticky_lines(self) -> tuple[Line, ...]:
        heading = super().sticky_lines()
        if not self.ids and self.empty:
            return (*heading, EMPTY_LINE)
        spans: list[Span] = [(" ", Role.DIM)]
        for column, width in zip(self.columns, self._column_widths(), strict=True):
            if width:
                spans.append((fit(column.title, width, align=column.align) + " ", Role.DIM))
        return (*heading, tuple(spans))

    def on_click(self, event: events.Click) -> None:
        # Lines are the base's; this is about the head alone.
        if event.y != self.sticky_count - 1 or not self.ids:
            return
        left = 1
        for column, width in zip(self.columns, self._column_widths(), strict=True):
            if width and left <= event.x < left + width:
                self.post_message(self.HeadClicked(self, column.title))
            left += width + 1 if width else 0

    def cells_of(self, title: str) -> int:
        """Cells that a column has now; 0 for one that is left out."""
        widths = zip(self.columns, self._column_widths(), strict=True)
        return next((width for column, width in widths if column.title == title), 0)

    def _column_widths(self) -> tuple[int, ...]:
        # The sign takes a cell and a scroll bar may take one; the space behind the last column may fall off.
        width = self.size.width - 1
        if width == self._layout_width:
            return self._widths
        shown = list(self.columns)

        def needed() -> int:
            return sum((c.width or c.min_width) + 1 for c in shown)

        while len(shown) > 1 and needed() > width:
            shown.remove(max(reversed(shown), key=lambda c: c.priority))
        spare = width - needed()
        flexible = [c for c in shown if c.width is None]
        widths: list[int] = []
        for column in self.columns:
            if column not in shown:
                widths.append(0)
            elif column.width is not None:
                widths.append(column.width)
            else:
                share = max(0, spare) // len(flexible)
                if column is flexible[-1]:
                    share = max(0, spare) - share * (len(flexible) - 1)
                widths.append(column.min_width + share)
        self._layout_width, self._widths = width, tuple(widths)
        return self._widths
