"""Gather what a trial is made of: the tracked files, the data beside them, what is held out, what may be changed.

Does not: run or write anything. Invariant: what is held out is in no part that a run is given.
"""

import posixpath
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from rsi.sandboxes.types import FileEntry, FileTree
from rsi.tasks.errors import NewTaskError
from rsi.tasks.making.own.command_words import Command
from rsi.tasks.making.own.grading import HeldOut, read_held_out
from rsi.tasks.making.own.observing import Observed
from rsi.tasks.making.repo_copy import RepoCopy, copy_repo, size_words
from rsi.tasks.making.repo_facts import command_paths, is_test
from rsi.tasks.making.working_tree import copy_working_tree

MAX_DATA_BYTES = 256 << 20
MAX_DATA_FILES = 1500
CONFIGURATION = (".yaml", ".yml", ".cfg", ".ini", ".toml")
NOT_EDITABLE = frozenset({"setup.py", "conftest.py", "pyproject.toml", "setup.cfg"})


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnRepo:
    """Files of a person's repo, by what becomes of them."""

    copy: RepoCopy
    """What a candidate is made of."""
    data: FileTree
    """What every run gets beside it, as it is."""
    held_out: tuple[HeldOut, ...]
    roots: tuple[str, ...]
    """Folders from which modules are imported, beside that of the script."""
    notes: tuple[str, ...]

    @property
    def shown(self) -> FileTree:
        """Data of the watched run: of a file of which a part is held out, the whole."""
        parts = tuple(
            FileEntry(path=each.path, content=each.content)
            for each in self.held_out
            if each.share is not None
        )
        return (*self.data, *parts)


def gather(
    folder: Path,
    *,
    exclude: Sequence[str],
    data: Sequence[str],
    hold_out: Sequence[str],
    commit: str | None,
) -> OwnRepo:
    """What a folder holds for a trial.

    Args:
        folder: The repo, or a part of one.
        exclude: Globs of files to leave out.
        data: Files and folders below it that git need not know.
        hold_out: What no run is given, see `read_held_out`.
        commit: None takes the working tree.

    Raises:
        NewTaskError: Something named is not there, or is too much.
    """
    copy = (
        copy_working_tree(folder, exclude=exclude)
        if commit is None
        else copy_repo(str(folder), commit=commit, exclude=exclude)
    )
    tracked = {each.path for each in copy.tree}
    found = {each.path: each for each in copy.data}
    notes: list[str] = []
    for words in data:
        added = [each for each in _files_below(folder, words) if each.path not in tracked]
        if not added:
            raise NewTaskError(
                f"--data {words!r} holds nothing that git does not track; leave it out"
            )
        n_bytes = sum(len(each.content) for each in added)
        notes.append(f"data {words}: {len(added)} files, {size_words(n_bytes)}, handed to each run")
        found |= {each.path: each for each in added}
    held = [_held_out(folder, words, copy.tree, found) for words in hold_out]
    hidden = {each.path for each in held}
    kept = tuple(each for path, each in sorted(found.items()) if path not in hidden)
    _check_size(kept)
    tree = tuple(each for each in copy.tree if each.path not in hidden)
    return OwnRepo(
        copy=replace(copy, tree=tree, data=()),
        data=kept,
        held_out=tuple(held),
        roots=_roots(tree),
        notes=tuple(notes),
    )


def editable_of(seen: Observed, repo: OwnRepo) -> tuple[str, ...]:
    """Globs of the source that a run was seen to use: its scripts, its packages, its settings."""
    found: dict[str, None] = {}
    own = {each.path for each in repo.copy.tree}
    for path in sorted(set(seen.loaded) & own):
        if posixpath.basename(path) in NOT_EDITABLE or is_test(path):
            continue
        folder = posixpath.dirname(path)
        found[f"{folder}/**/*.py" if folder else path] = None
    settings = [
        path for path in seen.opened if path.endswith(CONFIGURATION) and path not in NOT_EDITABLE
    ]
    found |= dict.fromkeys(sorted(settings))
    globs = tuple(found)
    outer = [glob for glob in globs if not any(_covers(other, glob) for other in globs)]
    if not outer:
        raise NewTaskError(
            "the run was not seen to load any Python file of the repo; say what may be changed: --editable 'src/**/*.py'"
        )
    return tuple(outer)


