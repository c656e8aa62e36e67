"""What a person says a run's quality is: a pattern of what is printed, a key of a printed line of JSON, or a file's key.

Does not: read a number; the task's harness does.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from rsi.tasks.choices import Direction
from rsi.tasks.errors import NewTaskError

NUMBER = r"([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)"
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,60}")
_FILE = re.compile(r"(?P<file>[^:()]+\.json):(?P<key>[A-Za-z0-9_.-]+)")
_HIGHER = re.compile(r"acc|reward|return|score|f1|auc|bleu|rouge|r2|iou|map|precision|recall|win")
"""Words of a name that mean "more is better"; anything else is taken for a loss."""
SPELLINGS = (
    "'val_loss: ([0-9.]+)' (a pattern of what is printed, with the number in brackets), val_loss (that name before a "
    "number, or a key of a printed line of JSON), or metrics.json:val_loss (a key of a file)"
)


class Source(StrEnum):
    """Where a number is read; the spelling of the task's grading.json."""

    PATTERN = "pattern"
    JSON_LINE = "json_line"
    FILE = "file"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """One number that a run or its evaluation tells."""

    name: str
    direction: Direction
    is_direction_said: bool
    """False when it was told from the name."""
    source: Source
    pattern: str = ""
    """With one group, for PATTERN."""
    key: str = ""
    """For JSON_LINE and FILE; a dot goes one table deeper."""
    file: str = ""
    """Path in the repo's folder, for FILE."""

    def facts(self) -> dict[str, str]:
        """As the task's grading.json has it."""
        kept = {"name": self.name, "kind": self.source.value}
        named = {"pattern": self.pattern, "key": self.key, "file": self.file}
        return kept | {word: text for word, text in named.items() if text}


def read_qualities(
    words: Sequence[str], *, higher: Sequence[str], lower: Sequence[str]
) -> tuple[Reading, ...]:
    """The numbers that a person named.

    Args:
        words: One for each number, see `SPELLINGS`; `NAME=` before one names it.
        higher: Names of those of which more is better.
        lower: Names of those of which less is better.

    Raises:
        NewTaskError: One cannot be meant.
    """
    found = tuple(_reading(each, higher, lower) for each in words)
    names = [each.name for each in found]
    for name in names:
        if names.count(name) > 1:
            raise NewTaskError(
                f"--quality names {name!r} twice; give one another name, as --quality 'other=...'"
            )
    for option, listed in (("--higher", higher), ("--lower", lower)):
        for name in listed:
            if name not in names:
                raise NewTaskError(
                    f"{option} {name!r} is no quality here; there is {', '.join(names) or 'none'}"
                )
    return found


def _reading(words: str, higher: Sequence[str], lower: Sequence[str]) -> Reading:
    named, separator, rest = words.partition("=")
    # `loss=([0-9.]+)` is what progress bars print, `top=acc ([0-9.]+)` names a pattern: the rest then has words of its own.
    is_named = bool(separator and _NAME.fullmatch(named) and re.search(r"[A-Za-z]", _outside(rest)))
    said = rest if is_named else words
    source, pattern, key, file = Source.PATTERN, said, "", ""
    if match := _FILE.fullmatch(said):
        source, pattern, key, file = Source.FILE, "", match["key"], match["file"]
        name = key.rpartition(".")[2]
    elif said.startswith("json:"):
        source, pattern, key = Source.JSON_LINE, "", said.removeprefix("json:")
        name = key.rpartition(".")[2]
    elif _NAME.fullmatch(said):
        name = said
        pattern = rf"(?<![A-Za-z0-9_]){re.escape(said)}[\"']?\s*[:=]?\s*{NUMBER}"
    else:
        name = _name_in(said)
        _check_pattern(said)
    if is_named:
        name = named
    if not _NAME.fullmatch(name):
        raise NewTaskError(
            f"--quality {words!r} has no name; give it one, as --quality 'loss={said}'"
        )
    is_said = name in (*higher, *lower)
    is_higher = name in higher if is_said else bool(_HIGHER.search(name.lower()))
    return Reading(
        name=name,
        direction=Direction.HIGHER if is_higher else Direction.LOWER,
        is_direction_said=is_said,
        source=source,
        pattern=pattern,
        key=key,
        file=file,
    )


def _outside(pattern: str) -> str:
    """A pattern without what is in brackets, and without what a backslash says."""
    return re.sub(r"\\.|\(.*?\)", " ", pattern)


def _check_pattern(pattern: str) -> None:
    try:
        groups = re.compile(pattern).groups
    except re.error as error:
        raise NewTaskError(
            f"--quality {pattern!r} is no pattern: {error}; expected {SPELLINGS}"
        ) from error
    if groups != 1:
        raise NewTaskError(
            f"--quality {pattern!r} has {groups} pairs of brackets, expected one around the number: {SPELLINGS}"
        )


def _name_in(pattern: str) -> str:
    """The last word before the number in a pattern, as a name."""
    plain = re.sub(r"\\.", " ", pattern.partition("(")[0])
    words = re.findall(r"[A-Za-z][A-Za-z0-9_]*(?: [A-Za-z][A-Za-z0-9_]*)?", plain)
    return words[-1].replace(" ", "_").lower() if words else "quality"
