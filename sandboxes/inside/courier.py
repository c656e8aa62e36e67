"""Carries files across the wall: writes a tar of a folder to stdout, unpacks one from stdin, or lists a folder.

Runs inside the sandbox from its source text with the plain interpreter, so it imports only the standard library.
Does not: decide what may pass. Odd kinds of files are put into the stream as what they are; the reader refuses them.
"""

# pathlib and contextlib would double the start-up time:
# ruff: noqa: PTH103, PTH118, SIM105

from __future__ import annotations

import os
import stat
import sys

BLOCK = 512
CHUNK_BYTES = 1 << 16
KINDS = {
    stat.S_IFLNK: b"2",
    stat.S_IFCHR: b"3",
    stat.S_IFBLK: b"4",
    stat.S_IFIFO: b"6",
    stat.S_IFSOCK: b"s",
}


def header(name: bytes, size: int, mode: int, kind: bytes) -> bytes:
    """One tar header; a long name travels in a GNU long-name record before it."""
    prefix = b""
    if len(name) > 100:
        record = name + b"\0"
        prefix = header(b"././@LongLink", len(record), 0, b"L") + record
        prefix += b"\0" * (-len(record) % BLOCK)
    octal_size = b"%011o\0" % size if size < 8**11 else b"\x80" + size.to_bytes(11, "big")
    fields = [name[:100].ljust(100, b"\0"), b"%07o\0" % mode, b"0000000\0", b"0000000\0"]
    fields += [octal_size, b"00000000000\0", b" " * 8, kind, b"\0" * 100, b"ustar  \0"]
    block = b"".join(fields).ljust(BLOCK, b"\0")
    return prefix + block[:148] + b"%06o\0 " % sum(block) + block[156:]


def emit(content: bytes) -> None:
    """Write all of it to stdout."""
    view = memoryview(content)
    while view:
        view = view[os.write(1, view) :]


def emit_file(path: bytes, name: bytes) -> None:
    """One regular file, with exactly the size that its header says."""
    fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        facts = os.fstat(fd)
        kind = b"0" if facts.st_nlink == 1 else b"1"
        if kind == b"1":
            emit(header(name, 0, 0, kind))
            return
        emit(header(name, facts.st_size, facts.st_mode & 0o777, kind))
        left = facts.st_size
        while left:
            chunk = os.read(fd, min(left, CHUNK_BYTES)) or b"\0" * min(left, CHUNK_BYTES)
            emit(chunk)
            left -= len(chunk)
        emit(b"\0" * (-facts.st_size % BLOCK))
    finally:
        os.close(fd)


def pack(source: bytes) -> None:
    """Write the tree below `source`, sorted, without following anything."""
    waiting = [b""]
    while waiting:
        folder = waiting.pop()
        with os.scandir(os.path.join(source, folder)) as listing:
            entries = sorted(listing, key=lambda entry: entry.name)
        for entry in entries:
            name = os.path.join(folder, entry.name)
            mode = entry.stat(follow_symlinks=False).st_mode
            if stat.S_ISDIR(mode):
                waiting.append(name)
            elif stat.S_ISREG(mode):
                emit_file(entry.path, name)
            else:
                emit(header(name, 0, 0, KINDS.get(stat.S_IFMT(mode), b"?")))
    emit(b"\0" * BLOCK * 2)


def survey(source: bytes, skipped: bytes) -> None:
    """Write one record for everything below `source` but `skipped`: kind and mode, inode, time of the last change, digest, path.

    The time is that of the inode: no program can set it, so what was changed and put back has another one.
    """
    import hashlib

    waiting = [b""]
    while waiting:
        folder = waiting.pop()
        with os.scandir(os.path.join(source, folder)) as listing:
            entries = sorted(listing, key=lambda entry: entry.name)
        for entry in entries:
            name = os.path.join(folder, entry.name)
            if name == skipped:
                continue
            facts = entry.stat(follow_symlinks=False)
            digest = "-"
            if stat.S_ISDIR(facts.st_mode):
                waiting.append(name)
            elif stat.S_ISREG(facts.st_mode):
                digest = digest_of(entry.path, hashlib.sha256())
            words = f"{facts.st_mode:o} {facts.st_ino} {facts.st_ctime_ns} {digest} "
            emit(words.encode() + name + b"\0")


def digest_of(path: bytes, sha256: object) -> str:
    """Hex digest of one regular file."""
    fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        while chunk := os.read(fd, CHUNK_BYTES):
            sha256.update(chunk)  # type: ignore[attr-defined]  # a hash
        return sha256.hexdigest()  # type: ignore[attr-defined,no-any-return]
    finally:
        os.close(fd)


def read_exactly(size: int) -> bytes:
    """That many bytes from stdin."""
    parts = []
    while size:
        chunk = os.read(0, min(size, CHUNK_BYTES))
        if not chunk:
            raise OSError(5, "the stream ended early")
        parts.append(chunk)
        size -= len(chunk)
    return b"".join(parts)


def open_folder(parent: int, name: bytes) -> int:
    """A folder below `parent`, made when missing, never through a link."""
    try:
        os.mkdir(name, 0o755, dir_fd=parent)
    except FileExistsError:
        pass
    return os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=parent)


def store(root: int, name: bytes, mode: int, size: int) -> None:
    """Write one file below the folder `root`, replacing what has its name."""
    parts = name.split(b"/")
    folder = os.dup(root)
    for part in parts[:-1]:
        inner = open_folder(folder, part)
        os.close(folder)
        folder = inner
    try:
        os.unlink(parts[-1], dir_fd=folder)
    except FileNotFoundError:
        pass
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
    fd = os.open(parts[-1], flags, 0o700, dir_fd=folder)
    os.close(folder)
    left = size
    while left:
        view = memoryview(read_exactly(min(left, CHUNK_BYTES)))
        left -= len(view)
        while view:
            view = view[os.write(fd, view) :]
    os.fchmod(fd, mode)
    os.close(fd)
    read_exactly(-size % BLOCK)


def unpack(target: bytes) -> None:
    """Read a tar made by our own writer and store its files below `target`."""
    os.makedirs(target, exist_ok=True)
    root = os.open(target, os.O_RDONLY | os.O_DIRECTORY)
    long_name = None
    while True:
        block = read_exactly(BLOCK)
        if not block.strip(b"\0"):
            return
        size = int(block[124:135], 8) if block[124] < 128 else int.from_bytes(block[125:136], "big")
        if block[156:157] == b"L":
            long_name = read_exactly(size)[:-1]
            read_exactly(-size % BLOCK)
            continue
        name = long_name or block[:100].rstrip(b"\0")
        long_name = None
        store(root, name, int(block[100:107], 8), size)


if __name__ == "__main__":
    try:
        verb, *folders = map(os.fsencode, sys.argv[1:])
        if verb == b"survey":
            survey(*folders)
        else:
            {b"pack": pack, b"unpack": unpack}[verb](*folders)
    except OSError as failure:
        os.write(2, ascii(failure).encode())
        sys.exit(1)
