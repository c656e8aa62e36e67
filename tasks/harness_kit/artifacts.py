"""Read what a candidate left behind as what it is: hostile bytes.

Does not: unpickle, follow links, extract archives, or read more than was declared.
Invariant: whatever the bytes are, the answer is a checked value or `InvalidArtifact`.
"""
# ruff: noqa: TID251, TID252 - relative imports, because it also runs outside `rsi`

import os
import re
import stat
import struct
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import IO, TYPE_CHECKING

from .canonical import strict_json

if TYPE_CHECKING:
    import numpy

    AnyArray = numpy.ndarray[tuple[int, ...], numpy.dtype[numpy.generic]]

JsonValue = dict[str, object] | list[object] | str | int | float | bool | None

MAX_HEADER_BYTES = 4096
"""An npy header of one array needs about 130."""
_CHUNK_BYTES = 1 << 20
_MAGIC = b"\x93NUMPY"
_HEADER = re.compile(
    rb"\{'descr': '(?P<descr>[<>|=]?[a-zA-Z][0-9]{0,2})', 'fortran_order': (?P<order>True|False), "
    rb"'shape': \((?P<shape>(?:[0-9]{1,12}, ?)*(?:[0-9]{1,12})?)\),? ?\} *\n"
)
_DAMAGE = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    IndexError,
    KeyError,
    NotImplementedError,
    OSError,
    OverflowError,
    RuntimeError,
    ValueError,
)
"""What the standard library raises on archives that are not what they say."""


