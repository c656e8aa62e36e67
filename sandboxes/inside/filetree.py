"""Tar streams in and out of sandboxes, read by a reader that trusts nothing in them.

Does not: touch the file system. Everything here is bytes in memory, bounded before it is stored.
Invariant: what `TarReader` returns are regular files with relative, printable, unique paths within the caps.
"""

import re
import stat
import unicodedata
from collections.abc import Iterable
from pathlib import PurePosixPath

from rsi.sandboxes.errors import FileTreeError
from rsi.sandboxes.inside.courier import header
from rsi.sandboxes.types import FileEntry, Survey, SurveyedEntry

BLOCK_BYTES = 512
MAX_PATH_BYTES = 4096
"""PATH_MAX of Linux, the final NUL included."""
MAX_NAME_BYTES = 255
REFUSED_KINDS = {
    b"1": "a hard link",
    b"2": "a symbolic link",
    b"3": "a character device",
    b"4": "a block device",
    b"6": "a fifo",
    b"s": "a socket",
    b"S": "a sparse file",
}


def check_path(path: str) -> str:
    """Return `path` when it is a plain relative path.

    Raises:
        FileTreeError: It is absolute, climbs, is too long, or holds characters that no tool shows faithfully.
    """
    parts = path.split("/")
    if path.startswith("/") or any(part in ("", ".", "..") for part in parts):
        raise FileTreeError(f"path {path!r} is not a plain relative path; use one like 'a/b.py'")
    if not path.isprintable():
        raise FileTreeError(f"path {path!r} holds control or unprintable characters; rename it")
    encoded = path.encode()
    if len(encoded) >= MAX_PATH_BYTES or any(
        len(part) > MAX_NAME_BYTES for part in encoded.split(b"/")
    ):
        raise FileTreeError(f"path {path[:80]!r}... is longer than a file system allows")
    return path


def check_tree(tree: Iterable[FileEntry]) -> tuple[FileEntry, ...]:
    """Check every path of a tree, and that no path occurs twice or lies below a file.

    Raises:
        FileTreeError: A path breaks a rule.
    """
    entries = tuple(tree)
    paths = {check_path(entry.path) for entry in entries}
    if len(paths) != len(entries):
        raise FileTreeError("a path occurs twice in the tree")
    for path in paths:
        for parent in PurePosixPath(path).parents:
            if str(parent) in paths:
                raise FileTreeError(f"path {path!r} lies below {str(parent)!r}, which is a file")
    return entries


def pack_tree(tree: Iterable[FileEntry]) -> bytes:
    """The tree as a tar stream.

    Raises:
        FileTreeError: A path breaks a rule.
    """
    parts: list[bytes] = []
    for entry in check_tree(tree):
        mode = 0o755 if entry.is_executable else 0o644
        parts.append(header(entry.path.encode(), len(entry.content), mode, b"0"))
        parts.append(entry.content)
        parts.append(b"\0" * (-len(entry.content) % BLOCK_BYTES))
    parts.append(b"\0" * (2 * BLOCK_BYTES))
    return b"".join(parts)


def without_git(tree: Iterable[FileEntry]) -> tuple[FileEntry, ...]:
    """The tree without anything that git could take for a repository of its own.

    A `.git` that untrusted code could write runs programs of its choice as soon as the host's git looks at it
    (core.fsmonitor, textconv, hooks), so it is left behind under every spelling that a file system may fold to it.
    """
    return tuple(
        entry for entry in tree if not any(_is_git(part) for part in entry.path.split("/"))
    )


def _is_git(part: str) -> bool:
    folded = unicodedata.normalize("NFKC", part).casefold().rstrip(" .")
    visible = "".join(letter for letter in folded if unicodedata.category(letter) != "Cf")
    return visible == ".git" or re.fullmatch(r"\.?git~[0-9]+", visible) is not None


