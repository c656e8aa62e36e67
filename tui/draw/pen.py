"""The one place where lines become terminal cells.

Only `Pen.strip` turns text into segments, and it passes every piece of it through `safe_line`.
Invariant: no widget of the cockpit makes a `Segment` from text by another way.
"""

from collections.abc import Mapping, Sequence

from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

from rsi.tui.draw.safe import safe_line
from rsi.tui.draw.styled import Role, Span


class Pen:
    """Roles to styles for one theme, and lines to strips."""

    def __init__(self, styles: Mapping[Role, Style]) -> None:
        self._styles = dict(styles)
        self._combined: dict[tuple[Style, Role], Style] = {}

    def style(self, role: Role, base: Style | None = None) -> Style:
        """The style of a role, on a base when one is given."""
        if base is None:
            return self._styles[role]
        key = (base, role)
        found = self._combined.get(key)
        if found is None:
            if len(self._combined) > 2_000:
                self._combined.clear()
            found = self._combined[key] = base + self._styles[role]
        return found

    def strip(
        self,
        spans: Sequence[Span],
        width: int,
        base: Style,
        *,
        scroll_x: int = 0,
        over: Role | None = None,
    ) -> Strip:
        """Draw a line: safe, styled, exactly `width` cells.

        Args:
            spans: The line.
            width: Cells.
            base: Style below every role, which also fills what is left.
            scroll_x: Cells scrolled out to the left.
            over: A role laid over all of it, such as the cursor's.
        """
        fill = base if over is None else self.style(over, base)
        segments = []
        for text, role in spans:
            if text:
                style = self.style(role, base)
                if over is not None:
                    style += self._styles[over]
                segments.append(Segment(safe_line(text), style))
        return Strip(segments).crop_extend(scroll_x, scroll_x + width, fill)
