"""A worker that is drained in the middle of a round hands its campaign on, for real: nothing is measured or paid twice."""

import pytest

from rsi.agent.cli.entry import main
from rsi.agent.queue.liveness import live_workers
from rsi.agent.store.records import CampaignEventKind, CampaignState, Step
from rsi.agent.store.round_book import RoundBook

pytestmark = pytest.mark.slow


def test_a_drained_workers_campaign_is_finished_by_another(
    home, ledger, queue, idea, start_worker, work, until
):
    campaign_id = queue([idea("02_row_sums_once", predicted=2.5)])

    def runs():
        rounds = ledger.rounds(campaign_id)
        return ledger.measurements(rounds[0].id) if rounds else ()

    with start_worker() as first:
        until(lambda: runs() or None)
        (worker,) = live_workers(ledger)
        assert main(["workers", "drain", worker.host]) == 0
        assert first.wait(60) == 0
    before = runs()
    assert ledger.campaign_summary(campaign_id).state is CampaignState.PARKED
    assert not live_workers(ledger)
    assert work()[0] == 0
    assert ledger.campaign_summary(campaign_id).state is CampaignState.FINISHED
    (line,) = RoundBook(ledger).of_campaign(campaign_id)
    assert line.ended_as == "promoted"
    after = runs()
    assert after[: len(before)] == before
    assert len(after) == len({(each.purpose, each.pair, each.arm) for each in after})
    assert [each.step for each in ledger.steps(line.record.id)] == list(Step)
    kinds = [each.kind for each in ledger.campaign_events(campaign_id)]
    assert CampaignEventKind.PARKED in kinds
    assert CampaignEventKind.RESUMED in kinds
    assert ledger.verify_chain().is_intact
