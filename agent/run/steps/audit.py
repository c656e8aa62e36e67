"""The champion against the round-0 baseline, measured again with fresh seeds: between rounds and at the end.

The samples are kept with a round of the campaign, what they come to with one of the campaign's events.
"""

from rsi.agent.policy.audits import audits_in
from rsi.agent.report.follow import score_line
from rsi.agent.run.contexts import CampaignContext
from rsi.agent.run.steps.device_time import device_time, run_s
from rsi.agent.store.events import AUDITED_BEFORE, Audit, CampaignEvent
from rsi.agent.store.records import CampaignEventKind, PromotionKind, RoundRecord, utc_now
from rsi.agent.store.stages import worked_s
from rsi.evals.judge.guards import source_facts
from rsi.evals.judge.score import score
from rsi.evals.measure.measuring import AUDIT_ALPHA, compare
from rsi.evals.types import Measurement, Purpose, Score

MEASURED = "measured"
GAP_SHARE = 0.03
"""Of the time that the campaign has run: the sessions of a demo of five minutes are ten seconds apart."""
MAX_GAP_S = 120.0
"""Long enough to meet another state of the machine, and little beside a campaign of hours."""


def audit_champion(campaign_context: CampaignContext) -> str:
    """Measure at the end; the samples are kept with the last round. Returns a word for the engine."""
    rounds = campaign_context.ledger.rounds(campaign_context.record.id)
    baseline, champion = campaign_context.lineage.baseline(), campaign_context.lineage.champion()
    if not rounds:
        return "no rounds"
    if baseline == champion:
        return "champion is the baseline"
    if (before := _audited_before(campaign_context, champion)) is not None:
        return f"{AUDITED_BEFORE}, by campaign {before}: nothing was promoted since"
    if _audited_commit(campaign_context, rounds[-1]) not in {None, champion}:
        # Its samples are the last round's, and they are about another commit.
        return f"not measured: the champion moved after round {rounds[-1].id} was audited"
    _measure(campaign_context, rounds[-1].id, champion)
    return MEASURED


def _audited_before(campaign_context: CampaignContext, champion: str) -> str | None:
    """The newest other campaign that audited this very champion, where this one promoted nothing; else None."""
    ledger, own = campaign_context.ledger, campaign_context.record
    rounds = {each.id for each in ledger.rounds(own.id)}
    if any(
        each.kind is PromotionKind.PROMOTE and each.round_id in rounds
        for each in ledger.promotions(own.lineage)
    ):
        return None
    found = [
        (audit.at, each.record.id)
        for each in ledger.campaigns(lineage=own.lineage)
        if each.record.id != own.id
        and each.record.task_digest == own.task_digest
        # What another class of machine measured says nothing about this one.
        and ledger.machine_class(each.record.id) == ledger.machine_class(own.id)
        for audit in audits_in(ledger.campaign_events(each.record.id))
        if audit.commit == champion
    ]
    return max(found)[1] if found else None


def audit_stack(campaign_context: CampaignContext, record: RoundRecord) -> str:
    """Measure what a round promoted when that was the campaign's next to be audited; never twice.

    Args:
        campaign_context: The campaign's tools.
        record: A round that has ended, whatever it ended as.

    Returns:
        A word for the engine.
    """
    promoted = _due(campaign_context, record.id)
    if promoted is None:
        return "not due"
    if _audit_of(campaign_context, record.id) is not None:
        return "audited before"
    if promoted != campaign_context.lineage.champion():
        return "the champion moved on"  # a campaign that goes on after a failure meets its old rounds again
    if campaign_context.steering.is_stopping():
        return "stopped"
    _measure(campaign_context, record.id, promoted)
    if campaign_context.steering.is_stopping():
        return "stopped"
    found = _scored(campaign_context, record.id, promoted)
    campaign_context.ledger.add_campaign_event(
        CampaignEvent(
            campaign_id=campaign_context.record.id,
            kind=CampaignEventKind.AUDITED,
            at=utc_now(),
            reason=f"against the baseline {score_line(found)}",
            audit=Audit(
                word=MEASURED,
                baseline_commit=campaign_context.lineage.baseline(),
                champion_commit=promoted,
                score=found,
                round_id=record.id,
            ),
        )
    )
    return MEASURED