class InvalidArtifact(Exception):
    """The candidate's artifact is not what the task asked for; ends the run as `invalid_output`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ArraySpec:
    """What one array of an npz file must be."""

    dtypes: tuple[str, ...]
    """Allowed dtypes, such as ("float32",); never object."""
    shape: tuple[int | None, ...]
    """Allowed shape; None leaves a length free."""
    max_bytes: int = 64 << 20
    is_finite: bool = True
    """Whether every value must be finite."""


def read_json(folder: Path, name: str, *, max_bytes: int) -> JsonValue:
    """Strict JSON of one artifact file.

    Args:
        folder: The artifact folder.
        name: Plain file name in it.
        max_bytes: Longest accepted file.

    Raises:
        InvalidArtifact: Missing, a link, too long, not UTF-8, not JSON, NaN, repeated keys.
    """
    content = read_file(folder, name, max_bytes=max_bytes)
    try:
        value = strict_json(content)
    except ValueError as error:
        raise InvalidArtifact(f"{name} is not acceptable JSON: {error}") from None
    if value is None or isinstance(value, dict | list | str | int | float):
        return value
    raise InvalidArtifact(f"{name} is not acceptable JSON")


def read_npz(
    folder: Path, name: str, arrays: Mapping[str, ArraySpec], *, max_bytes: int
) -> "dict[str, AnyArray]":
    """Arrays of an npz file, each checked against its spec before its bytes are read.

    Args:
        folder: The artifact folder.
        name: Plain file name in it.
        arrays: Exactly the arrays that must be there, by name.
        max_bytes: Longest accepted file, and longest sum of its members when unpacked.

    Returns:
        One array of the declared dtype and shape for each name.

    Raises:
        InvalidArtifact: Missing, extra or repeated members, an object dtype, a dtype or shape that is
            not declared, sizes that disagree with the header, NaN, a link, a damaged archive.
    """
    content = read_file(folder, name, max_bytes=max_bytes)
    try:
        with zipfile.ZipFile(BytesIO(content)) as archive:
            members = _checked_members(archive, name, set(arrays), max_bytes)
            return {
                key: _read_array(archive, members[key], f"{name}[{key}]", spec)
                for key, spec in arrays.items()
            }
    except _DAMAGE as error:
        raise InvalidArtifact(f"{name} is not a readable npz file: {error}") from None


def read_file(folder: Path, name: str, *, max_bytes: int) -> bytes:
    """Bytes of one regular file of the artifact folder, never through a link.

    Raises:
        InvalidArtifact: Missing, not a regular file, or longer than `max_bytes`.
    """
    if "/" in name or name in {"", ".", ".."}:
        raise ValueError(f"an artifact name is a plain file name, got {name!r}")
    try:
        handle = os.open(folder / name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        raise InvalidArtifact(
            f"{name} could not be read: {error.strerror or error}; the run must leave it in its out folder"
        ) from None
    status = os.fstat(handle)
    if not stat.S_ISREG(status.st_mode):
        os.close(handle)
        raise InvalidArtifact(f"{name} is not a regular file")
    with os.fdopen(handle, "rb") as stream:
        content = stream.read(max_bytes + 1)
    if len(content) > max_bytes:
        raise InvalidArtifact(
            f"{name} has {status.st_size} bytes, more than the {max_bytes} allowed"
        )
    return content


def _checked_members(
    archive: zipfile.ZipFile, name: str, expected: set[str], max_bytes: int
) -> dict[str, zipfile.ZipInfo]:
    members: dict[str, zipfile.ZipInfo] = {}
    for member in archive.infolist():
        key = member.filename.removesuffix(".npy")
        if key == member.filename or key not in expected:
            raise InvalidArtifact(f"{name} holds {member.filename!r}, which was not asked for")
        if key in members:
            raise InvalidArtifact(f"{name} holds {member.filename!r} twice")
        if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise InvalidArtifact(f"{name}: {member.filename!r} is packed in an odd way")
        members[key] = member
    if missing := sorted(expected - set(members)):
        raise InvalidArtifact(f"{name} lacks {', '.join(missing)}")
    unpacked = sum(member.file_size for member in members.values())
    if unpacked > max_bytes:
        raise InvalidArtifact(
            f"{name} unpacks to {unpacked} bytes, more than the {max_bytes} allowed"
        )
    return members


def _read_array(
    archive: zipfile.ZipFile, member: zipfile.ZipInfo, label: str, spec: ArraySpec
) -> "AnyArray":
    import numpy

    with archive.open(member) as packed:
        header = BytesIO(_read_bounded(packed, MAX_HEADER_BYTES))
        dtype, shape, is_fortran = _read_header(header, label)
        _check_spec(dtype, shape, label, spec)
        wanted = int(numpy.prod(shape, dtype=numpy.int64)) * dtype.itemsize
        head = header.read()
        if len(head) > wanted:
            raise InvalidArtifact(f"{label} holds more bytes than its header says")
        body = head + _read_bounded(packed, wanted - len(head) + 1)
    if len(body) != wanted:
        raise InvalidArtifact(f"{label} holds {len(body)} bytes where its header says {wanted}")
    array = numpy.frombuffer(body, dtype=dtype).reshape(shape, order="F" if is_fortran else "C")
    if spec.is_finite and dtype.kind in "fc" and not bool(numpy.isfinite(array).all()):
        raise InvalidArtifact(f"{label} holds values that are not finite")
    return array


def _read_header(
    header: BytesIO, label: str
) -> "tuple[numpy.dtype[numpy.generic], tuple[int, ...], bool]":
    """Dtype, shape and order; numpy's own reader evaluates the text, a pattern cannot be led astray."""
    import numpy

    magic = header.read(len(_MAGIC) + 2)
    width = {_MAGIC + b"\x01\x00": 2, _MAGIC + b"\x02\x00": 4}.get(magic)
    if width is None:
        raise InvalidArtifact(f"{label} does not start as an npy array of version 1.0 or 2.0")
    length = int.from_bytes(header.read(width), "little")
    found = _HEADER.fullmatch(header.read(length)) if length <= MAX_HEADER_BYTES else None
    if found is None:
        raise InvalidArtifact(f"{label} has no plain npy header of one simple dtype")
    try:
        dtype = numpy.dtype(found["descr"].decode())
    except TypeError:
        raise InvalidArtifact(f"{label} has an unknown dtype") from None
    shape = tuple(int(length) for length in found["shape"].replace(b" ", b"").split(b",") if length)
    return dtype, shape, found["order"] == b"True"


def _check_spec(
    dtype: "numpy.dtype[numpy.generic]", shape: tuple[int, ...], label: str, spec: ArraySpec
) -> None:
    import numpy

    allowed = {numpy.dtype(text) for text in spec.dtypes}
    if dtype.hasobject or dtype not in allowed:
        raise InvalidArtifact(f"{label} has dtype {dtype}, expected {' or '.join(spec.dtypes)}")
    if len(shape) != len(spec.shape) or any(
        length < 0 or (wanted is not None and length != wanted)
        for length, wanted in zip(shape, spec.shape, strict=True)
    ):
        wanted_text = "(" + ", ".join("*" if n is None else str(n) for n in spec.shape) + ")"
        raise InvalidArtifact(f"{label} has shape {shape}, expected {wanted_text}")
    n_bytes = dtype.itemsize
    for length in shape:
        n_bytes *= length
    if n_bytes > spec.max_bytes:
        raise InvalidArtifact(
            f"{label} needs {n_bytes} bytes, more than the {spec.max_bytes} allowed"
        )


def _read_bounded(stream: IO[bytes], limit: int) -> bytes:
    chunks = []
    left = limit
    while left > 0 and (chunk := stream.read(min(left, _CHUNK_BYTES))):
        chunks.append(chunk)
        left -= len(chunk)
    return b"".join(chunks)
