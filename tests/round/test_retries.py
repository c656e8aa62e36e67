"""A campaign that goes on by request remembers by the ledger alone: what is done is passed over, not done again."""

import pytest
from tests.facts import finished, halted

from rsi.agent.run.campaign import run_campaign
from rsi.agent.store.records import CampaignState, RequestKind, Step, utc_now
from rsi.agent.store.round_book import RoundBook

pytestmark = pytest.mark.slow


class Forgetful:
    """An engine that remembers nothing, as after a retry; `at` does something before a named step."""

    def __init__(self, at=None):
        self._at = at or {}

    def step(self, name, work):
        self._at.get(name, lambda: None)()
        return work()

    def wait(self, topic):
        raise AssertionError(f"nothing here waits: {topic}")


@pytest.fixture
def ask(ledger):
    def go(kind, campaign_id):
        return ledger.add_request(kind, actor="person:ada", at=utc_now(), campaign_id=campaign_id)

    return go


def state(ledger, campaign_id):
    return ledger.campaign_summary(campaign_id).state


def test_a_campaign_goes_on_after_a_promotion_from_the_new_champion(
    home, ledger, queue, work, idea, ask
):
    campaign_id = queue([idea("02_row_sums_once", predicted=2.5), idea("07_wrong_name")])
    stop = Forgetful({"next/2": lambda: ask(RequestKind.STOP, campaign_id)})
    run_campaign(home, ledger, campaign_id, stop)
    assert state(ledger, campaign_id) is CampaignState.STOPPED
    (promotion,) = ledger.promotions()
    before = ledger.steps(promotion.round_id)

    ask(RequestKind.RETRY, campaign_id)
    status, log = work()
    assert (status, state(ledger, campaign_id)) == (0, CampaignState.FINISHED), log
    assert [each.ended_as for each in RoundBook(ledger).of_campaign(campaign_id)] == [
        "promoted",
        "crashed",
    ]
    assert ledger.rounds(campaign_id)[1].champion_commit == promotion.new_commit
    assert ledger.steps(promotion.round_id) == before
    assert ledger.promotions() == (promotion,)


def test_a_round_that_could_not_be_opened_is_not_entered_again(
    ledger, queue, work, idea, ask, tmp_path
):
    campaign_id = queue([idea("07_wrong_name")] * 3)
    script, away = tmp_path / "script.toml", tmp_path / "away.toml"
    script.rename(away)
    work()
    assert state(ledger, campaign_id) is CampaignState.FAILED
    away.rename(script)
    ask(RequestKind.RETRY, campaign_id)
    status, log = work()
    assert (status, state(ledger, campaign_id)) == (0, CampaignState.FINISHED), log
    rounds = ledger.rounds(campaign_id)
    ended = [each.ended_as for each in RoundBook(ledger).of_campaign(campaign_id)]
    assert ended == ["harness_error", "harness_error", "crashed"]
    for each in rounds[:2]:
        assert [row.step for row in ledger.steps(each.id)] == [Step.OPEN, Step.REPORT]


def test_an_opening_that_failed_and_was_not_reported_ends_its_round(
    home, ledger, queue, idea, tmp_path
):
    campaign_id = queue([idea("07_wrong_name")])
    script, away = tmp_path / "script.toml", tmp_path / "away.toml"

    def break_off():
        raise SystemExit

    script.rename(away)
    with pytest.raises(SystemExit):
        run_campaign(home, ledger, campaign_id, Forgetful({f"{campaign_id}-0001/close": break_off}))
    away.rename(script)
    (record,) = ledger.rounds(campaign_id)
    failed = finished(halted(Step.OPEN, "harness_error", "no script"), round_id=record.id)
    ledger.add_step(failed)  # as a kill between the two rows of a close leaves it
    run_campaign(home, ledger, campaign_id, Forgetful())
    assert [each.ended_as for each in RoundBook(ledger).of_campaign(campaign_id)] == [
        "harness_error"
    ]
    assert [row.step for row in ledger.steps(record.id)] == [Step.OPEN, Step.REPORT]


def test_what_fails_between_rounds_ends_the_campaign_with_its_reason(home, ledger, queue, idea):
    campaign_id = queue([idea("07_wrong_name")])

    def fail():
        raise TimeoutError("git took too long")

    run_campaign(home, ledger, campaign_id, Forgetful({"next/1": fail}))
    last = ledger.campaign_events(campaign_id)[-1]
    assert state(ledger, campaign_id) is CampaignState.FAILED
    assert "git took too long" in str(last.reason)
