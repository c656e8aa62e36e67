"""One spelling for every JSON value and one digest for every folder."""

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import NoReturn

TOO_DEEP = "the JSON is nested too deeply"


def canonical_json(value: object) -> bytes:
    """Sorted keys, no spaces, UTF-8, one newline at the end.

    Raises:
        ValueError: The value holds NaN or an infinity.
        TypeError: The value holds something that JSON cannot spell.
    """
    text = json.dumps(
        value, sort_keys=True, allow_nan=False, ensure_ascii=False, separators=(",", ":")
    )
    return text.encode() + b"\n"


def strict_json(content: bytes) -> object:
    """Parse JSON and refuse what canonical JSON cannot hold: NaN, infinities, repeated keys, lone surrogates.

    Raises:
        ValueError: Not UTF-8, not JSON, nested too deeply, or one of the above.
    """
    value = parse_json(content)
    try:
        canonical_json(value)
    except RecursionError:
        raise ValueError(TOO_DEEP) from None
    return value


def parse_json(content: bytes) -> object:
    """The same but for lone surrogates, which pass: it reads once and writes nothing.

    Raises:
        ValueError: As for `strict_json`.
    """
    try:
        value: object = json.loads(
            content.decode("utf-8"),
            parse_constant=_refuse_constant,
            parse_float=_finite_float,
            object_pairs_hook=_unique_keys,
        )
    except RecursionError:
        raise ValueError(TOO_DEEP) from None
    return value


def tree_digest(files: Iterable[tuple[str, bytes]]) -> str:
    """Hex sha256 over (relative path, content) pairs, whatever order they come in."""
    digest = hashlib.sha256()
    for path, content in sorted(files):
        name = path.encode("utf-8", "surrogateescape")
        digest.update(len(name).to_bytes(8, "big") + name)
        digest.update(len(content).to_bytes(8, "big") + content)
    return digest.hexdigest()


def folder_files(root: Path, prefix: str = "") -> list[tuple[str, bytes]]:
    """Regular files below `root` as (path with prefix, content), byte-code left out."""
    found = []
    for path in sorted(root.rglob("*")):
        parts = path.relative_to(root).parts
        if "__pycache__" in parts or path.is_symlink() or not path.is_file():
            continue
        found.append((prefix + "/".join(parts), path.read_bytes()))
    return found


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not allowed in JSON here: not a number")


def _finite_float(text: str) -> float:
    value = float(text)
    if value in (float("inf"), float("-inf")):
        raise ValueError(f"{text} is too large for a number")
    return value


def _unique_keys(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found: dict[str, object] = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(f"the key {key!r} is there twice")
        found[key] = value
    return found
