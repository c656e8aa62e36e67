"""Turns untrusted text into text that cannot move a cursor, set a clipboard or hide anything.

Everything that comes from models, candidates, sandboxes, file names or other people passes here before it is
drawn. What would be invisible or active becomes a visible glyph.
Invariant: the result of `safe_text` holds no control character but newline and tab, and nothing invisible.
"""

import re
import unicodedata
from functools import lru_cache

TAB_CELLS = 4
MAX_LINE_CHARACTERS = 4_000
"""Longest line drawn; a terminal shows a few hundred cells, and one line may be megabytes long."""
MAX_STACKED_MARKS = 4
"""Combining marks kept on one letter; more of them paint over neighbouring lines."""

_INVISIBLE_RANGES: tuple[tuple[int, int], ...] = (
    (0x00AD, 0x00AD),  # soft hyphen
    (0x034F, 0x034F),  # grapheme joiner
    (0x061C, 0x061C),  # arabic letter mark (bidi)
    (0x115F, 0x1160),  # hangul fillers: letters without ink
    (0x17B4, 0x17B5),
    (0x180B, 0x180F),
    (0x200B, 0x200F),  # zero width space .. right-to-left mark
    (0x2028, 0x202E),  # separators and bidi embedding controls
    (0x2060, 0x206F),  # word joiner .. bidi isolates
    (0x2800, 0x2800),  # blank braille
    (0x3164, 0x3164),
    (0xFE00, 0xFE0F),  # variation selectors
    (0xFEFF, 0xFEFF),
    (0xFFA0, 0xFFA0),
    (0xFFF0, 0xFFFB),
    (0x1BCA0, 0x1BCA3),
    (0x1D173, 0x1D17A),
    (0xE0000, 0xE0FFF),  # tags and more variation selectors
    (0xD800, 0xDFFF),  # lone surrogates: not encodable, they would crash the writer
)


def _character_class() -> str:
    ranges = "".join(f"\\U{low:08x}-\\U{high:08x}" for low, high in _INVISIBLE_RANGES)
    return "\\x00-\\x08\\x0b-\\x1f\\x7f-\\x9f" + ranges


_UNSAFE = re.compile(f"[{_character_class()}]")
_ACTIVE = re.compile(f"[{_character_class()}\t\n]")
_MARK_RUN = re.compile(
    rf"([\u0300-\u036f\u0483-\u0489\u0e31-\u0e4e\u1ab0-\u1aff\u1dc0-\u1dff"
    rf"\u20d0-\u20ff\ufe20-\ufe2f]{{{MAX_STACKED_MARKS}}})[\u0300-\u036f"
    r"\u0483-\u0489\u0e31-\u0e4e\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f]+"
)
_COLOUR_REQUEST = re.compile(r"\x1b\[[0-9;:]*m")
_PICTURE_SELECTOR = re.compile("(?<=[\u2190-\u2bff\U0001f000-\U0001faff])\ufe0f")
"""Asks for the coloured form of the symbol before it: models write it after most of their symbols."""


@lru_cache(maxsize=4096)
def _glyph(character: str) -> str:
    code = ord(character)
    if code < 0x20:
        return chr(0x2400 + code)
    if code == 0x7F:
        return "\u2421"
    return f"⟦U+{code:04X}⟧"


def _replace(match: re.Match[str]) -> str:
    return _glyph(match.group())


def safe_text(text: str) -> str:
    """Make text safe to draw: newline and tab stay, everything active or invisible becomes a glyph.

    An escape character shows as "␛", U+202E as "⟦U+202E⟧". Applying it twice changes nothing.
    """
    if _UNSAFE.search(text) is not None:
        text = _UNSAFE.sub(_replace, _PICTURE_SELECTOR.sub("", text))
    if text.isascii():
        return text
    return _MARK_RUN.sub(r"\1⟦marks⟧", text)


def safe_line(text: str, *, limit: int = MAX_LINE_CHARACTERS) -> str:
    """Make text safe as one line: tabs become spaces, newlines "␊", and an over-long line says so.

    Args:
        text: Any text.
        limit: Characters kept; the number of those left out is written at the end.
    """
    left_out = len(text) - limit
    if left_out > 0:
        text = f"{text[:limit]} …(+{left_out:,} characters)"
    text = safe_text(text)
    if "\n" in text:
        text = text.replace("\n", "␊")
    if "\t" in text:
        text = text.expandtabs(TAB_CELLS)
    return text


def safe_log_line(text: str) -> str:
    """Make one line of program output safe.

    Colour requests are taken out, because every test runner writes them and they carry nothing; what a carriage
    return would have overwritten is left out, as on a terminal. Any other escape sequence stays visible.
    """
    if "\x1b" in text:
        text = _COLOUR_REQUEST.sub("", text)
    if "\r" in text:
        parts = [part for part in text.split("\r") if part]
        text = parts[-1] if parts else ""
    return safe_line(text)


def is_inert(text: str) -> bool:
    """Whether a piece of one line holds nothing active or invisible, newlines and tabs included."""
    return _ACTIVE.search(text) is None


def without_active(text: str) -> str:
    """The same without what is active or invisible: for where the width must stay what was counted."""
    return _ACTIVE.sub("", text)


def hidden_characters(text: str) -> tuple[str, ...]:
    """Names of the control and invisible characters in a text, in order of first appearance.

    Newlines, tabs and the carriage return of a Windows line end do not count.
    """
    names: dict[str, None] = {}
    for match in _UNSAFE.finditer(text.replace("\r\n", "\n")):
        character = match.group()
        name = unicodedata.name(character, "") or _CONTROL_NAMES.get(ord(character), "control")
        names.setdefault(f"U+{ord(character):04X} {name.lower()}")
    return tuple(names)


_CONTROL_NAMES = {
    0x00: "nul",
    0x07: "bell",
    0x08: "backspace",
    0x0D: "carriage return",
    0x1B: "escape",
    0x7F: "delete",
    0x90: "device control",
    0x9B: "control sequence",
    0x9D: "system command",
}
