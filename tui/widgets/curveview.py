"""Curves in braille: several series in one plot, log scale, smoothing over a raw envelope, gaps for NaN."""

from collections.abc import Sequence
from typing import ClassVar

import numpy as np
from textual.binding import BindingType

from rsi.tui.draw.styled import DASH, EMPTY_LINE, Line, Role, Span, fit
from rsi.tui.model.commands import Scope, bindings
from rsi.tui.model.curves import (
    Cells,
    Frame,
    Series,
    draw_curve,
    frame_of,
    gap_count,
    smoothed,
    value_at,
)
from rsi.tui.widgets.lines import LinesView

SERIES_ROLES = (Role.SERIES_A, Role.SERIES_B, Role.SERIES_C, Role.SERIES_D)
SMOOTHING = 0.9
_AXIS_CELLS = 9
_NO_CELL = (0, Role.TEXT)


class CurveView(LinesView):
    """Draws what it was given; recomputes only when data, size or a setting changed."""

    BINDINGS: ClassVar[list[BindingType]] = bindings(Scope.CURVE)

    def __init__(
        self,
        *,
        heading: str = "Curve",
        x_label: str = "",
        dom_id: str | None = None,
        classes: str | None = None,
    ) -> None:
        super().__init__(heading=heading, dom_id=dom_id, classes=classes)
        self.x_label = x_label
        self.is_log = False
        self.is_smooth = False
        self.series: tuple[Series, ...] = ()
        self._probe: float | None = None
        self._lines: list[Line] = []
        self._lines_key: tuple[object, ...] = ()

    def set_series(self, series: Sequence[Series]) -> None:
        """Show other curves, at most four; the first is the reference (champion)."""
        new = tuple(series[: len(SERIES_ROLES)])
        if new == self.series:
            return
        self.series = new
        self._redraw()

    def action_toggle_log(self) -> None:
        self.is_log = not self.is_log
        self._redraw()

    def action_toggle_smooth(self) -> None:
        self.is_smooth = not self.is_smooth
        self._redraw()

    def action_probe(self, step: int) -> None:
        frame = frame_of(self.series, is_log=self.is_log)
        if frame is None:
            return
        width = frame.x_high - frame.x_low
        at = frame.x_high if self._probe is None else self._probe + step * width / 40
        self._probe = min(frame.x_high, max(frame.x_low, at))
        self._redraw()

    def line_count(self) -> int:
        return len(self._lines)

    def line_at(self, index: int) -> Line:
        return self._lines[index]

    def on_resize(self) -> None:
        self._redraw()

    def _redraw(self) -> None:
        rows, columns = self.size.height - 2 - bool(self.heading), self.size.width - _AXIS_CELLS - 1
        key = (self.series, rows, columns, self.is_log, self.is_smooth, self._probe)
        if key == self._lines_key:
            return
        self._lines_key = key
        frame = frame_of(self.series, is_log=self.is_log)
        if frame is None or rows < 2 or columns < 8:
            self._lines = []
        else:
            self._lines = [
                *self._plot(frame, rows, columns),
                self._x_axis(frame, columns),
                self._legend(),
            ]
        self._set_notes()
        self.lines_changed()

    def _plot(self, frame: Frame, rows: int, columns: int) -> list[Line]:
        layers: list[tuple[Cells, Role]] = []
        for each, role in zip(self.series, SERIES_ROLES, strict=False):
            if self.is_smooth:
                layers.append((draw_curve(each, frame, rows, columns), Role.RULE))
                each = smoothed(each, SMOOTHING)
            layers.append((draw_curve(each, frame, rows, columns), role))
        probe = None
        if self._probe is not None:
            probe = round(
                (self._probe - frame.x_low) / (frame.x_high - frame.x_low) * (columns - 1)
            )
        return [
            ((_y_label(frame, row, rows), Role.DIM), *_row_spans(layers, row, columns, probe))
            for row in range(rows)
        ]

    def _x_axis(self, frame: Frame, columns: int) -> Line:
        low, high = _short(frame.x_low), _short(frame.x_high)
        middle = self.x_label
        gap = max(1, columns - len(low) - len(high) - len(middle))
        text = low + " " * (gap // 2) + middle + " " * (gap - gap // 2) + high
        return ((" " * _AXIS_CELLS + text, Role.DIM),)

    def _legend(self) -> Line:
        spans: list[Span] = [(" " * _AXIS_CELLS, Role.DIM)]
        for each, role in zip(self.series, SERIES_ROLES, strict=False):
            at = self._probe if self._probe is not None else (each.xs[-1] if each.xs else 0.0)
            value = value_at(each, at)
            shown = DASH if value is None else f"{value:.4g}"
            spans.append((f"━ {each.name} ", role))
            spans.append((f"{shown}  ", Role.STRONG))
        if self._probe is not None:
            spans.append((f"at {_short(self._probe)}", Role.DIM))
        return tuple(spans)

    def _set_notes(self) -> None:
        parts: list[Span] = []
        gaps = [(each.name, gap_count(each)) for each in self.series]
        for name, count in gaps:
            if count:
                parts.append((f"▲ {name}: {count} not a number  ", Role.BAD))
        flags = [
            word for word, is_on in (("log", self.is_log), ("smooth", self.is_smooth)) if is_on
        ]
        if flags:
            parts.append((" ".join(flags), Role.ACCENT))
        self.set_note(tuple(parts) or EMPTY_LINE)


def _row_spans(
    layers: Sequence[tuple[Cells, Role]], row: int, columns: int, probe: int | None
) -> list[Span]:
    cells: list[tuple[int, Role]] = [_NO_CELL] * columns
    for masks, role in layers:
        line = masks[row]
        for column in np.flatnonzero(line).tolist():
            cells[column] = (cells[column][0] | int(line[column]), role)
    spans: list[Span] = []
    text, current = "", Role.TEXT
    for column, (mask, role) in enumerate(cells):
        character = chr(0x2800 + mask) if mask else "│" if column == probe else " "
        role = role if mask else Role.RULE
        if role != current and text:
            spans.append((text, current))
            text = ""
        current = role
        text += character
    spans.append((text, current))
    return spans


def _y_label(frame: Frame, row: int, rows: int) -> str:
    if row not in (0, rows // 2, rows - 1):
        return " " * (_AXIS_CELLS - 1) + "│"
    share = 1 - row / (rows - 1)
    value = frame.y_low + (frame.y_high - frame.y_low) * share
    return fit(_short(10**value if frame.is_log else value), _AXIS_CELLS - 2, align="right") + " ┤"


def _short(value: float) -> str:
    if value == int(value) and abs(value) < 1e6:
        return str(int(value))
    return f"{value:.4g}"
