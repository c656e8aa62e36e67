"""Patches on file trees: exact, safe, and clear when they are refused."""

import os
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from rsi.sandboxes.errors import FileTreeError
from rsi.sandboxes.types import FileEntry, FileTree
from rsi.tasks.errors import PatchError
from rsi.tasks.files.patches import apply_patch, check_patch, diff_trees
from rsi.tasks.files.trees import is_git_name, read_tree, write_tree
from rsi.tasks.format.loader import load_task
from rsi.tasks.running.check import patched_tree


def tree(**files: str) -> FileTree:
    named = {name.replace("__", "/"): content for name, content in files.items()}
    return tuple(FileEntry(path=path, content=named[path].encode()) for path in sorted(named))


BEFORE = tree(**{"run.py": "".join(f"line {n}\n" for n in range(40)), "pkg__a.py": "x = 1\n"})


@pytest.mark.parametrize(
    "after",
    [
        tree(**{"run.py": "line 0\nchanged\n", "pkg__a.py": "x = 1\n"}),
        tree(**{"run.py": "no newline at the end", "pkg__a.py": "x = 1\n"}),
        tree(**{"pkg__a.py": "x = 1\n", "pkg__b.py": "new\n", "empty.py": ""}),
        tree(**{"pkg__a.py": "--- a/run.py\n+++ b/run.py\n@@ -1 +1 @@\nrename to /etc/passwd\n"}),
        tree(**{"run.py": "diff --git a/x b/y\nnew file mode 120000\n", "with space.py": "s\n"}),
        (FileEntry(path="run.py", content=b"#!/bin/sh\n", is_executable=True),),
        (FileEntry(path="uml\u00e4ut.py", content="\u00e9\r\n\r\n".encode()),),
        tree(**{"run.py": "x", 'quo"te and back\\slash.py': "y\r\n"}),
        tuple(replace(entry, is_executable=True) for entry in BEFORE),
    ],
)
def test_a_difference_applied_gives_the_other_tree_back(after: FileTree):
    patch = diff_trees(BEFORE, after)
    assert apply_patch(BEFORE, patch, name="p") == after
    assert apply_patch(after, diff_trees(after, BEFORE), name="back") == BEFORE


def test_equal_trees_have_no_difference_and_headers_name_both_sides():
    assert diff_trees(BEFORE, BEFORE) == ""
    patch = diff_trees(BEFORE, (*BEFORE, FileEntry(path="new.py", content=b"1\n")))
    assert patch.startswith("diff --git a/new.py b/new.py\nnew file mode 100644\n")
    assert check_patch(patch.encode(), name="p") == ("new.py",)


def test_a_binary_file_is_named_not_shown():
    after = (*BEFORE, FileEntry(path="weights.bin", content=b"\0\1\2"))
    patch = diff_trees(BEFORE, after)
    assert patch == (
        "diff --git a/weights.bin b/weights.bin\nnew file mode 100644\n"
        "Binary files /dev/null and b/weights.bin differ\n"
    )
    with pytest.raises(PatchError, match="binary changes are refused"):
        apply_patch(BEFORE, patch, name="p")


def test_attributes_in_the_tree_cannot_hide_a_change():
    attributes = FileEntry(path=".gitattributes", content=b"*.py -diff binary\n* text eol=crlf\n")
    before, after = (*BEFORE, attributes), (*tree(**{"run.py": "evil\n"}), attributes)
    assert "+evil" in diff_trees(before, after)


def patch_of(body: str) -> bytes:
    return f"diff --git a/run.py b/run.py\n{body}".encode()


LINK = (
    "diff --git a/l b/l\nnew file mode 120000\n--- /dev/null\n+++ b/l\n@@ -0,0 +1 @@\n+/etc/passwd\n"
    "\\ No newline at end of file\n"
)


def new_file(path: str) -> str:
    return f"--- /dev/null\n+++ b/{path}\n@@ -0,0 +1 @@\n+x\n"


@pytest.mark.parametrize(
    ("patch", "words"),
    [
        (LINK, "patch 'p', 'l': mode 120000 is a symbolic link"),
        (LINK.replace("120000", "160000"), "is a submodule"),
        (LINK.replace("120000", "100666"), "is an odd kind of file"),
        (new_file("../outside.py"), "'../outside.py' is not a plain, printable, relative path"),
        (new_file("/etc/x"), "is not a plain"),
        (new_file("a/../../x"), "is not a plain"),
        (new_file("a/./x"), "is not a plain"),
        (new_file(".git/hooks/post-checkout"), "inside git's own folder"),
        (new_file("sub/.GIT/config"), "inside git's own folder"),
        (new_file("git~1/config"), "inside git's own folder"),
        (new_file(".g\u200cit/config"), "is not a plain, printable"),
        (new_file(".gitattributes"), "steers git"),
        (new_file("sub/.gitmodules"), "steers git"),
        ("--- run.py\n+++ run.py\n@@ -1 +1 @@\n-line 0\n+x\n", "has no a/ or b/ before it"),
        ("diff --git a/a b/b\nrename from a\nrename to ../b\n", "'../b' is not a plain"),
        ('diff --git "a/\\t" "b/\\t"\nnew file mode 100644\n', "'\\t' is not a plain"),
        ("diff --git a/x b/x\n", "changes no file"),
        ("diff --git a/x b/x\nGIT binary patch\nliteral 1\n", "binary changes are refused"),
        ("", "changes no file"),
        ("Here is the patch you asked for.\n", "changes no file"),
    ],
)
def test_an_unsafe_patch_is_refused_before_git_sees_it(patch: str, words: str):
    with pytest.raises(PatchError) as caught:
        apply_patch(BEFORE, patch, name="p")
    assert words in str(caught.value)


