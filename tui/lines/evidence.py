"""The case for and against one candidate, as lines: the same on the gate, in the notebook and in the lineage."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from rsi.agent.report.reasons import reason_line
from rsi.agent.store.rounds import RoundView
from rsi.agent.store.steps.facts import Reviewed
from rsi.evals.types import Finding, GuardResult, Purpose, QualityResult, Score
from rsi.tasks.guards import unit_of
from rsi.tui.draw.phrases import (
    device,
    ended,
    interval,
    paid,
    ratio,
    severity,
    short_commit,
    size,
    verdict_role,
)
from rsi.tui.draw.styled import DASH, EMPTY_LINE, TIMES, Line, Role, Span, line
from rsi.tui.model.attempts import attempts_made
from rsi.tui.model.view import CampaignView, RoundDetail

SIMILAR_SHOWN = 3
LEAST_OVERLAP = 0.25
_LABEL_CELLS = 12
_WORD = re.compile(r"[a-z0-9_]{3,}")
_COMMON = frozenset(
    [
        "the",
        "and",
        "for",
        "with",
        "from",
        "that",
        "this",
        "into",
        "use",
        "one",
        "all",
        "per",
        "not",
        "its",
        "are",
        "was",
        "will",
        "each",
        "than",
    ]
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Similar:
    """An earlier attempt at much the same."""

    round: RoundView
    overlap: float
    """Share of words in common, 0 to 1."""


def case_lines(
    view: RoundView, detail: RoundDetail | None, campaign: CampaignView | None
) -> list[Line]:
    """Everything needed to decide, most important first."""
    lines: list[Line] = []
    lines += _banners(view, detail)
    lines.append(_labelled("idea", (view.hypothesis or DASH, Role.STRONG)))
    lines += attempt_lines(view)
    lines.append(
        _effect_line("confirmed", view.confirm)
        if view.confirm
        else _effect_line("effect", view.score)
    )
    if view.confirm and view.score:
        lines.append(_effect_line("searched", view.score))
    if view.baseline:
        lines.append(_effect_line("in all", view.baseline))
        lines += [_quality_line(each, "in all") for each in view.baseline.quality]
    lines += _extra_lines(detail)
    lines.append(_labelled("predicted", (ratio(view.predicted_ratio), Role.DIM)))
    best = view.confirm or view.score
    if best is not None:
        lines += score_lines(best, campaign)
    lines += finding_lines(view.findings)
    lines += vote_lines(view.left(Reviewed))
    if detail is not None and detail.critique:
        lines.append(_labelled("critic", (detail.critique, Role.TEXT)))
    if view.proposed is not None and view.proposed.risk:
        lines.append(_labelled("its risk", (view.proposed.risk, Role.TEXT)))
    lines += similar_lines(view, campaign)
    lines += _facts(view, detail)
    return lines


def attempt_lines(view: RoundView) -> list[Line]:
    """Why the attempt before was sent back; nothing for a candidate that never was."""
    made = attempts_made(view)
    back = [each for each in made if each.sent_back is not None]
    if not back or back[-1].sent_back is None:
        return []
    said = f"attempt {back[-1].number} by {back[-1].sent_back.by}: {back[-1].sent_back.note}"
    shows: Line = (("  b", Role.KEY), (" shows what changed since", Role.DIM))
    return [_labelled("sent back", (said, Role.WARN), *(shows if len(made) > 1 else ()))]


def score_lines(score: Score, campaign: CampaignView | None) -> list[Line]:
    """Quality, guards, plausibility, what was counted."""
    lines: list[Line] = []
    if score.wall_effect is not None:
        lines.append(_labelled("other clock", (interval(score.wall_effect), Role.TEXT)))
    lines += [_quality_line(each) for each in score.quality]
    lines += [_guard_line(each) for each in score.guards]
    sign, role = ("✔ ", Role.GOOD) if score.is_plausible else ("▲ ", Role.WARN)
    lines.append(
        _labelled(
            "plausible",
            (sign, role),
            (score.plausibility, Role.TEXT if score.is_plausible else Role.WARN),
        )
    )
    if campaign is not None and campaign.honesty:
        is_hearsay = campaign.honesty.startswith("L0")
        lines.append(
            _labelled("honesty", (campaign.honesty, Role.WARN if is_hearsay else Role.TEXT))
        )
    least = None if campaign is None else campaign.minimum_effect
    counted = f"{score.pairs_used} pairs, {score.pairs_invalid} not counted"
    if least is not None:
        counted += f", {ratio(1 + least)} counts as better"
    lines.append(_labelled("samples", (counted, Role.DIM)))
    return lines


def finding_lines(findings: Sequence[Finding]) -> list[Line]:
    """Findings with severity and place; "none" is said as well."""
    if not findings:
        return [_labelled("findings", ("none by rules or reviewer", Role.DIM))]
    lines = []
    for number, each in enumerate(findings):
        word, role = severity(each.severity)
        place = f"{each.file}:{each.line}" if each.file and each.line else each.file or ""
        spans: list[Span] = [(f"{word} ", role), (f"{each.rule} ", Role.STRONG)]
        if place:
            spans.append((f"{place} ", Role.ACCENT))
        spans += [(each.message, Role.TEXT), (f" ({each.source})", Role.DIM)]
        lines.append(_labelled("findings" if number == 0 else "", *spans))
    return lines


def vote_lines(review: Reviewed | None) -> list[Line]:
    """What each vote of the reviewer came to, so that a disagreement is seen; nothing where only rules reviewed."""
    if review is None or not review.votes:
        return []
    is_split = review.agreement is not None and review.agreement < 1.0
    lines = [_labelled("reviewer", (review.panel, Role.WARN if is_split else Role.TEXT))]
    for each in review.votes:
        said = ("nothing", Role.DIM) if each.worst is None else severity(each.worst)
        rules = ", ".join(dict.fromkeys(finding.rule for finding in each.findings))
        voter = (f"{each.voter} ", Role.DIM)
        lines.append(_labelled("", voter, said, (f" {rules}" if rules else "", Role.TEXT)))
    return lines


def _extra_lines(detail: RoundDetail | None) -> list[Line]:
    """Pairs that a person asked for after the verdict; they are evidence beside it, not a part of it."""
    extra = (
        [] if detail is None else [each for each in detail.points if each.purpose == Purpose.EXTRA]
    )
    if not extra:
        return []
    known = [each.interval for each in extra if each.interval is not None]
    text = f"{interval(known[-1])}, " if known else ""
    return [
        _labelled(
            "more pairs",
            (f"{text}{len(extra)} asked for at the gate, not in the verdict", Role.TEXT),
        )
    ]


def similar_lines(view: RoundView, campaign: CampaignView | None) -> list[Line]:
    """What similar attempts did."""
    if campaign is None:
        return []
    lines = []
    for number, each in enumerate(similar_to(view, campaign.rounds)):
        other = each.round
        lines.append(
            _labelled(
                "like it" if number == 0 else "",
                (f"{other.label}: ", Role.DIM),
                ended(other),
                (f" {interval(other.effect)} ", Role.TEXT),
                (other.hypothesis[:120], Role.DIM),
            )
        )
    return lines


def similar_to(view: RoundView, rounds: Sequence[RoundView]) -> tuple[Similar, ...]:
    """Earlier rounds whose idea shares many words with this one, nearest first."""
    own = _words(view.hypothesis)
    if not own:
        return ()
    found = []
    for other in rounds:
        words = _words(other.hypothesis)
        if other.id == view.id or not words:
            continue
        overlap = len(own & words) / len(own | words)
        if overlap >= LEAST_OVERLAP:
            found.append(Similar(round=other, overlap=overlap))
    return tuple(sorted(found, key=lambda each: -each.overlap)[:SIMILAR_SHOWN])


def bound_to(view: RoundView) -> Line:
    """What a decision would be bound to."""
    case = view.case
    if case is None:
        return line("not at the gate", Role.DIM)
    return (
        ("commit ", Role.DIM), (short_commit(case.commit), Role.STRONG),
        ("  score ", Role.DIM), (case.score_digest[:12], Role.STRONG),
        ("  on champion ", Role.DIM), (short_commit(view.record.champion_commit), Role.STRONG),
    )  # fmt: skip


def _banners(view: RoundView, detail: RoundDetail | None) -> list[Line]:
    lines: list[Line] = []
    lines += [(("▲ held: ", Role.WARN), (each, Role.WARN)) for each in view.held_by]
    if view.case is not None:
        lines += [
            (("○ policy may not decide yet; it lacks that ", Role.DIM), (each, Role.TEXT))
            for each in view.case.unearned
        ]
        if view.case.drawn:
            lines.append(line(f"○ {view.case.drawn}", Role.DIM))
    if detail is None:
        return lines
    if detail.diff.hidden:
        names = ", ".join(detail.diff.hidden[:6])
        lines.append((("✖ hidden characters in the diff: ", Role.BAD), (names, Role.BAD)))
    if detail.diff.long_lines:
        text = f"▲ {detail.diff.long_lines} over-long lines in the diff are cut"
        lines.append(line(text, Role.WARN))
    if view.commit is not None and not detail.diff.hunks:
        lines.append(
            line("✖ the code is not at hand: its repository is on another machine", Role.BAD)
        )
    return lines


def _effect_line(label: str, score: Score | None) -> Line:
    if score is None or score.effect is None:
        return _labelled(label, ("not measured", Role.DIM))
    role = verdict_role(score.verdict)
    effect = score.effect
    return _labelled(
        label,
        (ratio(effect.estimate), role),
        (f" [{effect.low:.3f}, {effect.high:.3f}] {effect.confidence:.0%} ", Role.STRONG),
        (f"{effect.pairs} pairs ", Role.DIM),
        (f"{score.verdict.value}: ", role),
        (reason_line(score.reason), Role.TEXT),
    )


def _quality_line(each: QualityResult, label: str = "quality") -> Line:
    sign, role = ("✔ ", Role.GOOD) if each.is_kept else ("✖ ", Role.BAD)
    values = f"{_short(each.champion_mean)} → {_short(each.candidate_mean)}"
    low, high = (_rounded(bound) for bound in (each.difference_low, each.difference_high))
    bounds = f"difference [{low}, {high}]"
    if each.margin is not None:
        bounds += f", margin {each.margin:g}"
    if each.limit is not None:
        bounds += f", limit {each.limit:g}"
    spans: list[Span] = [
        (sign, role),
        (f"{each.name} ", Role.STRONG),
        (values, Role.TEXT),
        (f" {bounds}", Role.DIM),
    ]
    if not each.is_kept and each.reason:
        spans.append((f" {each.reason}", Role.BAD))
    return _labelled(label, *spans)


def _guard_line(each: GuardResult) -> Line:
    sign, role = ("✔ ", Role.GOOD) if each.is_kept else ("✖ ", Role.BAD)
    unit = unit_of(each.name)
    value, bound = _in_unit(each.value, unit), _in_unit(each.bound, unit)
    return _labelled(
        "guard",
        (sign, role),
        (f"{each.name} ", Role.STRONG),
        (f"{value} of at most {bound}", Role.TEXT),
    )


def _in_unit(value: float | None, unit: str) -> str:
    match unit:
        case _ if value is None:
            return DASH
        case "bytes":
            return size(value)
        case "x":
            return f"{value:.3g}{TIMES}"
        case _:
            return f"{value:.3g} {unit}".rstrip()


def _facts(view: RoundView, detail: RoundDetail | None) -> list[Line]:
    lines = [_labelled("bound to", *bound_to(view))]
    if view.tier is not None:
        spans: tuple[Span, ...] = (
            (view.tier.value, Role.STRONG),
            (f", {view.tier.text}", Role.DIM),
        )
        lines.insert(0, _labelled("claim", *spans))
    lines.append(
        _labelled(
            "cost",
            (f"{paid(view.spend_usd, view.reserved_usd)}, {device(view.device_s)}", Role.TEXT),
            (f"  {view.model or DASH}", Role.DIM),
        )
    )
    if detail is not None and detail.measurements:
        last = detail.measurements[-1]
        lines.append(_labelled("measured in", (f"{last.backend} ({last.assurance})", Role.TEXT)))
    lines += [
        _labelled(
            "decided",
            (each.action.value, Role.STRONG),
            (f" by {each.actor}: {each.reason}", Role.TEXT),
        )
        for each in view.decisions
    ]
    return [*lines, EMPTY_LINE]


def _labelled(label: str, *spans: Span) -> Line:
    return ((f"{label:<{_LABEL_CELLS}}", Role.DIM), *spans)


def _short(value: float | None) -> str:
    return DASH if value is None else f"{value:#.4g}"


def _rounded(value: float | None) -> str:
    return DASH if value is None else f"{value:.2g}"


def _words(text: str) -> frozenset[str]:
    return frozenset(_WORD.findall(text.lower())) - _COMMON
