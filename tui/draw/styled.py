"""Styled lines as plain values: text and what it is for.

Does not: interpret markup, ever; know colours (`theme` does) or the terminal (`pen` does).
"""

from collections.abc import Iterable
from enum import StrEnum

from rich.cells import cell_len, set_cell_size

from rsi.tui.draw.safe import safe_line


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
    OFF = "off"
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


def plain(spans: Line) -> str:
    """The text of a line alone."""
    return "".join(text for text, _ in spans)


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


def clip(spans: Line, width: int) -> Line:
    """The line if it fits, else as much of it as does, with "…" at the end."""
    if width_of(spans) <= width:
        return spans
    kept: list[Span] = []
    left = width
    for text, role in spans:
        length = cell_len(text)
        if length >= left:
            return (*kept, (fit(text + "…", left), role))
        kept.append((text, role))
        left -= length
    return tuple(kept)


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
