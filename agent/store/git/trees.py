"""File trees to git objects and back, by plumbing alone: no file of a candidate is written on the host.

Invariant: `read_tree(commit_of(write_tree(t)))` is `t` sorted by path, bytes and executable bits included.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from git.objects import Blob, Tree

from rsi.agent.errors import LineageTreeError
from rsi.agent.store.git.plumbing import GitDir
from rsi.sandboxes.types import FileEntry, FileTree

_FILE, _EXECUTABLE, _FOLDER = "100644", "100755", "40000"


@dataclass(slots=True)
class _Folder:
    """One folder on its way to a tree object."""

    files: dict[bytes, tuple[str, str]] = field(default_factory=dict)
    """Name to (mode, blob id)."""
    folders: dict[bytes, "_Folder"] = field(default_factory=dict)


def write_tree(repo: GitDir, tree: Sequence[FileEntry]) -> str:
    """Write a file tree as git objects; returns the id of its tree object.

    Raises:
        LineageTreeError: A path that a git tree must not have, or the same path twice.
        LineageError: git failed.
    """
    paths = [_parts(entry.path) for entry in tree]
    blobs = _write_blobs(repo, tree)
    root = _Folder()
    for entry, parts, blob in zip(tree, paths, blobs, strict=True):
        _place(root, parts, (_EXECUTABLE if entry.is_executable else _FILE, blob), entry.path)
    return _write_folders(repo, root)


def read_tree(tree: Tree) -> FileTree:
    """The regular files of a tree object, sorted by path."""
    entries = [
        FileEntry(
            path=str(item.path),
            content=item.data_stream.read(),
            is_executable=bool(item.mode & 0o111),
        )
        for item in tree.traverse()
        if isinstance(item, Blob)
    ]
    return tuple(sorted(entries, key=lambda entry: entry.path))


def _parts(path: str) -> tuple[bytes, ...]:
    raw = path.encode("utf-8", "surrogateescape") if _is_encodable(path) else b""
    parts = tuple(raw.split(b"/"))
    is_bad = b"\0" in raw or any(
        part in {b"", b".", b".."} or part.lower() == b".git" for part in parts
    )
    if is_bad:
        raise LineageTreeError(
            f"path {path[:200]!r} cannot be kept: it must be relative, without empty, '.', '..' or "
            "'.git' parts; leave that file out"
        )
    return parts


def _is_encodable(path: str) -> bool:
    """Whether the text came from bytes; other lone surrogates have no byte form."""
    try:
        path.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return False
    return True


def _place(root: _Folder, parts: tuple[bytes, ...], leaf: tuple[str, str], path: str) -> None:
    folder = root
    for part in parts[:-1]:
        if part in folder.files:
            raise _twice(path)
        folder = folder.folders.setdefault(part, _Folder())
    if parts[-1] in folder.files or parts[-1] in folder.folders:
        raise _twice(path)
    folder.files[parts[-1]] = leaf


def _twice(path: str) -> LineageTreeError:
    return LineageTreeError(f"path {path[:200]!r} is in the tree twice, or is both file and folder")


def _write_blobs(repo: GitDir, tree: Sequence[FileEntry]) -> list[str]:
    """Blob ids in the order of the files, all from one git process."""
    if not tree:
        return []
    stream = bytearray(b"feature done\n")
    for number, entry in enumerate(tree, start=1):
        stream += b"blob\nmark :%d\ndata %d\n" % (number, len(entry.content))
        stream += entry.content + b"\n"
    for number in range(1, len(tree) + 1):
        stream += b"get-mark :%d\n" % number
    stream += b"done\n"
    out = repo.output(["fast-import", "--quiet"], stdin=bytes(stream))
    return out.decode("ascii").split()


def _write_folders(repo: GitDir, root: _Folder) -> str:
    """Tree ids from the deepest level up, one git process a level."""
    levels: list[list[_Folder]] = [[root]]
    while deeper := [child for folder in levels[-1] for child in folder.folders.values()]:
        levels.append(deeper)
    written: dict[int, str] = {}
    for level in reversed(levels):
        stream = b"".join(_listing(folder, written) + b"\0" for folder in level)
        ids = repo.output(["mktree", "-z", "--batch"], stdin=stream).decode("ascii").split()
        written.update(zip(map(id, level), ids, strict=True))
    return written[id(root)]


def _listing(folder: _Folder, written: dict[int, str]) -> bytes:
    files = [
        f"{mode} blob {blob}\t".encode() + name + b"\0"
        for name, (mode, blob) in folder.files.items()
    ]
    folders = [
        f"{_FOLDER} tree {written[id(child)]}\t".encode() + name + b"\0"
        for name, child in folder.folders.items()
    ]
    return b"".join(files + folders)
