"""A change is put onto other files, or it is said which of them it does not fit."""

import pytest

from rsi.agent.store.git.merging import put_onto
from rsi.agent.store.git.plumbing import GitDir, create_bare
from rsi.sandboxes.types import FileEntry


@pytest.fixture
def git_dir(tmp_path):
    create_bare(tmp_path / "any.git")
    return GitDir(path=tmp_path / "any.git")


def file(text, *, is_executable=False, path="a.py"):
    return FileEntry(path=path, content=text.encode("latin-1"), is_executable=is_executable)


@pytest.mark.parametrize(
    ("onto", "base", "changed", "expected"),
    [
        ("1\n2\n3\n4\n5\n", "1\n2\n3\n4\nx\n", "y\n2\n3\n4\nx\n", "y\n2\n3\n4\n5\n"),
        ("1\n", "1\n", "2\n", "2\n"),
        ("2\n", "1\n", "2\n", "2\n"),
        ("2\n", "1\n", "3\n", None),
        ("2\n", "1\n", None, None),
        (None, "1\n", "2\n", None),
        (None, "1\n", "1\n", "gone"),
        ("1\n", "1\n", None, "gone"),
        (None, None, "1\n", "1\n"),
        ("2\n", None, "1\n", None),
        ("\x00\n1\n2\n3\n", "\x00\n1\n2\n4\n", "\x00\n0\n2\n4\n", None),
        ("<<<<<<<\n", "<<<<<<<\n", "b\n", "b\n"),
    ],
)
def test_a_change_goes_onto_other_files_or_says_that_it_does_not_fit(
    git_dir, onto, base, changed, expected
):
    trees = [() if each is None else (file(each),) for each in (onto, base, changed)]
    found = put_onto(git_dir, *trees)
    if expected is None:
        assert (found.conflict, found.tree) == ("a.py", ())
    else:
        assert (found.conflict, found.tree) == (
            "",
            () if expected == "gone" else (file(expected),),
        )


def test_the_executable_bit_is_that_of_who_changed_it(git_dir):
    lines = "1\n2\n3\n4\n5\n"
    found = put_onto(
        git_dir,
        (file(lines.replace("5", "x")),),
        (file(lines),),
        (file(lines.replace("1", "y"), is_executable=True),),
    )
    assert found.tree == (file("y\n2\n3\n4\nx\n", is_executable=True),)
