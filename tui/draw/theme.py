"""The looks: dark, light and no colour, each a Textual theme and a style for every role.

Good and bad are told apart by blue-green and orange (safe for the common colour blindnesses) and never by colour
alone: a sign or a word stands beside every coloured thing.
"""

from dataclasses import dataclass

from rich.style import Style
from textual.theme import Theme

from rsi.tui.draw.pen import Pen
from rsi.tui.draw.styled import Role


@dataclass(frozen=True, slots=True, kw_only=True)
class Palette:
    """Colours of one look, as "#rrggbb"."""

    name: str
    dark: bool
    background: str
    surface: str
    panel: str
    text: str
    dim: str
    off: str
    """What is not possible now: readable, and plainly not an offer."""
    faint: str
    accent: str
    good: str
    bad: str
    warn: str
    note: str
    added: str
    removed: str
    keyword: str
    string: str
    number: str
    series: tuple[str, str, str, str]


DARK = Palette(
    name="rsi-dark", dark=True,
    background="#11151c", surface="#161b24", panel="#222a36",
    text="#d6dbe5", dim="#8a94a6", off="#616c80", faint="#3a4454",
    accent="#6cb6ff", good="#3fc6a4", bad="#ff8a5c", warn="#f2c14e", note="#b9a1ff",
    added="#12322c", removed="#3a2119",
    keyword="#c4a7ff", string="#8fd6a8", number="#f2c14e",
    series=("#8a94a6", "#6cb6ff", "#f2c14e", "#3fc6a4"),
)  # fmt: skip
LIGHT = Palette(
    name="rsi-light", dark=False,
    background="#fbfbf9", surface="#f3f3ef", panel="#e4e5e0",
    text="#22272e", dim="#626b78", off="#969da7", faint="#c3c7cc",
    accent="#0b62b8", good="#00755c", bad="#b84304", warn="#8a6100", note="#6a45b8",
    added="#dcf2ea", removed="#fbe5da",
    keyword="#6a45b8", string="#1c6e3c", number="#8a6100",
    series=("#626b78", "#0b62b8", "#b84304", "#00755c"),
)  # fmt: skip

PALETTES: dict[str, Palette] = {DARK.name: DARK, LIGHT.name: LIGHT}
MONO_NAME = "rsi-mono"
THEME_NAMES = (DARK.name, LIGHT.name, MONO_NAME)


def textual_themes() -> tuple[Theme, ...]:
    """The three looks as Textual themes, for its own widgets."""
    return (*(_textual_theme(palette) for palette in PALETTES.values()), _mono_theme())


def pen_for(theme_name: str) -> Pen:
    """The pen of a look; names that are not ours get the dark or the light one by their ending."""
    if theme_name == MONO_NAME or theme_name.startswith("ansi"):
        return Pen(_mono_styles())
    palette = PALETTES.get(theme_name) or (LIGHT if "light" in theme_name else DARK)
    return Pen(_styles(palette))


def _textual_theme(palette: Palette) -> Theme:
    return Theme(
        name=palette.name, primary=palette.accent, secondary=palette.note, accent=palette.accent,
        warning=palette.warn, error=palette.bad, success=palette.good, foreground=palette.text,
        background=palette.background, surface=palette.surface, panel=palette.panel,
        dark=palette.dark,
        variables={"faint": palette.faint, "dim": palette.dim, "scrollbar": palette.faint,
                   "scrollbar-hover": palette.dim, "scrollbar-active": palette.accent,
                   "scrollbar-background": palette.background,
                   "scrollbar-background-hover": palette.background,
                   "scrollbar-background-active": palette.background,
                   "scrollbar-corner-color": palette.background,
                   "input-selection-background": f"{palette.accent} 30%"},
    )  # fmt: skip


