"""What a person asks of the queue and of a candidate at the gate is carried out by a worker."""

import shutil

import pytest

from rsi.agent.store.config import Autonomy
from rsi.agent.store.records import (
    Asked,
    CampaignEventKind,
    CampaignState,
    DecisionAction,
    RequestKind,
    utc_now,
)
from rsi.agent.store.round_book import RoundBook
from rsi.evals.types import Purpose
from rsi.tasks.format.loader import load_task

pytestmark = pytest.mark.slow


def ask(ledger, kind, campaign_id, **more):
    return ledger.add_request(
        kind, actor="person:ada", at=utc_now(), campaign_id=campaign_id, **more
    )


def handled(ledger, request):
    for each in ledger.requests(unhandled_only=False, campaign_id=request.campaign_id):
        if each.id == request.id:
            return each.handled
    return None


def test_more_pairs_are_measured_while_a_candidate_waits_and_the_verdict_stays(
    ledger, queue, start_worker, idea, gate, until
):
    campaign_id = queue([idea("02_row_sums_once", predicted=2.5)], autonomy=Autonomy.PERSON)
    with start_worker():
        case = gate.case(campaign_id)
        for pairs in (3, 6):
            request = ask(ledger, RequestKind.AUDIT, campaign_id, round_id=case.round_id)
            mark = until(lambda request=request: handled(ledger, request))
            assert (mark.outcome, mark.actor) == ("done", "worker")
            assert f"] over {pairs} pairs" in mark.detail
            assert len(ledger.measurements(case.round_id, Purpose.EXTRA)) == 2 * pairs
        assert gate.case(campaign_id) == case
        gate.say(case, DecisionAction.APPROVE)
        assert gate.wait_for_end(campaign_id) is CampaignState.FINISHED
    assert RoundBook(ledger).of_campaign(campaign_id)[0].ended_as == "promoted"


def test_a_campaign_that_failed_goes_on_when_it_is_asked_to(ledger, queue, work, idea, tmp_path):
    folder = tmp_path / "toy"
    shutil.copytree(load_task("toy").root, folder)
    campaign_id = queue([idea("07_wrong_name")], task=str(folder))
    folder.rename(tmp_path / "moved")
    assert work()[0] == 0
    assert ledger.campaign_summary(campaign_id).state is CampaignState.FAILED
    (tmp_path / "moved").rename(folder)
    request = ask(ledger, RequestKind.RETRY, campaign_id)
    assert work()[0] == 0
    assert handled(ledger, request).outcome == "done"
    assert ledger.campaign_summary(campaign_id).state is CampaignState.FINISHED
    assert RoundBook(ledger).of_campaign(campaign_id)[0].ended_as == "crashed"

    again = ask(ledger, RequestKind.RETRY, campaign_id)
    assert work()[0] == 0
    assert handled(ledger, again).outcome == "refused"
    assert "clone" in handled(ledger, again).detail


def test_a_campaign_that_was_asked_for_sooner_comes_first(ledger, queue, work, idea):
    first, second, third = (queue([idea("07_wrong_name")], lineage=name) for name in "abc")
    for campaign_id, by in ((third, 1), (first, -1)):
        ask(ledger, RequestKind.PRIORITY, campaign_id, payload=Asked(by=by))
    assert work()[0] == 0
    started = [
        (event.at, each)
        for each in (first, second, third)
        for event in ledger.campaign_events(each)
        if event.kind is CampaignEventKind.STARTED
    ]
    assert [each for _, each in sorted(started)] == [third, second, first]
    late = ask(ledger, RequestKind.PRIORITY, first, payload=Asked(by=5))
    assert work()[0] == 0
    assert handled(ledger, late).outcome == "refused"


def test_a_stopped_campaign_goes_on_with_the_rounds_it_has_left(
    ledger, queue, start_worker, idea, gate
):
    campaign_id = queue(
        [idea("02_row_sums_once", predicted=2.5), idea("07_wrong_name")], autonomy=Autonomy.PERSON
    )
    with start_worker():
        gate.case(campaign_id)
        ask(ledger, RequestKind.STOP, campaign_id)
        assert gate.wait_for_end(campaign_id) is CampaignState.STOPPED
        ask(ledger, RequestKind.RETRY, campaign_id)
        gate.wait_for_end(campaign_id, states={CampaignState.FINISHED})
    assert [each.ended_as for each in RoundBook(ledger).of_campaign(campaign_id)] == [
        "stopped",
        "crashed",
    ]
