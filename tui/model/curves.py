"""Series of numbers to braille cells: what a curve looks like, without a terminal.

Each of the two pixel columns of a cell keeps the least and the greatest value that falls into it, so a spike is never
lost to thinning. What is not a finite number is a gap, and is counted.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

LARGEST = 1e100
"""Numbers beyond it are gaps: their differences could no longer be scaled, and no curve means them."""

Floats = NDArray[np.float64]
Cells = NDArray[np.uint8]
"""Braille bit masks, shape (rows, columns)."""

_BITS = np.array([[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]], dtype=np.uint8)


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """One curve; xs need not be sorted, ys may hold NaN and infinities."""

    name: str
    xs: tuple[float, ...]
    ys: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """The part of the plane that is drawn; in log mode the y bounds are base-10 logarithms."""

    x_low: float
    x_high: float
    y_low: float
    y_high: float
    is_log: bool


def frame_of(series: Sequence[Series], *, is_log: bool) -> Frame | None:
    """The smallest frame that holds every finite point; None when there is no point.

    Args:
        series: The curves.
        is_log: Logarithmic y axis; values <= 0 are gaps then.
    """
    xs, ys = [], []
    for each in series:
        x, y = _finite(each, is_log=is_log)
        xs.append(x)
        ys.append(y)
    all_x = np.concatenate(xs) if xs else np.empty(0)
    if all_x.size == 0:
        return None
    all_y = np.concatenate(ys)
    low, high = float(all_y.min()), float(all_y.max())
    if high - low < 1e-9 * max(1e-9, abs(high)):
        pad = max(abs(high) * 0.1, 1e-6) if high or low else 1.0
        low, high = low - pad, high + pad
    x_low, x_high = float(all_x.min()), float(all_x.max())
    if x_high - x_low < 1e-9 * max(1.0, abs(x_high)):
        x_high = x_low + max(1.0, abs(x_low) * 1e-6)
    return Frame(x_low=x_low, x_high=x_high, y_low=low, y_high=high, is_log=is_log)


def draw_curve(series: Series, frame: Frame, rows: int, columns: int) -> Cells:
    """Braille masks of one curve: a min-max envelope, joined where neighbouring columns have points."""
    pixels = np.zeros((rows * 4, columns * 2), dtype=bool)
    gap_before = _gaps(series, frame)
    x, y = _finite(series, is_log=frame.is_log)
    if x.size:
        order = np.argsort(x, kind="stable")
        x, y, gap_before = x[order], y[order], gap_before[order]
        column = _scaled(x, frame.x_low, frame.x_high, columns * 2)
        row = (rows * 4 - 1) - _scaled(y, frame.y_low, frame.y_high, rows * 4)
        _fill(pixels, column, row, gap_before)
    return _to_braille(pixels)


def smoothed(series: Series, weight: float) -> Series:
    """Exponential moving average with start-up correction; gaps stay gaps and do not poison the rest.

    Args:
        series: The raw curve.
        weight: Of the past, 0 <= weight < 1.
    """
    out: list[float] = []
    mean, norm = 0.0, 0.0
    for value in series.ys:
        if not np.isfinite(value):
            out.append(float("nan"))
            continue
        mean = weight * mean + (1 - weight) * value
        norm = weight * norm + (1 - weight)
        out.append(mean / norm)
    return Series(name=series.name, xs=series.xs, ys=tuple(out))


def gap_count(series: Series) -> int:
    """Points that are not finite numbers."""
    return int(np.count_nonzero(~np.isfinite(np.asarray(series.ys, dtype=float))))


def value_at(series: Series, x: float) -> float | None:
    """The value of the point nearest to x; None for an empty curve or a gap."""
    if not series.xs:
        return None
    index = int(np.argmin(np.abs(np.asarray(series.xs, dtype=float) - x)))
    value = series.ys[index]
    return value if np.isfinite(value) else None


def _usable(series: Series, *, is_log: bool) -> NDArray[np.bool_]:
    xs, ys = np.asarray(series.xs, dtype=float), np.asarray(series.ys, dtype=float)
    usable = (np.abs(xs) < LARGEST) & (np.abs(ys) < LARGEST)
    positive: NDArray[np.bool_] = usable & (ys > 0)
    return positive if is_log else usable


def _finite(series: Series, *, is_log: bool) -> tuple[Floats, Floats]:
    keep = _usable(series, is_log=is_log)
    ys = np.asarray(series.ys, dtype=float)[keep]
    return np.asarray(series.xs, dtype=float)[keep], np.log10(ys) if is_log else ys


def _gaps(series: Series, frame: Frame) -> NDArray[np.bool_]:
    """For every usable point: whether an unusable one came just before it."""
    usable = _usable(series, is_log=frame.is_log)
    before = np.concatenate([[True], usable[:-1]])
    kept: NDArray[np.bool_] = ~before[usable]
    return kept


def _scaled(values: Floats, low: float, high: float, count: int) -> NDArray[np.int64]:
    position = (values - low) / (high - low) * (count - 1)
    return np.clip(np.rint(position), 0, count - 1).astype(np.int64)


def _fill(
    pixels: NDArray[np.bool_],
    column: NDArray[np.int64],
    row: NDArray[np.int64],
    gap_before: NDArray[np.bool_],
) -> None:
    starts = np.flatnonzero(np.concatenate([[True], column[1:] != column[:-1]]))
    tops, bottoms = np.minimum.reduceat(row, starts), np.maximum.reduceat(row, starts)
    ends = np.concatenate([starts[1:], [len(column)]]) - 1
    last_column, last_row = -1, 0
    for group, start in enumerate(starts.tolist()):
        at = int(column[start])
        top, bottom = int(tops[group]), int(bottoms[group])
        pixels[top : bottom + 1, at] = True
        if group and not gap_before[start]:
            _join(pixels, last_column, last_row, at, int(row[start]))
        last_column, last_row = at, int(row[ends[group]])


def _join(pixels: NDArray[np.bool_], x0: int, y0: int, x1: int, y1: int) -> None:
    steps = max(x1 - x0, abs(y1 - y0))
    if steps > 1:
        along = np.arange(1, steps) / steps
        ys = np.rint(y0 + (y1 - y0) * along).astype(np.int64)
        xs = np.rint(x0 + (x1 - x0) * along).astype(np.int64)
        pixels[ys, xs] = True


def _to_braille(pixels: NDArray[np.bool_]) -> Cells:
    height, width = pixels.shape
    blocks = pixels.reshape(height // 4, 4, width // 2, 2).transpose(0, 2, 1, 3)
    masks: Cells = (blocks * _BITS).sum(axis=(2, 3)).astype(np.uint8)
    return masks
