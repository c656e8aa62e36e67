"""Diffs are read as git writes them, whatever the lines say."""

import subprocess

import pytest

from rsi.tasks.files.diff_reading import cut_note
from rsi.tasks.files.diffs import compare_files, render
from rsi.tui.model.diffs import colour_lines, diff_to_show, paired_rows


def git_diff(tmp_path, before: dict[str, bytes | None], after: dict[str, bytes | None]) -> str:
    def git(*words: str) -> str:
        done = subprocess.run(
            ["git", "-c", "user.name=a", "-c", "user.email=a@b", *words],
            cwd=tmp_path,
            capture_output=True,
            check=True,
        )
        return done.stdout.decode(errors="replace")

    git("init", "-q")
    for files in (before, after):
        for path, content in files.items():
            if content is None:
                (tmp_path / path).unlink(missing_ok=True)
            else:
                (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
                (tmp_path / path).write_bytes(content)
        git("add", "-A")
        git("commit", "-q", "--allow-empty", "-m", "x")
    return git("diff", "HEAD~1", "HEAD")


def test_added_changed_and_deleted_files_are_told_apart(tmp_path):
    diff = diff_to_show(
        git_diff(
            tmp_path,
            {"a.py": b"one\ntwo\nthree\n", "gone.py": b"x\n"},
            {"a.py": b"one\n2\nthree\n", "gone.py": None, "new.py": b"y\n"},
        )
    )
    assert [(each.path, each.change, each.added, each.removed) for each in diff.files] == [
        ("a.py", "modified", 1, 1),
        ("gone.py", "deleted", 0, 1),
        ("new.py", "added", 1, 0),
    ]
    changed = [each for each in diff.hunks[0].lines if each.sign != " "]
    assert [(each.sign, each.old, each.new, each.text) for each in changed] == [
        ("-", 2, None, "two"),
        ("+", None, 2, "2"),
    ]


def test_lines_that_look_like_headers_stay_lines(tmp_path):
    body = b"--- a/evil\n+++ b/evil\n@@ -1 +1 @@\ndiff --git a/x b/x\n"
    diff = diff_to_show(git_diff(tmp_path, {"f.txt": b"start\n"}, {"f.txt": b"start\n" + body}))
    assert len(diff.files) == 1
    assert len(diff.hunks) == 1
    added = [each.text for each in diff.hunks[0].lines if each.sign == "+"]
    assert "\n".join(added) + "\n" == body.decode()


def test_removed_lines_that_look_like_headers_stay_lines(tmp_path):
    diff = diff_to_show(
        git_diff(tmp_path, {"f.sql": b"-- drop\n++ x\nrest\n"}, {"f.sql": b"rest\n"})
    )
    assert [each.text for each in diff.hunks[0].lines if each.sign == "-"] == ["-- drop", "++ x"]


def test_changes_without_lines_are_hunks_of_their_own(tmp_path):
    diff = diff_to_show(git_diff(tmp_path, {"b.bin": b"\0\1"}, {"b.bin": b"\0\2", "empty": b""}))
    assert len(diff.hunks) == 2
    assert "binary" in diff.hunks[0].context
    assert all(not each.lines for each in diff.hunks)


def test_odd_file_names_are_unquoted(tmp_path):
    diff = diff_to_show(git_diff(tmp_path, {}, {'t\u00e4b"le.py': b"x\n"}))
    assert diff.files[0].path == 't\u00e4b"le.py'


def test_a_missing_last_newline_is_kept_as_a_remark(tmp_path):
    diff = diff_to_show(git_diff(tmp_path, {"f": b"a"}, {"f": b"b"}))
    assert [each.sign for each in diff.hunks[0].lines] == ["-", "\\", "+", "\\"]


@pytest.mark.parametrize("kept", ["+one\n+two\n", "+one\n+tw", "+one\n", ""])
def test_a_diff_that_was_cut_says_so_in_a_hunk_of_its_own(kept):
    text = f"--- a/f\n+++ b/f\n@@ -0,0 +1,2 @@\n{kept}".removesuffix("\n")
    diff = diff_to_show(f"{text}\n{cut_note(99)}\n")
    assert "not all of the diff can be shown: line " in diff.hunks[-1].context
    assert diff.files[-1].hunks == (0, 1)
    assert [each.text for each in diff.hunks[0].lines] == [
        each[1:] for each in kept.split("\n") if each
    ]


def test_hidden_characters_and_long_lines_are_counted(tmp_path):
    content = "x = 1 # \u202e\u2066\nlong = '" + "a" * 9_000 + "'\n"
    diff = diff_to_show(git_diff(tmp_path, {"f.py": b""}, {"f.py": content.encode()}))
    assert "U+202E right-to-left override" in diff.hidden
    assert diff.long_lines == 1


@pytest.mark.parametrize(
    "text",
    ["", "nonsense", "@@ -1 +1 @@\n", "--- a\n", "diff --git", "+++ b/x\n@@ -1,9 +1,9 @@\n a"],
)
def test_text_that_is_no_diff_never_raises(text):
    diff_to_show(text)


def test_the_diff_of_two_trees_reads_back():
    before, after = {"a.py": "one\ntwo\n", "old": "x"}, {"a.py": "one\nzwei\n", "new": "y"}
    diff = diff_to_show(render(compare_files(before, after)))
    assert {each.path: each.change for each in diff.files} == {
        "a.py": "modified",
        "new": "added",
        "old": "deleted",
    }


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("one\ntwo\n", "one\nzwei\n"),
        ("one\ntwo", "one\ntwo\n"),
        ("one\ntwo\n", "one\nzwei"),
        ("one\ntwo", "eins\ntwo"),
        ("one\r\ntwo\r\n", "one\r\nzwei\r\n"),
        ("one\rhalf\ntwo\n", "one\rhalf\nzwei\n"),
        ("one\n\x0c\ntwo\x0b \x1c\u2028x\n", "one\n\x0c\nzwei\x0b \x1c\u2028x\n"),
        ("a\n" * 9 + "\n\n\n", "a\n" * 8 + "b\n\n\n\n"),
        ("", "one\n"),
        ("one\n", ""),
        (None, "one"),
        ("one", None),
    ],
)
def test_git_applies_the_diff_of_two_trees_to_the_byte(tmp_path, before, after):
    path = "conf.d/run"
    trees = [{} if each is None else {path: each} for each in (before, after)]
    place = tmp_path / path
    place.parent.mkdir()
    if before is not None:
        place.write_bytes(before.encode())
    subprocess.run(
        ["git", "apply", "--whitespace=nowarn", "-"],
        cwd=tmp_path, input=render(compare_files(*trees)).encode(), check=True, capture_output=True,
    )  # fmt: skip
    assert (place.read_bytes().decode() if place.exists() else None) == after


def test_colours_never_change_the_text():
    texts = (
        "def f(x):",
        '    """doc',
        '    more"""',
        "    return x  # \x1b[2J",
        "\t'unclosed",
        "a\rb",
    )
    for path in ("a.py", "a.cu", "a.toml", "a.unknown"):
        lines = colour_lines(path, texts)
        assert len(lines) == len(texts)
        joined = ["".join(text for text, _ in spans) for spans in lines]
        assert [each.replace("\u240d", "\r") for each in joined] == list(texts)


def test_both_sides_pair_up(tmp_path):
    diff = diff_to_show(git_diff(tmp_path, {"f": b"a\nb\nc\n"}, {"f": b"a\nB\nB2\nc\n"}))
    rows = [
        (left.text if left else None, right.text if right else None)
        for left, right in paired_rows(diff.hunks[0])
    ]
    assert rows == [("a", "a"), ("b", "B"), (None, "B2"), ("c", "c")]
