"""Lines keep their width and their text."""

from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.style import Style

from rsi.tui.draw.safe import is_inert
from rsi.tui.draw.styled import Role, fit, line, width_of, wrap
from rsi.tui.draw.theme import THEME_NAMES, pen_for

ANY_TEXT = st.text(alphabet=st.characters(exclude_categories=()), max_size=200)


@given(ANY_TEXT, st.integers(1, 60))
def test_fitted_text_has_exactly_the_width(text, width):
    assert cell_len(fit(text, width)) == width
    assert cell_len(fit(text, width, align="right")) == width


@given(
    st.lists(st.text(alphabet="ab c\u4e2d", max_size=30), max_size=6),
    st.integers(8, 40),
    st.integers(0, 4),
)
def test_wrapped_lines_fit_and_keep_every_letter(parts, width, indent):
    spans = tuple((part, Role.TEXT) for part in parts)
    pieces = wrap(spans, width, indent=indent)
    assert all(width_of(each) <= width for each in pieces)
    kept = "".join(text for piece in pieces for text, _ in piece)
    assert kept.replace(" ", "") == "".join(parts).replace(" ", "")


@given(ANY_TEXT, st.integers(1, 80), st.sampled_from(THEME_NAMES))
def test_whatever_is_drawn_is_inert_and_exactly_as_wide(text, width, theme):
    strip = pen_for(theme).strip(line(text), width, Style())
    assert strip.cell_length == width
    assert all(is_inert(segment.text) for segment in strip)


def test_every_theme_gives_every_role_a_look():
    for name in (*THEME_NAMES, "textual-light", "nord"):
        pen = pen_for(name)
        for role in Role:
            pen.style(role)


def test_no_colour_means_no_colour():
    pen = pen_for("rsi-mono")
    assert all(pen.style(role).color is None and pen.style(role).bgcolor is None for role in Role)
