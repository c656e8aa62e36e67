"""File trees as bytes, for the ledger's blobs: canonical JSON, so that equal trees have equal digests."""

import base64
import binascii
import hashlib
import json
from collections.abc import Sequence

from rsi.agent.errors import LedgerCorruptError
from rsi.sandboxes.types import FileEntry, FileTree


def encode_tree(tree: Sequence[FileEntry]) -> bytes:
    """Canonical bytes of a tree; the order of the entries does not matter."""
    rows = [
        [each.path, base64.b64encode(each.content).decode("ascii"), each.is_executable]
        for each in sorted(tree, key=lambda entry: entry.path)
    ]
    return json.dumps(rows, separators=(",", ":")).encode()


def tree_sha256(tree: Sequence[FileEntry]) -> str:
    """sha256 of a tree, which is also its key among the ledger's blobs."""
    return hashlib.sha256(encode_tree(tree)).hexdigest()


def decode_tree(stored: bytes) -> FileTree:
    """The tree that `encode_tree` wrote.

    Raises:
        LedgerCorruptError: The bytes are not such a tree.
    """
    try:
        return tuple(
            FileEntry(path=path, content=base64.b64decode(content), is_executable=is_executable)
            for path, content, is_executable in json.loads(stored)
        )
    except (ValueError, TypeError, binascii.Error) as error:
        raise LedgerCorruptError(f"a stored file tree cannot be read: {error}") from error
