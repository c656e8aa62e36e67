"""Copy the tracked files of a checkout as they lie there: what a person tries is what the person sees.

Does not: write anything, or run anything of the repo. Invariant: what is left out or handed out as data is said.
"""

import stat
from collections.abc import Mapping, Sequence
from pathlib import Path

from rsi.sandboxes.types import FileEntry, FileTree
from rsi.tasks.errors import NewTaskError
from rsi.tasks.files import git_reading
from rsi.tasks.files.git_reading import Commit
from rsi.tasks.making.repo_copy import (
    LFS_POINTER,
    MAX_REPO_BYTES,
    MAX_REPO_FILES,
    NAMED,
    Listed,
    RepoCopy,
    about,
    changed_files,
    checked,
    copy_repo,
    goal_of,
    is_wanted,
    size_words,
    with_linked_folders,
)
from rsi.tasks.types import Origin

_SOURCE = (
    ".py",
    ".sh",
    ".toml",
    ".yaml",
    ".yml",
    ".cfg",
    ".ini",
    ".c",
    ".cpp",
    ".cu",
    ".h",
    ".hpp",
)
DECLARING = frozenset({"uv.lock", "poetry.lock", "requirements.txt"})
"""What says which packages are needed is looked for among the source."""
_NO_RUN_READS = (
    ".ipynb", ".png", ".jpg", ".jpeg", ".gif", ".svg", ".pdf", ".mp4", ".md", ".rst", ".html", ".css", ".js", ".ts",
)  # fmt: skip


def copy_working_tree(folder: Path, *, exclude: Sequence[str]) -> RepoCopy:
    """The tracked files of a checkout as they lie there, changes that are not committed included.

    What no run can be given is left out and said: links out of the repo, LFS pointers, submodules that are not there.
    Large files that are no source become data.

    Raises:
        TaskNotFoundError: No such folder, or no commit yet.
        NewTaskError: It holds what no task can.
    """
    found = git_reading.checkout(folder, None) if folder.is_dir() else None
    if found is None:
        return copy_repo(str(folder), commit=None, exclude=exclude)
    listed, notes = [], list[str]()
    for path in git_reading.tracked_files(folder):
        each = _listed_here(folder, path) if is_wanted(path, exclude) else None
        if each is not None and each.kind is not None:
            notes.append(f"{path} is {each.kind}, and its files are not here: it is left out")
        elif each is not None:
            listed.append(each)
    listed, left_out = _without_odd_links(folder, listed)
    chosen, data_paths, spared = _within_bounds(listed)
    notes += [*left_out, *spared]
    real = checked(chosen)
    modes = {each.path: each.is_executable for each in listed}
    tree = _read(folder, real, modes)
    pointers = [each.path for each in tree if each.content.startswith(LFS_POINTER)]
    if pointers:
        notes.append(
            f"{_named(pointers)} is a Git LFS pointer and left out; `git lfs pull` gets the file"
        )
    notes += [*about(listed), *_changes(folder, found, exclude)]
    return RepoCopy(
        tree=tuple(each for each in tree if each.path not in pointers),
        origin=Origin(
            url=git_reading.remote_url(found), commit=found.name, folder=found.folder or None
        ),
        notes=tuple(notes),
        data=_read(folder, {path: path for path in data_paths}, modes),
    )


def _read(folder: Path, real: Mapping[str, str], modes: Mapping[str, bool]) -> FileTree:
    try:
        return tuple(
            FileEntry(
                path=path,
                content=(folder / goal).read_bytes(),
                is_executable=modes.get(goal, False),
            )
            for path, goal in sorted(real.items())
        )
    except OSError as error:
        raise NewTaskError(f"{error.filename!r} cannot be read: {error.strerror}") from error


def _listed_here(folder: Path, path: str) -> Listed | None:
    """A tracked file as it lies in the checkout; None where it is gone."""
    place = folder / path
    if place.is_symlink():
        return Listed(path=path, n_bytes=0, link=str(place.readlink()))
    if place.is_dir():
        return Listed(path=path, n_bytes=0, kind="a submodule")
    if not place.is_file():
        return None
    status = place.stat()
    return Listed(
        path=path, n_bytes=status.st_size, is_executable=bool(status.st_mode & stat.S_IXUSR)
    )


def _without_odd_links(folder: Path, listed: Sequence[Listed]) -> tuple[list[Listed], list[str]]:
    """Files without the links that name nothing of the repo, and a sentence about each of these."""
    spread = with_linked_folders(listed)
    by_path = {each.path: each for each in spread}
    kept, notes = [], []
    for each in spread:
        if goal_of(each, by_path) is not None:
            kept.append(each)
            continue
        what = "data" if (folder / each.path).exists() else "nothing that is there"
        notes.append(
            f"{each.path} links to {each.link!r}, outside the repo ({what}), and is left out"
            + (f"; --data {each.path} hands it to the runs" if what == "data" else "")
        )
    return kept, notes


def _within_bounds(listed: Sequence[Listed]) -> tuple[list[Listed], list[str], list[str]]:
    """What fits into a repo of a task, what becomes data, and sentences about both."""
    chosen = list(listed)
    if not _is_too_much(chosen):
        return chosen, [], []
    idle = [each for each in chosen if each.path.lower().endswith(_NO_RUN_READS)]
    chosen = [each for each in chosen if each not in idle]
    notes = (
        [f"{len(idle)} images, notebooks and documents are left out of a large repo"]
        if idle
        else []
    )
    data: list[str] = []
    for each in sorted(chosen, key=lambda one: -one.n_bytes):
        is_spared = each.path.endswith(_SOURCE) or each.path in DECLARING or each.link is not None
        if not _is_too_much(chosen) or is_spared:
            continue
        chosen.remove(each)
        data.append(each.path)
    if data:
        notes.append(
            f"{_named(data)} {'is' if len(data) == 1 else 'are'} handed to the runs as data, not to be edited: a repo may have "
            f"{size_words(MAX_REPO_BYTES)} and {MAX_REPO_FILES} files"
        )
    return chosen, data, notes


def _is_too_much(listed: Sequence[Listed]) -> bool:
    return sum(each.n_bytes for each in listed) > MAX_REPO_BYTES or len(listed) > MAX_REPO_FILES


def _changes(folder: Path, commit: Commit, exclude: Sequence[str]) -> list[str]:
    """Sentences about what differs from the last commit, and about files that git does not know."""
    notes = []
    if changed := changed_files(folder, commit, exclude):
        notes.append(f"changes that are not committed are part of it: {_named(changed)}")
    unknown = [
        path
        for path in git_reading.untracked_files(folder)
        if path.endswith(_SOURCE) and is_wanted(path, exclude)
    ]
    if unknown:
        notes.append(
            f"git does not know {_named(unknown)}, so it is left out; `git add` takes it in"
        )
    return notes


def _named(paths: Sequence[str]) -> str:
    return ", ".join(paths[:NAMED]) + (
        f" and {len(paths) - NAMED} more" if len(paths) > NAMED else ""
    )
