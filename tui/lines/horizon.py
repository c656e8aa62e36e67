"""A model's time horizon as lines: success against expert time in braille, every rung that was tried, 50 % and 80 %."""

import math
from collections.abc import Sequence

from rsi.agent.memory.horizon import Attempt, Horizon, Span
from rsi.tui.draw.phrases import plural
from rsi.tui.draw.styled import EMPTY_LINE, Line, Role, line
from rsi.tui.model.curves import Frame, Series, draw_curve

ROWS, POINTS = 6, 200
AXIS_CELLS = 6
MOST_CELLS = 100
BRAILLE = 0x2800
ODDS_OF_FOUR_FIFTHS = math.log(0.8 / 0.2)
NOTHING_FINISHED: tuple[Line, ...] = (
    EMPTY_LINE,
    line("No horizon yet.", Role.STRONG),
    line("A finished campaign counts whose task says how long its rungs take an expert (`expert_min`).", Role.DIM),
)  # fmt: skip


def horizon_lines(found: Sequence[Horizon], width: int) -> list[Line]:
    """Every model, profile and machine by itself; they are never mixed."""
    if not found:
        return list(NOTHING_FINISHED)
    lines: list[Line] = []
    for each in found:
        lines += [*_one(each, min(width, MOST_CELLS)), EMPTY_LINE]
    return lines[:-1]


def _one(found: Horizon, width: int) -> list[Line]:
    who: Line = (
        (found.model, Role.STRONG),
        (f", profile {found.profile}", Role.TEXT),
        (", scripted: nobody thought" if found.is_scripted else "", Role.WARN),
    )
    lines: list[Line] = [who]
    if found.machine:
        lines.append(line(f"on {found.machine.splitlines()[0]}", Role.DIM))
    if found.half is None or found.four_fifths is None:
        lines.append((("no horizon: ", Role.WARN), (found.reason, Role.TEXT)))
    else:
        lines += [_span_line("50 %", found.half), _span_line("80 %", found.four_fifths)]
    return [*lines, *_chart(found, width - AXIS_CELLS - 1)]


def _span_line(share: str, span: Span) -> Line:
    return (f"{share} ", Role.DIM), (span.text, Role.GOOD)


def _chart(found: Horizon, columns: int) -> list[Line]:
    """Rungs that were climbed above, those that were not below, the curve between them."""
    minutes = [each.minutes for each in found.attempts]
    low, high = math.log2(min(minutes)) - 0.5, math.log2(max(minutes)) + 0.5
    climbed = [each for each in found.attempts if each.succeeded]
    failed = [each for each in found.attempts if not each.succeeded]
    lines: list[Line] = [
        (("yes   ", Role.DIM), (_marks(climbed, low, high, columns, "●"), Role.GOOD)),
    ]
    labels = {0: "100%", ROWS // 2: " 50%", ROWS - 1: "  0%"}
    for number, cells in enumerate(_curve(found, low, high, columns)):
        lines.append(
            ((f"{labels.get(number, ''):>5} ", Role.DIM), (cells, Role.SERIES_A)),
        )
    lines.append((("no    ", Role.DIM), (_marks(failed, low, high, columns, "○"), Role.BAD)))
    lines.append(((" " * AXIS_CELLS, Role.DIM), (_ticks(low, high, columns), Role.DIM)))
    tried = plural(len(found.attempts), "rung")
    lines.append(line(f"{' ' * AXIS_CELLS}minutes of an expert; {tried} of {plural(len({each.family for each in found.attempts}), 'task')}", Role.DIM))  # fmt: skip
    return lines


def _curve(found: Horizon, low: float, high: float, columns: int) -> list[str]:
    if found.half is None or found.four_fifths is None:
        return []
    middle, slope = _odds(found.half, found.four_fifths)
    xs = tuple(low + (high - low) * at / (POINTS - 1) for at in range(POINTS))
    ys = tuple(1 / (1 + math.exp(-max(-500.0, min(500.0, slope * (x - middle))))) for x in xs)
    frame = Frame(x_low=low, x_high=high, y_low=0.0, y_high=1.0, is_log=False)
    masks = draw_curve(Series(name="fit", xs=xs, ys=ys), frame, ROWS, columns)
    return ["".join(chr(BRAILLE + int(mask)) for mask in row) for row in masks]


def _odds(half: Span, four_fifths: Span) -> tuple[float, float]:
    """log2 of the minutes at even odds, and the change of log odds for a doubling: what two points of a line say."""
    middle = math.log2(half.minutes)
    return middle, ODDS_OF_FOUR_FIFTHS / (math.log2(four_fifths.minutes) - middle)


def _marks(
    attempts: Sequence[Attempt], low: float, high: float, columns: int, sign: str
) -> str:  # fmt: skip
    cells = [" "] * columns
    for each in attempts:
        cells[_place(math.log2(each.minutes), low, high, columns)] = sign
    return "".join(cells)


def _ticks(low: float, high: float, columns: int) -> str:
    """Powers of two below the marks, as many as have room."""
    cells, free_from = [" "] * columns, 0
    for power in range(math.ceil(low), math.floor(high) + 1):
        text, at = f"{2.0**power:g}", _place(float(power), low, high, columns)
        if at >= free_from and at + len(text) <= columns:
            cells[at : at + len(text)] = text
            free_from = at + len(text) + 2
    return "".join(cells)


def _place(x: float, low: float, high: float, columns: int) -> int:
    return max(0, min(columns - 1, round((x - low) / (high - low) * (columns - 1))))
