"""Exact replacement in a text, with answers that let a model mend its own mistake."""

import difflib

NEAREST_CONTEXT_LINES = 2
MAX_LINES_COMPARED = 20_000
MAX_OCCURRENCES = 100


class EditError(ValueError):
    """The text to replace is not there, or not once; the message is the tool's answer.

    `shown` holds lines of the file that go with it, which are untrusted.
    """

    def __init__(self, message: str, *, shown: str = "") -> None:
        super().__init__(message)
        self.shown = shown


def replace_once(text: str, old: str, new: str, *, everywhere: bool = False) -> str:
    """The text with `old` replaced by `new`.

    Args:
        text: The whole file.
        old: What to find, exactly, whitespace included.
        new: What to put there.
        everywhere: Replace every occurrence instead of refusing when there are several.

    Raises:
        EditError: `old` is empty, not found, found several times, or equal to `new`.
    """
    if not old:
        raise EditError("`old` is empty; to create or replace a whole file use `write`.")
    if old == new:
        raise EditError("`old` and `new` are the same; nothing would change.")
    lines = occurrences(text, old)
    if len(lines) == 1 or (lines and everywhere):
        return text.replace(old, new)
    if not lines:
        hint, shown = nearest(text, old)
        raise EditError(f"`old` was not found. {hint}", shown=shown)
    places = ", ".join(str(line) for line in lines[:20])
    raise EditError(
        f"`old` was found {len(lines)} times, at lines {places}. Add lines around it so that it is "
        "unique, or set everywhere=true."
    )


def occurrences(text: str, part: str) -> list[int]:
    """1-based line numbers where a part of a text starts, overlapping places included, up to 100."""
    found: list[int] = []
    at = text.find(part)
    while at >= 0 and len(found) < MAX_OCCURRENCES:
        found.append(text.count("\n", 0, at) + 1)
        at = text.find(part, at + 1)
    return found


def nearest(text: str, old: str) -> tuple[str, str]:
    """What in the text is most like `old`: a sentence, and the lines with their numbers."""
    lines, wanted = text.split("\n"), old.strip("\n").split("\n")
    if not text or not old.strip("\n"):
        return ("The file is empty." if not text else "`old` holds only blank lines."), ""
    if len(lines) > MAX_LINES_COMPARED:
        return "The file is too long to look for something similar; view it.", ""
    start = _best_start(lines, wanted)
    first = max(0, start - NEAREST_CONTEXT_LINES)
    last = min(len(lines), start + len(wanted) + NEAREST_CONTEXT_LINES)
    shown = "\n".join(f"{n + 1:6}\t{lines[n]}" for n in range(first, last))
    found = lines[start : start + len(wanted)]
    hint = ""
    if [line.strip() for line in found] == [line.strip() for line in wanted]:
        hint = " It differs in whitespace only: copy the indentation exactly."
    return f"The nearest match is below.{hint}", shown


def _best_start(lines: list[str], wanted: list[str]) -> int:
    """Line index where a block most like `wanted` starts.

    Equal stripped lines vote for the block start they imply; ratio of characters breaks ties and
    serves when no line is equal.
    """
    votes: dict[int, int] = {}
    positions: dict[str, list[int]] = {}
    for index, line in enumerate(lines):
        positions.setdefault(line.strip(), []).append(index)
    for offset, line in enumerate(wanted):
        if line.strip():
            for index in positions.get(line.strip(), [])[:50]:
                start = max(0, index - offset)
                votes[start] = votes.get(start, 0) + 1
    if votes:
        return max(votes, key=lambda start: (votes[start], -start))
    anchor = max(wanted, key=lambda line: len(line.strip())).strip()
    offset = next(i for i, line in enumerate(wanted) if line.strip() == anchor)
    close = difflib.get_close_matches(anchor, [line.strip() for line in lines[:5000]], 1, 0.3)
    return max(0, positions[close[0]][0] - offset) if close else 0
