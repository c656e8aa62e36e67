"""TOML files as plain tables, and mistakes as sentences: what was wrong, where, and what is expected.

Does not: know what a table has to hold; `tables` does, and is imported where one is checked, since pydantic takes a
tenth of a second.
"""

import difflib
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path

FILE = "task.toml"
Place = tuple[str | int, ...]
"""Keys and list positions from the top of a file to a value."""


class Problems:
    """Sentences about one folder or file, in the order they were found, each once."""

    def __init__(self) -> None:
        self._sentences: dict[str, None] = {}

    def add(self, file: str, sentence: str) -> None:
        """Record `file: sentence`."""
        self._sentences[f"{file}: {sentence}"] = None

    @property
    def sentences(self) -> tuple[str, ...]:
        return tuple(self._sentences)


def read_toml(path: Path, file: str, problems: Problems) -> dict[str, object] | None:
    """Parse a TOML file; None with a recorded problem when it is missing or broken."""
    try:
        content = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        problems.add(file, "the file is missing, expected a TOML file.")
        return None
    except UnicodeDecodeError as error:
        problems.add(file, f"byte {error.start} is not UTF-8, expected a UTF-8 text file.")
        return None
    except OSError as error:
        problems.add(file, f"could not be read ({error.strerror}), expected a TOML file.")
        return None
    try:
        return tomllib.loads(content)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        problems.add(file, f"is not valid TOML: {_with_position(str(error), content)}.")
        return None


def _with_position(message: str, content: str) -> str:
    """Tomllib says "at end of document" without a line; people need one."""
    lines = content.split("\n")
    return message.replace(
        "at end of document", f"at line {len(lines)}, column {len(lines[-1]) + 1}, the end"
    )


def did_you_mean(word: str, options: Sequence[str]) -> str:
    """`; did you mean 'x'?` for the nearest option; empty when none is near."""
    near = difflib.get_close_matches(word, options, n=1, cutoff=0.6)
    return f"; did you mean {near[0]!r}?" if near else ""


def asks(expected: str) -> str:
    """The end of a sentence about a mistake."""
    if expected.startswith("did you mean"):
        return expected
    return f"expected {expected}" + ("" if expected.endswith("?") else ".")


def shown(value: object) -> str:
    """A value as a sentence about it names it."""
    if isinstance(value, dict):
        return "a table"
    if isinstance(value, bool):
        return "true" if value else "false"
    text = repr(value)
    if len(text) > 60:
        text = text[:57] + "..."
    match value:
        case str():
            return f"the text {text}"
        case list():
            return f"the list {text}"
        case _:
            return text


def key_path(place: Place, origins: Mapping[str, str]) -> str:
    """A place as its author wrote it.

    Args:
        place: Where a value is read.
        origins: Key paths that are read where others were written.
    """
    path = ""
    for part in place:
        path += f"[{part}]" if isinstance(part, int) else f".{part}" if path else part
        path = origins.get(path, path)
    return path