def _mono_theme() -> Theme:
    default = "ansi_default"
    return Theme(
        name=MONO_NAME, primary=default, secondary=default, accent=default, warning=default,
        error=default, success=default, foreground=default, background=default, surface=default,
        panel=default, boost=default, dark=True, ansi=True,
        variables={"faint": default, "dim": default, "scrollbar": default,
                   "ansi-background": default, "ansi-foreground": default,
                   "border": default, "border-blurred": default,
                   "block-cursor-foreground": default, "block-cursor-background": default,
                   "input-cursor-background": default, "input-cursor-foreground": default,
                   "input-cursor-text-style": "reverse", "input-selection-background": default,
                   "input-selection-foreground": default, "screen-selection-background": default,
                   "screen-selection-foreground": default,
                   "scrollbar-hover": default, "scrollbar-active": default,
                   "scrollbar-background": default, "scrollbar-background-hover": default,
                   "scrollbar-background-active": default, "scrollbar-corner-color": default},
    )  # fmt: skip


def _styles(palette: Palette) -> dict[Role, Style]:
    p = palette
    ink = p.background
    return {
        Role.TEXT: Style(color=p.text),
        Role.DIM: Style(color=p.dim),
        Role.STRONG: Style(color=p.text, bold=True),
        Role.TITLE: Style(color=p.text, bold=True),
        Role.ACCENT: Style(color=p.accent),
        Role.GOOD: Style(color=p.good),
        Role.BAD: Style(color=p.bad),
        Role.WARN: Style(color=p.warn),
        Role.NOTE: Style(color=p.note),
        Role.KEY: Style(color=p.accent, bold=True),
        Role.OFF: Style(color=p.off),
        Role.CURSOR: Style(bgcolor=p.panel, bold=True),
        Role.CURSOR_IDLE: Style(bgcolor=p.surface),
        Role.MARK: Style(color=p.warn, bold=True),
        Role.MATCH: Style(color=ink, bgcolor=p.warn),
        Role.RULE: Style(color=p.faint),
        Role.RULE_FOCUS: Style(color=p.accent),
        Role.BAR: Style(color=p.dim),
        Role.BAR_ON: Style(color=ink, bgcolor=p.accent, bold=True),
        Role.HIDDEN: Style(color=ink, bgcolor=p.bad, bold=True),
        Role.ADDED: Style(bgcolor=p.added),
        Role.REMOVED: Style(bgcolor=p.removed),
        Role.ADDED_SIGN: Style(color=p.good, bgcolor=p.added, bold=True),
        Role.REMOVED_SIGN: Style(color=p.bad, bgcolor=p.removed, bold=True),
        Role.HUNK: Style(color=p.accent, bgcolor=p.surface),
        Role.CODE_KEYWORD: Style(color=p.keyword),
        Role.CODE_STRING: Style(color=p.string),
        Role.CODE_COMMENT: Style(color=p.dim, italic=True),
        Role.CODE_NUMBER: Style(color=p.number),
        Role.CODE_NAME: Style(color=p.accent),
        Role.SERIES_A: Style(color=p.series[0]),
        Role.SERIES_B: Style(color=p.series[1]),
        Role.SERIES_C: Style(color=p.series[2]),
        Role.SERIES_D: Style(color=p.series[3]),
    }


def _mono_styles() -> dict[Role, Style]:
    plain, bold, dim = Style(), Style(bold=True), Style(dim=True)
    reverse, underline = Style(reverse=True), Style(underline=True)
    looks = dict.fromkeys(Role, plain)
    looks.update(dict.fromkeys((Role.DIM, Role.OFF, Role.RULE, Role.CODE_COMMENT, Role.BAR), dim))
    looks.update(
        dict.fromkeys(
            (Role.STRONG, Role.TITLE, Role.KEY, Role.MARK, Role.BAD, Role.WARN, Role.RULE_FOCUS,
             Role.ADDED_SIGN, Role.REMOVED_SIGN, Role.SERIES_B, Role.CODE_KEYWORD),
            bold,
        )
    )  # fmt: skip
    looks.update(dict.fromkeys((Role.CURSOR, Role.MATCH, Role.BAR_ON, Role.HIDDEN), reverse))
    looks.update(dict.fromkeys((Role.CURSOR_IDLE, Role.HUNK), underline))
    return looks
