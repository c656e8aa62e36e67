"""Unified diffs as values, and how a hunk becomes an exact replacement in a file that has moved.

Does not: apply anything. A hunk is located by its context, never by its line number alone.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

_HUNK = re.compile(r"^@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@")
MAX_FUZZ = 2
"""Context lines that may be ignored at either end of a hunk, as `patch` does."""


class DiffError(ValueError):
    """A text is no unified diff that we can read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hunk:
    """One changed stretch of a file."""

    start: int
    """1-based first line in the old file."""
    lines: tuple[tuple[str, str], ...]
    """(" ", "-" or "+", the line without its end)."""

    @property
    def old(self) -> tuple[str, ...]:
        """Lines before the change, context included."""
        return tuple(line for tag, line in self.lines if tag != "+")

    @property
    def new(self) -> tuple[str, ...]:
        """Lines after the change, context included."""
        return tuple(line for tag, line in self.lines if tag != "-")


@dataclass(frozen=True, slots=True, kw_only=True)
class FileDiff:
    """All changes of one file."""

    old_path: str | None
    """None for a new file."""
    new_path: str | None
    """None for a deleted file."""
    hunks: tuple[Hunk, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Replacement:
    """An exact-replace edit."""

    old: str
    new: str
    lines: tuple[str, ...]
    """The whole file afterwards."""


def parse_diff(text: str) -> tuple[FileDiff, ...]:
    """Every file of a unified diff, as git or diff writes it; an empty text has none.

    Raises:
        DiffError: A hunk is cut short, or the diff is binary.
    """
    reader = _Reader(text.split("\n"))
    files: list[FileDiff] = []
    while not reader.is_done:
        if (file := reader.next_file()) is not None:
            files.append(file)
    return tuple(files)


def locate(hunk: Hunk, lines: Sequence[str], *, drift: int = 0) -> Replacement | None:
    """The exact replacement that plays a hunk on a file's lines; None when it fits nowhere.

    Args:
        hunk: What to change.
        lines: The file as it is now, without line ends.
        drift: Lines by which earlier hunks moved the file; only breaks ties.
    """
    for fuzz in range(MAX_FUZZ + 1):
        trimmed = _trim(hunk, fuzz)
        if trimmed is None:
            continue
        old, new, skipped = trimmed
        if not old and lines:
            continue
        at = _nearest(old, lines, hunk.start - 1 + drift + skipped)
        if at is not None:
            return _unique(lines, at, old, new)
    if not hunk.old:
        at = min(max(0, hunk.start + drift), len(lines))
        return _unique(lines, at, (), hunk.new)
    return None


def _trim(hunk: Hunk, fuzz: int) -> tuple[tuple[str, ...], tuple[str, ...], int] | None:
    """Old and new lines with up to `fuzz` context lines cut at both ends; None when not possible."""
    tags = [tag for tag, _ in hunk.lines]
    lead = next((i for i, tag in enumerate(tags) if tag != " "), len(tags))
    tail = next((i for i, tag in enumerate(reversed(tags)) if tag != " "), len(tags))
    if fuzz and max(lead, tail) < fuzz:
        return None
    first, last = min(lead, fuzz), min(tail, fuzz)
    old, new = hunk.old, hunk.new
    return old[first : len(old) - last], new[first : len(new) - last], first


def _nearest(old: Sequence[str], lines: Sequence[str], expected: int) -> int | None:
    wanted = tuple(old)
    found = [
        i
        for i in range(len(lines) - len(wanted) + 1)
        if tuple(lines[i : i + len(wanted)]) == wanted
    ]
    return min(found, key=lambda i: abs(i - expected)) if found else None


def _unique(lines: Sequence[str], at: int, old: Sequence[str], new: Sequence[str]) -> Replacement:
    """Widen a change by neighbouring lines until its old text occurs once in the file."""
    text = "\n".join(lines)
    first, last = at, at + len(old)
    result = (*lines[:at], *new, *lines[last:])
    while True:
        before, after = lines[first:at], lines[at + len(old) : last]
        old_text = "\n".join((*before, *old, *after))
        new_text = "\n".join((*before, *new, *after))
        # An empty side would leave or swallow a line end, so one neighbour is taken along.
        is_safe = bool(old or before or after) and bool(new or before or after)
        if is_safe and old_text and _is_once(text, old_text):
            break
        if first == 0 and last >= len(lines):
            break
        first, last = max(0, first - 1), min(len(lines), last + 1)
    return Replacement(old=old_text, new=new_text, lines=result)


def _is_once(text: str, part: str) -> bool:
    """Whether a part is found at one place only, overlapping places counted."""
    first = text.find(part)
    return first >= 0 and text.find(part, first + 1) < 0


class _Reader:
    """Reads a diff line by line."""

    def __init__(self, lines: list[str]) -> None:
        self._lines = lines
        self._at = 0

    @property
    def is_done(self) -> bool:
        return self._at >= len(self._lines)

    def next_file(self) -> FileDiff | None:
        line = self._take()
        if line.startswith("GIT binary patch") or line.startswith("Binary files "):
            raise DiffError(f"line {self._at}: binary changes cannot be played as edits")
        if line.startswith("rename from "):
            return self._rename(line.removeprefix("rename from "))
        if not line.startswith("--- ") or not self._peek().startswith("+++ "):
            return None
        old, new = _path(line[4:]), _path(self._take()[4:])
        return FileDiff(old_path=old, new_path=new, hunks=self._hunks())

    def _rename(self, old: str) -> FileDiff:
        new = self._take().removeprefix("rename to ")
        while self._peek().startswith(("index ", "--- ", "+++ ")):
            self._take()
        return FileDiff(old_path=old, new_path=new, hunks=self._hunks())

    def _hunks(self) -> tuple[Hunk, ...]:
        hunks: list[Hunk] = []
        while match := _HUNK.match(self._peek()):
            self._take()
            hunks.append(self._hunk(match))
        return tuple(hunks)

    def _hunk(self, match: re.Match[str]) -> Hunk:
        old_left = int(match[2]) if match[2] is not None else 1
        new_left = int(match[4]) if match[4] is not None else 1
        lines: list[tuple[str, str]] = []
        while old_left > 0 or new_left > 0:
            if self.is_done:
                raise DiffError(f"line {self._at}: the last hunk is cut short")
            line = self._take()
            tag, body = (line[:1] or " "), line[1:]
            if tag == "\\":
                continue
            if tag not in " -+":
                raise DiffError(f"line {self._at}: {line[:40]!r} is not part of a hunk")
            old_left -= tag != "+"
            new_left -= tag != "-"
            lines.append((tag, body))
        if self._peek().startswith("\\"):
            self._take()
        return Hunk(start=int(match[1]), lines=tuple(lines))

    def _peek(self) -> str:
        return "" if self.is_done else self._lines[self._at]

    def _take(self) -> str:
        line = self._peek()
        self._at += 1
        return line


def _path(text: str) -> str | None:
    name = text.split("\t")[0].strip().strip('"')
    if name == "/dev/null":
        return None
    return name[2:] if name.startswith(("a/", "b/")) else name
