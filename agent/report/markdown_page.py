"""A report as Markdown, for a pull request or a notebook; untrusted text cannot become markup."""

import re

from rsi.agent.report.campaign_report import CampaignReport, ReportedRound
from rsi.agent.report.wording import (
    about_rows,
    claim_text,
    cost_lines,
    duration_text,
    headline,
    horizon_sentence,
    interval_text,
    planted_text,
    prediction_text,
    short,
    speedup_sentence,
    standing_lines,
    time_sentence,
    why_text,
)
from rsi.agent.safe import safe_line
from rsi.agent.store.records import PromotionKind

_MARKUP = re.compile(r"([\\`*_{}\[\]<>()#+!|~&$-])")
_LINKED = re.compile(r"(?i)http|www|mailto|ftp|@|#")
"""What renderers turn into links and mentions by themselves; an empty comment after it stops them."""


def markdown_page(report: CampaignReport) -> str:
    """The whole page."""
    record = report.summary.record
    chain = "intact" if report.is_chain_intact else "**BROKEN**"
    parts = [
        f"# {_safe(record.task)}: campaign {_safe(record.id)}",
        f"Track {_safe(record.track)}, profile {_safe(record.profile)}, lineage {_safe(record.lineage)}"
        + "".join(
            f", {_safe(kind)} {_safe(digest[:12])}"
            for kind, digest in record.config.driver_digests.items()
        )
        + "; "
        f"{report.summary.state.value}, {len(report.rounds)} rounds; chain of decisions {chain}.",
        _safe(headline(report)),
        "\n".join(f"- {label}: {_safe(text)}" for label, text in about_rows(report)),
        _safe(speedup_sentence(report)),
        f"    {safe_line(report.tally.line)}",
        "## Champion over the rounds",
        _standings(report),
        "## What was tried",
        _rounds(report),
        "## Lineage",
        _lineage(report),
        "## Controls",
        _controls(report),
        *(("## Time horizon", _safe(horizon_sentence(report.horizon))) if report.horizon else ()),
        "## Where the time went",
        time_sentence(report),
        "\n".join(
            f"- {each.stage.value}: {duration_text(each.wall_s)}, {each.share:.0%}"
            for each in report.time
        ),
        "## Cost",
        "\n".join(f"- {_safe(line)}" for line in cost_lines(report)),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _safe(text: str) -> str:
    escaped = _MARKUP.sub(r"\\\1", safe_line(text))
    return _LINKED.sub(lambda found: found[0][:2] + "<!-- -->" + found[0][2:], escaped)


def _standings(report: CampaignReport) -> str:
    if not report.standings:
        return "No champion was measured."
    head = "| round | measured | against | ratio |\n|---|---|---|---|"
    rows = [
        f"| {each.label} | {_safe(each.hypothesis or f'champion {short(each.commit)}')} | {each.against.value} | "
        f"{_safe(interval_text(each.effect))} |"
        for each in report.standings
    ]
    return "\n".join([head, *rows])


def _rounds(report: CampaignReport) -> str:
    head = (
        "| round | idea | ended as | searched | confirmed | claim | predicted | time |\n"
        "|---|---|---|---|---|---|---|---|"
    )
    return "\n".join([head, *(_round_row(each) for each in report.rounds)])


def _round_row(each: ReportedRound) -> str:
    line = each.line
    notes = [text for text in (planted_text(line), why_text(each), each.plausibility) if text]
    idea = line.hypothesis or "(no hypothesis)"
    cells = (
        line.label,
        _safe(". ".join([idea.rstrip(". "), *notes]) if notes else idea),
        _safe(line.ended_as),
        _safe(interval_text(line.searched)),
        _safe(interval_text(each.confirm)) if each.confirm else "",
        _safe(claim_text(each)),
        _safe(prediction_text(line)),
        duration_text(each.wall_s),
    )
    return f"| {' | '.join(cells)} |"


def _lineage(report: CampaignReport) -> str:
    by_id = {each.line.record.id: each.line for each in report.rounds}
    lines = [f"- `{short(report.baseline)}` original baseline"]
    for move in report.promotions:
        line = by_id[move.round_id]
        verb = "rolled back" if move.kind is PromotionKind.ROLLBACK else "promoted"
        lines.append(
            f"- `{short(move.new_commit)}` {verb} by {_safe(move.actor)}, round {line.label}: "
            f"{_safe(line.hypothesis)} ({_safe(interval_text(line.effect))})"
        )
    return "\n".join(lines)


def _controls(report: CampaignReport) -> str:
    standing = "\n".join(f"- {_safe(line)}" for line in standing_lines(report))
    planted = [each.line for each in report.rounds if each.line.planted is not None]
    if not planted:
        return f"{standing}\n\nNothing was planted in this campaign."
    head = f"Cheats caught: {report.tally.cheats_caught}/{report.tally.cheats}."
    return "\n".join(
        [
            standing,
            "",
            head,
            "",
            *(
                f"- round {line.label}: {_safe(planted_text(line))}, ended as {_safe(line.ended_as)}"
                for line in planted
            ),
        ]
    )
