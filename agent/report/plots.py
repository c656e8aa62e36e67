"""Plots of a report as plain markup: the effect of every measured round, the champion over the rounds, where time went.

Rows are blocks that the page's style sheet lays out, with places in percent, so that text stays text: it wraps, is
found and printed, and is as large on a phone as everything else. Shapes differ as well as colours.
"""

import math
from collections.abc import Callable, Sequence
from html import escape

from rsi.agent.memory.horizon import Attempt, Horizon, Span
from rsi.agent.report.campaign_report import Against, CampaignReport, ReportedRound, Standing
from rsi.agent.report.wording import duration_text, interval_text, standing_text
from rsi.agent.safe import safe_line
from rsi.agent.store.stages import StageTime, bottleneck
from rsi.agent.store.state import RoundVerdict
from rsi.evals.types import Interval

LEAST_SHOWN_S = 0.05
"""A stage that would be said to take 0.0 s is left out."""
TICK_GAP = 9.0
"""Least percent of the width between ticks, so that their labels do not touch."""
WIDEST_RATIO = 1000.0
"""Ends of the axis in either direction; anything beyond is drawn at the edge, its numbers are beside it."""
_MARKS = {"won": "●", "lost": "○", "cheat": "✕", "audit": "◆"}
_MINUTES = (1.0, 4.0, 15.0, 60.0, 240.0, 960.0)
_TICKS = (
    *(0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 0.7, 0.8, 0.9, 1.0),
    *(1.1, 1.2, 1.5, 2.0, 3.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0),
)


def effect_plot(report: CampaignReport) -> str:
    """One row per measured round: point and interval on a log scale, with the line of no effect; a link to the round."""
    shown = [each for each in report.rounds if each.line.effect is not None]
    if not shown:
        return "<p>No round was measured.</p>"
    low, high = _range([each.line.effect for each in shown if each.line.effect is not None])
    rows = "".join(_effect_row(each, low, high) for each in shown)
    return _figure("Effect of each measured round", rows, low, high)


def standing_plot(report: CampaignReport) -> str:
    """The champion over the rounds: each promotion over its champion, each audit against the baseline."""
    shown = report.standings
    if not shown:
        return "<p>No champion was measured.</p>"
    low, high = _range([each.effect for each in shown])
    rows = "".join(_standing_row(each, low, high) for each in shown)
    return _figure("Champion over the rounds", rows, low, high)


def horizon_plot(horizon: Horizon) -> str:
    """Every rung that was tried at its expert time on a log scale, and both horizons with their intervals."""
    spans = {"50 %": horizon.half, "80 %": horizon.four_fifths}
    minutes = [each.minutes for each in horizon.attempts]
    minutes += [
        end for span in spans.values() if span for end in (span.minutes, span.low, span.high) if end
    ]
    low, high = _log(min(minutes)) - 0.3, _log(max(minutes)) + 0.3
    ticks = [(_place(tick, low, high), tick) for tick in _MINUTES if low <= math.log(tick) <= high]
    grid = _each(ticks, lambda at, _: f'<i class="tick" style="left:{at:.1f}%"></i>')
    rows = [
        _rung_row(each, low, high, grid)
        for each in sorted(horizon.attempts, key=lambda each: (each.minutes, each.family))
    ]
    rows += [_span_row(share, span, low, high, grid) for share, span in spans.items() if span]
    labels = _each(ticks, lambda at, tick: f'<i style="left:{at:.1f}%">{tick:g} min</i>')
    axis = f'<div class="row axis"><span class="strip">{labels}</span></div>'
    return f'<div class="plot" role="group" aria-label="Time horizon">{"".join(rows)}{axis}</div>'


def _rung_row(each: Attempt, low: float, high: float, grid: str) -> str:
    at = _place(each.minutes, low, high)
    ended = "climbed" if each.succeeded else "not climbed"
    return _strip(
        "won" if each.succeeded else "lost",
        escape(safe_line(f"{each.family} {each.rung}")),
        f'{grid}<b class="mark" style="left:{at:.1f}%">{_MARKS["won" if each.succeeded else "lost"]}</b>',
        f"{each.minutes:g} min ({each.source}), {ended}",
    )


def _span_row(share: str, span: Span, low: float, high: float, grid: str) -> str:
    ends = (span.low or span.minutes, span.minutes, span.high or span.minutes)
    return _strip(
        "audit",
        f"{share} horizon",
        grid + _interval("audit", *(_place(each, low, high) for each in ends)),
        span.text,
    )