def end_audit(campaign_context: CampaignContext, word: str) -> Audit:
    """What the campaign's last event says about the cumulative speedup."""
    rounds = campaign_context.ledger.rounds(campaign_context.record.id)
    champion = campaign_context.lineage.champion()
    is_measured = word == MEASURED and bool(rounds)
    return Audit(
        word=word,
        baseline_commit=campaign_context.lineage.baseline(),
        champion_commit=champion,
        score=_scored(campaign_context, rounds[-1].id, champion) if is_measured else None,
    )


def _due(campaign_context: CampaignContext, round_id: str) -> str | None:
    """The commit that a round promoted, if the campaign's promotions up to it are a multiple of `audit_every`."""
    own = {each.id for each in campaign_context.ledger.rounds(campaign_context.record.id)}
    moves = [
        each
        for each in campaign_context.ledger.promotions(campaign_context.record.lineage)
        if each.kind is PromotionKind.PROMOTE and each.round_id in own
    ]
    for number, move in enumerate(moves, start=1):
        if move.round_id == round_id and number % campaign_context.config.audit_every == 0:
            return move.new_commit
    return None


def _audit_of(campaign_context: CampaignContext, round_id: str) -> CampaignEvent | None:
    """The audit whose samples lie with a round."""
    for event in campaign_context.ledger.campaign_events(campaign_context.record.id):
        if (
            event.kind is CampaignEventKind.AUDITED
            and event.audit
            and event.audit.round_id == round_id
        ):
            return event
    return None


def _audited_commit(campaign_context: CampaignContext, last: RoundRecord) -> str | None:
    """What the audit samples of the last round are about; None while it has none, or no word about them was written."""
    if not campaign_context.ledger.measurements(last.id, Purpose.AUDIT):
        return None
    found = _audit_of(campaign_context, last.id)
    if found is not None and found.audit is not None:
        return found.audit.champion_commit
    # A campaign that ended and goes on: its end was audited with its last round of then.
    ends = [
        each.audit.champion_commit
        for each in campaign_context.ledger.campaign_events(campaign_context.record.id)
        if each.at >= last.created_at
        and each.kind is CampaignEventKind.FINISHED
        and each.audit is not None
        and not each.audit.is_same_code
    ]
    return ends[0] if ends else None


def _measure(campaign_context: CampaignContext, round_id: str, commit: str) -> None:
    """All pairs that are not there yet; what was measured before a crash counts."""

    def keep(measurement: Measurement) -> None:
        campaign_context.ledger.add_measurement(round_id, measurement)

    def stored() -> tuple[Measurement, ...]:
        return campaign_context.ledger.measurements(round_id, Purpose.AUDIT)

    with device_time(campaign_context, round_id, f"{round_id}/audit", lambda: run_s(stored())):
        compare(
            campaign_context.task,
            campaign_context.profile,
            campaign_context.backend,
            campaign_context.lineage.tree(campaign_context.lineage.baseline()),
            campaign_context.lineage.tree(commit),
            campaign_secret=campaign_context.secret,
            lineage=campaign_context.record.lineage,
            round_id=round_id,
            purpose=Purpose.AUDIT,
            session_gap_s=_gap_s(campaign_context),
            recorded=stored(),
            on_measurement=keep,
            should_stop=campaign_context.steering.is_stopping,
        )


def _gap_s(campaign_context: CampaignContext) -> float:
    """Seconds between two sessions: what "apart in time" means goes with how long the campaign has run."""
    events = campaign_context.ledger.campaign_events(campaign_context.record.id)
    return min(GAP_SHARE * worked_s(events, utc_now()), MAX_GAP_S)


def _scored(campaign_context: CampaignContext, round_id: str, champion: str) -> Score:
    baseline = campaign_context.lineage.baseline()
    return score(
        campaign_context.task,
        campaign_context.profile,
        campaign_context.ledger.measurements(round_id, Purpose.AUDIT),
        purpose=Purpose.AUDIT,
        alpha=AUDIT_ALPHA,
        source=source_facts(
            campaign_context.lineage.tree(baseline), campaign_context.lineage.tree(champion)
        ),
    )
