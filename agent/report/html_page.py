"""A report as one HTML file that needs nothing else: no scripts, no fonts, no links out, light and dark.

Everything that came from a model, a candidate or a person passes `safe_text` and is escaped.
"""

from html import escape

from rsi.agent.report.campaign_report import CampaignReport, ReportedRound
from rsi.agent.report.plots import effect_plot, standing_plot, time_bars
from rsi.agent.report.wording import (
    claim_text,
    confidence_text,
    cost_lines,
    duration_text,
    interval_text,
    is_wrong,
    planted_text,
    prediction_text,
    short,
    speedup_sentence,
    standing_lines,
    time_sentence,
    why_text,
)
from rsi.agent.safe import safe_text
from rsi.agent.store.records import PromotionKind

_STYLE = """
:root{color-scheme:light dark;--ink:#1b1f24;--soft:#5c6570;--line:#d5dae0;--page:#fff;--card:#f5f7f9;
--won:#0b6e4f;--lost:#5c6570;--cheat:#b3401a;--bar:#7d93ab;--first:#24507e}
@media(prefers-color-scheme:dark){:root{--ink:#e6e9ed;--soft:#9aa5b1;--line:#37404a;--page:#14181d;
--card:#1c2229;--won:#4cc29a;--lost:#9aa5b1;--cheat:#f08a5d;--bar:#546a82;--first:#86b3e3}}
body{margin:0 auto;max-width:72rem;padding:1.5rem;font:16px/1.5 system-ui,sans-serif;color:var(--ink);
background:var(--page)}
h1{font-size:1.5rem;margin:0}h2{font-size:1.15rem;margin:2rem 0 .5rem}
p,ul,ol{margin:.4rem 0}.soft{color:var(--soft)}.mono,code,pre{font-family:ui-monospace,monospace;font-size:.9em}
.tally{background:var(--card);padding:.6rem .8rem;border-radius:.4rem;white-space:pre-wrap}
table{border-collapse:collapse;width:100%}th,td{text-align:left;vertical-align:top;padding:.35rem .5rem;
border-bottom:1px solid var(--line)}td.idea{min-width:20rem;overflow-wrap:anywhere}td.number{white-space:nowrap;font-variant-numeric:tabular-nums}
.wide{overflow-x:auto}pre{background:var(--card);padding:.6rem;overflow:auto;max-height:30rem}
summary{cursor:pointer}svg{width:100%;height:auto;font:12px system-ui,sans-serif}
svg text{fill:var(--ink)}.label{text-anchor:end}.mid{text-anchor:middle}.tick{stroke:var(--line)}
.one{stroke:var(--soft);stroke-dasharray:4 3}.span{stroke-width:2}.bar{fill:var(--bar)}.bar.first{fill:var(--first)}
.won .span,.won .mark{stroke:var(--won)}.won .mark{fill:var(--won)}
.lost .span,.lost .mark{stroke:var(--lost)}.lost .mark{fill:var(--page)}
.cheat .span,.cheat .mark{stroke:var(--cheat)}.mark{stroke-width:2;fill:none}
.audit .span,.audit .mark{stroke:var(--first)}.audit .mark{fill:var(--first)}
b.won{color:var(--won)}b.cheat{color:var(--cheat)}
"""


def html_page(report: CampaignReport) -> str:
    """The whole page."""
    record = report.summary.record
    title = _safe(f"{record.task}: campaign {record.id}")
    policy = "default-src 'none'; style-src 'unsafe-inline'"
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{title}</title><style>{_STYLE}</style></head><body>"
        f"{_head(report, title)}{_standings(report)}{_effects(report)}{_rounds(report)}{_lineage(report)}"
        f"{_cheats(report)}{_time(report)}{_cost(report)}</body></html>\n"
    )


def _safe(text: str) -> str:
    return escape(safe_text(text), quote=True)


def _head(report: CampaignReport, title: str) -> str:
    record = report.summary.record
    asked = f"track {record.track}, profile {record.profile}, lineage {record.lineage}"
    chain = (
        "intact"
        if report.is_chain_intact
        else "BROKEN: the record was changed after it was written"
    )
    return (
        f'<h1>{title}</h1><p class="soft">{_safe(asked)}; {_safe(report.summary.state.value)}, '
        f"{len(report.rounds)} rounds, started {record.created_at:%Y-%m-%d %H:%M} UTC; "
        f"chain of decisions {chain}</p>"
        f"<p>{_safe(speedup_sentence(report))}</p>"
        f'<p class="tally mono">{_safe(report.tally.line)}</p>'
    )


