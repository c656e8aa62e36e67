"""Nothing active or invisible passes, and nothing is lost."""

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rsi.tui.draw.safe import (
    hidden_characters,
    is_inert,
    safe_line,
    safe_log_line,
    safe_text,
    without_active,
)

HOSTILE = (
    "\x1b]52;c;ZXZpbA==\x07", "\x1b[2J\x1b[H", "\x1b]8;;http://evil.example\x07click\x1b]8;;\x07", "\x9b2J", "\x9d0;t\x9c",
    "\x90q\x9c", "\u202egnp.exe", "\u2066\u2069", "a\u200bb", "\ufeff", "\x00", "\x7f", "\udcff", "\U000e0041", "\u2028",
)  # fmt: skip


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_becomes_visible_and_inert(text):
    safe = safe_text(text)
    assert is_inert(safe.replace("\n", "").replace("\t", ""))
    assert safe != text
    assert len(safe) >= len(text)
    safe.encode()


@given(st.text(alphabet=st.characters(exclude_categories=())))
def test_no_text_keeps_a_control_character_but_newline_and_tab(text):
    safe = safe_text(text)
    assert not re.search(
        "[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\u200b-\u200f\ud800-\udfff]", safe
    )
    assert safe_text(safe) == safe
    line = safe_line(text)
    assert "\n" not in line
    assert is_inert(line)
    assert is_inert(without_active(text))


def test_an_escape_shows_as_a_glyph():
    assert safe_line("a\x1b[2Jb") == "a␛[2Jb"
    assert safe_line("\u202e") == "⟦U+202E⟧"


def test_an_over_long_line_says_how_much_is_left_out():
    line = safe_line("x" * 5_000)
    assert line.endswith("…(+1,000 characters)")
    assert safe_line("abc", limit=3) == "abc"


def test_stacked_marks_are_cut():
    assert len(safe_text("e" + "\u0301" * 500)) < 20
    assert safe_text("e\u0301") == "e\u0301"


def test_symbols_keep_their_coloured_form_quietly():
    assert safe_text("done ✔\ufe0f") == "done ✔"


def test_program_output_loses_colours_and_what_a_carriage_return_overwrote():
    assert safe_log_line("\x1b[32mok\x1b[0m") == "ok"
    assert safe_log_line(" 10%\r 50%\r100%") == "100%"
    assert safe_log_line("50%\r") == "50%"
    assert safe_log_line("\x1b[2Jgone") == "␛[2Jgone"


def test_hidden_characters_are_named_once_each():
    assert hidden_characters("a\u202eb\u202ec\x1b\r\n\t") == (
        "U+202E right-to-left override",
        "U+001B escape",
    )
    assert hidden_characters("plain\ttext\n") == ()


def test_a_large_event_is_made_safe_within_one_key_press():
    text = "step=1 loss=2.3 \x1b[2J some training output\n" * 1_500
    started = time.process_time()
    safe_text(text)
    assert time.process_time() - started < 0.1
