"""Edits are compared with what was shown, and keep what was not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rsi.agent.roles.proposer.workbench.edits import EditError, replace_once
from rsi.agent.roles.proposer.workbench.texts import file_text


@pytest.mark.parametrize(
    ("content", "old", "new", "after"),
    [
        ("a\r\nb\r\nc\r\n", "a\nb", "x\ny\nz", "x\r\ny\r\nz\r\nc\r\n"),
        ("a\r\nb\r\nc\r\n", "a\r\nb\r\n", "x\r\n", "x\r\nc\r\n"),
        ("a\r\nb\nc\r\n", "b\nc", "x\ny", "a\r\nx\ny\r\n"),
        ("a\r\nb\r\nc\nd", "a\nb\n", "x\n", "x\r\nc\nd"),
        ("\ufeffa\nb\n", "a\nb", "c", "\ufeffc\n"),
        ("\ufeffa\nb\n", "\ufeffa", "\ufeffc", "\ufeffc\nb\n"),
        ("\ta\n    b\x0c\u2028c\n", "    b\x0c\u2028c", "d", "\ta\nd\n"),
        ("a\nb", "b", "b\r\nc", "a\nb\r\nc"),
    ],
)
def test_what_is_replaced_gets_the_line_ends_around_it_and_the_rest_keeps_its_bytes(
    content, old, new, after
):
    assert file_text(content).replaced(old, new) in (after, after.replace("x\ny\r\n", "x\r\ny\r\n"))


def test_two_places_that_differ_in_line_ends_alone_are_not_one():
    with pytest.raises(EditError):
        file_text("a\r\nb\na\nb\n").replaced("a\r\nc", "x")
    with pytest.raises(EditError):
        file_text("b\r\na\r\nb\na\nb\nc\n").replaced("a\nb\nd", "x")


@pytest.mark.parametrize(
    ("content", "line", "text", "after"),
    [
        ("a\nb\n", 0, "x\n", "x\na\nb\n"),
        ("a\nb\n", 1, "x", "a\nx\nb\n"),
        ("a\nb\n", 2, "x\n", "a\nb\nx\n"),
        ("a\nb", 2, "x", "a\nb\nx\n"),
        ("a\r\nb\r\n", 1, "x\ny\n", "a\r\nx\r\ny\r\nb\r\n"),
        ("", 0, "x\n", "x\n"),
        ("\ufeffa\n", 0, "x", "\ufeffx\na\n"),
    ],
)
def test_lines_are_inserted_behind_the_line_that_is_named(content, line, text, after):
    assert file_text(content).inserted(line, text) == after


LINES = st.lists(st.sampled_from(["a", "b", "", "\tc"]), min_size=1, max_size=6)


@given(
    lines=LINES, end=st.sampled_from(["\n", "\r\n"]), at=st.integers(0, 5), many=st.integers(1, 3)
)
def test_an_edit_of_windows_lines_is_the_edit_of_the_same_lines_elsewhere(lines, end, at, many):
    plain = "\n".join(lines) + "\n"
    old = "\n".join(lines[at : at + many])
    try:
        wanted = replace_once(plain, old, "new\nlines")
    except EditError:
        return
    assert file_text(plain.replace("\n", end)).replaced(old, "new\nlines") == wanted.replace(
        "\n", end
    )
