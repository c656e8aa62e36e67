"""File trees of a task: read from a folder, written to one, digested.

Does not: follow links.
"""

import stat
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from rsi.sandboxes.errors import FileTreeError
from rsi.sandboxes.types import FileEntry, FileTree

MAX_TREE_BYTES = 256 << 20
MAX_TREE_FILES = 10_000
_LEFT_OUT = frozenset({"__pycache__", ".git"})


def read_tree(
    root: Path, *, max_bytes: int = MAX_TREE_BYTES, max_files: int = MAX_TREE_FILES
) -> FileTree:
    """Regular files below a folder, sorted by path; byte-code folders and `.git` are left out.

    Args:
        root: An existing folder.
        max_bytes: Most bytes of all files together.
        max_files: Most files.

    Raises:
        FileTreeError: No such folder, a link, an odd kind of file, or more than allowed.
    """
    if not root.is_dir():
        raise FileTreeError(f"{root} is not a folder")
    entries: list[FileEntry] = []
    n_bytes = 0
    for path in _walk(root):
        status = path.lstat()
        name = path.relative_to(root).as_posix()
        if not stat.S_ISREG(status.st_mode):
            raise FileTreeError(f"{name} in {root} is a link or an odd kind of file")
        n_bytes += status.st_size
        if n_bytes > max_bytes or len(entries) >= max_files:
            raise FileTreeError(f"{root} holds more than {max_files} files or {max_bytes} bytes")
        entries.append(
            FileEntry(
                path=name,
                content=path.read_bytes(),
                is_executable=bool(status.st_mode & stat.S_IXUSR),
            )
        )
    return tuple(sorted(entries, key=lambda entry: entry.path))


def write_tree(tree: Sequence[FileEntry], root: Path) -> None:
    """Write files below a folder, creating folders.

    Raises:
        FileTreeError: A path that leaves the folder, or a path that is a file and a folder.
    """
    for entry in tree:
        check_path(entry.path)
        path = root / entry.path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(entry.content)
        except (FileExistsError, NotADirectoryError, IsADirectoryError) as error:
            raise FileTreeError(f"{entry.path!r} is both a file and a folder") from error
        path.chmod(0o755 if entry.is_executable else 0o644)


def below(folder: str, tree: Sequence[FileEntry]) -> FileTree:
    """The same files one folder down."""
    return tuple(replace(entry, path=f"{folder}/{entry.path}") for entry in tree)


def check_path(path: str) -> None:
    """Refuse a path that is not plain and relative.

    Raises:
        FileTreeError: Absolute, with empty, "." or ".." parts, unprintable, or inside `.git`.
    """
    parts = path.split("/")
    if not path.isprintable() or any(part in {"", ".", ".."} for part in parts):
        raise FileTreeError(f"{path!r} is not a plain, printable, relative path")
    if any(is_git_name(part) for part in parts):
        raise FileTreeError(f"{path!r} is inside git's own folder")


def is_git_name(part: str) -> bool:
    """Whether some file system takes this name for `.git`: other case, NTFS short names, ignored code points."""
    visible = "".join(letter for letter in part if letter.isprintable())
    plain = visible.split(":", 1)[0].rstrip(". ").lower()
    return plain == ".git" or plain.startswith("git~")


def changed_paths(before: Sequence[FileEntry], after: Sequence[FileEntry]) -> list[str]:
    """Paths of files that two trees do not have alike, content and executable bit, sorted."""
    old, new = ({entry.path: entry for entry in tree} for tree in (before, after))
    return sorted(path for path in {*old, *new} if old.get(path) != new.get(path))


def text_of(entry: FileEntry) -> str | None:
    """The text of a UTF-8 file; None for any other, which no patch can change."""
    if b"\0" in entry.content:
        return None
    try:
        return entry.content.decode("utf-8")
    except UnicodeDecodeError:
        return None


def _walk(root: Path) -> list[Path]:
    found: list[Path] = []
    for path in sorted(root.iterdir()):
        if path.name in _LEFT_OUT:
            continue
        if path.is_dir() and not path.is_symlink():
            found += _walk(path)
        else:
            found.append(path)
    return found
