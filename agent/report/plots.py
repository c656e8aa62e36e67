"""Inline SVG of a report: the effect of every measured round, the champion over the rounds, where the time went.

Colours come from the page's style sheet; shapes differ too, so that nothing depends on colour alone.
"""

import math
from collections.abc import Sequence
from html import escape

from rsi.agent.report.campaign_report import Against, CampaignReport, ReportedRound, Standing
from rsi.agent.report.wording import duration_text, interval_text, standing_text
from rsi.agent.safe import safe_line
from rsi.agent.store.stages import StageTime
from rsi.agent.store.state import RoundVerdict
from rsi.evals.types import Interval

WIDTH, LEFT, RIGHT, ROW, TOP = 720, 210, 24, 26, 14
"""Pixels of the drawing, its margins and one row; a text column is never wider than 720."""
LABEL_CHARS = 30
TICK_GAP = 44
"""Pixels between ticks, so that their labels do not touch."""
WIDEST_RATIO = 1000.0
"""Ends of the axis in either direction; anything beyond is drawn at the edge, its numbers are in the table."""


def effect_plot(report: CampaignReport) -> str:
    """One row per measured round: point and interval on a log scale, with the line of no effect."""
    shown = [each for each in report.rounds if each.line.effect is not None]
    if not shown:
        return "<p>No round was measured.</p>"
    low, high = _range([each.line.effect for each in shown if each.line.effect is not None])
    height = TOP + ROW * len(shown) + 34
    rows = "".join(_effect_row(each, n, low, high) for n, each in enumerate(shown))
    return (
        f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="Effect of each measured round">'
        f"{_axis(low, high, TOP + ROW * len(shown))}{rows}</svg>"
    )


def standing_plot(report: CampaignReport) -> str:
    """The champion over the rounds: each promotion over its champion, each audit against the baseline."""
    shown = report.standings
    if not shown:
        return "<p>No champion was measured.</p>"
    low, high = _range([each.effect for each in shown])
    height = TOP + ROW * len(shown) + 34
    rows = "".join(_standing_row(each, n, low, high) for n, each in enumerate(shown))
    return (
        f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="Champion over the rounds">'
        f"{_axis(low, high, TOP + ROW * len(shown))}{rows}</svg>"
    )


def time_bars(times: tuple[StageTime, ...]) -> str:
    """One bar per stage."""
    if not times:
        return "<p>No step has finished yet.</p>"
    height = TOP + ROW * len(times)
    room = WIDTH - LEFT - 150
    rows = []
    for number, each in enumerate(times):
        y = TOP + ROW * number
        width = max(1.0, each.share * room)
        rows.append(
            f'<text x="{LEFT - 10}" y="{y + 12}" class="label">{escape(each.stage.value)}</text>'
            f'<rect x="{LEFT}" y="{y}" width="{width:.1f}" height="16" class="bar{" first" if number == 0 else ""}"/>'
            f'<text x="{LEFT + width + 8:.1f}" y="{y + 12}">{escape(duration_text(each.wall_s))}, {each.share:.0%}</text>'
        )
    return f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="Time by stage">{"".join(rows)}</svg>'


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


def _x(ratio: float, low: float, high: float) -> float:
    return LEFT + (_log(ratio) - low) / (high - low) * (WIDTH - LEFT - RIGHT)


def _axis(low: float, high: float, bottom: int) -> str:
    ticks = [tick for tick in _TICKS if low <= math.log(tick) <= high]
    parts: list[str] = []
    taken: list[float] = []
    for tick in sorted(ticks, key=lambda each: each != 1.0):  # the line of no effect comes first
        x = _x(tick, low, high)
        if any(abs(x - other) < TICK_GAP for other in taken):
            continue
        taken.append(x)
        parts.append(
            f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{TOP - 8}" y2="{bottom}" '
            f'class="{"one" if tick == 1.0 else "tick"}"/>'
            f'<text x="{x:.1f}" y="{bottom + 18}" class="mid">{tick:g}x</text>'
        )
    return "".join(parts)


_TICKS = (
    *(0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 0.7, 0.8, 0.9, 1.0),
    *(1.1, 1.2, 1.5, 2.0, 3.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0),
)


def _effect_row(each: ReportedRound, number: int, low: float, high: float) -> str:
    effect = each.line.effect
    if effect is None:
        return ""
    kind = _kind(each)
    name = f"{each.line.label} {each.line.hypothesis or each.line.ended_as}"
    title = f"round {name}: {interval_text(effect)}, {each.line.ended_as}"
    return _row(kind, name, title, effect, number, low, high)


def _standing_row(each: Standing, number: int, low: float, high: float) -> str:
    is_audit = each.against is Against.BASELINE
    name = f"{each.label} {'since the baseline' if is_audit else each.hypothesis}"
    title = f"{each.label}: {standing_text(each)}: {interval_text(each.effect)}"
    return _row("audit" if is_audit else "won", name, title, each.effect, number, low, high)


def _row(
    kind: str, name: str, title: str, effect: Interval, number: int, low: float, high: float
) -> str:
    """Label, interval and mark of one measurement; the title is what a reader sees who points at it."""
    y = TOP + ROW * number + 8
    x = _x(effect.estimate, low, high)
    return (
        f'<g class="{kind}"><title>{escape(safe_line(title))}</title>'
        f'<text x="{LEFT - 10}" y="{y + 4}" class="label">{escape(safe_line(name)[:LABEL_CHARS])}</text>'
        f'<line x1="{_x(effect.low, low, high):.1f}" x2="{_x(effect.high, low, high):.1f}" '
        f'y1="{y}" y2="{y}" class="span"/>{_mark(kind, x, y)}</g>'
    )


def _kind(each: ReportedRound) -> str:
    if each.line.is_planted_cheat:
        return "cheat"
    return "won" if each.line.state.verdict is RoundVerdict.PROMOTED else "lost"


def _mark(kind: str, x: float, y: int) -> str:
    """Promoted: a filled circle; not promoted: a hollow one; planted cheat: a cross; audit: a diamond."""
    if kind == "audit":
        return f'<path d="M{x:.1f} {y - 7}l7 7l-7 7l-7 -7z" class="mark"/>'
    if kind == "cheat":
        return f'<path d="M{x - 5:.1f} {y - 5}l10 10m0 -10l-10 10" class="mark"/>'
    return f'<circle cx="{x:.1f}" cy="{y}" r="5" class="mark"/>'
