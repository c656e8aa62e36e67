"""The champion against the round-0 baseline, measured again with fresh seeds at the end of a campaign."""

from collections.abc import Mapping
from dataclasses import asdict

from rsi.agent.workshop import Workshop
from rsi.evals.guards import source_facts
from rsi.evals.measuring import AUDIT_ALPHA, compare
from rsi.evals.score import score
from rsi.evals.types import Measurement, Purpose


def audit_champion(shop: Workshop) -> str:
    """Measure; the samples are kept with the campaign's last round. Returns a word for the engine."""
    rounds = shop.ledger.rounds(shop.campaign.id)
    baseline, champion = shop.lineage.baseline(), shop.lineage.champion()
    if not rounds:
        return "no rounds"
    if baseline == champion:
        return "champion is the baseline"
    last = rounds[-1].id

    def keep(measurement: Measurement) -> None:
        shop.ledger.add_measurement(last, measurement)

    compare(
        shop.task,
        shop.profile,
        shop.backend,
        shop.lineage.tree(baseline),
        shop.lineage.tree(champion),
        campaign_secret=shop.secret,
        lineage=shop.campaign.lineage,
        round_id=last,
        recorded=shop.ledger.measurements(last, Purpose.AUDIT),
        on_measurement=keep,
        should_stop=shop.steering.is_stopping,
    )
    return "measured"


def audit_facts(shop: Workshop, word: str) -> Mapping[str, object]:
    """What the campaign's last event says about the cumulative speedup."""
    rounds = shop.ledger.rounds(shop.campaign.id)
    baseline, champion = shop.lineage.baseline(), shop.lineage.champion()
    facts: dict[str, object] = {
        "audit": word,
        "baseline_commit": baseline,
        "champion_commit": champion,
        "score": None,
    }
    if word == "measured":
        found = score(
            shop.task,
            shop.profile,
            shop.ledger.measurements(rounds[-1].id, Purpose.AUDIT),
            purpose=Purpose.AUDIT,
            alpha=AUDIT_ALPHA,
            source=source_facts(shop.lineage.tree(baseline), shop.lineage.tree(champion)),
        )
        facts["score"] = asdict(found)
    return facts
