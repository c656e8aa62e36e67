"""A patch is placed whole wherever its context still stands, or not at all."""

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rsi.agent.llm.scripted.placing import (
    Command,
    Edit,
    NotPlacedError,
    Write,
    is_lacking,
    place,
)
from rsi.tasks.files.diff_reading import parse_diff
from rsi.tasks.files.diffs import FileDiff, compare_texts, lines_of

BASE = [f"line {n}" for n in range(30)]


def text_of(lines):
    return "".join(f"{line}\n" for line in lines)


def change(old, new, path="x"):
    return compare_texts(path, old, new)


def play(files, texts):
    """Do what `place` says, as the tools would: by exact replacement, once."""
    texts = dict(texts)
    told = dict(texts)
    for actions in place(files, told):
        for action in actions:
            match action:
                case Edit(path=path, old=old, new=new):
                    assert texts[path].find(old) == texts[path].rfind(old) >= 0
                    texts[path] = texts[path].replace(old, new)
                case Write(path=path, content=content):
                    texts[path] = content
                case Command():
                    pytest.fail("no test here moves files")
    assert texts == told, "what is planned is what comes of it"
    return texts


EDITS = {
    "middle": [*BASE[:10], "new", *BASE[11:]],
    "two_places": ["first", *BASE[:12], *BASE[14:], "last"],
    "insert_at_the_start": ["top", *BASE],
    "append": [*BASE, "bottom"],
    "delete_a_block": BASE[:5] + BASE[9:],
}


@pytest.mark.parametrize("name", EDITS)
def test_a_patch_plays_on_the_file_it_was_made_for_and_on_one_that_has_moved(name):
    file = change(text_of(BASE), text_of(EDITS[name]))
    assert play([file], {"x": text_of(BASE)}) == {"x": text_of(EDITS[name])}
    if name in ("middle", "delete_a_block"):
        moved = text_of(["# header"] * 50 + BASE + ["# footer"])
        expected = text_of(["# header"] * 50 + EDITS[name] + ["# footer"])
        assert play([file], {"x": moved}) == {"x": expected}


def test_the_nearest_of_several_places_is_taken():
    old = ["a", "b", "c"] * 10
    new = [*old[:16], "B", *old[17:]]
    assert play([change(text_of(old), text_of(new))], {"x": text_of(old)}) == {"x": text_of(new)}


def test_context_at_the_edges_may_have_changed():
    moved = [*BASE[:7], "other", *BASE[8:13], "another", *BASE[14:]]
    (text,) = play(
        [change(text_of(BASE), text_of(EDITS["middle"]))], {"x": text_of(moved)}
    ).values()
    assert text == text_of([*moved[:10], "new", *moved[11:]])


def test_a_hunk_whose_own_lines_changed_is_named_and_nothing_is_played():
    file = change(text_of(BASE), text_of(EDITS["two_places"]))
    changed = text_of(BASE).replace("line 13", "line thirteen")
    with pytest.raises(NotPlacedError, match="hunk 2 of x finds other lines there"):
        place([file], {"x": changed})


@pytest.mark.parametrize(
    ("old", "new", "there"),
    [
        ("a\nb\n", "a\nb", "a\nb\nc\n"),  # b is not the last line any more
        ("a\nb", "a\nb\nc", "a\nb\n"),  # b had no line feed
        ("a\n", "a\nb\n", "a"),  # and now it has none
        ("a\nb\n", "a\n", "a\nb"),
    ],
)
def test_ends_of_files_are_part_of_what_must_fit(old, new, there):
    with pytest.raises(NotPlacedError, match="hunk 1 of x"):
        place([change(old, new)], {"x": there})


lines = st.lists(st.sampled_from(["a", "b", "c", "", "  d", "e\r"]), max_size=20)
texts = st.builds(
    lambda rows, end: "\n".join(rows) + end if rows else "", lines, st.sampled_from(["\n", ""])
)


@settings(max_examples=200, deadline=None)
@given(old=texts, new=texts)
def test_any_patch_plays_exactly_on_its_own_file(old, new):
    file = change(old, new)
    assert play([file], {"x": old}) == {"x": new}
    assert not is_lacking([file], {"x": new})
    looks_played = all("".join(hunk.new) in old for hunk in file.hunks if hunk.new)
    assert is_lacking([file], {"x": old}) or looks_played


@settings(max_examples=200, deadline=None)
@given(old=texts, new=texts, there=texts)
def test_on_another_file_it_changes_what_it_says_or_nothing(old, new, there):
    file = change(old, new)
    try:
        (after,) = play([file], {"x": there}).values()
    except NotPlacedError:
        return
    said = Counter(lines_of(there))
    said.subtract(line.content for hunk in file.hunks for line in hunk.lines if line.sign == "-")
    said.update(line.content for hunk in file.hunks for line in hunk.lines if line.sign == "+")
    assert +said == Counter(lines_of(after))


MOVES = """diff --git a/a b/b
similarity index 100%
rename from a
rename to b
diff --git a/b b/c
similarity index 100%
rename from b
rename to c
"""


def test_moves_are_played_in_an_order_in_which_each_finds_a_free_place():
    texts = {"a": "1\n", "b": "2\n", "c": None}
    actions = place(parse_diff(MOVES), texts)
    assert [action.line for group in actions for action in group] == [
        "mkdir -p -- . && mv -- b c",
        "mkdir -p -- . && mv -- a b",
    ]
    assert texts == {"a": None, "b": "1\n", "c": "2\n"}


@pytest.mark.parametrize(
    ("file", "texts", "words"),
    [
        (FileDiff(old_path=None, new_path="n"), {"n": "x\n"}, "n is there already"),
        (FileDiff(old_path="o", new_path="n"), {"o": "x\n", "n": ""}, "n is there already"),
        (FileDiff(old_path="o", new_path="n"), {"o": None, "n": None}, "there is no o"),
        (change("a\n", None), {"x": "a\nb\n"}, "x holds more than what is removed"),
        (change("a\n", None), {"x": None}, "there is no x"),
        (change("a\n", "b\n"), {"x": None}, "there is no x"),
    ],
)
def test_a_patch_that_finds_other_files_is_refused(file, texts, words):
    with pytest.raises(NotPlacedError) as caught:
        place([file], texts)
    assert str(caught.value) == words


def test_a_patch_is_lacking_until_it_was_played_also_when_later_ones_changed_its_lines():
    first = change("a\nb\nc\nd\n", "a\nB\nc\nd\n")
    assert is_lacking([first], {"x": "a\nb\nc\nd\n"})
    assert not is_lacking([first], {"x": "a\nB\nc\nd\n"})
    assert not is_lacking([first], {"x": "a\nBB\nc\nd\n"})
    appended = change("a\nb\nc\n", "a\nb\nc\nnew\n")
    assert not is_lacking([appended], {"x": "a\nb\nc\nnew\n"})
    assert is_lacking([change(None, "x\n", "n")], {"n": None})
    assert not is_lacking([change(None, "x\n", "n")], {"n": "other\n"})
    assert is_lacking([change("x\n", None, "n")], {"n": "x\n"})
