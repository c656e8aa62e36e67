"""Hunks become exact replacements wherever their context still stands."""

import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rsi.agent.llm.scripted.diffs import DiffError, locate, parse_diff

BASE = [f"line {n}" for n in range(30)]


def unified(tmp_path, old, new, context=3):
    (tmp_path / "old").write_text("".join(f"{line}\n" for line in old))
    (tmp_path / "new").write_text("".join(f"{line}\n" for line in new))
    command = ["diff", f"-U{context}", "--label", "a/x", "--label", "b/x", "old", "new"]
    return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True).stdout


def play(diff, lines):
    """Apply all hunks as the tools would: by exact replacement, once."""
    text, drift = list(lines), 0
    for file in parse_diff(diff):
        for hunk in file.hunks:
            change = locate(hunk, text, drift=drift)
            assert change is not None
            joined = "\n".join(text)
            assert joined.find(change.old) == joined.rfind(change.old) >= 0
            assert joined.replace(change.old, change.new) == "\n".join(change.lines)
            drift += len(change.lines) - len(text)
            text = list(change.lines)
    return text


EDITS = {
    "middle": [*BASE[:10], "new", *BASE[11:]],
    "two_places": ["first", *BASE[:12], *BASE[14:], "last"],
    "insert_at_the_start": ["top", *BASE],
    "append": [*BASE, "bottom"],
    "delete_a_block": BASE[:5] + BASE[9:],
}


@pytest.mark.parametrize("context", [0, 1, 3])
@pytest.mark.parametrize("name", EDITS)
def test_a_diff_plays_on_the_file_it_was_made_for(tmp_path, name, context):
    assert play(unified(tmp_path, BASE, EDITS[name], context), BASE) == EDITS[name]


def test_a_diff_plays_on_a_file_that_has_moved(tmp_path):
    moved = ["# header"] * 50 + BASE + ["# footer"]
    diff = unified(tmp_path, BASE, EDITS["middle"])
    expected = moved[:50] + EDITS["middle"] + moved[-1:]
    assert play(diff, moved) == expected


def test_the_nearest_of_several_places_is_taken(tmp_path):
    old = ["a", "b", "c"] * 10
    new = [*old[:16], "B", *old[17:]]
    assert play(unified(tmp_path, old, new, 1), old) == new


def test_context_at_the_edges_may_have_changed(tmp_path):
    diff = unified(tmp_path, BASE, EDITS["middle"])
    changed = list(BASE)
    changed[7] = "other"
    changed[13] = "another"
    result = play(diff, changed)
    assert result[10] == "new"
    assert result[7] == "other"


def test_a_hunk_whose_own_lines_changed_fits_nowhere(tmp_path):
    diff = unified(tmp_path, BASE, EDITS["middle"])
    changed = [line.replace("line 10", "line ten") for line in BASE]
    assert locate(parse_diff(diff)[0].hunks[0], changed) is None


lines = st.lists(st.sampled_from(["a", "b", "c", "", "  d", "e = 1"]), max_size=20)


@settings(max_examples=60, deadline=None)
@given(old=lines, new=lines, context=st.integers(0, 3))
def test_any_diff_plays_exactly_on_its_own_file(tmp_path_factory, old, new, context):
    if not old or not new:
        return
    diff = unified(tmp_path_factory.mktemp("d"), old, new, context)
    text, drift = list(old), 0
    for file in parse_diff(diff):
        for hunk in file.hunks:
            change = locate(hunk, text, drift=drift)
            assert change is not None
            drift += len(change.lines) - len(text)
            text = list(change.lines)
    assert text == new


def test_git_headers_new_deleted_renamed_and_quoted_are_read():
    diff = (
        "diff --git a/x b/x\nindex 1..2 100644\n--- a/x\n+++ b/x\n@@ -1 +1 @@\n-a\n+b\n"
        "\\ No newline at end of file\n"
        "diff --git a/n b/n\nnew file mode 100644\n--- /dev/null\n+++ b/n\n@@ -0,0 +1 @@\n+c\n"
        "diff --git a/o b/p\nsimilarity index 100%\nrename from o\nrename to p\n"
    )
    files = parse_diff(diff)
    assert [(f.old_path, f.new_path) for f in files] == [("x", "x"), (None, "n"), ("o", "p")]
    assert files[0].hunks[0].new == ("b",)
    assert parse_diff("") == ()


@pytest.mark.parametrize(
    "text",
    [
        "--- a/x\n+++ b/x\n@@ -1,3 +1,3 @@\n a\n-b",
        "Binary files a/x and b/x differ\n",
        "--- a/x\n+++ b/x\n@@ -1,2 +1,2 @@\n a\n?b\n",
    ],
)
def test_what_cannot_be_played_is_refused(text):
    with pytest.raises(DiffError):
        parse_diff(text)
