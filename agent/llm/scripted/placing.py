"""Where a patch goes in files that have moved: its hunks become exact replacements, located by their context.

Does not: touch a file; it works on texts. Invariant: a patch is placed whole, ends of lines and of files included, or
`NotPlacedError` says which part finds something else.
"""

from collections.abc import Iterator, MutableMapping, Sequence
from dataclasses import dataclass
from shlex import quote

from rsi.tasks.files.diffs import EXECUTABLE_MODE, PLAIN_MODE, Change, FileDiff, Hunk, lines_of

MAX_FUZZ = 2
"""Context lines that may be ignored at either end of a hunk, as `patch` does."""

Texts = MutableMapping[str, str | None]
"""Content by path; None for a file that is not there."""


class NotPlacedError(ValueError):
    """A part of a patch does not fit; the message names it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """An exact replacement: `old` occurs once in the file."""

    path: str
    old: str
    new: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Write:
    """A whole file."""

    path: str
    content: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """A shell command, for what no edit can say."""

    line: str


Action = Edit | Write | Command


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """Where a hunk fits, in lines with their ends."""

    first: int
    old: Sequence[str]
    new: Sequence[str]

    def played(self, lines: Sequence[str]) -> list[str]:
        return [*lines[: self.first], *self.new, *lines[self.first + len(self.old) :]]


def place(files: Sequence[FileDiff], texts: Texts) -> list[tuple[Action, ...]]:
    """What has to be done to play a patch, file by file.

    Args:
        files: The patch.
        texts: Every file that it names, as it is; afterwards as it will be.

    Raises:
        NotPlacedError: A part of the patch does not fit; nothing of it should be played.
    """
    return [tuple(_actions(file, texts)) for file in _in_order(files)]


def is_lacking(files: Sequence[FileDiff], texts: Texts) -> bool:
    """Whether a patch has surely not been played: some part of it still fits and has left no trace.

    A part that fits neither way says nothing: what came later may have changed it.
    """
    return any(_has_gap(file, texts) for file in files)


def _in_order(files: Sequence[FileDiff]) -> list[FileDiff]:
    """Copies while their sources are as they were, then removals, then moves, each to a place that is free by then."""
    by_change = {change: [file for file in files if file.change is change] for change in Change}
    moves = []
    left = by_change[Change.RENAMED]
    while left:
        sources = {file.old_path for file in left}
        free = next((file for file in left if file.new_path not in sources), left[0])
        left.remove(free)
        moves.append(free)
    head = [*by_change[Change.COPIED], *by_change[Change.DELETED], *moves]
    return head + [file for file in files if file.change in (Change.ADDED, Change.MODIFIED)]


def _actions(file: FileDiff, texts: Texts) -> Iterator[Action]:
    before = "" if file.old_path is None else texts[file.old_path]
    if before is None:
        raise NotPlacedError(f"there is no {file.old_path}")
    if file.change is not Change.MODIFIED and texts.get(file.new_path or "") is not None:
        raise NotPlacedError(f"{file.new_path} is there already")
    edits, after = _played(file, before)
    if file.change in (Change.DELETED, Change.RENAMED):
        texts[file.old_path or ""] = None
    if file.new_path is None:
        if after:
            raise NotPlacedError(f"{file.path} holds more than what is removed")
        yield Command(line=f"rm -- {quote(file.path)}")
        return
    texts[file.new_path] = after
    if file.change in (Change.RENAMED, Change.COPIED):
        folder = file.new_path.rpartition("/")[0] or "."
        verb = "cp -p" if file.is_copy else "mv"
        names = f"{quote(file.old_path or '')} {quote(file.new_path)}"
        yield Command(line=f"mkdir -p -- {quote(folder)} && {verb} -- {names}")
    if file.old_path is None or (not before and after) or _changes_ends(before, after):
        yield Write(path=file.new_path, content=after)
    else:
        yield from (Edit(path=file.new_path, old=old, new=new) for old, new in edits)
    if file.new_mode not in (None, file.old_mode or PLAIN_MODE):
        sign = "+" if file.new_mode == EXECUTABLE_MODE else "-"
        yield Command(line=f"chmod {sign}x -- {quote(file.new_path)}")


def _changes_ends(before: str, after: str) -> bool:
    """Whether a file whose lines all end in CRLF gets others: an edit keeps line ends, so it is written whole."""
    return bool(after) and _is_crlf(before) and not _is_crlf(after)


def _is_crlf(text: str) -> bool:
    return text.count("\n") == text.count("\r\n") > 0


def _played(file: FileDiff, before: str) -> tuple[list[tuple[str, str]], str]:
    """Exact replacements one after the other, and the file after them."""
    lines, edits, drift = lines_of(before), [], 0
    for number, hunk in enumerate(file.hunks, start=1):
        found = _locate(hunk, lines, drift)
        if found is None:
            raise NotPlacedError(f"hunk {number} of {file.path} finds other lines there")
        if lines and found.old != found.new:
            edits.append(_unique(lines, found))
        drift += len(found.new) - len(found.old)
        lines = found.played(lines)
    return edits, "".join(lines)


def _locate(hunk: Hunk, lines: Sequence[str], drift: int) -> _Place | None:
    """The nearest place where a hunk fits, with as much of its context as can be had.

    Args:
        hunk: What to change.
        lines: The file as it is now.
        drift: Lines by which earlier hunks moved the file.
    """
    is_at_end = not all(line.is_ended for line in hunk.lines)
    for fuzz in range(MAX_FUZZ + 1):
        tags = [line.sign for line in hunk.lines]
        head = min(fuzz, _count_context(tags))
        tail = 0 if is_at_end else min(fuzz, _count_context(tags[::-1]))
        if fuzz and max(head, tail) < fuzz:
            continue
        old, new = (side[head : len(side) - tail] for side in (hunk.old, hunk.new))
        expected = hunk.old_start - bool(hunk.old) + drift + head
        places = _places(old, lines) if old else [min(max(0, expected), len(lines))]
        # Without a line to go by the number alone decides: only where the patch itself has none, or there is none.
        if not old and lines and hunk.old:
            continue
        fitting = [at for at in places if _fits(at, old, new, lines, is_at_end=is_at_end)]
        if fitting:
            nearest = min(fitting, key=lambda at: abs(at - expected))
            return _Place(first=nearest, old=old, new=new)
    return None


def _count_context(tags: Sequence[str]) -> int:
    return next((number for number, tag in enumerate(tags) if tag != " "), len(tags))


def _places(old: Sequence[str], lines: Sequence[str]) -> list[int]:
    wanted = tuple(old)
    last = len(lines) - len(wanted)
    return [at for at in range(last + 1) if tuple(lines[at : at + len(wanted)]) == wanted]


def _fits(
    at: int, old: Sequence[str], new: Sequence[str], lines: Sequence[str], *, is_at_end: bool
) -> bool:
    """Whether no line without an end would come to lie inside the file."""
    end = at + len(old)
    follows_open_line = at > 0 and new and not lines[at - 1].endswith("\n")
    return not follows_open_line and (not is_at_end or end == len(lines))


def _unique(lines: Sequence[str], found: _Place) -> tuple[str, str]:
    """Old and new text, widened by neighbouring lines until the old one occurs once in the file."""
    text = "".join(lines)
    first, last = found.first, found.first + len(found.old)
    while True:
        before, after = lines[first : found.first], lines[found.first + len(found.old) : last]
        old = "".join((*before, *found.old, *after))
        if old and text.find(old) == text.rfind(old):
            return old, "".join((*before, *found.new, *after))
        if first > 0:
            first -= 1
        else:
            last += 1


def _has_gap(file: FileDiff, texts: Texts) -> bool:
    match file.change:
        case Change.DELETED:
            return texts[file.path] is not None
        case Change.MODIFIED:
            lines = lines_of(texts[file.path] or "")
            would_fit = (hunk for hunk in file.hunks if not hunk.old or _places(hunk.old, lines))
            return any(not hunk.new or not _places(hunk.new, lines) for hunk in would_fit)
        case _:
            return texts[file.path] is None