def time_bars(times: tuple[StageTime, ...]) -> str:
    """One bar per stage that took time."""
    if not times:
        return "<p>No step has finished yet.</p>"
    worst = bottleneck(times)
    rows = "".join(
        f'<div class="row{" first" if each is worst else ""}"><span class="name">{escape(each.stage.value)}</span>'
        f'<span class="strip"><i class="bar" style="width:{100 * each.share:.1f}%"></i></span>'
        f'<span class="value">{escape(duration_text(each.wall_s))}, {each.share:.0%}</span></div>'
        for each in times
        if each.wall_s >= LEAST_SHOWN_S
    )
    return f'<div class="plot" role="group" aria-label="Time by stage">{rows}</div>'


def _figure(name: str, rows: str, low: float, high: float) -> str:
    ticks = _ticks(low, high)
    labels = _each(ticks, lambda at, tick: f'<i style="left:{at:.1f}%">{tick:g}x</i>')
    axis = f'<div class="row axis"><span class="strip">{labels}</span></div>'
    return f'<div class="plot" role="group" aria-label="{escape(name)}">{rows}{axis}</div>'


def _ticks(low: float, high: float) -> list[tuple[float, float]]:
    """Place in percent and ratio of each line of the axis; that of no effect comes first and is never left out."""
    taken: list[tuple[float, float]] = []
    for tick in sorted(_TICKS, key=lambda each: each != 1.0):
        at = _place(tick, low, high)
        if low <= math.log(tick) <= high and all(abs(at - other) >= TICK_GAP for other, _ in taken):
            taken.append((at, tick))
    return taken


def _each(ticks: Sequence[tuple[float, float]], draw: Callable[[float, float], str]) -> str:
    return "".join(draw(at, tick) for at, tick in ticks)


def _effect_row(each: ReportedRound, low: float, high: float) -> str:
    effect = each.line.effect
    if effect is None:
        return ""
    planted = "" if each.line.planted is None else f"[planted {each.line.planted.kind.value}] "
    name = f"{each.line.label}  {planted}{each.line.hypothesis or each.line.ended_as}"
    return _row(
        _kind(each), name, effect, low, high, ended=each.line.ended_as, link=each.line.label
    )


def _standing_row(each: Standing, low: float, high: float) -> str:
    is_audit = each.against is Against.BASELINE
    name = f"{each.label}  {standing_text(each) if is_audit else each.hypothesis}"
    link = "" if is_audit else each.label
    return _row("audit" if is_audit else "won", name, each.effect, low, high, link=link)


def _row(
    kind: str,
    name: str,
    effect: Interval,
    low: float,
    high: float,
    *,
    ended: str = "",
    link: str = "",
) -> str:
    """Label, interval and mark of one measurement, and its numbers in words.

    Args:
        kind: Which mark and colour.
        name: What was measured.
        effect: The ratio with its interval.
        low: Natural logarithm of the axis' left end.
        high: Of its right end.
        ended: How the round ended; empty where the mark says it.
        link: Label of the round that a click leads to; empty for none.
    """
    start, at, end = (_place(x, low, high) for x in (effect.low, effect.estimate, effect.high))
    grid = _each(
        _ticks(low, high),
        lambda place, tick: (
            f'<i class="{"one" if tick == 1.0 else "tick"}" style="left:{place:.1f}%"></i>'
        ),
    )
    words = escape(safe_line(name))
    if link:
        words = f'<a href="#round-{escape(safe_line(link), quote=True)}">{words}</a>'
    numbers = ", ".join(filter(None, (interval_text(effect), ended)))
    return _strip(kind, words, grid + _interval(kind, start, at, end), numbers)


def _interval(kind: str, start: float, at: float, end: float) -> str:
    return (
        f'<i class="span" style="left:{start:.1f}%;width:{max(end - start, 0.3):.1f}%"></i>'
        f'<b class="mark" style="left:{at:.1f}%">{_MARKS[kind]}</b>'
    )


def _strip(kind: str, words: str, drawn: str, numbers: str) -> str:
    """One row: escaped words, what is drawn, and the same in numbers."""
    return (
        f'<div class="row {kind}"><span class="name">{words}</span><span class="strip">{drawn}</span>'
        f'<span class="value">{escape(safe_line(numbers))}</span></div>'
    )


def _kind(each: ReportedRound) -> str:
    if each.line.is_planted_cheat:
        return "cheat"
    return "won" if each.line.state.verdict is RoundVerdict.PROMOTED else "lost"


def _range(effects: Sequence[Interval]) -> tuple[float, float]:
    """Log ends of the axis, no effect included, a little wider than the widest interval."""
    ends = [0.0]
    for effect in effects:
        ends += [_log(effect.low), _log(effect.high), _log(effect.estimate)]
    low, high = min(ends), max(ends)
    pad = max(0.05, (high - low) * 0.06)
    return low - pad, high + pad


def _log(ratio: float) -> float:
    return math.log(min(max(ratio, 1 / WIDEST_RATIO), WIDEST_RATIO))


def _place(ratio: float, low: float, high: float) -> float:
    """Percent of the width."""
    return 100 * (_log(ratio) - low) / (high - low)
