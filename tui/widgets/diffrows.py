"""How a diff is laid out in rows of the screen: files, hunks, lines with their numbers, remarks below their line.

Long lines wrap instead of running out of sight, control characters are shown as glyphs in their own colour, and the
reviewer's findings stand below the line that they speak of.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from rsi.tasks.files.diffs import Change
from rsi.tui.draw.safe import MAX_LINE_CHARACTERS, safe_line
from rsi.tui.draw.styled import EMPTY_LINE, MINUS, Line, Role, Span, fit, wrap
from rsi.tui.model.diffs import Diff, ShownHunk, ShownLine, colour_lines, paired_rows

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
class DiffRow:
    """One row of the screen: its hunk, and what is drawn."""

    hunk: int
    spans: Line
    over: Role | None = None
    new_line: int | None = None
    sides: tuple[tuple[Line, Role | None], tuple[Line, Role | None]] | None = None
    """Old and new side by side, each with a role laid over it; None for a row in one piece."""


def rows_of(diff: Diff, width: int, is_split: bool, notes: Sequence[Note]) -> list[DiffRow]:
    """All rows of a diff, those of a hunk together.

    Args:
        diff: What is shown.
        width: Cells of a row.
        is_split: Old and new side by side, where there is room for both.
        notes: Remarks, each shown below its line.
    """
    rows: list[DiffRow] = []
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


def _file_row(diff: Diff, number: int, width: int) -> DiffRow:
    file = diff.files[diff.hunks[number].file_index]
    counts = f" +{file.added} {MINUS}{file.removed}"
    status = "" if file.change is Change.MODIFIED else f" {file.change.value}"
    remarks = f" ({', '.join(file.remarks)})" if file.remarks else ""
    text = fit(safe_line(file.path) + counts + status + remarks, width)
    return DiffRow(number, ((text, Role.STRONG),))


def _hunk_row(diff: Diff, number: int, width: int) -> DiffRow:
    hunk = diff.hunks[number]
    place = f"@@ {hunk.old_start} → {hunk.new_start} @@ " if hunk.lines else "@@ "
    text = f"{place}{hunk.context}"
    label = f" {number + 1}/{len(diff.hunks)}"
    return DiffRow(number, ((fit(text, width - len(label)) + label, Role.HUNK),), Role.HUNK)


class _Coloured:
    """Spans of both sides of a hunk, looked up by line."""

    def __init__(self, path: str, hunk: ShownHunk) -> None:
        olds = [each for each in hunk.lines if each.old is not None]
        news = [each for each in hunk.lines if each.new is not None]
        self._old = dict(zip((id(x) for x in olds), colour_lines(path, _texts(olds)), strict=True))
        self._new = dict(zip((id(x) for x in news), colour_lines(path, _texts(news)), strict=True))

    def spans(self, line: ShownLine) -> tuple[Span, ...]:
        found = self._new.get(id(line)) or self._old.get(id(line))
        return _with_hidden(found or ((line.text[:MAX_LINE_CHARACTERS], Role.DIM),))


def _texts(lines: Sequence[ShownLine]) -> tuple[str, ...]:
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


def _unified_rows(number: int, hunk: ShownHunk, coloured: _Coloured, width: int) -> list[DiffRow]:
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
            rows.append(DiffRow(number, (*head, *piece), over, each.new if part == 0 else None))
    return rows


def half_of(width: int) -> int:
    """Cells of each side."""
    return (width - 1) // 2


def _split_rows(number: int, hunk: ShownHunk, coloured: _Coloured, width: int) -> list[DiffRow]:
    half = half_of(width)
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
                DiffRow(
                    number, (*sides[0][0], ("│", Role.RULE), *sides[1][0]), None, new_line, sides
                )
            )
    return rows


def _side(lines: Sequence[Line], part: int, of: ShownLine | None) -> tuple[Line, Role | None]:
    if of is None or part >= len(lines):
        return EMPTY_LINE, None
    return lines[part], _LOOKS.get(of.sign, (None, Role.DIM))[0]


def _half_lines(
    each: ShownLine | None, shown: int | None, coloured: _Coloured, half: int
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
    rows: list[DiffRow], path: str, notes_at: dict[tuple[str, int], list[Note]], width: int
) -> list[DiffRow]:
    out: list[DiffRow] = []
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
                DiffRow(row.hunk, piece)
                for piece in wrap(spans, width, indent=2 * _NUMBER_CELLS + 2)
            )
    return out
