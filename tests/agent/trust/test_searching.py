"""The plan of a round, out of what the rounds before it left in the ledger."""

from dataclasses import replace
from types import SimpleNamespace

from tests.facts import finished, halted, left

from rsi.agent.run.steps.searching import plan_round
from rsi.agent.store.records import RoundRecord, Step, round_id_of, utc_now

DEAD, LIVING = "scripted:dead", "scripted:living"


def test_a_model_whose_first_proposal_failed_on_our_side_counts_as_tried(past):
    config = past.campaign.config
    campaign_context = SimpleNamespace(
        ledger=past.ledger,
        lineage=past.lineage,
        record=past.campaign,
        config=replace(config, proposer=DEAD, other_proposers=(LIVING,)),
    )
    baseline = past.lineage.baseline()
    first = plan_round(campaign_context, 1, baseline)
    assert first.model == DEAD
    round_id = round_id_of(past.campaign.id, 1)
    past.ledger.add_round(
        RoundRecord(
            id=round_id,
            campaign_id=past.campaign.id,
            number=1,
            champion_commit=baseline,
            created_at=utc_now(),
        )
    )
    for fact in (
        left(Step.OPEN, plan=first),
        halted(Step.PROPOSE, "harness_error", "401"),
        halted(Step.REPORT, "harness_error", "401"),
    ):
        past.ledger.add_step(finished(fact, round_id=round_id))
    assert plan_round(campaign_context, 2, baseline).model == LIVING
