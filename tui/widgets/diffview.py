"""A diff, unified or side by side, that knows which hunks were really on the screen.

Does not: lay its lines out; `diffrows` does.
Invariant: a hunk counts as seen only when every one of its rows was painted and stayed on the screen, uncovered, for a
moment (`sightings` says how long) at one size of the terminal; at another size nothing counts as seen yet.
"""

import time
from collections.abc import Container, Iterable, Sequence
from typing import ClassVar

from rich.style import Style
from textual.binding import BindingType
from textual.geometry import Size
from textual.message import Message
from textual.strip import Strip
from textual.timer import Timer

from rsi.tui.draw.styled import EMPTY_LINE, Line, Role, Span
from rsi.tui.model.commands import Scope, bindings
from rsi.tui.model.diffs import Diff
from rsi.tui.widgets.diffrows import DiffRow, Note, half_of, rows_of
from rsi.tui.widgets.lines import LinesView
from rsi.tui.widgets.sightings import LOOK_EVERY_S, Sightings

FLOATING = "Toast, Tooltip"
"""What the application draws over a screen."""
ROOM_FOR_THE_BAR = 76
"""Cells of a diff from which its heading has room for the bar beside the numbers."""
BAR_CELLS = 16
"""Of the bar that shows which parts of a diff were seen."""


