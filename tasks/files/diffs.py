"""Unified diffs as values: read from text as `git apply` reads it, made of two texts, written in git's form.

Does not: apply anything; `patches` does. Line counts come from the hunk headers, so a line that looks like a header
stays a line, and only a line feed ends one. Invariant: what was read, written and read again is the same value, save
for a mode that does not change, which is not written.
"""

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

NO_NEWLINE = "\\ No newline at end of file"
PLAIN_MODE, EXECUTABLE_MODE = "100644", "100755"
CONTEXT_LINES = 3
NO_FILE = "/dev/null"
_ESCAPES = {"n": 10, "t": 9, "r": 13, "a": 7, "b": 8, "f": 12, "v": 11, '"': 34, "\\": 92}
_ESCAPED = {code: letter for letter, code in _ESCAPES.items()}


class DiffError(ValueError):
    """A text is no unified diff that can be read whole."""


class Change(StrEnum):
    """What happens to a file."""

    ADDED = "added"
    DELETED = "deleted"
    MODIFIED = "modified"
    RENAMED = "renamed"
    COPIED = "copied"


@dataclass(frozen=True, slots=True, kw_only=True)
class DiffLine:
    """One line of a hunk."""

    sign: str
    """" " for context, "-" for a removed line, "+" for an added one."""
    text: str
    """Without sign and line feed; a carriage return stays."""
    is_ended: bool = True
    """False for the last line of a file that ends without a line feed."""

    @property
    def content(self) -> str:
        """The line as it stands in the file."""
        return f"{self.text}\n" if self.is_ended else self.text


@dataclass(frozen=True, slots=True, kw_only=True)
class Hunk:
    """One changed stretch of a file."""

    old_start: int
    """1-based first line in the old file; with no old line, the line after which the new ones go."""
    new_start: int
    lines: tuple[DiffLine, ...]
    heading: str = ""
    """What git prints after the second @@: the enclosing function."""

    @property
    def old(self) -> tuple[str, ...]:
        """Lines before the change with their ends, context included."""
        return tuple(line.content for line in self.lines if line.sign != "+")

    @property
    def new(self) -> tuple[str, ...]:
        """Lines after the change with their ends, context included."""
        return tuple(line.content for line in self.lines if line.sign != "-")

    def numbered(self) -> Iterator[tuple[int | None, int | None, DiffLine]]:
        """Each line with its 1-based number in the old and in the new file."""
        old, new = self.old_start, self.new_start
        for line in self.lines:
            yield (None if line.sign == "+" else old), (None if line.sign == "-" else new), line
            old, new = old + (line.sign != "+"), new + (line.sign != "-")


@dataclass(frozen=True, slots=True, kw_only=True)
class FileDiff:
    """All changes of one file."""

    old_path: str | None
    """None for a new file."""
    new_path: str | None
    """None for a deleted file."""
    old_mode: str | None = None
    """Git's file mode before, such as "100755"; None where the diff does not say."""
    new_mode: str | None = None
    is_copy: bool = False
    """The old file stays."""
    is_binary: bool = False
    """The content changes, and the diff does not show how."""
    hunks: tuple[Hunk, ...] = ()

    @property
    def path(self) -> str:
        """The new path; the old one of a deleted file."""
        return self.new_path or self.old_path or ""

    @property
    def paths(self) -> tuple[str, ...]:
        """Every path that it names, each once."""
        named = (path for path in (self.old_path, self.new_path) if path is not None)
        return tuple(dict.fromkeys(named))

    @property
    def change(self) -> Change:
        """What happens to the file."""
        if self.old_path is None:
            return Change.ADDED
        if self.new_path is None:
            return Change.DELETED
        if self.is_copy:
            return Change.COPIED
        return Change.MODIFIED if self.old_path == self.new_path else Change.RENAMED

    @property
    def has_effect(self) -> bool:
        """Whether it changes anything at all."""
        is_remade = self.change is not Change.MODIFIED or self.old_mode != self.new_mode
        return bool(self.hunks) or self.is_binary or is_remade


# --- making and writing -----------------------------------------------------------------


def lines_of(text: str) -> list[str]:
    """Lines with their ends; unlike `splitlines`, a form feed or a carriage return ends none, as in git."""
    lines = [f"{line}\n" for line in text.split("\n")]
    lines[-1] = lines[-1][:-1]
    return lines if lines[-1] else lines[:-1]


def compare_texts(
    path: str,
    old: str | None,
    new: str | None,
    *,
    old_mode: str = PLAIN_MODE,
    new_mode: str = PLAIN_MODE,
) -> FileDiff:
    """The difference between two versions of one file; None for a file that is not there."""
    is_same_mode = None not in (old, new) and old_mode == new_mode
    return FileDiff(
        old_path=None if old is None else path,
        new_path=None if new is None else path,
        old_mode=None if old is None or is_same_mode else old_mode,
        new_mode=None if new is None or is_same_mode else new_mode,
        hunks=_hunks_between(lines_of(old or ""), lines_of(new or "")),
    )


