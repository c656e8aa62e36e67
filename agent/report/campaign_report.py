"""What a campaign's report says, as values: every round, what it cost, where the time went.

Pure reading: the same ledger gives the same report. Does not: render anything (`html_page`, `markdown_page` do).
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from rsi.agent.errors import LineageError
from rsi.agent.memory.horizon import Horizon, horizon_of
from rsi.agent.memory.refinement import Refinement, refinement_of
from rsi.agent.policy.audits import ChampionAudit, FailedAudit, audits_in, failed_audit
from rsi.agent.policy.controls import ControlStanding, standing_of, task_standing
from rsi.agent.report.champions import absolute_of
from rsi.agent.report.tally import Tally, tally
from rsi.agent.report.task_facts import TaskFacts, facts_of
from rsi.agent.store.git.lineage import Lineage
from rsi.agent.store.ledger import Ledger
from rsi.agent.store.records import (
    CampaignSummary,
    PromotionKind,
    PromotionRecord,
    Spend,
)
from rsi.agent.store.round_book import RoundBook
from rsi.agent.store.rounds import RoundView
from rsi.agent.store.stages import StageTime, stage_times
from rsi.agent.store.steps.facts import Opened
from rsi.evals.judge.plausibility import best_reachable
from rsi.evals.types import Arm, Interval, Measurement, Purpose

DIFF_LIMIT_BYTES = 60_000
"""Diff kept of one round: a report of dozens of rounds must open quickly in a browser."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportedRound:
    """One round, however it ended."""

    line: RoundView
    confirm: Interval | None
    """The effect on fresh seeds and hidden data; None when it never got there."""
    plausibility: str
    """The score's sentence about what can be true; empty when nothing was measured."""
    best_reachable: float | None
    """Champion over a run that does the least it must; None where no floor is known, or a run of the campaign is below it."""
    absolute: tuple[float, float] | None
    """The deciding number of champion and candidate, side by side; None where no run of one has any."""
    changed: str
    """Files and lines in one line; empty when there was no commit."""
    diff: str
    """Against the parent, cut to DIFF_LIMIT_BYTES; empty when there is none."""
    wall_s: float
    """Seconds of all its steps, waiting left out."""


class Against(StrEnum):
    """What a champion was measured against."""

    CHAMPION = "the champion before it"
    BASELINE = "the original baseline"


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """One measurement of a champion; steps are never multiplied up, the baseline is measured against again."""

    label: str
    """The round, as people call it; "end" after the last one."""
    hypothesis: str
    """What the round promoted; of an audit empty, or what it came to when it is not supported."""
    commit: str | None
    against: Against
    effect: Interval


@dataclass(frozen=True, slots=True, kw_only=True)
class CampaignReport:
    """Everything that the report shows."""

    summary: CampaignSummary
    tally: Tally
    rounds: tuple[ReportedRound, ...]
    promotions: tuple[PromotionRecord, ...]
    """Moves of the champion by this campaign, oldest first."""
    baseline: str | None
    """The round-0 commit; None before any round opened."""
    champion: str | None
    """The campaign's last champion; None before any round opened."""
    audits: tuple[ChampionAudit, ...]
    """Champions measured against the baseline, oldest first; the last one counts."""
    failed_audit: FailedAudit | None
    """Why the lineage's champion may not be trusted to be better than its baseline; None where nothing says so."""
    standings: tuple[Standing, ...]
    """The champion over the rounds: each promotion over its champion, and each audit, in their order."""
    spend: tuple[Spend, ...]
    time: tuple[StageTime, ...]
    """By falling share; empty when no step has finished."""
    is_chain_intact: bool
    controls: ControlStanding
    """What the controls on this lineage have shown."""
    task_controls: ControlStanding
    """The same over all lineages of this task, track and profile."""

    refinement: Refinement
    """Attempts that were sent back against fresh ideas, on this task with this model."""
    horizon: Horizon | None
    """How long a task may take an expert and still be finished by this model; None where no rung says its time."""
    facts: TaskFacts
    """What the task declares, where it is at hand."""
    hidden_splits: int
    """Hidden splits drawn for this campaign's measurements."""
    most_looks: int
    """Candidates that the most used of them has judged; 1 means that nothing could be fitted to any."""