class TarReader:
    """Reads a hostile tar stream piece by piece and stops at the first broken rule.

    Args:
        max_bytes: Most bytes of content, all files together.
        max_files: Most files.
    """

    def __init__(self, *, max_bytes: int, max_files: int) -> None:
        self._bytes_left = max_bytes
        self._files_left = max_files
        self._limits = f"{max_bytes} bytes in {max_files} files"
        self._buffer = bytearray()
        self._entries: list[FileEntry] = []
        self._long_name: bytes | None = None
        self._is_over = False

    def feed(self, chunk: bytes) -> None:
        """Take the next bytes of the stream.

        Raises:
            FileTreeError: The stream breaks a rule.
        """
        if self._is_over:
            return  # tar pads its end with zeros
        self._buffer += chunk
        while not self._is_over and self._take_record():
            pass

    def finish(self) -> tuple[FileEntry, ...]:
        """The files in the order of their paths, after the last byte.

        Raises:
            FileTreeError: The stream ended early, or its paths contradict each other.
        """
        if not self._is_over:
            raise FileTreeError("the file stream ended before its end mark")
        return check_tree(sorted(self._entries, key=lambda entry: entry.path))

    def _take_record(self) -> bool:
        if len(self._buffer) < BLOCK_BYTES:
            return False
        block = bytes(self._buffer[:BLOCK_BYTES])
        if not block.strip(b"\0"):
            self._is_over = True
            self._buffer.clear()
            return False
        kind, size = block[156:157], _size(block)
        name = self._long_name or block[:100].split(b"\0")[0]
        self._check_kind(kind, name, size)
        end = BLOCK_BYTES + size + -size % BLOCK_BYTES
        if len(self._buffer) < end:
            return False
        content = bytes(self._buffer[BLOCK_BYTES : BLOCK_BYTES + size])
        del self._buffer[:end]
        if kind == b"L":
            self._long_name = content.rstrip(b"\0")
        else:
            self._long_name = None
            self._keep(name, content, is_executable=bool(_octal(block[100:108]) & 0o100))
        return True

    def _check_kind(self, kind: bytes, name: bytes, size: int) -> None:
        """Refuse by the header alone, before any content is kept."""
        if kind == b"L":
            if size > MAX_PATH_BYTES:
                raise FileTreeError(
                    f"a file name of {size} bytes is longer than a file system allows"
                )
            return
        if kind != b"0":
            what = REFUSED_KINDS.get(kind, f"an entry of unknown kind {kind!r}")
            raise FileTreeError(f"{_text(name)!r} is {what}; only regular files are taken")
        if size > self._bytes_left or self._files_left < 1:
            raise FileTreeError(f"the tree is larger than {self._limits}, at {_text(name)!r}")

    def _keep(self, name: bytes, content: bytes, *, is_executable: bool) -> None:
        try:
            path = name.decode()
        except UnicodeDecodeError:
            raise FileTreeError(f"file name {_text(name)!r} is not UTF-8; rename it") from None
        self._bytes_left -= len(content)
        self._files_left -= 1
        entry = FileEntry(path=check_path(path), content=content, is_executable=is_executable)
        self._entries.append(entry)


class SurveyReader:
    """Reads the records of a survey piece by piece; the names in them are a candidate's.

    Args:
        max_entries: Most records.
    """

    def __init__(self, *, max_entries: int) -> None:
        self._max_entries = max_entries
        self._buffer = bytearray()
        self._entries: dict[str, SurveyedEntry] = {}

    def feed(self, chunk: bytes) -> None:
        """Take the next bytes.

        Raises:
            FileTreeError: There are too many records, or one is none of ours.
        """
        *records, rest = bytes(self._buffer + chunk).split(b"\0")
        self._buffer = bytearray(rest)
        for record in records:
            if len(self._entries) >= self._max_entries:
                raise FileTreeError(f"the folder holds more than {self._max_entries} entries")
            self._keep(record)
        if len(self._buffer) > 2 * MAX_PATH_BYTES:
            raise FileTreeError("a file name is longer than a file system allows")

    def finish(self) -> Survey:
        """The whole survey."""
        return dict(self._entries)

    def _keep(self, record: bytes) -> None:
        try:
            mode, inode, changed_ns, digest, name = record.split(b" ", 4)
            entry = SurveyedEntry(
                is_folder=stat.S_ISDIR(int(mode, 8)),
                mode=int(mode, 8),
                inode=int(inode),
                changed_ns=int(changed_ns),
                sha256=None if digest == b"-" else digest.decode("ascii"),
            )
        except ValueError:
            raise FileTreeError(f"{_text(record)!r} is no record of a survey") from None
        self._entries[_text(name)] = entry


def _text(name: bytes) -> str:
    return name.decode("utf-8", "backslashreplace")


def _octal(field: bytes) -> int:
    try:
        return int(field.rstrip(b"\0 ") or b"0", 8)
    except ValueError:
        raise FileTreeError(f"a tar header holds {field!r} where a number belongs") from None


def _size(block: bytes) -> int:
    checksum = sum(block[:148]) + sum(block[156:]) + 8 * ord(" ")
    if checksum != _octal(block[148:156]):
        raise FileTreeError("a tar header has a wrong checksum")
    if block[124] & 0x80:
        return int.from_bytes(block[125:136], "big")
    return _octal(block[124:136])