def compare_files(before: Mapping[str, str], after: Mapping[str, str]) -> tuple[FileDiff, ...]:
    """The files that differ between two sets of texts by path, sorted."""
    return tuple(
        compare_texts(path, before.get(path), after.get(path))
        for path in sorted({*before, *after})
        if before.get(path) != after.get(path)
    )


def _hunks_between(old: list[str], new: list[str]) -> tuple[Hunk, ...]:
    hunks = []
    for group in difflib.SequenceMatcher(None, old, new).get_grouped_opcodes(CONTEXT_LINES):
        first, last = group[0], group[-1]
        lines: list[DiffLine] = []
        for tag, old_from, old_to, new_from, new_to in group:
            if tag == "equal":
                lines += (_line(" ", each) for each in old[old_from:old_to])
                continue
            lines += (_line("-", each) for each in old[old_from:old_to])
            lines += (_line("+", each) for each in new[new_from:new_to])
        has_old, has_new = last[2] > first[1], last[4] > first[3]
        hunks.append(
            Hunk(old_start=first[1] + has_old, new_start=first[3] + has_new, lines=tuple(lines))
        )
    return tuple(hunks)


def _line(sign: str, content: str) -> DiffLine:
    return DiffLine(sign=sign, text=content.removesuffix("\n"), is_ended=content.endswith("\n"))


def render(files: Iterable[FileDiff]) -> str:
    """A diff in git's form; `git apply` takes it."""
    return "".join(f"{row}\n" for file in files for row in _rows(file))


def _rows(file: FileDiff) -> Iterator[str]:
    old, new = f"a/{file.old_path or file.path}", f"b/{file.path}"
    yield f"diff --git {_quoted(old)} {_quoted(new)}"
    match file.change:
        case Change.ADDED:
            yield f"new file mode {file.new_mode or PLAIN_MODE}"
        case Change.DELETED:
            yield f"deleted file mode {file.old_mode or PLAIN_MODE}"
        case change:
            if file.old_mode and file.new_mode and file.old_mode != file.new_mode:
                yield from (f"old mode {file.old_mode}", f"new mode {file.new_mode}")
            if change is not Change.MODIFIED:
                verb = "copy" if file.is_copy else "rename"
                yield f"{verb} from {_quoted(file.old_path or '')}"
                yield f"{verb} to {_quoted(file.path)}"
    before = NO_FILE if file.old_path is None else _quoted(old)
    after = NO_FILE if file.new_path is None else _quoted(new)
    if file.is_binary:
        yield f"Binary files {before} and {after} differ"
    elif file.hunks:
        yield f"--- {_closed(before)}"
        yield f"+++ {_closed(after)}"
    for hunk in file.hunks:
        old_range, new_range = _range(hunk.old_start, hunk.old), _range(hunk.new_start, hunk.new)
        yield f"@@ -{old_range} +{new_range} @@{' ' if hunk.heading else ''}{hunk.heading}"
        for line in hunk.lines:
            yield line.sign + line.text
            if not line.is_ended:
                yield NO_NEWLINE


def _range(start: int, lines: tuple[str, ...]) -> str:
    return str(start) if len(lines) == 1 else f"{start},{len(lines)}"


def _closed(name: str) -> str:
    """A tab ends a name with blanks, so that none is taken for the start of a date."""
    return f"{name}\t" if " " in name and not name.startswith('"') else name


def _quoted(name: str) -> str:
    """A file name as git writes it with `core.quotePath=false`: in quotes only where it has to be."""
    if not re.search(r'[\x00-\x1f"\\\x7f]', name):
        return name
    escaped = (
        f"\\{_ESCAPED[ord(c)]}" if ord(c) in _ESCAPED else f"\\{ord(c):03o}" if c < " " or c == "\x7f" else c
        for c in name
    )  # fmt: skip
    return f'"{"".join(escaped)}"'


def unquoted(name: str) -> str:
    """Undo git's quoting of an odd file name: octal bytes and single-letter escapes."""
    if len(name) < 2 or not (name.startswith('"') and name.endswith('"')):
        return name
    out = bytearray()
    at = 0
    raw = name[1:-1]
    for match in re.finditer(r"\\([0-7]{3}|.)", raw):
        out += raw[at : match.start()].encode()
        code = match[1]
        is_octal = len(code) == 3
        out += bytes((int(code, 8) & 0xFF if is_octal else _ESCAPES.get(code, ord(code) & 0xFF),))
        at = match.end()
    out += raw[at:].encode()
    return out.decode(errors="replace")