def protected_of(evaluate: Command | None, seen: Observed, repo: OwnRepo) -> tuple[str, ...]:
    """Files that no candidate may change besides: the evaluation, tests, what says how the repo is installed.

    A script that trains and evaluates may be changed: the evaluation runs as it was when the task was made anyway.
    """
    paths = [each.path for each in repo.copy.tree]
    named = set(command_paths(evaluate.words, evaluate.folder)) if evaluate else set()
    named -= set(seen.loaded)
    return tuple(
        path
        for path in paths
        if path in named or is_test(path) or posixpath.basename(path) in NOT_EDITABLE
    )


def _covers(glob: str, other: str) -> bool:
    folder = glob.removesuffix("/**/*.py")
    return (
        glob != other
        and folder != glob
        and other.startswith(f"{folder}/")
        and other.endswith(".py")
    )


def _roots(tree: FileTree) -> tuple[str, ...]:
    paths = [each.path for each in tree]
    has_src = any(path.startswith("src/") and path.endswith(".py") for path in paths)
    has_packages = any(path.count("/") == 1 and path.endswith("/__init__.py") for path in paths)
    return (*(("src",) if has_src else ()), *(("",) if has_packages else ()))


def _files_below(folder: Path, words: str) -> list[FileEntry]:
    plain = posixpath.normpath(words)
    if posixpath.isabs(plain) or plain.startswith(".."):
        raise NewTaskError(
            f"--data {words!r} lies outside {folder}; link it into that folder and name the link"
        )
    place = folder / plain
    if not place.exists():
        raise NewTaskError(f"--data {words!r} is not below {folder}; name what is there")
    files = (
        sorted(each for each in place.rglob("*") if each.is_file()) if place.is_dir() else [place]
    )
    files = [each for each in files if "__pycache__" not in each.parts]
    total = sum(each.stat().st_size for each in files)
    if total > MAX_DATA_BYTES or len(files) > MAX_DATA_FILES:
        raise NewTaskError(
            f"--data {words!r} holds {size_words(total)} in {len(files)} files; a run can be handed {size_words(MAX_DATA_BYTES)} in "
            f"{MAX_DATA_FILES} files: make a smaller part of it, or pack it into fewer files"
        )
    try:
        return [
            FileEntry(path=each.relative_to(folder).as_posix(), content=each.read_bytes())
            for each in files
        ]
    except OSError as error:
        raise NewTaskError(
            f"--data {words!r}: {error.filename!r} cannot be read: {error.strerror}"
        ) from error


def _held_out(folder: Path, words: str, tree: FileTree, data: dict[str, FileEntry]) -> HeldOut:
    path, share = read_held_out(words)
    path = posixpath.normpath(path)
    known = {each.path: each for each in tree} | data
    if path in known:
        return HeldOut(path=path, share=share, content=known[path].content)
    place = folder / path
    if posixpath.isabs(path) or path.startswith("..") or not place.is_file():
        raise NewTaskError(f"--hold-out {words!r}: there is no file {path!r} below {folder}")
    return HeldOut(path=path, share=share, content=place.read_bytes())


def _check_size(data: FileTree) -> None:
    n_bytes = sum(len(each.content) for each in data)
    if n_bytes > MAX_DATA_BYTES or len(data) > MAX_DATA_FILES:
        raise NewTaskError(
            f"the data is {size_words(n_bytes)} in {len(data)} files; a run can be handed {size_words(MAX_DATA_BYTES)} in "
            f"{MAX_DATA_FILES} files"
        )