def test_a_patch_that_is_too_long_or_not_text_is_refused():
    with pytest.raises(PatchError, match="more than the"):
        apply_patch(BEFORE, b"+" * (5 << 20), name="p")
    with pytest.raises(PatchError, match="is not UTF-8 at byte 1"):
        apply_patch(BEFORE, b"x\xff", name="p")


def test_a_patch_that_does_not_apply_names_file_and_hunk():
    after = tree(
        **{
            "run.py": BEFORE[1]
            .content.decode()
            .replace("line 3\n", "3\n")
            .replace("line 33\n", "33\n"),
            "pkg__a.py": "x = 1\n",
        }
    )
    patch = diff_trees(BEFORE, after).replace("-line 33", "-line thirty-three")
    with pytest.raises(PatchError) as caught:
        apply_patch(BEFORE, patch, name="solutions/01.patch")
    assert str(caught.value) == (
        "patch 'solutions/01.patch' does not apply: hunk 2 of run.py found other lines"
    )


@pytest.mark.parametrize(
    ("patch", "words"),
    [
        ("--- a/gone.py\n+++ b/gone.py\n@@ -1 +1 @@\n-a\n+b\n", "gone.py: No such file"),
        (new_file("run.py"), "already exists"),
        ("--- a/run.py\n+++ b/run.py\n@@ -1,5 +1,5 @@\n-line 0\n", "line 4: the last hunk is cut"),
    ],
)
def test_other_reasons_are_told(patch: str, words: str):
    with pytest.raises(PatchError) as caught:
        apply_patch(BEFORE, patch, name="p")
    assert words in str(caught.value)


def test_the_folders_repository_and_the_users_configuration_play_no_part(
    tmp_path: Path, monkeypatch
):
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    alarm = tmp_path / "alarm"
    script = tmp_path / "run-me"
    script.write_text(f"#!/bin/sh\ntouch {alarm}\ncat\n")
    script.chmod(0o755)
    config = tmp_path / "config"
    config.write_text(
        f"[core]\nfsmonitor = {script}\npager = {script}\n[diff]\nexternal = {script}\n"
        f'[diff "d"]\ntextconv = {script}\ncommand = {script}\n[filter "f"]\nclean = {script}\nsmudge = {script}\n'
    )
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(config))
    monkeypatch.setenv("GIT_EXTERNAL_DIFF", str(script))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    attributes = FileEntry(path=".gitattributes", content=b"*.py filter=f diff=d\n")
    before, after = (attributes, *BEFORE), (attributes, *tree(**{"run.py": "new\n"}))
    assert apply_patch(before, diff_trees(before, after), name="p") == after
    assert not alarm.exists()
    assert list(tmp_path.glob("rsi-*")) == []


def test_what_git_makes_of_a_patch_is_held_against_what_was_checked():
    """Git takes the date off such a name; the file that it then changes was not looked at."""
    date = " 2024-01-01 00:00:00.000000000 +0000"
    patch = f"--- a/pkg/a.py{date}\n+++ b/pkg/a.py{date}\n@@ -1 +1 @@\n-x = 1\n+x = 2\n"
    with pytest.raises(PatchError, match=r"changes 'pkg/a.py', which it does not name"):
        apply_patch(BEFORE, patch, name="p")


def test_every_patch_of_the_toy_task_applies():
    task = load_task("toy")
    for entry in (*task.solutions, *task.cheats):
        assert patched_tree(task, entry) != read_tree(task.repo)


def test_reading_a_tree_refuses_links_and_odd_files_and_too_much(tmp_path: Path):
    (tmp_path / "a.py").write_text("1")
    (tmp_path / "__pycache__").mkdir()
    (tmp_path / "__pycache__" / "a.pyc").write_text("1")
    assert [entry.path for entry in read_tree(tmp_path)] == ["a.py"]
    with pytest.raises(FileTreeError, match="more than 0 files"):
        read_tree(tmp_path, max_files=0)
    with pytest.raises(FileTreeError, match="or 0 bytes"):
        read_tree(tmp_path, max_bytes=0)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(FileTreeError, match=r"pipe in .* is a link or an odd kind"):
        read_tree(tmp_path)
    (tmp_path / "pipe").unlink()
    (tmp_path / "folder").symlink_to("/etc")
    with pytest.raises(FileTreeError, match=r"folder in .* is a link"):
        read_tree(tmp_path)


@pytest.mark.parametrize("path", ["../x", "/x", "a//b", ".git/config", "a\0b", "a\nb", ""])
def test_writing_a_tree_refuses_unsafe_paths(tmp_path: Path, path: str):
    with pytest.raises(FileTreeError):
        write_tree((FileEntry(path=path, content=b""),), tmp_path)


def test_a_path_cannot_be_a_file_and_a_folder(tmp_path: Path):
    entries = (FileEntry(path="a", content=b""), FileEntry(path="a/b", content=b""))
    with pytest.raises(FileTreeError, match="both a file and a folder"):
        write_tree(entries, tmp_path)


def test_names_that_some_file_system_takes_for_git_are_seen():
    for name in (
        ".git",
        ".GIT",
        ".git.",
        ".git ",
        "git~1",
        ".git::$INDEX_ALLOCATION",
        ".g\u200dit",
    ):
        assert is_git_name(name), name
    for name in (".github", ".gitignore", "git", "digit"):
        assert not is_git_name(name), name
