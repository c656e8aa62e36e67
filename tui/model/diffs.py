"""Reads a unified diff from git into files, hunks and lines, and colours code without markup.

The text of a diff is untrusted: line counts come from the hunk headers, so a line that looks like a header stays a
line. Does not: draw anything.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache

from rsi.tui.draw.safe import MAX_LINE_CHARACTERS, hidden_characters
from rsi.tui.draw.styled import Role, Span

MAX_COLOURED_CHARACTERS = 60_000
"""Per hunk side; a larger one is shown plain so that a page never takes longer than a key press."""

_HUNK = re.compile(r"@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@ ?(.*)")
_GIT_ESCAPE = re.compile(r"\\([0-7]{3}|.)")


@dataclass(frozen=True, slots=True, kw_only=True)
class DiffLine:
    """One line of a hunk."""

    sign: str
    """" ", "+", "-", or "\\" for git's own remark about a missing newline."""
    old: int | None
    """1-based number in the old file; None for an added line."""
    new: int | None
    text: str
    """Without sign and newline; untrusted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hunk:
    """A run of changed lines, or a remark such as "binary file" without lines."""

    file_index: int
    old_start: int
    new_start: int
    context: str
    """What git prints after the second @@: the enclosing function."""
    lines: tuple[DiffLine, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class FileDiff:
    """What happened to one file."""

    path: str
    """The new path; the old one for a deleted file."""
    status: str
    """"modified", "added", "deleted" or "renamed"."""
    remarks: tuple[str, ...]
    """Such as "mode 100644 → 100755", "binary"."""
    added: int
    removed: int
    hunks: tuple[int, ...]
    """Positions in `Diff.hunks`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Diff:
    """A whole diff; `hunks` is flat, in reading order."""

    files: tuple[FileDiff, ...] = ()
    hunks: tuple[Hunk, ...] = ()
    hidden: tuple[str, ...] = ()
    """Names of control and invisible characters anywhere in it."""
    long_lines: int = 0
    """Lines longer than what is drawn."""


@dataclass(slots=True)
class _FileParts:
    path: str = "?"
    old_path: str = "?"
    status: str = "modified"
    remarks: list[str] = field(default_factory=list)
    hunks: list[int] = field(default_factory=list)
    added: int = 0
    removed: int = 0
    old_mode: str = ""


def parse_diff(text: str) -> Diff:
    """Read what `git diff` printed; text that is not a diff gives an empty one."""
    files: list[_FileParts] = []
    hunks: list[Hunk] = []
    lines = text.split("\n")
    at = 0
    while at < len(lines):
        row = lines[at]
        at += 1
        if row.startswith("diff --git "):
            files.append(_FileParts(path=_path_of_git_line(row)))
        elif not files and not row.startswith("--- "):
            continue
        elif (match := _HUNK.match(row)) is not None:
            if not files:
                files.append(_FileParts())
            at = _read_hunk(lines, at, match, files, hunks)
        else:
            _read_header(row, files)
    return _assemble(files, hunks, text)


def _read_hunk(
    lines: list[str], at: int, match: re.Match[str], files: list[_FileParts], hunks: list[Hunk]
) -> int:
    old, new = int(match[1]), int(match[3])
    old_left = int(match[2]) if match[2] is not None else 1
    new_left = int(match[4]) if match[4] is not None else 1
    parts, rows = files[-1], []
    old_start, new_start = old, new
    while at < len(lines) and (old_left > 0 or new_left > 0 or lines[at].startswith("\\")):
        row = lines[at]
        sign, body = (row[:1] or " "), row[1:]
        if sign == "+":
            rows.append(DiffLine(sign=sign, old=None, new=new, text=body))
            new, new_left, parts.added = new + 1, new_left - 1, parts.added + 1
        elif sign == "-":
            rows.append(DiffLine(sign=sign, old=old, new=None, text=body))
            old, old_left, parts.removed = old + 1, old_left - 1, parts.removed + 1
        elif sign == "\\":
            rows.append(DiffLine(sign=sign, old=None, new=None, text=body.strip()))
        else:
            rows.append(DiffLine(sign=" ", old=old, new=new, text=body))
            old, new, old_left, new_left = old + 1, new + 1, old_left - 1, new_left - 1
        at += 1
    parts.hunks.append(len(hunks))
    hunks.append(
        Hunk(file_index=len(files) - 1, old_start=old_start, new_start=new_start,
             context=match[5], lines=tuple(rows))
    )  # fmt: skip
    return at


def _read_header(row: str, files: list[_FileParts]) -> None:
    if row.startswith("--- "):
        if not files or files[-1].hunks:
            files.append(_FileParts())
        files[-1].old_path = _path(row[4:])
        return
    if not files:
        return
    parts = files[-1]
    if row.startswith("+++ "):
        path = _path(row[4:])
        parts.path = parts.old_path if path == "/dev/null" else path
    elif row.startswith("new file mode"):
        parts.status = "added"
        if not row.endswith("100644"):
            parts.remarks.append(f"mode {row.rsplit(' ', 1)[-1]}")
    elif row.startswith("deleted file mode"):
        parts.status = "deleted"
    elif row.startswith("rename from "):
        parts.status = "renamed"
        parts.remarks.append(f"from {row[12:]}")
    elif row.startswith("rename to "):
        parts.path = row[10:]
    elif row.startswith("old mode "):
        parts.old_mode = row[9:]
    elif row.startswith("new mode "):
        parts.remarks.append(f"mode {parts.old_mode} → {row[9:]}")
    elif row.startswith(("Binary files ", "GIT binary patch")):
        parts.remarks.append("binary, not shown")


