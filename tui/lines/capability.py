"""Capability and control of a lineage as lines: five rows of marks and bars over one axis of moments, oldest at the left."""

from collections.abc import Callable, Sequence

from rsi.agent.report.champions import Move
from rsi.agent.trust.capability import Moment
from rsi.evals.planted.controls import Rate
from rsi.tui.draw.phrases import interval
from rsi.tui.draw.styled import DASH, EMPTY_LINE, Line, Role, line

BARS = "▁▂▃▄▅▆▇█"
LABEL_CELLS, VALUE_CELLS = 18, 30
WIDEST_CELLS = 4
"""Of one moment, where there are few."""
GAP = "·"
"""Where nothing was known: no champion measured whole, no control yet."""
_MOVES = {Move.PROMOTION: "✔", Move.ROLLBACK: "↩", Move.AUDIT: "◎"}
NOTHING_YET: tuple[Line, ...] = (
    EMPTY_LINE,
    line("No control has ended on this lineage, and nothing was promoted.", Role.STRONG),
)


def axis_lines(moments: Sequence[Moment], width: int) -> list[Line]:
    """What happened, the champion's speedup and the three rates of control, one below the other.

    Args:
        moments: Oldest first.
        width: Cells of a line.
    """
    if not moments:
        return list(NOTHING_YET)
    room = max(1, width - LABEL_CELLS - VALUE_CELLS - 2)
    columns = min(len(moments), room)
    wide = min(WIDEST_CELLS, room // columns)
    cells = [moments[at * len(moments) // columns : (at + 1) * len(moments) // columns] for at in range(columns)]  # fmt: skip
    last = moments[-1]
    speedups = [None if each[-1].speedup is None else each[-1].speedup.estimate for each in cells]
    known = [each for each in speedups if each is not None]
    low, high = min([1.0, *known]), max([1.0, *known])

    def row(label: str, rate: Callable[[Moment], Rate], role: Role) -> Line:
        shares = [rate(each[-1]).share for each in cells]
        return (
            _label(label),
            (_bars(shares, 0.0, 1.0, wide), role),
            (f"  {_rate_text(rate(last))}", Role.TEXT),
        )

    return [
        (_label("events"), ("".join(f"{_mark(each):<{wide}}" for each in cells), Role.STRONG)),
        (
            _label("speedup"),
            (_bars(speedups, low, high, wide), Role.GOOD),
            (f"  {interval(last.speedup) if last.speedup else 'not measured whole now'}", Role.TEXT),
        ),
        row("cheats caught", lambda each: each.cheats_caught, Role.ACCENT),
        row("false promotions", lambda each: each.false_promotions, Role.BAD),
        row("a person saw", lambda each: each.seen, Role.NOTE),
        (
            (" " * LABEL_CELLS, Role.DIM),
            (f"{moments[0].at:%m-%d %H:%M} to {last.at:%m-%d %H:%M}, {last.ideas} ideas", Role.DIM),
        ),
        line("✔ promotion  ↩ rollback  ◎ audit  ▲ failed audit or control  · not known", Role.DIM),
    ]  # fmt: skip


def moment_text(rate: Rate) -> str:
    """A rate for a column."""
    return f"{rate.count}/{rate.total}" if rate.total else DASH


def _label(text: str) -> tuple[str, Role]:
    return f"{text:<{LABEL_CELLS}}", Role.DIM


def _bars(values: Sequence[float | None], low: float, high: float, wide: int) -> str:
    span = high - low or 1.0
    return "".join(
        wide * (GAP if each is None else BARS[round((each - low) / span * (len(BARS) - 1))])
        for each in values
    )


def _mark(moments: Sequence[Moment]) -> str:
    """The gravest thing that happened in a column."""
    if any(each.is_failure for each in moments):
        return "▲"
    marks = [_MOVES[each.move] for each in moments if each.move in _MOVES]
    return marks[-1] if marks else " "


def _rate_text(rate: Rate) -> str:
    if rate.share is None:
        return "none yet"
    return f"{rate.count} of {rate.total}, 95% {rate.low:.0%} to {rate.high:.0%}"
