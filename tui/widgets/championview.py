"""The champion over a lineage's rounds: what each move left it at, against the baseline, with its interval."""

from collections.abc import Sequence

from rsi.agent.report.champions import ChampionPoint, Move
from rsi.evals.types import Interval
from rsi.tui.draw.forest import Axis
from rsi.tui.draw.phrases import interval, ratio
from rsi.tui.draw.styled import EMPTY_LINE, Line, Role, Span
from rsi.tui.widgets.lines import LinesView

WORDS: dict[Move, tuple[str, Role]] = {
    Move.BASELINE: ("· baseline", Role.DIM),
    Move.PROMOTION: ("✔ promoted", Role.GOOD),
    Move.ROLLBACK: ("↩ put back", Role.WARN),
    Move.AUDIT: ("◎ audited", Role.ACCENT),
}
BARS = "▁▂▃▄▅▆▇█"
_PLACE_CELLS, _TOTAL_CELLS, _NUMBER_CELLS, _QUALITY_CELLS = 17, 24, 22, 34
_ROOMY_CELLS = 130
"""From this width on there is room for the quality beside it."""
_LEAST_BAR_CELLS = 16


class ChampionView(LinesView):
    """A forest plot of totals, newest at the bottom; a total that nobody measured whole is not drawn."""

    def __init__(self, *, heading: str = "Champion over rounds", dom_id: str | None = None) -> None:
        super().__init__(heading=heading, dom_id=dom_id)
        self.points: tuple[ChampionPoint, ...] = ()
        self.unit = ""

    def set_points(self, points: Sequence[ChampionPoint], *, unit: str) -> None:
        """Show other points.

        Args:
            points: Of one lineage, the baseline first.
            unit: Of the deciding number.
        """
        if (tuple(points), unit) == (self.points, self.unit):
            return
        self.points, self.unit = tuple(points), unit
        self.lines_changed()
        self.scroll_to(y=self.max_scroll_y, animate=False, force=True)

    def line_count(self) -> int:
        return len(self.points)

    def line_at(self, index: int) -> Line:
        point = self.points[index]
        word, role = WORDS[point.move]
        if point.move is Move.AUDIT and not point.is_supported:
            word, role = "▲ audited", Role.WARN
        place = f"{point.place:>4} {word}"
        spans: list[Span] = [(f"{place:<{_PLACE_CELLS}}", role), *self._total(point)]
        if (axis := self._axis()) is not None:
            cells = axis.bar(point.total, role)
            axis.mark(cells, 1.0, "┊")
            spans += cells
        if point.absolute is not None:
            before, after = point.absolute
            text = f" {before:.3g} → {after:.3g} {self.unit}"
            spans.append((f"{text:<{_NUMBER_CELLS}}", Role.TEXT))
        if self.size.width >= _ROOMY_CELLS:
            spans.append((_quality(point), Role.DIM))
        return tuple(spans)

    def _total(self, point: ChampionPoint) -> list[Span]:
        if point.move is Move.BASELINE:
            return [(f"{ratio(1.0):<{_TOTAL_CELLS}}", Role.DIM)]
        if point.total is not None:
            return [(f"{interval(point.total):<{_TOTAL_CELLS}}", Role.TEXT)]
        # Steps are never multiplied up, so a step is said as one.
        text = "" if point.step is None else f"↑{ratio(point.step.estimate)} in this step"
        return [(f"{text:<{_TOTAL_CELLS}}", Role.DIM)]

    def height_for(self, width: int) -> int:
        """Lines that show everything at a width."""
        return len(self.points) + 1 + (self._axis_for(width) is not None)

    def on_resize(self) -> None:
        self.lines_changed()
        self.scroll_to(y=self.max_scroll_y, animate=False, force=True)

    def _axis(self) -> Axis | None:
        return self._axis_for(self.size.width)

    def _axis_for(self, width: int) -> Axis | None:
        room = width - _PLACE_CELLS - _TOTAL_CELLS - 2
        numbers = _NUMBER_CELLS if any(point.absolute for point in self.points) else 0
        columns = room - numbers - (_QUALITY_CELLS if width >= _ROOMY_CELLS else 0)
        totals = [point.total for point in self.points if point.total is not None]
        if columns < _LEAST_BAR_CELLS or len(totals) < 2:
            return None
        return Axis(
            low=min(1.0, *(each.low for each in totals)) * 0.98,
            high=max(1.0, *(each.high for each in totals)) * 1.02,
            columns=columns,
        )

    def sticky_lines(self) -> tuple[Line, ...]:
        axis = self._axis()
        heading = super().sticky_lines()
        if axis is None:
            return heading
        labels = [(1.0, "1.00"), (axis.high, f"{axis.high:.2f}")]
        text = axis.labels(labels)
        return (*heading, ((" " * (_PLACE_CELLS + _TOTAL_CELLS), Role.DIM), (text, Role.DIM)))

    @property
    def sticky_count(self) -> int:
        return super().sticky_count + (self._axis() is not None)


def _quality(point: ChampionPoint) -> str:
    """The first quality that a promotion kept, before and after it."""
    for each in point.qualities:
        if each.champion_mean is not None and each.candidate_mean is not None:
            return f" {each.name} {each.champion_mean:.4g} → {each.candidate_mean:.4g}"
    return ""


def champion_line(points: Sequence[ChampionPoint]) -> Line:
    """The same in one line: a bar for each total that was measured, and where it stands."""
    totals = [point.total for point in points if point.total is not None]
    promotions = sum(point.move is Move.PROMOTION for point in points)
    if not promotions:
        return EMPTY_LINE
    spans: list[Span] = [("champion  ", Role.DIM)]
    if len(totals) > 1:
        spans.append((f"{sparkline(totals)} ", Role.GOOD))
    last = points[-1].total
    if last is not None:
        spans.append((f"{interval(last)} ", Role.GOOD))
    number = "1 promotion" if promotions == 1 else f"{promotions} promotions"
    return (*spans, (f"after {number}", Role.DIM))


def sparkline(totals: Sequence[Interval], most: int = 24) -> str:
    """A bar for each estimate, the lowest at the bottom; of more than `most` some, the first and the last among them."""
    values = [each.estimate for each in totals]
    if len(values) > most:
        values = [values[round(at * (len(values) - 1) / (most - 1))] for at in range(most)]
    low, high = min(values), max(values)
    if high <= low:
        return BARS[0] * len(values)
    return "".join(BARS[round((each - low) / (high - low) * (len(BARS) - 1))] for each in values)
