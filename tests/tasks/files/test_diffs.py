"""Diffs as values, held against git itself: what git writes is read right, what is written git applies to the byte."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.tasks.files.git_diffs import (
    LINES,
    Tree,
    git_diff,
    git_in,
    is_possible,
    pairs_of_trees,
    paths,
    texts,
)

from rsi.tasks.files.diff_reading import CUT_SHORT, cut_note, parse_diff, read_diff
from rsi.tasks.files.diffs import (
    Change,
    DiffError,
    FileDiff,
    compare_texts,
    lines_of,
    render,
)


@pytest.fixture(scope="module")
def git(tmp_path_factory):
    return git_in(tmp_path_factory.mktemp("git"))


def played(before: Tree, diff: tuple[FileDiff, ...]) -> dict[str, tuple[str, str]]:
    """What the values say the tree becomes, by line numbers alone; every old line must be where it is said to be."""
    after = dict(before)
    for file in diff:
        if file.old_path is not None and file.change in (Change.RENAMED, Change.DELETED):
            after.pop(file.old_path, None)
    for file in diff:
        mode, text = ("100644", "") if file.old_path is None else before[file.old_path]
        assert file.old_mode in (None, mode)
        rows, shift = lines_of(text), 0
        for hunk in file.hunks:
            at = hunk.old_start - bool(hunk.old) + shift
            assert tuple(rows[at : at + len(hunk.old)]) == hunk.old
            assert hunk.new_start - bool(hunk.new) == at
            rows[at : at + len(hunk.old)] = hunk.new
            shift += len(hunk.new) - len(hunk.old)
        if file.new_path is not None:
            after[file.new_path] = (file.new_mode or mode, "".join(rows))
        else:
            assert rows == []
    return after


def applied(git, folder: Path, before: Tree, patch: str) -> dict[str, tuple[str, str]]:
    for path, (mode, text) in before.items():
        place = folder / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(text.encode())
        place.chmod(int(mode[3:], 8))
    git("apply", "--whitespace=nowarn", "--allow-empty", "-", stdin=patch.encode(), cwd=folder)
    return {
        path.relative_to(folder).as_posix(): (
            "100755" if path.stat().st_mode & 0o100 else "100644",
            path.read_bytes().decode(),
        )
        for path in folder.rglob("*")
        if path.is_file()
    }


def without_a_mode_that_stays(file: FileDiff) -> FileDiff:
    return replace(file, old_mode=None, new_mode=None) if file.old_mode == file.new_mode else file


WAYS = [
    (),
    ("-U0",),
    ("-U1", "--full-index"),
    ("-M", "-C", "--find-copies-harder"),
    ("-M20%", "-C20%", "--find-copies-harder", "-U0"),
]
often = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])  # fmt: skip


@often
@given(pair=pairs_of_trees(), way=st.sampled_from(WAYS), quoted=st.booleans())
def test_what_git_writes_is_read_right_and_written_again_git_applies_it(
    git, tmp_path_factory, pair, way, quoted
):
    before, after = pair
    if not (is_possible(before) and is_possible(after)):
        return
    diff = parse_diff(git_diff(git, before, after, *way, is_quoted=quoted))
    assert played(before, diff) == after
    assert all(file.has_effect for file in diff)
    again = render(diff)
    assert parse_diff(again) == tuple(map(without_a_mode_that_stays, diff))
    if "-U0" not in way:
        assert applied(git, tmp_path_factory.mktemp("apply"), before, again) == after


@often
@given(old=st.none() | texts, new=st.none() | texts, path=paths)
def test_the_difference_of_two_texts_is_applied_by_git_to_the_byte(
    git, tmp_path_factory, old, new, path
):
    file = compare_texts(path, old, new)
    if old == new:
        assert old is None or not file.has_effect
        return
    assert parse_diff(render([file])) == (file,)
    before = {} if old is None else {path: ("100644", old)}
    after = {} if new is None else {path: ("100644", new)}
    assert played(before, (file,)) == after
    assert applied(git, tmp_path_factory.mktemp("apply"), before, render([file])) == after


@given(text=texts)
def test_lines_keep_their_ends(text):
    assert "".join(lines_of(text)) == text
    assert all(line.rstrip("\n").count("\n") == 0 and line for line in lines_of(text))


@given(text=st.lists(st.sampled_from([*LINES, "--- a/x", "+++ /dev/null", "@@ -1,2 +0,0 @@ f", "-a", "+b", " c", "?",
       "diff --git a/x b/y", "rename from x", 'rename to "q\\"', "Binary files a/x and b/x differ", "new file mode 1",
       "index 1..2 100644", "GIT binary patch", "@@ -x", "\\", CUT_SHORT])).map("\n".join))  # fmt: skip
def test_reading_never_raises_and_what_is_read_without_a_problem_can_be_written(text):
    diff = read_diff(text)
    if diff.problem is None:
        assert parse_diff(text) == diff.files
    else:
        assert diff.problem.startswith("line ")
        with pytest.raises(DiffError):
            parse_diff(text)


def test_a_binary_file_a_mode_and_a_file_with_nothing_in_it_are_told_apart(tmp_path, git):
    text = (
        "Why this is done.\n\n"
        "diff --git a/w b/w\nindex 1..2 100644\nGIT binary patch\nliteral 1\nIcmZP\n\nliteral 0\nHcmV\n\n"
        "diff --git a/run b/run\nold mode 100644\nnew mode 100755\n"
        "diff --git a/e b/e\nnew file mode 100644\nindex 0000000..e69de29\n"
        "diff --git a/v b/v\nindex 1..2 100644\nBinary files a/v and b/v differ\n"
        "-- \n2.43.0\n"
    )
    assert [(each.path, each.change, each.is_binary) for each in parse_diff(text)] == [
        ("w", Change.MODIFIED, True),
        ("run", Change.MODIFIED, False),
        ("e", Change.ADDED, False),
        ("v", Change.MODIFIED, True),
    ]
    assert [each.new_mode for each in parse_diff(text)] == ["100644", "100755", "100644", "100644"]


def test_a_patch_whose_headers_have_windows_line_ends_names_the_same_files():
    text = "diff --git a/y b/z\r\nsimilarity index 100%\r\nrename from y\r\nrename to z\r\n"
    assert [(each.old_path, each.new_path) for each in parse_diff(text)] == [("y", "z")]
    text = "--- a/y\r\n+++ b/y\r\n@@ -1 +1 @@\r\n-a\r\n+b\r\n"
    (file,) = parse_diff(text)
    assert (file.path, file.hunks[0].new) == ("y", ("b\r\n",))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("--- a/x\n+++ b/x\n@@ -1,3 +1,3 @@\n a\n-b", "line 5: the last hunk is cut short"),
        ("--- a/x\n+++ b/x\n@@ -1,2 +1,2 @@\n a\n?b\n", "line 4: '?b' is not part of a hunk"),
        ("--- a/x\n+++ b/x\n@@ -1 +1,3 @@\n-a\n-b\n+c\n+d\n+e\n", "other lines than its header says"),
        ("--- a/x\n+++ b/x\n@@ -1,2 +1 @@\n-a\n\\ No newline\n-b\n+c\n", "has no end"),
        ("--- a/x\n+++ b/x\n@@ -one +1 @@\n", "line 3: '@@ -one +1 @@' is no hunk header"),
        ("@@ -1 +1 @@\n-a\n+b\n", "line 3: the hunk belongs to no file"),
        ("diff --git a/x b/y\n", "names cannot be read"),
        ("--- run.py\n+++ run.py\n@@ -1 +1 @@\n-a\n+b\n", "'run.py' has no a/ or b/ before it"),
        (f"--- a/x\n+++ b/x\n@@ -1,9 +1,9 @@\n a\n{cut_note(5)}\n", "line 4: the last hunk is cut"),
        (f"--- a/x\n+++ b/x\n@@ -1 +1 @@\n-a\n+b\n{cut_note(5)}\n", "line 6: the diff is longer than 5"),
    ],
)  # fmt: skip
def test_what_is_no_whole_diff_is_refused_with_its_line(text, words):
    with pytest.raises(DiffError) as caught:
        parse_diff(text)
    assert words in str(caught.value)
