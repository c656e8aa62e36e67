"""One row of a forest plot: an interval as a bar on a logarithmic axis."""

import math
from dataclasses import dataclass

from rsi.evals.types import Interval
from rsi.tui.draw.styled import Role, Span


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """A logarithmic axis of so many cells."""

    low: float
    high: float
    columns: int

    def position(self, value: float) -> int:
        """The cell of a value; what lies beyond an end is at that end."""
        if value <= 0 or not math.isfinite(value):
            return 0 if value <= 0 else self.columns - 1
        share = (math.log(value) - math.log(self.low)) / (math.log(self.high) - math.log(self.low))
        return min(self.columns - 1, max(0, round(share * (self.columns - 1))))

    def bar(self, interval: Interval | None, role: Role) -> list[Span]:
        """Cells with an interval in them: an end that lies beyond the axis has no stroke across."""
        cells: list[Span] = [(" ", Role.RULE)] * self.columns
        if interval is not None:
            start, end = self.position(interval.low), self.position(interval.high)
            cells[start : end + 1] = [("─", role)] * (end + 1 - start)
            if interval.low >= self.low:
                cells[start] = ("├", role)
            if interval.high <= self.high:
                cells[end] = ("┤", role)
            cells[self.position(interval.estimate)] = ("┼", role)
        return cells

    def mark(self, cells: list[Span], value: float, sign: str) -> None:
        """A line through all rows, where nothing more important stands."""
        if self.low <= value <= self.high and cells[self.position(value)][0] in " ─":
            cells[self.position(value)] = (sign, Role.DIM)

    def labels(self, wanted: list[tuple[float, str]]) -> str:
        """Numbers below their places; the first ones win where there is no room for all."""
        cells = [" "] * self.columns
        for value, text in wanted:
            at = self.position(value)
            at = min(max(0, at - len(text) // 2), self.columns - len(text))
            if all(cell == " " for cell in cells[max(0, at - 1) : at + len(text) + 1]):
                cells[at : at + len(text)] = text
        return "".join(cells)
