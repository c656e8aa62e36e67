"""Apply and make unified diffs on file trees, with git, on the host, safely.

Does not: use the caller's repository, configuration, hooks, filters or file-system monitor, or write
outside a throw-away folder.
Invariant: a patch either applies exactly, without fuzz, or `PatchError` names the file and the hunk.
"""

import os
import re
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from rsi.sandboxes.errors import FileTreeError
from rsi.sandboxes.types import FileEntry, FileTree
from rsi.tasks.errors import PatchError
from rsi.tasks.files.diff_reading import parse_diff
from rsi.tasks.files.diffs import (
    EXECUTABLE_MODE,
    PLAIN_MODE,
    DiffError,
    FileDiff,
    compare_texts,
    render,
)
from rsi.tasks.files.trees import changed_paths, check_path, read_tree, text_of, write_tree

__all__ = ["apply_patch", "check_patch", "diff_trees", "read_tree"]

MAX_PATCH_BYTES = 4 << 20
GIT_TIMEOUT_S = 60.0
_STEERING_FILES = frozenset({".gitattributes", ".gitmodules"})
"""Files that change how git treats other files."""


def apply_patch(tree: Sequence[FileEntry], patch: str | bytes, *, name: str) -> FileTree:
    """The tree after a unified diff, without fuzz.

    Args:
        tree: Files before; not changed.
        patch: Unified diff with `a/` and `b/` prefixes.
        name: What to call the patch in messages.

    Returns:
        Files after, sorted by path.

    Raises:
        PatchError: Empty, too long, not UTF-8, binary, a link or submodule, a path that leaves the tree or
            touches git's own files, or it does not apply; the message names the file and the hunk.
    """
    content = patch.encode() if isinstance(patch, str) else patch
    paths = check_patch(content, name=name)
    with tempfile.TemporaryDirectory(prefix="rsi-patch-") as folder:
        root = Path(folder).resolve() / "tree"
        root.mkdir()
        write_tree(tree, root)
        applied = _git(("apply", "--whitespace=nowarn", "-"), root, content)
        if applied.returncode != 0:
            raise PatchError(_failure(name, root, content, applied.stderr))
        try:
            after = read_tree(root)
        except FileTreeError as error:
            raise PatchError(
                f"patch {name!r}, which changes {', '.join(paths)}: {error}"
            ) from error
    # Git reads the patch a second time: whatever it made of it, nothing else may have changed.
    if others := {entry.path for entry in {*tree} ^ {*after}}.difference(paths):
        raise PatchError(f"patch {name!r} changes {min(others)!r}, which it does not name")
    return after


def check_patch(content: bytes, *, name: str) -> tuple[str, ...]:
    """The paths that a patch touches, after refusing everything that is not a plain change of text files.

    Raises:
        PatchError: As `apply_patch`, save for not applying.
    """
    if len(content) > MAX_PATCH_BYTES:
        raise PatchError(
            f"patch {name!r} has {len(content)} bytes, more than the {MAX_PATCH_BYTES} allowed"
        )
    try:
        files = parse_diff(content.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise PatchError(f"patch {name!r} is not UTF-8 at byte {error.start}") from None
    except DiffError as error:
        raise PatchError(f"patch {name!r}, {error}") from None
    for file in files:
        _check_file(file, name)
    if not any(file.has_effect for file in files):
        raise PatchError(f"patch {name!r} changes no file; expected a unified diff")
    return tuple(dict.fromkeys(path for file in files for path in file.paths))


def diff_trees(before: Sequence[FileEntry], after: Sequence[FileEntry]) -> str:
    """Unified diff between two trees with `a/` and `b/` prefixes; empty when they are the same.

    Files that are not text are named in a line of their own. Renames are shown as a removal and an addition.
    """
    old, new = {e.path: e for e in before}, {e.path: e for e in after}
    changed = changed_paths(before, after)
    return render(_difference(path, old.get(path), new.get(path)) for path in changed)


def _difference(path: str, old: FileEntry | None, new: FileEntry | None) -> FileDiff:
    modes = [EXECUTABLE_MODE if each and each.is_executable else PLAIN_MODE for each in (old, new)]
    texts = [None if each is None else text_of(each) for each in (old, new)]
    is_binary = any(each and text is None for each, text in zip((old, new), texts, strict=True))
    if is_binary:
        texts = [None if each is None else "" for each in (old, new)]
    file = compare_texts(path, *texts, old_mode=modes[0], new_mode=modes[1])
    return replace(file, is_binary=is_binary)


def _check_file(file: FileDiff, name: str) -> None:
    for path in file.paths:
        _check_path(path, f"patch {name!r}")
    where = f"patch {name!r}, {file.path!r}"
    if file.is_binary:
        raise PatchError(f"{where}: binary changes are refused; send text files only")
    for mode in (file.old_mode, file.new_mode):
        if mode not in {None, PLAIN_MODE, EXECUTABLE_MODE}:
            kinds = {"120000": "a symbolic link", "160000": "a submodule"}
            what = kinds.get(mode or "", "an odd kind of file")
            raise PatchError(f"{where}: mode {mode} is {what}; only plain files are allowed")


def _check_path(path: str, where: str) -> None:
    try:
        check_path(path)
    except FileTreeError as error:
        raise PatchError(f"{where}: {error}") from None
    if path.rsplit("/", 1)[-1] in _STEERING_FILES:
        raise PatchError(f"{where}: {path!r} steers git and may not be changed")


def _failure(name: str, root: Path, content: bytes, first_words: bytes) -> str:
    """What did not apply: git names hunks only when it may leave rejects behind, and the folder is ours."""
    words = ("apply", "--whitespace=nowarn", "--reject", "--verbose", "-")
    told = _git(words, root, content).stderr.decode("utf-8", "replace")
    rejected = []
    file = "?"
    for line in told.splitlines():
        if line.startswith("Applying patch "):
            file = line.removeprefix("Applying patch ").split(" with ")[0]
        elif found := re.match(r"Rejected hunk #(\d+)", line):
            rejected.append(f"hunk {found[1]} of {file}")
    if rejected:
        return f"patch {name!r} does not apply: {', '.join(rejected)} found other lines"
    reason = first_words.decode("utf-8", "replace").strip().replace("\n", "; ")
    return f"patch {name!r} does not apply: {reason}"


def _git(
    arguments: Sequence[str], folder: Path, stdin: bytes
) -> subprocess.CompletedProcess[bytes]:
    settings = (
        "core.hooksPath=/dev/null",
        "core.fsmonitor=false",
        "core.attributesFile=/dev/null",
        "core.autocrlf=false",
        "core.symlinks=false",
    )
    options = [word for setting in settings for word in ("-c", setting)]
    variables = {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": str(folder),
        "LC_ALL": "C",
        "GIT_CEILING_DIRECTORIES": str(folder.parent),
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_ATTR_NOSYSTEM": "1",
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_TERMINAL_PROMPT": "0",
    }
    try:
        return subprocess.run(
            ("git", *options, *arguments),
            cwd=folder,
            env=variables,
            input=stdin,
            capture_output=True,
            timeout=GIT_TIMEOUT_S,
            check=False,
        )
    except FileNotFoundError as error:
        raise PatchError("git is not installed; rsi needs it to handle patches") from error
    except subprocess.TimeoutExpired as error:
        raise PatchError(f"git took more than {GIT_TIMEOUT_S:.0f} s") from error
