"""A worker with room for one: a campaign that waits for a person keeps no other from starting, but for those of its lineage."""

import pytest

from rsi.agent.store.config import Autonomy
from rsi.agent.store.records import CampaignState, DecisionAction


@pytest.mark.slow
def test_what_waits_for_a_person_takes_no_room_from_other_lineages(
    ledger, queue, idea, start_worker, gate
):
    gain = idea("02_row_sums_once", predicted=2.5)
    at_gate = queue([gain], autonomy=Autonomy.PERSON, lineage="one")
    behind = queue([idea("01_null")], lineage="one")
    elsewhere = queue([idea("01_null")], lineage="two")
    with start_worker():
        case = gate.case(at_gate)
        assert gate.wait_for_end(elsewhere) is CampaignState.FINISHED
        assert gate.case_of(ledger.rounds(at_gate)[0]) is not None, "nobody has decided"
        assert ledger.campaign_summary(behind).state is CampaignState.QUEUED
        gate.say(case, DecisionAction.APPROVE)
        assert gate.wait_for_end(at_gate) is CampaignState.FINISHED
        assert gate.wait_for_end(behind) is CampaignState.FINISHED
    (promotion,) = ledger.promotions()
    assert promotion.round_id == case.round_id
    (later,) = ledger.rounds(behind)
    assert later.champion_commit == promotion.new_commit, (
        "it started from what the person let through"
    )
