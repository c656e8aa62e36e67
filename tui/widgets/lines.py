"""The base of every widget with many lines: it draws the visible ones only, through the pen.

A subclass says how many lines there are and what line `y` holds. A heading and other sticky lines stay on top.
Invariant: the cost of a repaint depends on the height of the widget, not on the number of lines.
"""

from typing import ClassVar

from rich.style import Style
from textual import events
from textual.binding import BindingType
from textual.geometry import Region, Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.selection import Selection
from textual.strip import Strip

from rsi.tui.draw.pen import Pen
from rsi.tui.draw.styled import EMPTY_LINE, Line, Role, Span, fit, plain, width_of, wrap
from rsi.tui.draw.theme import pen_for
from rsi.tui.model.commands import Scope, bindings
from rsi.tui.widgets.selecting import marked, selected_text

EMPTY_MARGIN = 2
"""Cells left of the words that stand where there are no lines."""


class LinesView(ScrollView, can_focus=True):
    """Scrolls over lines; with `has_cursor`, a cursor line moves instead."""

    DEFAULT_CSS = """
    LinesView {
        height: 1fr; width: 1fr; background: $background; color: $foreground;
        scrollbar-size-vertical: 1; scrollbar-size-horizontal: 1; overflow-x: hidden;
    }
    """
    BINDINGS: ClassVar[list[BindingType]] = bindings(Scope.LIST)

    class CursorMoved(Message):
        """The cursor is on another line."""

        def __init__(self, view: "LinesView", index: int) -> None:
            self.view = view
            self.index = index
            super().__init__()

        @property
        def control(self) -> "LinesView":
            return self.view

    class Opened(Message):
        """The line under the cursor was chosen with a click on it."""

        def __init__(self, view: "LinesView", index: int) -> None:
            self.view = view
            self.index = index
            super().__init__()

        @property
        def control(self) -> "LinesView":
            return self.view

    has_cursor = False

    def __init__(
        self, *, heading: str = "", dom_id: str | None = None, classes: str | None = None
    ) -> None:
        super().__init__(id=dom_id, classes=classes)
        self.heading = heading
        self.note: Line = EMPTY_LINE
        """Right end of the heading line."""
        self.empty: tuple[Line, ...] = ()
        """Shown when there is no line at all: a sentence with the next key."""
        self.cursor = 0
        self.scroll_share = 0.0
        """Share of a page to scroll at once when the cursor leaves it; 0 scrolls by single lines."""
        self._pen: Pen | None = None
        self._pen_theme = ""
        self._base: Style | None = None
        self._has_mouse = False
        """Whether a mouse was ever over it."""

    # --- what a subclass gives ---

    def line_count(self) -> int:
        """Number of lines below the sticky ones."""
        return 0

    def line_at(self, index: int) -> Line:
        """The line with this number, 0 <= index < line_count()."""
        raise NotImplementedError

    def plain_text(self) -> str:
        """All lines without colours, for a pager or the clipboard."""
        return "".join(
            f"{plain(self.line_at(index)).rstrip()}\n" for index in range(self.line_count())
        )

    def over_at(self, index: int) -> Role | None:
        """A role laid over the whole line."""
        if self.has_cursor and index == self.cursor:
            return Role.CURSOR if self.has_focus else Role.CURSOR_IDLE
        return None

    def sticky_lines(self) -> tuple[Line, ...]:
        """Lines that stay on top; the heading by default."""
        return (self._heading_line(),) if self.heading else ()

    @property
    def sticky_count(self) -> int:
        """Number of `sticky_lines`, without making them."""
        return 1 if self.heading else 0

    # --- drawing ---

    @property
    def pen(self) -> Pen:
        theme = self.app.theme
        if self._pen is None or self._pen_theme != theme:
            self._pen, self._pen_theme = pen_for(theme), theme
        return self._pen

    def lines_changed(self) -> None:
        """Call after the lines changed: keeps the cursor inside, updates the scroll bar, repaints."""
        count = self.line_count()
        self.cursor = max(0, min(self.cursor, count - 1))
        height = count + self.sticky_count
        width = self.longest_line()
        if self.virtual_size != Size(width, height):
            self._resize_virtually(Size(width, height))
            if self.scroll_offset.y > self.max_scroll_y:
                self.scroll_to(y=self.max_scroll_y, animate=False, force=True)
        self.refresh()

    def _resize_virtually(self, size: Size) -> None:
        """Change the number of lines without laying the whole screen out again, unless the scroll bar comes or goes."""
        has_bar = size.height > self.container_size.height
        if has_bar != self.show_vertical_scrollbar or size.width != self.virtual_size.width:
            self.virtual_size = size
            return
        self.set_reactive(ScrollView.virtual_size, size)
        if has_bar:
            self.vertical_scrollbar.window_virtual_size = size.height

    def longest_line(self) -> int:
        """Cells of the longest line; 1 where lines never scroll sideways."""
        return 1

    def render_line(self, y: int) -> Strip:
        if self._base is None:
            self._base = self.rich_style
        base = self._base
        sticky = self.sticky_count
        if y < sticky:
            return self._draw(self.sticky_lines()[y], base)
        index = y - sticky + self.scroll_offset.y
        count = self.line_count()
        if index < count:
            strip = self.strip_at(index, base)
            if self._has_mouse:
                strip = marked(strip, self.text_selection, index, self._selected_look)
                return strip.apply_offsets(self.scroll_offset.x, index)
            return strip
        if count == 0:
            margin = (" " * EMPTY_MARGIN, Role.DIM)
            said = [
                part for each in self.empty for part in wrap(each, self.size.width - EMPTY_MARGIN)
            ]
            if y - sticky < len(said):
                return self._draw((margin, *said[y - sticky]), base)
        return Strip.blank(self.size.width, base)

    # --- selecting with the mouse ---

    def on_enter(self) -> None:
        if not self._has_mouse:
            # Where a cell is in the text is said in each cell; who uses keys alone does not pay for it.
            self._has_mouse = True
            self.refresh()

    @property
    def _selected_look(self) -> Style:
        return self.screen.get_component_rich_style("screen--selection")

    def get_selection(self, selection: Selection) -> tuple[str, str] | None:
        base = self.rich_style
        count = self.line_count()
        return selected_text(selection, count, lambda index: self.strip_at(index, base)), "\n"

    def selection_updated(self, selection: Selection | None) -> None:
        self.refresh()

    def strip_at(self, index: int, base: Style) -> Strip:
        """The cells of one line."""
        return self._draw(
            self.line_at(index), base, over=self.over_at(index), scroll_x=self.scroll_offset.x
        )

    def _draw(
        self, spans: Line, base: Style, *, over: Role | None = None, scroll_x: int = 0
    ) -> Strip:
        return self.pen.strip(spans, self.size.width, base, over=over, scroll_x=scroll_x)

    def _heading_line(self) -> Line:
        focused = self.has_focus
        role = Role.RULE_FOCUS if focused else Role.RULE
        dash = "━" if focused else "─"
        width = self.size.width
        note_width = width_of(self.note)
        title = fit(self.heading, min(len(self.heading), max(1, width - 4))).rstrip()
        room = width - len(title) - 4
        spans: list[Span] = [(dash + " ", role), (title, Role.TITLE), (" ", role)]
        if self.note and note_width + 3 <= room:
            return (
                *spans,
                (dash * (room - note_width - 2), role),
                (" ", role),
                *self.note,
                (" " + dash, role),
            )
        return (*spans, (dash * max(0, room + 1), role))

    def set_note(self, note: Line) -> None:
        """Change the right end of the heading."""
        if note != self.note:
            self.note = note
            self.refresh()

    def notify_style_update(self) -> None:
        super().notify_style_update()
        self._pen = self._base = None

    def on_resize(self) -> None:
        self.lines_changed()

    # --- moving ---

    @property
    def page_lines(self) -> int:
        """Lines visible at once."""
        return max(1, self.size.height - self.sticky_count)

    def action_move(self, lines: int) -> None:
        if self.has_cursor:
            self.move_cursor(self.cursor + lines)
        else:
            self.scroll_relative(y=lines, animate=False, force=True)

    def action_page(self, pages: int) -> None:
        if self.has_cursor:
            self.move_cursor(self.cursor + pages * max(1, self.page_lines - 1))
        else:
            self.scroll_relative(y=pages * max(1, self.page_lines - 1), animate=False, force=True)

    def action_first(self) -> None:
        if self.has_cursor:
            self.move_cursor(0)
        else:
            self.scroll_to(y=0, animate=False, force=True)

    def action_last(self) -> None:
        if self.has_cursor:
            self.move_cursor(self.line_count() - 1)
        else:
            self.scroll_to(y=self.max_scroll_y, animate=False, force=True)

    def move_cursor(self, index: int) -> None:
        """Put the cursor on a line and keep it visible."""
        index = max(0, min(index, self.line_count() - 1))
        before, top = self.cursor, self.scroll_offset.y
        self.cursor = index
        self.show_line(index)
        if index != before:
            if self.scroll_offset.y == top:
                self._refresh_lines(before, index)
            self.post_message(self.CursorMoved(self, index))

    def _refresh_lines(self, *indices: int) -> None:
        """Repaint some lines only: a key press must not cost a whole screen."""
        offset = self.sticky_count - self.scroll_offset.y
        self.refresh(*(Region(0, index + offset, self.size.width, 1) for index in indices))

    def show_line(self, index: int) -> None:
        """Scroll so that a line is visible; as little as needed, or by the widget's share of a page."""
        top, page = self.scroll_offset.y, self.page_lines
        ahead = int(page * self.scroll_share)
        if index < top:
            self.scroll_to(y=max(0, index - ahead), animate=False, force=True)
        elif index >= top + page:
            target = min(self.max_scroll_y, index - page + 1 + ahead)
            self.scroll_to(y=target, animate=False, force=True)

    def index_at(self, event: events.Click) -> int | None:
        """Number of the line that was clicked, None outside of the lines."""
        y = event.y - self.sticky_count
        index = y + self.scroll_offset.y
        return index if y >= 0 and index < self.line_count() else None

    def on_click(self, event: events.Click) -> None:
        index = self.index_at(event)
        if index is None or not self.has_cursor or self.text_selection is not None:
            # A drag that selected text chooses no line.
            return
        if event.chain >= 2:
            self.post_message(self.Opened(self, index))
        else:
            self.move_cursor(index)
