"""A file's text as a model sees it, and edits that keep what it does not see: line ends and a byte order mark.

Invariant: what `shown` holds is what an edit is compared with; what was not replaced keeps its bytes.
"""

import re
from dataclasses import dataclass
from enum import StrEnum

from rsi.agent.roles.proposer.workbench.edits import EditError, replace_once

BOM = "\ufeff"
CRLF = "\r\n"


class LineEnds(StrEnum):
    """How the lines of a file end."""

    LF = "lf"
    CRLF = "crlf"
    MIXED = "mixed"


@dataclass(frozen=True, slots=True, kw_only=True)
class FileText:
    """The decoded content of one file."""

    raw: str
    """Without a byte order mark."""
    has_bom: bool
    ends: LineEnds

    @property
    def shown(self) -> str:
        """The text as a model reads and quotes it; mixed line ends stay, since only they tell lines apart."""
        return self.raw.replace(CRLF, "\n") if self.ends is LineEnds.CRLF else self.raw

    @property
    def remarks(self) -> str:
        """What is not seen in the text, as the end of a sentence; empty when there is nothing."""
        ends = {LineEnds.LF: "", LineEnds.CRLF: ", with CRLF line ends (edits keep them)"}
        remark = ends.get(self.ends, ", with mixed line ends (edits keep them)")
        return remark + (", after a byte order mark" if self.has_bom else "")

    def whole(self, raw: str) -> str:
        """Another raw text as the content of this file."""
        return BOM + raw if self.has_bom else raw

    def replaced(self, old: str, new: str, *, everywhere: bool = False) -> str:
        """The whole content with `old` replaced by `new`; see `edits.replace_once`.

        Raises:
            EditError: As `replace_once` raises it.
        """
        if self.has_bom and old.startswith(BOM):
            old, new = old.removeprefix(BOM), new.removeprefix(BOM)
        if self.ends is LineEnds.CRLF:
            old, new = old.replace(CRLF, "\n"), new.replace(CRLF, "\n")
        try:
            changed = replace_once(self.shown, old, new, everywhere=everywhere)
        except EditError:
            mended = self._replaced_over_mixed_ends(old, new, everywhere=everywhere)
            if mended is None:
                raise
            return self.whole(mended)
        return self.whole(self._with_ends(changed))

    def inserted(self, after_line: int, text: str) -> str:
        """The whole content with lines put behind a line, 0 for the front; the caller has checked the number."""
        lines, is_open = lines_of(self.shown), bool(self.raw) and not self.raw.endswith("\n")
        text = text.replace(CRLF, "\n") if self.ends is LineEnds.CRLF else text
        added = text.removesuffix("\n").split("\n")
        end = "" if is_open and after_line < len(lines) else "\n"
        changed = "\n".join((*lines[:after_line], *added, *lines[after_line:])) + end
        return self.whole(self._with_ends(changed))

    def _with_ends(self, shown: str) -> str:
        return shown.replace("\n", CRLF) if self.ends is LineEnds.CRLF else shown

    def _replaced_over_mixed_ends(self, old: str, new: str, *, everywhere: bool) -> str | None:
        """The raw text with what differs from `old` in line ends alone replaced; None when that is not one place."""
        if self.ends is not LineEnds.MIXED or not old or old == new:
            return None
        lines = old.replace(CRLF, "\n").split("\n")
        places = list(re.finditer("\r?\n".join(map(re.escape, lines)), self.raw))
        if not places or (len(places) > 1 and not everywhere):
            return None
        parts, at = [], 0
        for place in places:
            end = CRLF if CRLF in place[0] else "\n"
            parts += [self.raw[at : place.start()], new.replace(CRLF, "\n").replace("\n", end)]
            at = place.end()
        return "".join((*parts, self.raw[at:]))


def file_text(content: str) -> FileText:
    """The text of a decoded file."""
    raw = content.removeprefix(BOM)
    n_crlf, n_lf = raw.count(CRLF), raw.count("\n")
    ends = LineEnds.LF if not n_crlf else LineEnds.CRLF if n_crlf == n_lf else LineEnds.MIXED
    return FileText(raw=raw, has_bom=content.startswith(BOM), ends=ends)


def lines_of(text: str) -> list[str]:
    """Lines as editors count them: only a line feed ends one, and the last needs none."""
    lines = text.split("\n")
    return lines[:-1] if lines[-1] == "" else lines
