"""Look at the files that a run left before anything reads them: none may run code when it is read.

Knows .npz, .npy, .safetensors, .pt and its like (weights alone), JSON and CSV; other pickles are refused by name.
Does not: load anything. Invariant: whatever the bytes are, the answer is silence or `InvalidArtifact`.
"""

import csv
import io
import json
import pickletools
import zipfile
from collections.abc import Iterator
from pathlib import Path

from harness_kit import InvalidArtifact

PICKLES = frozenset({".pkl", ".pickle", ".joblib", ".dill", ".p"})
TORCH = frozenset({".pt", ".pth", ".ckpt", ".bin"})
MAX_PICKLE_BYTES = 64 << 20
MAX_HEADER_BYTES = 64 << 20
MAX_MEMBERS = 20_000
WEIGHTS = frozenset(
    {
        "collections OrderedDict", "collections defaultdict", "builtins set", "builtins dict", "_codecs encode",
        "torch Size", "torch device", "torch.serialization _get_layout", "torch.nn.parameter Parameter",
        "torch.storage UntypedStorage", "torch.storage TypedStorage", "numpy dtype", "numpy ndarray",
        "numpy._core.multiarray scalar", "numpy.core.multiarray scalar",
        "numpy._core.multiarray _reconstruct", "numpy.core.multiarray _reconstruct",
    }
)  # fmt: skip
"""What a checkpoint of weights and settings is put together from; none of it does anything else."""


def check_left(folder: Path) -> None:
    """Refuse a file that could run code when it is read, or is not what its name says.

    Raises:
        InvalidArtifact: Names the first one.
    """
    for path in sorted(folder.rglob("*")) if folder.is_dir() else ():
        if not path.is_file():
            continue
        name, suffix = path.relative_to(folder).as_posix(), path.suffix.lower()
        if suffix in PICKLES:
            raise InvalidArtifact(
                f"{name} is a pickle, which runs code when it is read; let the run save weights with torch.save, numpy.savez "
                "or safetensors, or its predictions as CSV"
            )
        try:
            _CHECKS.get(suffix, _other)(path, name)
        except (
            OSError,
            ValueError,
            KeyError,
            IndexError,
            RecursionError,
            zipfile.BadZipFile,
        ) as error:
            raise InvalidArtifact(f"{name} is not what its name says: {error}"[:300]) from error


def _other(path: Path, name: str) -> None:
    """A file of a kind that is only bytes, unless it is a pickle without the name of one."""
    with path.open("rb") as stream:
        head = stream.read(2)
    if head[:1] == b"\x80" and head[1:] <= b"\x05":
        raise InvalidArtifact(f"{name} is a pickle, which runs code when it is read")


def _torch(path: Path, name: str) -> None:
    with path.open("rb") as stream:
        head = stream.read(2)
    if head == b"PK":
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            if len(members) > MAX_MEMBERS:
                raise InvalidArtifact(f"{name} has {len(members)} members")
            for member in members:
                if member.filename.endswith(".pkl"):
                    with archive.open(member) as stream:
                        _only_weights(stream.read(MAX_PICKLE_BYTES + 1), name)
    elif head[:1] == b"\x80":
        raise InvalidArtifact(
            f"{name} is a checkpoint of an old kind; save it with torch.save as it is by default"
        )


def _only_weights(content: bytes, name: str) -> None:
    if len(content) > MAX_PICKLE_BYTES:
        raise InvalidArtifact(f"{name} holds a pickle of more than {MAX_PICKLE_BYTES >> 20} MiB")
    for found in _globals(content):
        if not _is_weight(found):
            raise InvalidArtifact(
                f"{name} names {found.replace(' ', '.')!r}, which is no weight: a checkpoint may hold tensors, numbers, texts, "
                "lists and dicts"
            )


def _is_weight(found: str) -> bool:
    module, _, name = found.partition(" ")
    if found in WEIGHTS:
        return True
    if module == "torch":  # dtypes and storages, such as torch.float32 and torch.FloatStorage
        return name.endswith("Storage") or name.rstrip("0123456789_") in _DTYPES
    if module == "torch._utils":
        return name.startswith("_rebuild_")
    return module.startswith("numpy.dtypes") or module == "numpy._core.numeric"


_DTYPES = {"float", "bfloat", "half", "double", "int", "uint", "long", "short", "bool", "complex"}


def _globals(content: bytes) -> Iterator[str]:
    """Every name that unpickling would look up; one that is put together at run time is named as such."""
    texts: list[str] = []
    for opcode, argument, _ in pickletools.genops(content):
        if opcode.name == "GLOBAL":
            yield str(argument)
        elif opcode.name == "STACK_GLOBAL":
            yield " ".join(texts[-2:]) if len(texts) > 1 else "something hidden"
        elif opcode.name in {"INST", "EXT1", "EXT2", "EXT4"}:
            yield f"{opcode.name} {argument}"
        elif "UNICODE" in opcode.name:
            texts.append(str(argument))
        elif opcode.name in {"BINGET", "LONG_BINGET", "GET"}:
            texts.append("memo")  # what it stands for is not followed, so no name is made of it


def _safetensors(path: Path, name: str) -> None:
    with path.open("rb") as stream:
        length = int.from_bytes(stream.read(8), "little")
        if length > min(MAX_HEADER_BYTES, path.stat().st_size):
            raise InvalidArtifact(f"{name} has a header that is longer than the file")
        header = json.loads(stream.read(length))
    if not isinstance(header, dict):
        raise InvalidArtifact(f"{name} has no table as its header")


def _npz(path: Path, name: str) -> None:
    with zipfile.ZipFile(path) as archive:
        members = archive.infolist()
        if len(members) > MAX_MEMBERS:
            raise InvalidArtifact(f"{name} has {len(members)} members")
        for member in members:
            with archive.open(member) as stream:
                _array_head(stream.read(4096), name)


def _npy(path: Path, name: str) -> None:
    with path.open("rb") as stream:
        _array_head(stream.read(4096), name)


def _array_head(head: bytes, name: str) -> None:
    if not head.startswith(b"\x93NUMPY"):
        raise InvalidArtifact(f"{name} holds something that is no array")
    if b"|O" in head[:400] or b"'O'" in head[:400]:
        raise InvalidArtifact(f"{name} holds an array of objects, which runs code when it is read")


def _json(path: Path, name: str) -> None:
    json.loads(path.read_bytes())


def _csv(path: Path, name: str) -> None:
    for _ in csv.reader(io.StringIO(path.read_bytes().decode("utf-8"))):
        pass


_CHECKS = {
    ".npz": _npz, ".npy": _npy, ".safetensors": _safetensors, ".json": _json, ".csv": _csv,
    **dict.fromkeys(TORCH, _torch),
}  # fmt: skip
