"""A diff, unified or side by side, that knows which hunks were really on the screen.

Long lines wrap instead of running out of sight, control characters are shown as glyphs in their own colour, and the
reviewer's findings stand below the line that they speak of.
Invariant: a hunk counts as seen only when every one of its rows has been on the screen.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from rich.style import Style
from textual.binding import BindingType
from textual.message import Message
from textual.strip import Strip

from rsi.tui.commands import Scope, bindings
from rsi.tui.diffs import Diff, DiffLine, Hunk, colour_lines, paired_rows
from rsi.tui.draw import EMPTY_LINE, MINUS, Line, Role, Span, fit, wrap
from rsi.tui.safe import MAX_LINE_CHARACTERS, safe_line
from rsi.tui.widgets.lines import LinesView

_NUMBER_CELLS = 5
_HIDDEN_MARKS = "␀␁␂␃␄␅␆␇␈␋␌␍␎␏␐␑␒␓␔␕␖␗␘␙␚␛␜␝␞␟␡"


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """A remark at one line of the new file."""

    file: str
    line: int
    text: str
    role: Role


@dataclass(frozen=True, slots=True)
class _Row:
    """One row of the screen: its hunk, and what is drawn."""

    hunk: int
    spans: Line
    over: Role | None = None
    new_line: int | None = None
    sides: tuple[tuple[Line, Role | None], tuple[Line, Role | None]] | None = None
    """Old and new side by side, each with a role laid over it; None for a row in one piece."""


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
        self._rows: list[_Row] = []
        self._rows_key: tuple[object, ...] = ()
        self._unseen: list[set[int]] = []
        self._key: object = None

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
            self._unseen = []
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

    def _mark_seen(self) -> None:
        if not self._rows or not self.is_on_screen or self.size.height < 2 or self.size.width < 10:
            return
        top = self.scroll_offset.y
        before = self.seen_count
        for index in range(top, min(top + self.page_lines, len(self._rows))):
            self._unseen[self._rows[index].hunk].discard(index)
        self._set_heading()
        if self.seen_count != before:
            self.refresh()
            self.post_message(self.SeenChanged(self))

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
        self.call_after_refresh(self._mark_seen)

    def on_resize(self) -> None:
        self._layout()

    def on_show(self) -> None:
        self.call_after_refresh(self._mark_seen)

    # --- moving ---

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
        half = _half_of(max(10, self.size.width - 2))
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
            self.call_after_refresh(self._mark_seen)
            return
        was_laid_out = self._rows_key and self._rows_key[0] == self._key and self._unseen
        seen = {i for i, rows in enumerate(self._unseen) if not rows} if was_laid_out else set()
        cursor_hunk = self.current_hunk if was_laid_out else 0
        self._rows_key = key
        self._rows = list(_rows_of(self.diff, width, self.is_split, self.notes))
        self._unseen = [set() for _ in self.diff.hunks]
        for index, row in enumerate(self._rows):
            if row.hunk not in seen:
                self._unseen[row.hunk].add(index)
        if was_laid_out and self._rows:
            self.cursor = next((i for i, r in enumerate(self._rows) if r.hunk == cursor_hunk), 0)
        self._set_heading()
        self.lines_changed()
        if was_laid_out and self._rows:
            self.show_line(self.cursor)
        self.call_after_refresh(self._mark_seen)

    def _set_heading(self) -> None:
        if not self.diff.hunks:
            return
        mode = "split" if self.is_split else "unified"
        role = Role.GOOD if self.is_all_seen else Role.WARN
        sign = "✔ " if self.is_all_seen else ""
        self.set_note(
            (
                (f"{mode} · ", Role.DIM),
                (f"{sign}seen {self.seen_count} of {self.hunk_count} hunks", role),
            )
        )


def _rows_of(diff: Diff, width: int, is_split: bool, notes: Sequence[Note]) -> list[_Row]:
    rows: list[_Row] = []
    notes_at: dict[tuple[str, int], list[Note]] = {}
    for note in notes:
        notes_at.setdefault((note.file, note.line), []).append(note)
    for number, hunk in enumerate(diff.hunks):
        file = diff.files[hunk.file_index]
        if file.hunks[0] == number:
            rows.append(_file_row(diff, number, width))
        rows.append(_hunk_row(diff, number, width))
        coloured = _Coloured(file.path, hunk)
        before = len(rows)
        if is_split and width >= 60:
            rows.extend(_split_rows(number, hunk, coloured, width))
        else:
            rows.extend(_unified_rows(number, hunk, coloured, width))
        if notes_at:
            rows[before:] = _with_notes(rows[before:], file.path, notes_at, width)
    return rows


def _file_row(diff: Diff, number: int, width: int) -> _Row:
    file = diff.files[diff.hunks[number].file_index]
    counts = f" +{file.added} {MINUS}{file.removed}"
    status = "" if file.status == "modified" else f" {file.status}"
    remarks = f" ({', '.join(file.remarks)})" if file.remarks else ""
    text = fit(safe_line(file.path) + counts + status + remarks, width)
    return _Row(number, ((text, Role.STRONG),))


def _hunk_row(diff: Diff, number: int, width: int) -> _Row:
    hunk = diff.hunks[number]
    place = f"@@ {hunk.old_start} → {hunk.new_start} @@ " if hunk.lines else "@@ "
    text = f"{place}{hunk.context}"
    label = f" {number + 1}/{len(diff.hunks)}"
    return _Row(number, ((fit(text, width - len(label)) + label, Role.HUNK),), Role.HUNK)


class _Coloured:
    """Spans of both sides of a hunk, looked up by line."""

    def __init__(self, path: str, hunk: Hunk) -> None:
        olds = [each for each in hunk.lines if each.old is not None]
        news = [each for each in hunk.lines if each.new is not None]
        self._old = dict(zip((id(x) for x in olds), colour_lines(path, _texts(olds)), strict=True))
        self._new = dict(zip((id(x) for x in news), colour_lines(path, _texts(news)), strict=True))

    def spans(self, line: DiffLine) -> tuple[Span, ...]:
        found = self._new.get(id(line)) or self._old.get(id(line))
        return _with_hidden(found or ((line.text[:MAX_LINE_CHARACTERS], Role.DIM),))


def _texts(lines: Sequence[DiffLine]) -> tuple[str, ...]:
    out = []
    for each in lines:
        left_out = len(each.text) - MAX_LINE_CHARACTERS
        cut = f" …(+{left_out:,} characters)" if left_out > 0 else ""
        out.append(each.text[:MAX_LINE_CHARACTERS].expandtabs(4) + cut)
    return tuple(out)


def _with_hidden(spans: Sequence[Span]) -> tuple[Span, ...]:
    """Give the glyphs that stand for control and invisible characters a look that cannot be missed."""
    out: list[Span] = []
    for text, role in spans:
        safe = safe_line(text)
        if safe == text and not any(mark in text for mark in _HIDDEN_MARKS) and "⟦U+" not in text:
            out.append((text, role))
            continue
        start = 0
        at = 0
        while at < len(safe):
            length = 0
            if safe[at] in _HIDDEN_MARKS:
                length = 1
            elif safe.startswith("⟦U+", at):
                length = safe.find("⟧", at) - at + 1
            if length > 0:
                out.extend(((safe[start:at], role), (safe[at : at + length], Role.HIDDEN)))
                start = at + length
            at += max(1, length)
        out.append((safe[start:], role))
    return tuple(span for span in out if span[0])


_LOOKS = {
    "+": (Role.ADDED, Role.ADDED_SIGN),
    "-": (Role.REMOVED, Role.REMOVED_SIGN),
}


def _unified_rows(number: int, hunk: Hunk, coloured: _Coloured, width: int) -> list[_Row]:
    rows = []
    gutter = 2 * _NUMBER_CELLS + 2
    for each in hunk.lines:
        over, sign_role = _LOOKS.get(each.sign, (None, Role.DIM))
        old = str(each.old or "").rjust(_NUMBER_CELLS - 1) + " "
        new = str(each.new or "").rjust(_NUMBER_CELLS - 1) + " "
        pieces = wrap(coloured.spans(each), max(10, width - gutter))
        for part, piece in enumerate(pieces):
            head: Line = (
                ((old + new, Role.DIM), (each.sign + " ", sign_role))
                if part == 0
                else ((" " * (gutter - 2) + "↳ ", Role.DIM),)
            )
            rows.append(_Row(number, (*head, *piece), over, each.new if part == 0 else None))
    return rows


def _half_of(width: int) -> int:
    return (width - 1) // 2


def _split_rows(number: int, hunk: Hunk, coloured: _Coloured, width: int) -> list[_Row]:
    half = _half_of(width)
    rows = []
    for left, right in paired_rows(hunk):
        lefts = _half_lines(left, left.old if left else None, coloured, half)
        rights = _half_lines(right, right.new if right else None, coloured, half)
        for part in range(max(len(lefts), len(rights))):
            sides = (
                _side(lefts, part, left),
                _side(rights, part, right),
            )
            new_line = right.new if right and part == 0 else None
            rows.append(
                _Row(number, (*sides[0][0], ("│", Role.RULE), *sides[1][0]), None, new_line, sides)
            )
    return rows


def _side(lines: Sequence[Line], part: int, of: DiffLine | None) -> tuple[Line, Role | None]:
    if of is None or part >= len(lines):
        return EMPTY_LINE, None
    return lines[part], _LOOKS.get(of.sign, (None, Role.DIM))[0]


def _half_lines(
    each: DiffLine | None, shown: int | None, coloured: _Coloured, half: int
) -> list[Line]:
    if each is None:
        return []
    sign_role = _LOOKS.get(each.sign, (None, Role.DIM))[1]
    out: list[Line] = []
    for part, piece in enumerate(wrap(coloured.spans(each), max(5, half - _NUMBER_CELLS - 2))):
        number = str(shown or "").rjust(_NUMBER_CELLS - 1) + " "
        head = number if part == 0 else " " * _NUMBER_CELLS
        sign = each.sign if part == 0 else "↳"
        out.append(((head, Role.DIM), (sign + " ", sign_role), *piece))
    return out


def _with_notes(
    rows: list[_Row], path: str, notes_at: dict[tuple[str, int], list[Note]], width: int
) -> list[_Row]:
    out: list[_Row] = []
    for row in rows:
        out.append(row)
        if row.new_line is None:
            continue
        for note in notes_at.get((path, row.new_line), ()):
            spans: Line = (
                (" " * (2 * _NUMBER_CELLS) + "▲ ", note.role),
                (safe_line(note.text), note.role),
            )
            out.extend(
                _Row(row.hunk, piece) for piece in wrap(spans, width, indent=2 * _NUMBER_CELLS + 2)
            )
    return out
