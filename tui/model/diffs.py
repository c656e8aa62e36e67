"""A unified diff laid out for the screen: flat hunks, numbered lines, remarks; and code coloured without markup.

The text of a diff is untrusted. Does not: draw anything.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from rsi.tasks.files.diff_reading import read_diff
from rsi.tasks.files.diffs import NO_NEWLINE, PLAIN_MODE, Change, FileDiff, Hunk
from rsi.tui.draw.safe import MAX_LINE_CHARACTERS, hidden_characters
from rsi.tui.draw.styled import Role, Span

MAX_COLOURED_CHARACTERS = 60_000
"""Per hunk side; a larger one is shown plain so that a page never takes longer than a key press."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownLine:
    """One line of a hunk."""

    sign: str
    """" ", "+", "-", or "\\" for a remark about the line above it."""
    old: int | None
    """1-based number in the old file; None for an added line."""
    new: int | None
    text: str
    """Without sign and newline; untrusted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownHunk:
    """A run of changed lines, or a remark such as "binary file" without lines."""

    file_index: int
    old_start: int
    new_start: int
    context: str
    """What git prints after the second @@: the enclosing function."""
    lines: tuple[ShownLine, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownFile:
    """What happened to one file."""

    path: str
    """The new path; the old one for a deleted file."""
    change: Change
    remarks: tuple[str, ...]
    """Such as "mode 100644 → 100755", "binary"."""
    added: int
    removed: int
    hunks: tuple[int, ...]
    """Positions in `Diff.hunks`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Diff:
    """A whole diff; `hunks` is flat, in reading order."""

    files: tuple[ShownFile, ...] = ()
    hunks: tuple[ShownHunk, ...] = ()
    hidden: tuple[str, ...] = ()
    """Names of control and invisible characters anywhere in it."""
    long_lines: int = 0
    """Lines longer than what is drawn."""


def diff_to_show(text: str) -> Diff:
    """What `git diff` printed, ready to be drawn; text that is not a diff gives an empty one."""
    read = read_diff(text)
    files: list[ShownFile] = []
    hunks: list[ShownHunk] = []
    for index, file in enumerate(read.files):
        first = len(hunks)
        hunks.extend(_shown_hunk(index, hunk) for hunk in file.hunks)
        remarks = _remarks(file)
        if not file.hunks:
            # A change without lines must be looked at as well: it becomes a hunk of its own.
            hunks.append(_remark(index, ", ".join(remarks) or f"{file.change.value}, no lines"))
        if index == len(read.files) - 1 and read.problem is not None:
            hunks.append(_remark(index, f"not all of the diff can be shown: {read.problem}"))
        files.append(
            ShownFile(
                path=file.path,
                change=file.change,
                remarks=remarks,
                added=sum(line.sign == "+" for hunk in file.hunks for line in hunk.lines),
                removed=sum(line.sign == "-" for hunk in file.hunks for line in hunk.lines),
                hunks=tuple(range(first, len(hunks))),
            )
        )
    return Diff(
        files=tuple(files),
        hunks=tuple(hunks),
        hidden=hidden_characters(text),
        long_lines=sum(len(line.text) > MAX_LINE_CHARACTERS for h in hunks for line in h.lines),
    )


def shown_lines(hunk: Hunk) -> tuple[ShownLine, ...]:
    """The lines of a hunk with their numbers, a missing line feed as a remark of its own."""
    rows: list[ShownLine] = []
    for old, new, line in hunk.numbered():
        rows.append(ShownLine(sign=line.sign, old=old, new=new, text=line.text))
        if not line.is_ended:
            rows.append(ShownLine(sign="\\", old=None, new=None, text=NO_NEWLINE[2:]))
    return tuple(rows)


def _shown_hunk(index: int, hunk: Hunk) -> ShownHunk:
    return ShownHunk(
        file_index=index,
        old_start=hunk.old_start,
        new_start=hunk.new_start,
        context=hunk.heading,
        lines=shown_lines(hunk),
    )


def _remark(index: int, words: str) -> ShownHunk:
    return ShownHunk(file_index=index, old_start=0, new_start=0, context=words, lines=())


def _remarks(file: FileDiff) -> tuple[str, ...]:
    remarks = []
    if file.change in (Change.RENAMED, Change.COPIED):
        remarks.append(f"from {file.old_path}")
    if file.change is Change.ADDED and file.new_mode not in (None, PLAIN_MODE):
        remarks.append(f"mode {file.new_mode}")
    if file.old_mode and file.new_mode and file.old_mode != file.new_mode:
        remarks.append(f"mode {file.old_mode} → {file.new_mode}")
    if file.is_binary:
        remarks.append("binary, not shown")
    return tuple(remarks)


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


def paired_rows(hunk: ShownHunk) -> Iterator[tuple[ShownLine | None, ShownLine | None]]:
    """Old and new side by side: unchanged lines together, a run of removals beside the run of additions."""
    removed: list[ShownLine] = []
    added: list[ShownLine] = []

    def flush() -> Iterator[tuple[ShownLine | None, ShownLine | None]]:
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
