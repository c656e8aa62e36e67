"""The effect, pair by pair: each pair's ratio as a dot, the interval after it as a bar that narrows."""

import math
from collections.abc import Sequence

from rsi.evals.types import Interval
from rsi.tui.draw.forest import Axis
from rsi.tui.draw.styled import DASH, EMPTY_LINE, TIMES, Line, Role, Span
from rsi.tui.model.pairs import PairPoint
from rsi.tui.widgets.lines import LinesView

_LABEL_CELLS = 18


class EffectView(LinesView):
    """A forest plot that grows while a round is measured."""

    def __init__(
        self,
        *,
        heading: str = "Effect",
        dom_id: str | None = None,
        classes: str | None = None,
    ) -> None:
        super().__init__(heading=heading, dom_id=dom_id, classes=classes)
        self.points: tuple[PairPoint, ...] = ()
        self.final: Interval | None = None
        self.least_ratio: float | None = None

    def set_points(
        self,
        points: Sequence[PairPoint],
        *,
        final: Interval | None = None,
        least_ratio: float | None = None,
    ) -> None:
        """Show other pairs.

        Args:
            points: In the order of measuring.
            final: The scored interval, when there is one.
            least_ratio: Ratio that counts as better, such as 1.02; None when not known.
        """
        new = tuple(points)
        if (new, final, least_ratio) == (self.points, self.final, self.least_ratio):
            return
        self.points, self.final, self.least_ratio = new, final, least_ratio
        self.lines_changed()
        self.scroll_to(y=self.max_scroll_y, animate=False, force=True)

    def line_count(self) -> int:
        return len(self.points) + (1 if self.final else 0)

    def line_at(self, index: int) -> Line:
        if index >= len(self.points):
            return self._scored_line()
        point = self.points[index]
        value = DASH.rjust(6) if point.ratio is None else f"{point.ratio:5.2f}{TIMES}"
        head: Span = (f"{point.label[:10]:<11}{value} ", Role.DIM)
        if point.ratio is None and point.interval is None:
            return (head, (f"▲ {point.remark}", Role.WARN))
        return (head, *self._bar(point.interval, point.ratio, Role.SERIES_B))

    @property
    def sticky_count(self) -> int:
        return super().sticky_count + (self._scale() is not None)

    def sticky_lines(self) -> tuple[Line, ...]:
        heading = super().sticky_lines()
        scale = self._scale()
        if scale is None:
            return heading
        low, high = scale.low, scale.high
        labels = [(1.0, "1.00")] if low < 1.0 < high else []
        if self.least_ratio is not None and low < self.least_ratio < high:
            labels.append((self.least_ratio, f"{self.least_ratio:.2f}"))
        labels += [(high, f"{high:.2f}"), (low, f"{low:.2f}")]
        text = scale.labels(labels)
        return (*heading, ((" " * _LABEL_CELLS, Role.DIM), (text, Role.DIM)))

    def _scored_line(self) -> Line:
        if self.final is None:
            return EMPTY_LINE
        head: Span = (f"{'scored':<11}{self.final.estimate:5.2f}{TIMES} ", Role.STRONG)
        return (head, *self._bar(self.final, None, Role.ACCENT))

    def _bar(self, interval: Interval | None, ratio: float | None, role: Role) -> list[Span]:
        scale = self._scale()
        if scale is None:
            return []
        cells = scale.bar(interval, role)
        for value, sign in ((1.0, "┊"), (self.least_ratio, "╎")):
            if value is not None:
                scale.mark(cells, value, sign)
        if ratio is not None:
            cells[scale.position(ratio)] = ("●", Role.GOOD if ratio > 1 else Role.BAD)
        return cells

    def _scale(self) -> Axis | None:
        columns = self.size.width - _LABEL_CELLS - 2
        values = [point.ratio for point in self.points if point.ratio is not None]
        spread = [1.0, *values]
        for interval in (self.final, *(p.interval for p in self.points[-3:])):
            if interval is not None:
                spread += [interval.low, interval.high]
        if self.least_ratio is not None:
            spread.append(self.least_ratio)
        spread = [value for value in spread if math.isfinite(value) and value > 0]
        if columns < 12 or (not values and self.final is None):
            return None
        # Early intervals can be absurdly wide; the pairs themselves decide the scale then.
        largest, smallest = max(values, default=1.0), min(values, default=1.0)
        low = max(min(spread), min(smallest, 1.0) / 2)
        high = min(max(spread), max(largest, 1.0) * 2)
        pad = (math.log(high) - math.log(low)) * 0.05 or 0.05
        return Axis(
            low=math.exp(math.log(low) - pad), high=math.exp(math.log(high) + pad), columns=columns
        )
