"""Read declared numbers out of text that somebody printed, or out of a JSON file: the last one said counts."""

import json
import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from harness_kit import InvalidArtifact, read_json

MAX_LINE = 2000
"""Characters of a line that are looked at, so that no pattern takes long on a hostile one."""
MAX_JSON_BYTES = 16 << 20


def read_numbers(
    qualities: Sequence[Mapping[str, str]], printed: str, folder: Path
) -> dict[str, float]:
    """The value of each quality.

    Args:
        qualities: `name`, `kind` ("pattern", "json_line" or "file"), and `pattern`, `key` or `file` with `key`.
        printed: What was printed.
        folder: Where files lie.

    Raises:
        InvalidArtifact: One is missing or no finite number; the run's fault.
    """
    found = {}
    for each in qualities:
        match each["kind"]:
            case "pattern":
                text = _last_match(each["pattern"], printed)
                where = f"the output has no {each['pattern']!r}"
            case "json_line":
                text, where = _last_json(each["key"], printed), "no printed line of JSON has it"
            case _:
                text, where = _of_file(folder, each["file"], each["key"])
        if text is None:
            raise InvalidArtifact(f"no {each['name']}: {where}")
        try:
            value = float(text)
        except (ValueError, OverflowError):
            raise InvalidArtifact(
                f"{each['name']} is {str(text)[:40]!r}, which is no number"
            ) from None
        if not math.isfinite(value):
            raise InvalidArtifact(f"{each['name']} is {value}, which is no number")
        found[each["name"]] = value
    return found


def _last_match(pattern: str, printed: str) -> str | None:
    wanted = re.compile(pattern)
    for line in reversed(re.split(r"[\r\n]+", printed)):
        matches = list(wanted.finditer(line[:MAX_LINE]))
        if matches:
            return matches[-1][1].rstrip(".,;%")
    return None


def _last_json(key: str, printed: str) -> object:
    for line in reversed(printed.splitlines()):
        if line.lstrip().startswith("{"):
            try:
                value = _below(json.loads(line), key)
            except (ValueError, RecursionError):
                continue
            if value is not None:
                return value
    return None


def _of_file(folder: Path, name: str, key: str) -> tuple[object, str]:
    path = folder / name
    if not path.is_file():
        return None, f"there is no {name}"
    value = _below(read_json(path.parent, path.name, max_bytes=MAX_JSON_BYTES), key)
    return value, f"{name} has no number there"


def _below(value: object, key: str) -> object:
    for part in key.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return None if isinstance(value, bool) or not isinstance(value, int | float | str) else value
