"""Copy somebody's training repo as a task's `repo/`: plain text and data files, small, named plainly.

Does not: write anything, or run anything of the repo. Invariant: the same commit gives the same files.
"""

import hashlib
import os
import posixpath
import stat
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rsi.sandboxes.errors import FileTreeError
from rsi.sandboxes.types import FileEntry, FileTree
from rsi.tasks.errors import NewTaskError, TaskNotFoundError
from rsi.tasks.files import git_reading
from rsi.tasks.files.git_reading import Blob, Commit
from rsi.tasks.files.globs import first_match, matches
from rsi.tasks.files.trees import check_path
from rsi.tasks.types import Origin

MAX_REPO_BYTES = 16 << 20
"""Every run gets a copy, and an agent may hand in no more than 20 MiB."""
MAX_REPO_FILES = 1500
"""Of the 2000 that an agent may hand in."""
STEERS_GIT = frozenset({".gitattributes", ".gitmodules", ".gitignore", ".git"})
NOT_SOURCE = frozenset(
    {
        "__pycache__", ".venv", "venv", "node_modules", ".pytest_cache", ".mypy_cache", ".ruff_cache",
        ".ipynb_checkpoints", ".tox", ".cache",
    }
)  # fmt: skip
"""Folders that no author means by "the repo"."""
LFS_POINTER = b"version https://git-lfs.github.com/spec/v1"
_LINK_HOPS = 8
NAMED = 3
"""Files named in one sentence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RepoCopy:
    """The files of a repo, and where they are from."""

    tree: FileTree
    origin: Origin | None
    """None for a folder that git does not track."""
    notes: tuple[str, ...]
    """What a person should know about the copy, one sentence each."""
    data: FileTree = ()
    """Large files that are no source: handed to each run beside the copy, and not to be edited."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """One file before its bytes are read."""

    path: str
    n_bytes: int
    is_executable: bool = False
    link: str | None = None
    """Goal of a link, as it is written."""
    kind: str | None = None
    """What it is when it is neither file nor link."""


def copy_repo(repo: str, *, commit: str | None, exclude: Sequence[str]) -> RepoCopy:
    """The files of a folder or of a repository elsewhere.

    Args:
        repo: A folder, or the URL of a git repository.
        commit: Commit, branch or tag; None takes what the checkout or the other side shows.
        exclude: Globs of files to leave out.

    Raises:
        TaskNotFoundError: No such folder or commit.
        RepoUnreachableError: The repository could not be fetched.
        NewTaskError: It holds what no task can: links out of it, submodules, odd names, too much.
    """
    if commit is not None:
        git_reading.check_revision(commit)
    folder = Path(repo).expanduser()
    if folder.is_dir():
        found = git_reading.checkout(folder, commit)
        if found is None and commit is not None:
            raise NewTaskError(f"{repo!r} is no git checkout, so it has no commit {commit!r}")
        if found is None:
            return _of_folder(folder, exclude)
        notes = _uncommitted(folder, found, exclude) if commit is None else ()
        return _of_commit(found, git_reading.remote_url(found), exclude, notes)
    if git_reading.is_url(repo):
        with git_reading.fetched(repo, commit) as found:
            return _of_commit(found, git_reading.without_credentials(repo), exclude, ())
    if folder.exists():
        raise NewTaskError(f"{repo!r} is a file; --repo takes a folder or the URL of a repository")
    if "://" in repo or (repo.count("/") > 1 and "." in repo.split("/")[0]):
        kinds = ", ".join(f"{scheme}://" for scheme in git_reading.PROTOCOLS)
        raise NewTaskError(f"{repo!r} is no git URL; one starts with {kinds} or is user@host:path")
    raise TaskNotFoundError(f"no folder {repo!r}; --repo takes a folder or a git URL (https://...)")


def _of_commit(
    commit: Commit, url: str | None, exclude: Sequence[str], notes: Sequence[str]
) -> RepoCopy:
    blobs = {blob.path: blob for blob in commit.blobs() if is_wanted(blob.path, exclude)}
    links = [blob.oid for blob in blobs.values() if blob.mode == "120000"]
    goals = commit.contents(links)
    listed = [_listed_blob(blob, goals) for blob in blobs.values()]
    real = checked(listed)
    contents = commit.contents([blobs[path].oid for path in real.values()])
    tree = tuple(
        FileEntry(
            path=path,
            content=contents[blobs[goal].oid],
            is_executable=blobs[goal].mode == "100755",
        )
        for path, goal in sorted(real.items())
    )
    _refuse_pointers(tree)
    origin = Origin(url=url, commit=commit.name, folder=commit.folder or None)
    return RepoCopy(tree=tree, origin=origin, notes=(*notes, *about(listed)))


def _listed_blob(blob: Blob, goals: Mapping[str, bytes]) -> Listed:
    link = goals[blob.oid].decode("utf-8", "replace") if blob.mode == "120000" else None
    kind = "a submodule" if blob.mode == "160000" else None
    is_executable = blob.mode == "100755"
    return Listed(
        path=blob.path, n_bytes=blob.n_bytes, is_executable=is_executable, link=link, kind=kind
    )


def _of_folder(folder: Path, exclude: Sequence[str]) -> RepoCopy:
    listed = [each for each in _walk(folder, "") if is_wanted(each.path, exclude)]
    modes = {each.path: each.is_executable for each in listed}
    real = sorted(checked(listed).items())
    try:
        tree = tuple(
            FileEntry(path=path, content=(folder / goal).read_bytes(), is_executable=modes[goal])
            for path, goal in real
        )
    except OSError as error:
        raise NewTaskError(f"{error.filename!r} cannot be read: {error.strerror}") from error
    _refuse_pointers(tree)
    note = f"{str(folder)!r} is no git checkout: everything in it was taken, and no commit is on record"
    return RepoCopy(tree=tree, origin=None, notes=(note, *about(listed)))


def _walk(folder: Path, prefix: str) -> Iterator[Listed]:
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError as error:
        raise NewTaskError(f"{str(folder)!r} cannot be read: {error.strerror}") from error
    for entry in entries:
        path = f"{prefix}{entry.name}"
        if entry.name in NOT_SOURCE | STEERS_GIT or entry.name.endswith(".egg-info"):
            continue
        status = entry.stat(follow_symlinks=False)
        if entry.is_symlink():
            yield Listed(path=path, n_bytes=0, link=str(Path(entry.path).readlink()))
        elif entry.is_dir():
            yield from _walk(Path(entry.path), f"{path}/")
        else:
            kind = None if stat.S_ISREG(status.st_mode) else "a socket, pipe or device"
            is_executable = bool(status.st_mode & stat.S_IXUSR)
            yield Listed(path=path, n_bytes=status.st_size, is_executable=is_executable, kind=kind)


def is_wanted(path: str, exclude: Sequence[str]) -> bool:
    """Whether a path belongs to what an author means by "the repo"."""
    parts = path.split("/")
    is_steering = bool(STEERS_GIT & set(parts)) or parts[0] == ".github"
    return not is_steering and not NOT_SOURCE & set(parts) and not matches(path, exclude)


def checked(listed: Sequence[Listed]) -> dict[str, str]:
    """Path of each file to the path that has its content, after refusing what no task can hold."""
    listed = with_linked_folders(listed)
    by_path = {each.path: each for each in listed}
    if odd := [each for each in listed if each.kind is not None]:
        _refuse(odd, f"is {odd[0].kind}", "a task holds plain files only")
    real = {each.path: goal_of(each, by_path) for each in listed}
    if lost := [each for each in listed if real[each.path] is None]:
        _refuse(
            lost, f"links to {lost[0].link!r}, no file of the repo", "put the file itself there"
        )
    if not real:
        raise NewTaskError("the repo holds no file; give the folder that the code is in")
    _check_names(tuple(real))
    n_bytes = sum(by_path[goal].n_bytes for goal in real.values() if goal is not None)
    if n_bytes > MAX_REPO_BYTES or len(real) > MAX_REPO_FILES:
        largest = sorted(listed, key=lambda each: -each.n_bytes)[:NAMED]
        named = ", ".join(f"{each.path} ({size_words(each.n_bytes)})" for each in largest)
        raise NewTaskError(
            f"the repo holds {size_words(n_bytes)} in {len(real)} files, more than the {size_words(MAX_REPO_BYTES)} and "
            f"{MAX_REPO_FILES} files that every run can be given; the largest: {named}; leave out with --exclude GLOB "
            "what a run does not read, and let harness/handout.py hand out large data"
        )
    return {path: goal for path, goal in real.items() if goal is not None}


def with_linked_folders(listed: Sequence[Listed]) -> tuple[Listed, ...]:
    """The same with each link to a folder of the repo as links to the files in it."""
    paths = [each.path for each in listed]
    found: list[Listed] = []
    for each in listed:
        goal = posixpath.normpath(posixpath.join(posixpath.dirname(each.path), each.link or ""))
        inside = [path for path in paths if path.startswith(f"{goal}/")]
        if each.link is None or posixpath.isabs(each.link) or goal in paths or not inside:
            found.append(each)
            continue
        for path in inside:
            place = f"{each.path}{path.removeprefix(goal)}"
            link = posixpath.relpath(path, posixpath.dirname(place) or ".")
            found.append(Listed(path=place, n_bytes=0, link=link))
    return tuple(found)


def goal_of(each: Listed, by_path: Mapping[str, Listed]) -> str | None:
    """Where the content of a path lies; None for a link that leaves the repo, ends nowhere or names a folder."""
    path = each.path
    for _ in range(_LINK_HOPS):
        link = by_path[path].link
        if link is None:
            return path
        path = posixpath.normpath(posixpath.join(posixpath.dirname(path), link))
        if posixpath.isabs(link) or path not in by_path:
            return None
    return None


def _check_names(paths: Sequence[str]) -> None:
    folded: dict[str, str] = {}
    for path in paths:
        try:
            check_path(path)
        except FileTreeError as error:
            raise NewTaskError(f"{error}; rename it or leave it out with --exclude") from error
        if not path.isascii():
            raise NewTaskError(
                f"{path!r} has other than ASCII letters in its name, which no candidate may have; rename it or leave it "
                "out with --exclude"
            )
        twin = folded.setdefault(path.casefold(), path)
        if twin != path:
            raise NewTaskError(f"{path!r} and {twin!r} differ only in case; rename one of them")


def _refuse_pointers(tree: FileTree) -> None:
    if found := [entry for entry in tree if entry.content.startswith(LFS_POINTER)]:
        listed = [Listed(path=entry.path, n_bytes=0) for entry in found]
        _refuse(listed, "is a Git LFS pointer, not the file", "commit the file itself")


def _refuse(listed: Sequence[Listed], what: str, instead: str) -> None:
    more = len(listed) - 1
    others = f" (and {more} more like it)" if more else ""
    raise NewTaskError(
        f"{listed[0].path!r} {what}{others}; {instead}, or leave it out with --exclude GLOB"
    )


def about(listed: Sequence[Listed]) -> tuple[str, ...]:
    """A sentence about links that became copies."""
    links = [each.path for each in listed if each.link is not None]
    if not links:
        return ()
    named = ", ".join(links[:NAMED]) + (", ..." if len(links) > NAMED else "")
    return (f"links became copies of the files that they name: {named}",)


def _uncommitted(folder: Path, commit: Commit, exclude: Sequence[str]) -> tuple[str, ...]:
    """A note about tracked files whose bytes here are not those of the commit."""
    changed = changed_files(folder, commit, exclude)
    if not changed:
        return ()
    named = ", ".join(changed[:NAMED]) + (", ..." if len(changed) > NAMED else "")
    return (
        f"the version of commit {commit.name[:12]} was taken; yours differs, so commit first to take it: {named}",
    )


def changed_files(folder: Path, commit: Commit, exclude: Sequence[str]) -> list[str]:
    """Tracked files whose bytes here are not those of the commit, told without asking git.

    `git status` would run the filters that a checkout's own configuration names.
    """
    changed = []
    for blob in commit.blobs():
        path = folder / blob.path
        if not blob.mode.startswith("100") or not is_wanted(blob.path, exclude):
            continue
        if (
            path.is_symlink()
            or not path.is_file()
            or path.stat().st_size != blob.n_bytes
            or (blob.n_bytes <= MAX_REPO_BYTES and _oid(path.read_bytes(), blob.oid) != blob.oid)
        ):
            changed.append(blob.path)
    return changed


def _oid(content: bytes, like: str) -> str:
    """Git's name of a blob, in the hash that the repository uses."""
    kind = "sha1" if len(like) == 40 else "sha256"
    return hashlib.new(
        kind, b"blob %d\0" % len(content) + content, usedforsecurity=False
    ).hexdigest()


def size_words(n_bytes: int) -> str:
    """A size as people write it."""
    for unit, size in (("MiB", 1 << 20), ("KiB", 1 << 10)):
        if n_bytes >= size:
            return f"{n_bytes / size:.3g} {unit}"
    return f"{n_bytes} bytes"


def unmatched(globs: Sequence[str], tree: FileTree) -> tuple[str, ...]:
    """Globs that name no file of a tree."""
    paths = [entry.path for entry in tree]
    return tuple(glob for glob in globs if not any(first_match(path, (glob,)) for path in paths))