class DiffView(LinesView):
    """Shows a `Diff`; posts `SeenChanged` when more of it was seen."""

    BINDINGS: ClassVar[list[BindingType]] = bindings(Scope.DIFF)

    has_cursor = True

    class SeenChanged(Message):
        """More hunks have been on the screen."""

        def __init__(self, view: "DiffView") -> None:
            self.view = view
            super().__init__()

        @property
        def control(self) -> "DiffView":
            return self.view

    def __init__(
        self,
        *,
        heading: str = "Diff",
        dom_id: str | None = None,
        classes: str | None = None,
    ) -> None:
        super().__init__(heading=heading, dom_id=dom_id, classes=classes)
        self.diff = Diff()
        self.is_split = False
        self.notes: tuple[Note, ...] = ()
        self._rows: list[DiffRow] = []
        self._rows_key: tuple[object, ...] = ()
        self._unseen: list[set[int]] = []
        self._key: object = None
        self._sightings = Sightings()
        self._terminal: Size | None = None
        """Size of the terminal at which `_unseen` is counted."""
        self._looking: Timer | None = None
        self._was_in_front = False

    def on_mount(self) -> None:
        self._looking = self.set_interval(LOOK_EVERY_S, self._look, pause=True)

    def set_diff(self, diff: Diff, *, key: object, notes: Sequence[Note] = ()) -> None:
        """Show a diff.

        Args:
            diff: What to show.
            key: What it is bound to, such as commit and score digest; another key forgets what was seen.
            notes: Remarks to show below their lines.
        """
        is_same = key == self._key
        if is_same and diff == self.diff and tuple(notes) == self.notes:
            return
        self.diff, self.notes = diff, tuple(notes)
        if not is_same:
            self._key = key
            self.cursor = 0
            self._rows, self._rows_key, self._unseen = [], (), []
            self._sightings.forget()
            self.scroll_to(y=0, animate=False, force=True)
        self._layout()

    def clear_diff(self) -> None:
        """Show nothing, and forget what was seen."""
        self.set_diff(Diff(), key=None)

    # --- what was seen ---

    @property
    def hunk_count(self) -> int:
        return len(self.diff.hunks)

    @property
    def seen_count(self) -> int:
        """Hunks of which every row was on the screen."""
        if not self._unseen:
            return 0
        return sum(not rows for rows in self._unseen)

    @property
    def is_all_seen(self) -> bool:
        """True when there is something to see and all of it was seen."""
        return self.hunk_count > 0 and self.seen_count == self.hunk_count

    def _look(self) -> None:
        """Mark what has been on the screen long enough."""
        before = self.seen_count
        for index in self._sightings.look(
            self._visible_rows(), self._covered_rows(), time.monotonic()
        ):
            self._unseen[self._rows[index].hunk].discard(index)
        self._set_heading()
        if self.seen_count != before:
            self.refresh()
            self.post_message(self.SeenChanged(self))
        if self._looking is not None and not any(self._unseen):
            self._looking.pause()

    def _visible_rows(self) -> range:
        if self.size.height < 2 or self.size.width < 10:
            return range(0)
        top = self.scroll_offset.y
        return range(top, min(top + self.page_lines, len(self._rows)))

    def _covered_rows(self) -> Container[int]:
        """Rows over which something floats; all of them when another screen is in front, or was at the last look."""
        was_in_front, self._was_in_front = self._was_in_front, self.is_on_screen
        if not (was_in_front and self._was_in_front):
            return range(len(self._rows))
        own = self.region
        rows: set[int] = set()
        first = self.scroll_offset.y - self.sticky_count - own.y
        for each in self.screen.query(FLOATING):
            over = own.intersection(each.region) if each.display else None
            if over:
                rows.update(range(first + over.y, first + over.bottom))
        return frozenset(rows)

    def render_line(self, y: int) -> Strip:
        index = y - self.sticky_count + self.scroll_offset.y
        if y >= self.sticky_count and index < len(self._rows):
            self._sightings.paint(index, time.monotonic())
        return super().render_line(y)

    @property
    def is_on_screen(self) -> bool:
        """True when this widget is displayed on the screen that the person looks at."""
        return (
            self.is_mounted
            and self.app.screen is self.screen
            and self.display
            and bool(self.region)
        )

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        super().watch_scroll_y(old_value, new_value)
        # What has left the screen is not looked at any more, though it may come back before the next look.
        self._sightings.look(self._visible_rows(), frozenset(), time.monotonic())

    def on_resize(self) -> None:
        self._sightings.forget()
        if self.app.size != self._terminal:
            self._terminal = self.app.size
            self._forget_seen()
        self._layout()
        self.refresh()

    def on_show(self) -> None:
        self._sightings.forget()
        self.refresh()

    # --- moving ---

    def show_unseen(self) -> None:
        """Go to the first row that was not on the screen yet; a page on when all were."""
        unseen = [index for rows in self._unseen for index in rows]
        if unseen:
            self._go_to_row(min(unseen))
        else:
            self.action_page(1)

    def action_hunk(self, step: int) -> None:
        here = self.current_hunk
        target = here + step
        if 0 <= target < self.hunk_count:
            self._go_to_row(next(i for i, row in enumerate(self._rows) if row.hunk == target))

    def action_file(self, step: int) -> None:
        if not self.diff.hunks:
            return
        target = self.diff.hunks[self.current_hunk].file_index + step
        if 0 <= target < len(self.diff.files):
            hunk = self.diff.files[target].hunks[0]
            self._go_to_row(next(i for i, row in enumerate(self._rows) if row.hunk == hunk))

    def action_toggle_split(self) -> None:
        self.is_split = not self.is_split
        self._layout()

    @property
    def current_hunk(self) -> int:
        """Number of the hunk under the cursor, 0 when there is none."""
        return self._rows[self.cursor].hunk if self.cursor < len(self._rows) else 0

    def jump_to(self, file: str, line: int) -> bool:
        """Put the cursor on a line of the new file, or the nearest one shown; False when the file is not there."""
        best: tuple[int, int] | None = None
        for index, row in enumerate(self._rows):
            if (
                row.new_line is None
                or self.diff.files[self.diff.hunks[row.hunk].file_index].path != file
            ):
                continue
            distance = abs(row.new_line - line)
            if best is None or distance < best[0]:
                best = (distance, index)
        if best is None:
            return False
        self._go_to_row(best[1], margin=self.page_lines // 3)
        return True

    def _go_to_row(self, index: int, *, margin: int = 0) -> None:
        self.move_cursor(index)
        self.scroll_to(y=min(max(0, index - margin), self.max_scroll_y), animate=False, force=True)

    # --- rows ---

    def line_count(self) -> int:
        return len(self._rows)

    def line_at(self, index: int) -> Line:
        row = self._rows[index]
        mark = ("▸", Role.ACCENT) if index == self.cursor and self.has_focus else (" ", Role.TEXT)
        return (mark, *row.spans)

    def over_at(self, index: int) -> Role | None:
        return self._rows[index].over

    def strip_at(self, index: int, base: Style) -> Strip:
        sides = self._rows[index].sides
        if sides is None:
            return super().strip_at(index, base)
        half = half_of(max(10, self.size.width - 2))
        mark = self.line_at(index)[:1]
        (left, left_over), (right, right_over) = sides
        pen = self.pen
        return Strip.join(
            [
                pen.strip(mark, 1, base),
                pen.strip(left, half, base, over=left_over),
                pen.strip((("│", Role.RULE),), 1, base),
                pen.strip(right, self.size.width - half - 2, base, over=right_over),
            ]
        )

    def _layout(self) -> None:
        width = max(10, self.size.width - 2)
        key = (self._key, self.diff, width, self.is_split, self.notes)
        if key == self._rows_key or self.size.width == 0:
            return
        is_same = bool(self._rows_key) and self._rows_key[0] == self._key and bool(self._rows)
        cursor_hunk = self.current_hunk if is_same else 0
        rows = rows_of(self.diff, width, self.is_split, self.notes)
        seen = self._seen_still(rows) if is_same else frozenset()
        self._rows_key, self._rows = key, rows
        self._sightings.forget()
        self._count_unseen(seen)
        if is_same and rows:
            self.cursor = next((i for i, r in enumerate(rows) if r.hunk == cursor_hunk), 0)
        self.lines_changed()
        if is_same and rows:
            self.show_line(self.cursor)

    def _seen_still(self, rows: Sequence[DiffRow]) -> frozenset[int]:
        """Hunks that were seen and say nothing new in these rows."""
        seen = frozenset(number for number, unseen in enumerate(self._unseen) if not unseen)
        if self._rows_key[-1] == self.notes:
            return seen
        before, after = _by_hunk(self._rows), _by_hunk(rows)
        return frozenset(each for each in seen if before.get(each) == after.get(each))

    def _forget_seen(self) -> None:
        """Nothing counts as seen."""
        if self._unseen:
            self._count_unseen(frozenset())
            self.post_message(self.SeenChanged(self))

    def _count_unseen(self, seen: Container[int]) -> None:
        """Begin to count again, but for hunks that were seen."""
        self._unseen = [set() for _ in self.diff.hunks]
        for index, row in enumerate(self._rows):
            if row.hunk not in seen:
                self._unseen[row.hunk].add(index)
        self._set_heading()
        if self._looking is not None and any(self._unseen):
            self._looking.resume()

    def _set_heading(self) -> None:
        if not self.diff.hunks:
            self.set_note(EMPTY_LINE)
            return
        mode = "split" if self.is_split else "unified"
        role = Role.GOOD if self.is_all_seen else Role.WARN
        sign = "✔ " if self.is_all_seen else ""
        lines = sum(map(len, self._unseen))
        left = f", {lines} lines to go" if lines else ""
        cells = BAR_CELLS if self.size.width >= ROOM_FOR_THE_BAR else 0
        bar = seen_bar([row for rows in self._unseen for row in rows], len(self._rows), cells)
        self.set_note(
            (
                (f"{mode} · ", Role.DIM),
                *bar,
                (f"{sign}seen {self.seen_count} of {self.hunk_count} hunks{left}", role),
            )
        )


def seen_bar(unseen: Iterable[int], rows: int, cells: int = BAR_CELLS) -> Line:
    """The whole diff in a few cells, from its top to its end: those hatched in which a row was not seen yet.

    Args:
        unseen: Rows that were not on the screen yet.
        rows: All rows.
        cells: Most cells; a diff of fewer rows takes one a row.
    """
    cells = min(cells, rows)
    is_left = {row * cells // rows for row in unseen} if rows else set()
    parts: list[Span] = []
    for cell in range(cells):
        sign, role = ("░", Role.WARN) if cell in is_left else ("█", Role.GOOD)
        if parts and parts[-1][1] is role:
            parts[-1] = (parts[-1][0] + sign, role)
        else:
            parts.append((sign, role))
    return (*parts, (" ", Role.DIM)) if parts else ()


def _by_hunk(rows: Sequence[DiffRow]) -> dict[int, list[DiffRow]]:
    found: dict[int, list[DiffRow]] = {}
    for each in rows:
        found.setdefault(each.hunk, []).append(each)
    return found
