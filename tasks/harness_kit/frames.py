"""Length-prefixed frames between a harness and a candidate: one JSON object, then raw arrays; both ends use this file.

    4 bytes, big-endian: length of the head     head: canonical or any strict JSON object     the arrays' bytes, in order

A head may say `"arrays": [[dtype, shape], ...]`; each array is C-contiguous and little-endian. Does not: pickle, evaluate,
or allocate more than the limits say before it has seen that much. Invariant: whatever the bytes are, `receive` returns a
frame or raises `FrameError`, and never reads beyond the frame.
"""
# ruff: noqa: TID251, TID252 - relative imports, because it also runs outside `rsi`

import json
import math
import socket
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from .canonical import parse_json

ITEM_BYTES = {"i1": 1, "u1": 1, "i2": 2, "i4": 4, "i8": 8, "f4": 4, "f8": 8}
"""The kinds of numbers that may cross, by their NumPy name without the byte order, and bytes of each."""
MAX_HEAD_BYTES = 1 << 20
MAX_ARRAYS = 64
MAX_DIMENSIONS = 8
MAX_FRAME_BYTES = 64 << 20
_LENGTH = struct.Struct(">I")
_PIECE_BYTES = 1 << 16


class FrameError(ValueError):
    """What came is not a frame, or the other end left in the middle of one."""


@dataclass(frozen=True, kw_only=True)
class Array:
    """One array as it crosses: what it is, and its bytes."""

    dtype: str
    """A key of ITEM_BYTES."""
    shape: tuple[int, ...]
    content: bytes


@dataclass(frozen=True, kw_only=True)
class Frame:
    """One message."""

    head: Mapping[str, object]
    """Without the key "arrays"."""
    arrays: Sequence[Array] = field(default_factory=tuple)


def pack(frame: Frame) -> bytes:
    """The bytes of a frame.

    Raises:
        ValueError: The head holds NaN or cannot be spelled in JSON, or an array's bytes do not fit its shape.
    """
    head = dict(frame.head)
    if frame.arrays:
        head["arrays"] = [[array.dtype, list(array.shape)] for array in frame.arrays]
    for array in frame.arrays:
        if len(array.content) != math.prod(array.shape) * ITEM_BYTES[array.dtype]:
            raise ValueError(
                f"{len(array.content)} bytes are not {array.dtype} of {list(array.shape)}"
            )
    text = json.dumps(head, allow_nan=False, separators=(",", ":")).encode()
    if len(text) > MAX_HEAD_BYTES:
        raise ValueError(f"the head has {len(text)} bytes, {MAX_HEAD_BYTES} are allowed")
    return b"".join([_LENGTH.pack(len(text)), text, *(array.content for array in frame.arrays)])


def send(link: socket.socket, frame: Frame) -> None:
    """Send one frame, waiting as long as the other end takes.

    Raises:
        ValueError: As for `pack`.
        OSError: The other end is gone.
    """
    link.sendall(pack(frame))


def receive(link: socket.socket, *, max_bytes: int = MAX_FRAME_BYTES) -> Frame | None:
    """The next frame; None when the other end closed between frames.

    Raises:
        FrameError: It is not one, it is larger than allowed, or it ends in the middle.
        OSError: The connection broke.
    """
    prefix = _read(link, _LENGTH.size, may_end=True)
    if prefix is None:
        return None
    (length,) = _LENGTH.unpack(prefix)
    if not 2 <= length <= MAX_HEAD_BYTES:
        raise FrameError(f"a head of {length} bytes, allowed are 2 to {MAX_HEAD_BYTES}")
    head = _head(_exactly(link, length))
    declared = _arrays(head.pop("arrays", []))
    sizes = [math.prod(shape) * ITEM_BYTES[dtype] for dtype, shape in declared]
    if sum(sizes) > max_bytes:
        raise FrameError(f"arrays of {sum(sizes)} bytes, {max_bytes} are allowed")
    arrays = [
        Array(dtype=dtype, shape=shape, content=_exactly(link, size))
        for (dtype, shape), size in zip(declared, sizes, strict=True)
    ]
    return Frame(head=head, arrays=tuple(arrays))


def _head(content: bytes) -> dict[str, object]:
    try:
        value = parse_json(content)
    except ValueError as error:
        raise FrameError(f"the head is not JSON: {error}") from None
    if not isinstance(value, dict):
        raise FrameError("the head is not a JSON object")
    return value


def _arrays(value: object) -> list[tuple[str, tuple[int, ...]]]:
    """What the head says of its arrays, checked."""
    if not isinstance(value, list) or len(value) > MAX_ARRAYS:
        raise FrameError(f'"arrays" must be a list of at most {MAX_ARRAYS}')
    found = []
    for entry in value:
        if not isinstance(entry, list) or len(entry) != 2:
            raise FrameError('each of "arrays" must be [dtype, shape]')
        dtype, shape = entry
        if not isinstance(dtype, str) or dtype not in ITEM_BYTES:
            raise FrameError(
                f"an array of {str(dtype)[:40]!r}, allowed are {', '.join(ITEM_BYTES)}"
            )
        if not isinstance(shape, list) or len(shape) > MAX_DIMENSIONS:
            raise FrameError(f"a shape must be a list of at most {MAX_DIMENSIONS} lengths")
        if not all(type(n) is int and 0 <= n <= MAX_FRAME_BYTES for n in shape):
            raise FrameError(
                f"each length of a shape must be a whole number from 0 to {MAX_FRAME_BYTES}"
            )
        found.append((dtype, tuple(shape)))
    return found


def _exactly(link: socket.socket, size: int) -> bytes:
    content = _read(link, size, may_end=False)
    assert content is not None  # noqa: S101 - only `may_end` gives None
    return content


def _read(link: socket.socket, size: int, *, may_end: bool) -> bytes | None:
    """So many bytes, taken piece by piece so that nothing is set aside for bytes that never come."""
    pieces: list[bytes] = []
    missing = size
    while missing:
        piece = link.recv(min(missing, _PIECE_BYTES))
        if not piece:
            if may_end and missing == size:
                return None
            raise FrameError(f"the connection ended with {missing} of {size} bytes to come")
        pieces.append(piece)
        missing -= len(piece)
    return b"".join(pieces)
