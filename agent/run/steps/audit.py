"""The champion against the round-0 baseline, measured again with fresh seeds: between rounds and at the end.

The samples are kept with a round of the campaign, what they come to with one of the campaign's events.
"""

from collections.abc import Mapping
from dataclasses import asdict
from typing import cast

from rsi.agent.report.follow import score_line
from rsi.agent.run.steps.device_time import device_time, run_s
from rsi.agent.run.workshop import Workshop
from rsi.agent.store.records import (
    CampaignEvent,
    CampaignEventKind,
    PromotionKind,
    RoundRecord,
    utc_now,
)
from rsi.evals.judge.guards import source_facts
from rsi.evals.judge.score import score
from rsi.evals.measure.measuring import AUDIT_ALPHA, compare
from rsi.evals.types import Measurement, Purpose

MEASURED = "measured"


def audit_champion(shop: Workshop) -> str:
    """Measure at the end; the samples are kept with the last round. Returns a word for the engine."""
    rounds = shop.ledger.rounds(shop.campaign.id)
    baseline, champion = shop.lineage.baseline(), shop.lineage.champion()
    if not rounds:
        return "no rounds"
    if baseline == champion:
        return "champion is the baseline"
    if _audited_commit(shop, rounds[-1]) not in {None, champion}:
        # Its samples are the last round's, and they are about another commit.
        return f"not measured: the champion moved after round {rounds[-1].id} was audited"
    _measure(shop, rounds[-1].id, champion)
    return MEASURED


def audit_stack(shop: Workshop, record: RoundRecord) -> str:
    """Measure what a round promoted when that was the campaign's next to be audited; never twice.

    Args:
        shop: The campaign's tools.
        record: A round that has ended, whatever it ended as.

    Returns:
        A word for the engine.
    """
    promoted = _due(shop, record.id)
    if promoted is None:
        return "not due"
    if _audit_of(shop, record.id) is not None:
        return "audited before"
    if promoted != shop.lineage.champion():
        return "the champion moved on"  # a campaign that goes on after a failure meets its old rounds again
    if shop.steering.is_stopping():
        return "stopped"
    _measure(shop, record.id, promoted)
    if shop.steering.is_stopping():
        return "stopped"
    facts = _facts(shop, MEASURED, record.id, promoted)
    said = score_line(cast(Mapping[str, object], facts["score"]))
    shop.ledger.add_campaign_event(
        CampaignEvent(
            campaign_id=shop.campaign.id,
            kind=CampaignEventKind.AUDITED,
            at=utc_now(),
            payload={"round_id": record.id, "reason": f"against the baseline {said}", **facts},
        )
    )
    return MEASURED


def audit_facts(shop: Workshop, word: str) -> Mapping[str, object]:
    """What the campaign's last event says about the cumulative speedup."""
    rounds = shop.ledger.rounds(shop.campaign.id)
    return _facts(shop, word, rounds[-1].id if rounds else "", shop.lineage.champion())


def _due(shop: Workshop, round_id: str) -> str | None:
    """The commit that a round promoted, if the campaign's promotions up to it are a multiple of `audit_every`."""
    own = {each.id for each in shop.ledger.rounds(shop.campaign.id)}
    moves = [
        each
        for each in shop.ledger.promotions(shop.campaign.lineage)
        if each.kind is PromotionKind.PROMOTE and each.round_id in own
    ]
    for number, move in enumerate(moves, start=1):
        if move.round_id == round_id and number % shop.config.audit_every == 0:
            return move.new_commit
    return None


def _audit_of(shop: Workshop, round_id: str) -> CampaignEvent | None:
    """The audit whose samples lie with a round."""
    for event in shop.ledger.campaign_events(shop.campaign.id):
        if event.kind is CampaignEventKind.AUDITED and event.payload["round_id"] == round_id:
            return event
    return None


def _audited_commit(shop: Workshop, last: RoundRecord) -> object:
    """What the audit samples of the last round are about; None while it has none, or no word about them was written."""
    if not shop.ledger.measurements(last.id, Purpose.AUDIT):
        return None
    found = _audit_of(shop, last.id)
    if found is not None:
        return found.payload["champion_commit"]
    # A campaign that ended and goes on: its end was audited with its last round of then.
    ends = [
        each.payload["champion_commit"]
        for each in shop.ledger.campaign_events(shop.campaign.id)
        if each.at >= last.created_at
        and each.kind is CampaignEventKind.FINISHED
        and each.payload.get("champion_commit") != each.payload.get("baseline_commit")
    ]
    return ends[0] if ends else None


def _measure(shop: Workshop, round_id: str, commit: str) -> None:
    """All pairs that are not there yet; what was measured before a crash counts."""

    def keep(measurement: Measurement) -> None:
        shop.ledger.add_measurement(round_id, measurement)

    def stored() -> tuple[Measurement, ...]:
        return shop.ledger.measurements(round_id, Purpose.AUDIT)

    with device_time(shop, round_id, f"{round_id}/audit", lambda: run_s(stored())):
        compare(
            shop.task,
            shop.profile,
            shop.backend,
            shop.lineage.tree(shop.lineage.baseline()),
            shop.lineage.tree(commit),
            campaign_secret=shop.secret,
            lineage=shop.campaign.lineage,
            round_id=round_id,
            recorded=stored(),
            on_measurement=keep,
            should_stop=shop.steering.is_stopping,
        )


def _facts(shop: Workshop, word: str, round_id: str, champion: str) -> dict[str, object]:
    baseline = shop.lineage.baseline()
    facts: dict[str, object] = {
        "audit": word,
        "baseline_commit": baseline,
        "champion_commit": champion,
        "score": None,
    }
    if word == MEASURED:
        found = score(
            shop.task,
            shop.profile,
            shop.ledger.measurements(round_id, Purpose.AUDIT),
            purpose=Purpose.AUDIT,
            alpha=AUDIT_ALPHA,
            source=source_facts(shop.lineage.tree(baseline), shop.lineage.tree(champion)),
        )
        facts["score"] = asdict(found)
    return facts
