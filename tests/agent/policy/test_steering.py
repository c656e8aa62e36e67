"""Who heard what a person asked of a campaign: a request counts at once, and is marked when it is acted on."""

import pytest

from rsi.agent.policy.steering import CampaignSteering, asked_limits, is_pause_asked
from rsi.agent.store.config import CampaignConfig
from rsi.agent.store.home import Home
from rsi.agent.store.ledger import Ledger
from rsi.agent.store.records import Asked, CampaignRecord, RequestKind, utc_now

CAMPAIGN = "c1120-4f2a"


@pytest.fixture
def ledger(tmp_path):
    with Ledger.open(Home(root=tmp_path).create()) as opened:
        opened.add_campaign(
            CampaignRecord(id=CAMPAIGN, created_at=utc_now(), task="toy", task_digest="d" * 64, track="fixed",
                           profile="smoke", lineage="toy", seed_commitment="e" * 64, config=CampaignConfig(rounds=3, proposer="scripted:demo"))
        )  # fmt: skip
        yield opened


@pytest.fixture
def ask(ledger):
    def go(kind, **said):
        ledger.add_request(
            kind, actor="person:ada", at=utc_now(), campaign_id=CAMPAIGN, payload=Asked(**said)
        )

    return go


def marks(ledger):
    everything = ledger.requests(unhandled_only=False, campaign_id=CAMPAIGN)
    return [
        (each.kind.value, each.handled.outcome if each.handled else None) for each in everything
    ]


def test_a_pause_is_marked_when_it_holds_and_holds_on_although_it_is_marked(ledger, ask):
    waits = []

    def sleep(_):
        waits.append(marks(ledger))
        if len(waits) == 3:
            ask(RequestKind.RESUME)

    steering = CampaignSteering(ledger, CAMPAIGN, sleep=sleep)
    ask(RequestKind.PAUSE)
    assert is_pause_asked(ledger.requests(unhandled_only=False, campaign_id=CAMPAIGN))
    assert marks(ledger) == [("pause", None)], "looking marks nothing"
    assert steering.wait_for_go()
    assert waits == [[("pause", "held")]] * 3
    assert marks(ledger) == [("pause", "held"), ("resume", "goes on")]
    assert not steering.must_hold()


def test_a_stop_counts_at_once_and_is_marked_when_the_campaign_is_over(ledger, ask):
    steering = CampaignSteering(ledger, CAMPAIGN)
    ask(RequestKind.PAUSE)
    ask(RequestKind.STOP)
    assert not steering.wait_for_go()
    assert steering.is_stopping()
    assert marks(ledger)[-1] == ("stop", None)
    steering.close("stopped")
    assert marks(ledger)[-1] == ("stop", "stopped")
    assert steering.is_stopping(), "marking takes nothing back"
    ask(RequestKind.RETRY)
    assert not steering.is_stopping()
    assert not steering.must_hold(), "what goes on again does not begin paused"
    ask(RequestKind.PAUSE)
    assert steering.must_hold()


def test_limits_are_marked_by_whoever_is_bound_by_them_and_messages_stay(ledger, ask):
    steering = CampaignSteering(ledger, CAMPAIGN)
    ask(RequestKind.BUDGET, limits={"budget_usd": 5.0, "budget_tokens": 100})
    ask(RequestKind.BUDGET, limits={"budget_usd": 7.5})
    ask(RequestKind.MESSAGE, text="smaller batch")
    assert steering.budgets() == {"budget_usd": 7.5, "budget_tokens": 100}
    assert [outcome for _, outcome in marks(ledger)] == [None, None, None]
    steering.heed_budgets()
    steering.close("finished")
    assert [outcome for _, outcome in marks(ledger)] == ["in force", "in force", None]
    everything = ledger.requests(unhandled_only=False, campaign_id=CAMPAIGN)
    assert asked_limits(everything) == {"budget_usd": 7.5, "budget_tokens": 100}
    heard = steering.messages()
    assert next(heard) == "smaller batch"
    assert marks(ledger)[-1] == ("message", None), "not before it was written down"
    assert not tuple(heard)
    assert marks(ledger)[-1] == ("message", "delivered")
    assert not tuple(steering.messages())


def test_what_was_said_to_a_proposal_that_was_killed_is_said_to_its_next_beginning(ledger, ask):
    campaign = CampaignSteering(ledger, CAMPAIGN)
    first = campaign.of_proposal("c1-0001")
    ask(RequestKind.MESSAGE, text="smaller batch")
    assert tuple(first.messages()) == ("smaller batch",)
    assert not tuple(first.messages()), "once is enough for one beginning"
    ask(RequestKind.MESSAGE, text="and fewer steps")
    again = campaign.of_proposal("c1-0001")
    assert tuple(again.messages()) == ("smaller batch", "and fewer steps")
    assert not tuple(campaign.of_proposal("c1-0002").messages()), "another proposal hears neither"
    assert not tuple(campaign.messages())