def _standings(report: CampaignReport) -> str:
    return (
        "<h2>Champion over the rounds</h2>"
        '<p class="soft">Circle: what a round promoted, against the champion before it. Diamond: the champion against the '
        "original baseline, measured again with fresh seeds; steps are never multiplied up. Log scale.</p>"
        + standing_plot(report)
    )


def _effects(report: CampaignReport) -> str:
    return (
        "<h2>Effect of each measured round</h2>"
        '<p class="soft">Against the champion of that round; right of 1x is better. Filled: promoted. '
        "Hollow: not promoted. Cross: planted cheat. Log scale.</p>" + effect_plot(report)
    )


def _rounds(report: CampaignReport) -> str:
    rows = "".join(_round_row(each) for each in report.rounds)
    return (
        '<h2>What was tried</h2><div class="wide"><table><tr><th>Round</th><th>Idea</th><th>Ended as</th>'
        "<th>Effect</th><th>Predicted</th><th>Time</th></tr>"
        f"{rows}</table></div>"
    )


def _round_row(each: ReportedRound) -> str:
    line = each.line
    confirmed = (
        f'<br><span class="soft">fresh data:</span><br>{_safe(interval_text(each.confirm))}'
        if each.confirm
        else ""
    )
    effect = _safe(interval_text(line.searched))
    if line.searched is not None:
        effect = f'<span title="{_safe(confidence_text(line.searched))}">{effect}</span>'
    if claim := claim_text(each):
        effect += f'<br><span class="soft">{_safe(claim)}</span>'
    notes = [planted_text(line), why_text(each), each.plausibility, each.changed]
    details = "".join(f'<br><span class="soft">{_safe(text)}</span>' for text in notes if text)
    diff = (
        f'<details><summary class="soft">diff</summary><pre>{_safe(each.diff)}</pre></details>'
        if each.diff
        else ""
    )
    won = line.ended_as == "promoted"
    word = f'<b class="won">{_safe(line.ended_as)}</b>' if won else _safe(line.ended_as)
    by = f'<br><span class="soft">{_safe(line.decided_by)}</span>' if line.decided_by else ""
    return (
        f'<tr><td class="number">{_safe(line.label)}</td>'
        f'<td class="idea">{_safe(line.hypothesis or "(no hypothesis)")}{details}{diff}</td><td>{word}{by}</td>'
        f'<td class="number">{effect}{confirmed}</td><td class="number">{_safe(prediction_text(line))}</td>'
        f'<td class="number">{_safe(duration_text(each.wall_s))}</td></tr>'
    )


def _lineage(report: CampaignReport) -> str:
    numbers = {each.line.record.id: each for each in report.rounds}
    items = [
        f'<li><span class="mono">{_safe(short(report.baseline))}</span> original baseline</li>'
    ]
    for move in report.promotions:
        each = numbers[move.round_id]
        verb = "rolled back to" if move.kind is PromotionKind.ROLLBACK else "round"
        items.append(
            f'<li><span class="mono">{_safe(short(move.new_commit))}</span> {verb} '
            f"{_safe(each.line.label)}: {_safe(each.line.hypothesis)} "
            f"({_safe(interval_text(each.line.effect))}), {_safe(move.actor)}</li>"
        )
    return f"<h2>Lineage</h2><ol start='0'>{''.join(items)}</ol>"


def _cheats(report: CampaignReport) -> str:
    planted = [each.line for each in report.rounds if each.line.planted is not None]
    if not planted:
        return f"<h2>Controls</h2>{_standing(report)}<p>Nothing was planted in this campaign.</p>"
    items = []
    for line in planted:
        is_missed = is_wrong(line)
        text = _safe(f"round {line.label}: {planted_text(line)}, ended as {line.ended_as}")
        items.append(f'<li><b class="cheat">{text}</b></li>' if is_missed else f"<li>{text}</li>")
    return (
        f"<h2>Controls</h2>{_standing(report)}"
        f"<p>Cheats caught: {report.tally.cheats_caught}/{report.tally.cheats}.</p>"
        f"<ul>{''.join(items)}</ul>"
    )


def _standing(report: CampaignReport) -> str:
    mark = ' class="mono"' if not report.controls.lock.is_locked else ' class="mono tally"'
    return "".join(f"<p{mark}>{_safe(line)}</p>" for line in standing_lines(report))


def _time(report: CampaignReport) -> str:
    return (
        f"<h2>Where the time went</h2><p>{_safe(time_sentence(report))}</p>{time_bars(report.time)}"
    )


def _cost(report: CampaignReport) -> str:
    items = "".join(f"<li>{_safe(line)}</li>" for line in cost_lines(report))
    return f"<h2>Cost</h2><ul>{items}</ul>"
