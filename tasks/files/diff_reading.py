"""Reads a unified diff into values: the one reader of patches, scripts, reviewers and screens.

Text before, between and after the files is left aside, as git leaves it, so that a patch may say what it is for.
Does not: judge a change. Invariant: `read_diff` never raises, and either every line of every hunk is in what it returns,
or `problem` says in which line the diff stops being one.
"""

import re
from dataclasses import dataclass, field

from rsi.tasks.files.diffs import NO_FILE, DiffError, DiffLine, FileDiff, Hunk, unquoted

CUT_SHORT = "\\ the diff is longer than "
"""How a line begins that stands for the rest of a diff; git's own remark about a last line begins like it."""
_HUNK = re.compile(r"@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@ ?(.*)")
_BINARY = re.compile(r"Binary files (.+) and (.+) differ")
_HEADER = re.compile(
    r"(?P<kind>old mode|new mode|new file mode|deleted file mode|index|rename from|rename to|copy from|copy to"
    r"|GIT binary patch)(?: (?P<rest>.*)|$)"
)
_QUOTED_NAME = r'"(?:[^"\\]|\\.)*"'
_BOTH_NAMES = re.compile(rf"({_QUOTED_NAME}|.+) ({_QUOTED_NAME}|.+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadDiff:
    """A diff as far as it could be read."""

    files: tuple[FileDiff, ...] = ()
    problem: str | None = None
    """The first thing that is wrong with it, one sentence with the line; None when there is nothing."""


def parse_diff(text: str) -> tuple[FileDiff, ...]:
    """Every file of a unified diff, as git writes it; a text without any has none.

    Raises:
        DiffError: It cannot be read whole; the message names the line.
    """
    diff = read_diff(text)
    if diff.problem is not None:
        raise DiffError(diff.problem)
    return diff.files


def read_diff(text: str) -> ReadDiff:
    """As much of a unified diff as can be read, with the first problem."""
    reader = _Reader(text.removesuffix("\n").split("\n") if text else [])
    reader.read()
    return ReadDiff(files=tuple(each.finished() for each in reader.files), problem=reader.problem)


def cut_note(limit_bytes: int) -> str:
    """The line that stands for the rest of a diff."""
    return f"{CUT_SHORT}{limit_bytes} bytes; the rest is not shown"


@dataclass(slots=True, kw_only=True)
class _Parts:
    """A file that is being read."""

    old_path: str | None = None
    new_path: str | None = None
    old_mode: str | None = None
    new_mode: str | None = None
    is_copy: bool = False
    is_binary: bool = False
    has_names: bool = False
    """Both `---` and `+++` were read."""
    hunks: list[Hunk] = field(default_factory=list)

    @property
    def names(self) -> set[str]:
        return {name for name in (self.old_path, self.new_path) if name is not None}

    def finished(self) -> FileDiff:
        return FileDiff(
            old_path=self.old_path,
            new_path=self.new_path,
            old_mode=self.old_mode,
            new_mode=self.new_mode,
            is_copy=self.is_copy,
            is_binary=self.is_binary,
            hunks=tuple(self.hunks),
        )


class _Reader:
    """Reads line by line; goes on after a problem, so that a person sees what there is."""

    def __init__(self, lines: list[str]) -> None:
        self._lines = lines
        self._at = 0
        self.files: list[_Parts] = []
        self.problem: str | None = None

    def read(self) -> None:
        while self._at < len(self._lines):
            line = self._take().removesuffix("\r")
            if line.startswith("diff --git "):
                self._start(line.removeprefix("diff --git "))
            elif line.startswith("--- ") and self._peek().startswith("+++ "):
                self._names(line[4:], self._take().removesuffix("\r")[4:])
            elif match := _HUNK.match(line):
                self._hunk(match)
            elif line.startswith("@@ -"):
                self._note(f"{line[:60]!r} is no hunk header")
            elif line.startswith(CUT_SHORT):
                self._note(line.removeprefix("\\ "))
            elif match := _BINARY.fullmatch(line):
                self._binary(match[1], match[2])
            elif self.files and not self.files[-1].hunks:
                self._header(self.files[-1], line)
        for each in self.files:
            if not each.names:
                self._note("a file's names cannot be read")

    def _start(self, names: str) -> None:
        """A file by git's own first line; names that differ and are not quoted come in the lines below."""
        self.files.append(_Parts())
        middle = (len(names) - 1) // 2
        old, new = names[:middle], names[middle + 1 :]
        if (match := _BOTH_NAMES.fullmatch(names)) and '"' in names:
            old, new = unquoted(match[1]), unquoted(match[2])
        if old[2:] == new[2:] and old[:2] == "a/" and new[:2] == "b/":
            self.files[-1].old_path = self.files[-1].new_path = old[2:]

    def _names(self, old: str, new: str) -> None:
        if not self.files or self.files[-1].hunks or self.files[-1].has_names:
            self.files.append(_Parts())
        parts = self.files[-1]
        parts.old_path, parts.new_path = self._path(old), self._path(new)
        parts.has_names = True

    def _binary(self, *names: str) -> None:
        old, new = (self._path(name) for name in names)
        if not self.files or self.files[-1].hunks or self.files[-1].names.isdisjoint((old, new)):
            self.files.append(_Parts())
        self.files[-1].old_path, self.files[-1].new_path = old, new
        self.files[-1].is_binary = True

    def _path(self, raw: str) -> str | None:
        name = unquoted(raw.split("\t")[0])
        if name == NO_FILE:
            return None
        if not name.startswith(("a/", "b/")):
            self._note(f"path {name!r} has no a/ or b/ before it; make it with git diff")
            return name
        return name[2:]

    @staticmethod
    def _header(parts: _Parts, line: str) -> None:
        if not (match := _HEADER.match(line)):
            return
        rest = match["rest"]
        match match["kind"]:
            case "new file mode":
                parts.old_path, parts.new_mode = None, rest
            case "deleted file mode":
                parts.new_path, parts.old_mode = None, rest
            case "old mode":
                parts.old_mode = rest
            case "new mode":
                parts.new_mode = rest
            case "index" if " " in rest:
                parts.old_mode = parts.new_mode = rest.partition(" ")[2]
            case "rename from" | "copy from":
                parts.old_path, parts.is_copy = unquoted(rest), match["kind"] == "copy from"
            case "rename to" | "copy to":
                parts.new_path = unquoted(rest)
            case "GIT binary patch":
                parts.is_binary = True

    def _hunk(self, match: re.Match[str]) -> None:
        old_left, new_left = (1 if match[n] is None else int(match[n]) for n in (2, 4))
        lines: list[DiffLine] = []
        while old_left > 0 or new_left > 0:
            line = self._peek()
            sign = line[:1] or " "
            if self._at >= len(self._lines) or line.startswith(CUT_SHORT):
                self._note("the last hunk is cut short")
                break
            if sign not in " -+\\":
                self._note(f"{line[:40]!r} is not part of a hunk")
                break
            self._take()
            if sign == "\\":
                self._unend(lines)
                continue
            old_left -= sign != "+"
            new_left -= sign != "-"
            lines.append(DiffLine(sign=sign, text=line[1:]))
        if min(old_left, new_left) < 0:
            self._note("the hunk has other lines than its header says")
        if self._peek().startswith("\\") and not self._peek().startswith(CUT_SHORT):
            self._take()
            self._unend(lines)
        hunk = Hunk(old_start=int(match[1]), new_start=int(match[3]), lines=tuple(lines), heading=match[5])  # fmt: skip
        if any("\n" not in line for side in (hunk.old, hunk.new) for line in side[:-1]):
            self._note("a line in the middle of a file has no end")
        if not self.files:
            self._note("the hunk belongs to no file")
            self.files.append(_Parts(old_path="?", new_path="?"))
        self.files[-1].hunks.append(hunk)

    @staticmethod
    def _unend(lines: list[DiffLine]) -> None:
        if lines:
            lines[-1] = DiffLine(sign=lines[-1].sign, text=lines[-1].text, is_ended=False)

    def _peek(self) -> str:
        return self._lines[self._at] if self._at < len(self._lines) else ""

    def _take(self) -> str:
        line = self._peek()
        self._at += 1
        return line

    def _note(self, what: str) -> None:
        if self.problem is None:
            self.problem = f"line {min(self._at, len(self._lines))}: {what}"