def build_report(ledger: Ledger, lineage: Lineage | None, campaign_id: str) -> CampaignReport:
    """Put a campaign's facts together.

    Args:
        ledger: Where the facts are.
        lineage: Where the candidates are; None uses the diffs that the ledger has.
        campaign_id: Which campaign, finished or not.

    Raises:
        UnknownRecordError: No such campaign.
    """
    summary = ledger.campaign_summary(campaign_id)
    lines = RoundBook(ledger).of_campaign(campaign_id)
    seen = [value for line in lines for value in _values(ledger.measurements(line.record.id))]
    reported = tuple(_round(ledger, line, lineage, seen) for line in lines)
    own = {line.record.id for line in lines}
    promotions = tuple(
        move for move in ledger.promotions(summary.record.lineage) if move.round_id in own
    )
    events = ledger.campaign_events(campaign_id)
    audits = audits_in(events)
    looks = _looks(ledger, reported)
    opened = [fact for line in lines if (fact := line.left(Opened)) is not None]
    return CampaignReport(
        summary=summary,
        tally=tally(ledger, campaign_id),
        rounds=reported,
        promotions=promotions,
        baseline=opened[0].baseline_commit if opened else None,
        champion=_champion(promotions, lines),
        audits=audits,
        failed_audit=failed_audit(ledger, summary.record.lineage),
        standings=_standings(reported, promotions, audits),
        spend=tuple(ledger.spend(campaign_id).values()),
        time=stage_times([each.steps for each in lines], events),
        is_chain_intact=ledger.verify_chain().is_intact,
        controls=standing_of(ledger, summary.record),
        task_controls=task_standing(ledger, summary.record),
        refinement=refinement_of(ledger, summary.record),
        horizon=horizon_of(ledger, summary),
        facts=facts_of(summary.record),
        hidden_splits=len(looks),
        most_looks=max(looks.values(), default=0),
    )


def _looks(ledger: Ledger, rounds: Sequence[ReportedRound]) -> Counter[str]:
    """How many candidates each hidden split has judged."""
    looks: Counter[str] = Counter()
    for each in rounds:
        attempts = {step.attempt for step in each.line.steps}
        for attempt in attempts:
            runs = ledger.measurements(each.line.record.id, attempt=attempt)
            looks.update({run.seed_commitment for run in runs})
    return looks


def _standings(
    rounds: Sequence[ReportedRound],
    promotions: Sequence[PromotionRecord],
    audits: Sequence[ChampionAudit],
) -> tuple[Standing, ...]:
    promoted = {
        move.round_id: move.new_commit for move in promotions if move.kind is PromotionKind.PROMOTE
    }
    found = []
    for each in rounds:
        record, effect = each.line.record, each.line.effect
        if record.id in promoted and effect is not None:
            found.append(
                Standing(
                    label=each.line.label,
                    hypothesis=each.line.hypothesis,
                    commit=promoted[record.id],
                    against=Against.CHAMPION,
                    effect=effect,
                )
            )
        found += _audited(each.line.label, audits, record.id)
    return (*found, *_audited("end", audits, None))


def _audited(
    label: str, audits: Sequence[ChampionAudit], round_id: str | None
) -> Iterator[Standing]:
    for audit in audits:
        if audit.round_id == round_id and audit.effect is not None:
            yield Standing(
                label=label,
                hypothesis="" if audit.is_supported else f"audit {audit.score.verdict.value}",
                commit=audit.commit,
                against=Against.BASELINE,
                effect=audit.effect,
            )


def _round(
    ledger: Ledger, line: RoundView, lineage: Lineage | None, seen: Sequence[float]
) -> ReportedRound:
    # Of the confirmation where there was one: that is the claim.
    score, report = line.confirm or line.score, line.report
    runs = ledger.measurements(line.record.id, attempt=line.state.attempt)
    return ReportedRound(
        line=line,
        confirm=None if line.confirm is None else line.confirm.effect,
        plausibility="" if score is None else score.plausibility,
        best_reachable=_reachable(runs, line, seen),
        absolute=absolute_of(runs),
        changed="" if report is None else report.changed,
        diff=_diff(line, lineage),
        wall_s=sum(step.wall_s for step in line.steps),
    )


def _reachable(runs: Sequence[Measurement], line: RoundView, seen: Sequence[float]) -> float | None:
    opened = line.left(Opened)
    if line.effect is None or opened is None:
        return None
    searched = (each for each in runs if each.purpose is Purpose.SCREEN)
    champions = _values(each for each in searched if each.arm is Arm.CHAMPION)
    return best_reachable(champions, opened.bound_s, seen)


def _values(runs: Iterable[Measurement]) -> list[float]:
    """Deciding values of the runs that have one."""
    return [each.metric_value for each in runs if each.metric_value is not None]


def _diff(line: RoundView, lineage: Lineage | None) -> str:
    if lineage is not None and line.commit is not None:
        try:
            return lineage.diff(line.parent, line.commit, limit_bytes=DIFF_LIMIT_BYTES)
        except LineageError:
            pass  # another machine's repository: the ledger's copy, if any, says the same
    text = "" if line.report is None else line.report.diff
    return text if len(text) <= DIFF_LIMIT_BYTES else text[:DIFF_LIMIT_BYTES] + "\n\\ cut\n"


def _champion(promotions: Sequence[PromotionRecord], lines: Sequence[RoundView]) -> str | None:
    if promotions:
        return promotions[-1].new_commit
    # A control may be measured against the baseline, whatever the champion is.
    ideas = [each for each in lines if not each.record.is_control]
    return ideas[-1].record.champion_commit if ideas else None
