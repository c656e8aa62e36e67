"""Styled lines as plain values, and the one place where they become terminal cells.

A screen builds `Line` values out of text and roles; only `Pen.strip` turns them into segments, and it passes every
piece of text through `safe_line`. Does not: interpret markup, ever.
Invariant: no widget of the cockpit makes a `Segment` from text by another way than `Pen`.
"""

from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

from rsi.tui.safe import safe_line


class Role(StrEnum):
    """What a piece of text is for; a theme gives each role its look."""

    TEXT = "text"
    DIM = "dim"
    STRONG = "strong"
    TITLE = "title"
    ACCENT = "accent"
    GOOD = "good"
    BAD = "bad"
    WARN = "warn"
    NOTE = "note"
    KEY = "key"
    CURSOR = "cursor"
    CURSOR_IDLE = "cursor_idle"
    MARK = "mark"
    MATCH = "match"
    RULE = "rule"
    RULE_FOCUS = "rule_focus"
    BAR = "bar"
    BAR_ON = "bar_on"
    HIDDEN = "hidden"
    ADDED = "added"
    REMOVED = "removed"
    ADDED_SIGN = "added_sign"
    REMOVED_SIGN = "removed_sign"
    HUNK = "hunk"
    CODE_KEYWORD = "code_keyword"
    CODE_STRING = "code_string"
    CODE_COMMENT = "code_comment"
    CODE_NUMBER = "code_number"
    CODE_NAME = "code_name"
    SERIES_A = "series_a"
    SERIES_B = "series_b"
    SERIES_C = "series_c"
    SERIES_D = "series_d"


TIMES = "\u00d7"
MINUS = "\u2212"
DASH = "\u2013"
"""Stands for "no value"."""

Span = tuple[str, Role]
Line = tuple[Span, ...]

EMPTY_LINE: Line = ()


def line(text: str, role: Role = Role.TEXT) -> Line:
    """A line of one span."""
    return ((text, role),)


def width_of(spans: Line) -> int:
    """Cells that a line takes, before `safe_line` makes anything visible."""
    return sum(cell_len(text) for text, _ in spans)


def fit(text: str, width: int, *, align: str = "left") -> str:
    """Cut or pad to exactly `width` cells; a cut shows as "…".

    Args:
        text: One line, made safe here because its width must be that of what is drawn.
        width: Cells.
        align: "left" or "right".
    """
    text = safe_line(text)
    length = len(text) if text.isascii() else cell_len(text)
    if length > width:
        if width <= 1:
            return "…"[:width]
        return set_cell_size(text, width - 1) + "…"
    if align == "right":
        return " " * (width - length) + text
    return text + " " * (width - length)


def wrap(spans: Line, width: int, *, indent: int = 0) -> list[Line]:
    """Break a line at spaces so that every piece fits; words longer than a line are cut.

    Args:
        spans: The line.
        width: Cells per piece.
        indent: Spaces before the second and later pieces.
    """
    if width <= indent + 1 or width_of(spans) <= width:
        return [spans]
    pieces: list[Line] = []
    current: list[Span] = []
    used = 0
    for word, role in _words(spans):
        for part in _parts(safe_line(word), width - indent):
            length = cell_len(part)
            if used + length > width and current:
                pieces.append(tuple(current))
                current, used = ([(" " * indent, Role.TEXT)] if indent else []), indent
                if part.isspace():
                    continue
            current.append((part, role))
            used += length
    if current:
        pieces.append(tuple(current))
    return pieces


def _words(spans: Line) -> Iterable[Span]:
    for text, role in spans:
        start = 0
        for position, character in enumerate(text):
            if character == " ":
                if position > start:
                    yield text[start:position], role
                yield " ", role
                start = position + 1
        if start < len(text):
            yield text[start:], role


def _parts(word: str, width: int) -> Iterable[str]:
    while cell_len(word) > width:
        head = set_cell_size(word, width).rstrip() or word[:1]
        yield head
        word = word[len(head) :]
    yield word


def paragraphs(text: str, role: Role = Role.TEXT) -> list[Line]:
    """One line per newline of a text."""
    return [line(part, role) for part in text.splitlines()] or [EMPTY_LINE]


class Pen:
    """Roles to styles for one theme, and lines to strips."""

    def __init__(self, styles: Mapping[Role, Style]) -> None:
        self._styles = dict(styles)
        self._combined: dict[tuple[Style, Role], Style] = {}

    def style(self, role: Role, base: Style | None = None) -> Style:
        """The style of a role, on a base when one is given."""
        if base is None:
            return self._styles[role]
        key = (base, role)
        found = self._combined.get(key)
        if found is None:
            if len(self._combined) > 2_000:
                self._combined.clear()
            found = self._combined[key] = base + self._styles[role]
        return found

    def strip(
        self,
        spans: Sequence[Span],
        width: int,
        base: Style,
        *,
        scroll_x: int = 0,
        over: Role | None = None,
    ) -> Strip:
        """Draw a line: safe, styled, exactly `width` cells.

        Args:
            spans: The line.
            width: Cells.
            base: Style below every role, which also fills what is left.
            scroll_x: Cells scrolled out to the left.
            over: A role laid over all of it, such as the cursor's.
        """
        fill = base if over is None else self.style(over, base)
        segments = []
        for text, role in spans:
            if text:
                style = self.style(role, base)
                if over is not None:
                    style += self._styles[over]
                segments.append(Segment(safe_line(text), style))
        return Strip(segments).crop_extend(scroll_x, scroll_x + width, fill)