def _assemble(files: list[_FileParts], hunks: list[Hunk], text: str) -> Diff:
    finished = []
    for index, parts in enumerate(files):
        if not parts.hunks:
            # A change without lines must be looked at as well: it becomes a hunk of its own.
            parts.hunks.append(len(hunks))
            context = ", ".join(parts.remarks) or f"{parts.status}, no lines"
            hunks.append(
                Hunk(file_index=index, old_start=0, new_start=0, context=context, lines=())
            )
        finished.append(
            FileDiff(path=parts.path, status=parts.status, remarks=tuple(parts.remarks),
                     added=parts.added, removed=parts.removed, hunks=tuple(parts.hunks))
        )  # fmt: skip
    return Diff(
        files=tuple(finished),
        hunks=tuple(hunks),
        hidden=hidden_characters(text),
        long_lines=sum(len(line.text) > MAX_LINE_CHARACTERS for h in hunks for line in h.lines),
    )


def _path_of_git_line(row: str) -> str:
    rest = row[len("diff --git ") :]
    if rest.startswith('"'):
        return _path(rest[rest.rfind(' "') + 1 :])
    middle = rest.rfind(" b/")
    return _path(rest[middle + 1 :]) if middle >= 0 else rest


def _path(raw: str) -> str:
    raw = raw.rstrip("\t\r")
    if raw.startswith('"') and raw.endswith('"'):
        raw = _unquote(raw[1:-1])
    return raw[2:] if raw[:2] in ("a/", "b/") else raw


def _unquote(raw: str) -> str:
    """Undo git's quoting of odd file names: octal bytes and single-letter escapes."""
    single = {"n": 10, "t": 9, "r": 13, "a": 7, "b": 8, "f": 12, "v": 11, '"': 34, "\\": 92}
    out = bytearray()
    at = 0
    for match in _GIT_ESCAPE.finditer(raw):
        out += raw[at : match.start()].encode()
        code = match[1]
        out.append(int(code, 8) & 0xFF if len(code) == 3 else single.get(code, ord(code[0]) & 0xFF))
        at = match.end()
    out += raw[at:].encode()
    return out.decode(errors="replace")


# --- colour -----------------------------------------------------------------------------


def colour_lines(path: str, texts: tuple[str, ...]) -> list[tuple[Span, ...]]:
    """Spans of consecutive lines of one file, coloured by its language; plain when unknown or too large."""
    plain: list[tuple[Span, ...]] = [((text, Role.TEXT),) for text in texts]
    if sum(map(len, texts)) > MAX_COLOURED_CHARACTERS or not texts:
        return plain
    found = list(_lexed(path, texts))
    return found if len(found) == len(texts) else plain


@lru_cache(maxsize=128)
def _lexed(path: str, texts: tuple[str, ...]) -> tuple[tuple[Span, ...], ...]:
    from pygments.lexers import (  # type: ignore[import-untyped]  # ships no types
        get_lexer_for_filename,
    )
    from pygments.util import ClassNotFound  # type: ignore[import-untyped]  # ships no types

    try:
        lexer = get_lexer_for_filename(path, stripnl=False, ensurenl=False)
    except ClassNotFound:
        return ()
    rows: list[list[Span]] = [[]]
    # Lexers normalise line ends; a bare carriage return inside a line must not become a new line here.
    source = "\n".join(text.replace("\r", "\u240d") for text in texts)
    for token, value in lexer.get_tokens(source):
        role = _role_of(str(token))
        for number, part in enumerate(value.split("\n")):
            if number:
                rows.append([])
            if part:
                rows[-1].append((part, role))
    return tuple(tuple(row) for row in rows)


_ROLES = (
    ("Token.Keyword", Role.CODE_KEYWORD),
    ("Token.Operator.Word", Role.CODE_KEYWORD),
    ("Token.Literal.String", Role.CODE_STRING),
    ("Token.Literal.Number", Role.CODE_NUMBER),
    ("Token.Comment", Role.CODE_COMMENT),
    ("Token.Name.Function", Role.CODE_NAME),
    ("Token.Name.Class", Role.CODE_NAME),
    ("Token.Name.Decorator", Role.CODE_NAME),
)


@lru_cache(maxsize=512)
def _role_of(token: str) -> Role:
    return next((role for prefix, role in _ROLES if token.startswith(prefix)), Role.TEXT)


def paired_rows(hunk: Hunk) -> Iterator[tuple[DiffLine | None, DiffLine | None]]:
    """Old and new side by side: unchanged lines together, a run of removals beside the run of additions."""
    removed: list[DiffLine] = []
    added: list[DiffLine] = []

    def flush() -> Iterator[tuple[DiffLine | None, DiffLine | None]]:
        for index in range(max(len(removed), len(added))):
            yield (
                removed[index] if index < len(removed) else None,
                added[index] if index < len(added) else None,
            )
        removed.clear()
        added.clear()

    for each in hunk.lines:
        match each.sign:
            case "-":
                removed.append(each)
            case "+":
                added.append(each)
            case _:
                yield from flush()
                yield each, each
    yield from flush()
