"""Plots of a report as plain markup: the effect of every measured round, the champion over the rounds, where time went.

Rows are blocks that the page's style sheet lays out, with places in percent, so that text stays text: it wraps, is
found and printed, and is as large on a phone as everything else. Shapes differ as well as colours.
"""

import math
from collections.abc import Callable, Sequence
from html import escape

from rsi.agent.report.campaign_report import Against, CampaignReport, ReportedRound, Standing
from rsi.agent.report.wording import duration_text, interval_text, standing_text
from rsi.agent.safe import safe_line
from rsi.agent.store.stages import StageTime, bottleneck
from rsi.agent.store.state import RoundVerdict
from rsi.evals.types import Interval

TICK_GAP = 9.0
"""Least percent of the width between ticks, so that their labels do not touch."""
WIDEST_RATIO = 1000.0
"""Ends of the axis in either direction; anything beyond is drawn at the edge, its numbers are beside it."""
_MARKS = {"won": "●", "lost": "○", "cheat": "✕", "audit": "◆"}
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


def time_bars(times: tuple[StageTime, ...]) -> str:
    """One bar per stage."""
    if not times:
        return "<p>No step has finished yet.</p>"
    worst = bottleneck(times)
    rows = "".join(
        f'<div class="row{" first" if each is worst else ""}"><span class="name">{escape(each.stage.value)}</span>'
        f'<span class="strip"><i class="bar" style="width:{100 * each.share:.1f}%"></i></span>'
        f'<span class="value">{escape(duration_text(each.wall_s))}, {each.share:.0%}</span></div>'
        for each in times
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
    return (
        f'<div class="row {kind}"><span class="name">{words}</span><span class="strip">{grid}'
        f'<i class="span" style="left:{start:.1f}%;width:{max(end - start, 0.3):.1f}%"></i>'
        f'<b class="mark" style="left:{at:.1f}%">{_MARKS[kind]}</b></span>'
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
