"""Which rows of a view were before a person's eyes long enough to count as seen.

Does not: know a terminal; it is told what was painted, what is visible and what lies over it.
Invariant: a row counts only when it was painted and has stayed visible and uncovered for `SEEN_AFTER_S` since.
"""

from collections.abc import Container

SEEN_AFTER_S = 0.3
"""What is gone sooner was never read: a first layout, a page that scrolled by."""
LOOK_EVERY_S = 0.1
"""Between two looks at what is visible."""


class Sightings:
    """When each visible row was first painted where it now is."""

    def __init__(self) -> None:
        self._since_s: dict[int, float] = {}

    def paint(self, row: int, now_s: float) -> None:
        """A row was drawn."""
        self._since_s.setdefault(row, now_s)

    def forget(self) -> None:
        """What is on the screen is drawn anew, at another size or in another order."""
        self._since_s.clear()

    def look(self, visible: range, covered: Container[int], now_s: float) -> frozenset[int]:
        """Rows that count as seen now.

        Args:
            visible: Rows inside the view; what has left it begins anew when it comes back.
            covered: Rows of these over which something else is drawn; they begin anew when it is gone.
            now_s: Seconds on the same clock as for `paint`.
        """
        self._since_s = {
            row: now_s if row in covered else since_s
            for row, since_s in self._since_s.items()
            if row in visible
        }
        return frozenset(
            row for row, since_s in self._since_s.items() if now_s - since_s >= SEEN_AFTER_S
        )
