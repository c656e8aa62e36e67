"""What a follower is told about the campaign's limits, as they are at that moment."""

from datetime import timedelta

import pytest
from tests.facts import finished, left

from rsi.agent.report.follow import Follower
from rsi.agent.store.config import CampaignConfig
from rsi.agent.store.events import CampaignEvent
from rsi.agent.store.ledger import Ledger
from rsi.agent.store.records import (
    Asked,
    CampaignEventKind,
    CampaignRecord,
    ChargeRecord,
    ChargeRole,
    RequestKind,
    RoundRecord,
    Step,
    round_id_of,
    utc_now,
)

CAMPAIGN = "c1"


@pytest.fixture
def ledger(tmp_path):
    with Ledger.open(tmp_path / "ledger.db") as opened:
        yield opened


@pytest.fixture
def begin(ledger):
    """A campaign that started some time ago."""

    def go(*, worked_s=0.0, **limits):
        config = CampaignConfig(task_root="/t", rounds=10, proposer="scripted:demo", **limits)
        started_at = utc_now() - timedelta(seconds=worked_s)
        ledger.add_campaign(
            CampaignRecord(
                id=CAMPAIGN, created_at=started_at, task="t", task_digest="0" * 64, track="main",
                profile="smoke", lineage="l", seed_commitment="0" * 64, config=config,
            )
        )  # fmt: skip
        ledger.add_campaign_event(
            CampaignEvent(campaign_id=CAMPAIGN, kind=CampaignEventKind.STARTED, at=started_at)
        )

    return go


@pytest.fixture
def spend(ledger):
    """A finished round that cost so much."""

    def go(number, usd, device_s=None):
        round_id = round_id_of(CAMPAIGN, number)
        ledger.add_round(
            RoundRecord(
                id=round_id, campaign_id=CAMPAIGN, number=number, champion_commit="a" * 40,
                created_at=utc_now(),
            )
        )  # fmt: skip
        ledger.reserve(
            ChargeRecord(
                id=f"{round_id}/x", campaign_id=CAMPAIGN, round_id=round_id, model="m",
                role=ChargeRole.DEVICE if device_s else ChargeRole.PROPOSER,
                reserved_usd=usd, reserved_at=utc_now(),
            )
        )  # fmt: skip
        ledger.settle(f"{round_id}/x", actual_usd=usd, at=utc_now(), device_s=device_s)
        for step in (Step.OPEN, Step.REPORT):
            ledger.add_step(finished(left(step), round_id=round_id))

    return go


def budget_lines(follower):
    return [each.partition("budget: ")[2] for each in follower.news() if "budget: " in each]


def test_each_limit_is_told_at_half_and_at_four_fifths_and_once(ledger, begin, spend):
    begin(budget_usd=10.0, budget_device_s=36_000.0)
    follower = Follower(ledger, CAMPAIGN)
    spend(1, 4.0)
    assert budget_lines(follower) == []
    spend(2, 2.0)
    assert budget_lines(follower) == [
        "50% of the dollars are used: $6.00 of $10; as the rounds went so far, it pays for 1 more"
    ]
    assert budget_lines(follower) == []
    spend(3, 0.0, device_s=30_000.0)
    assert budget_lines(follower) == ["80% of the device hours are used: 8.3 of 10 h"]


def test_a_budget_that_was_raised_counts_at_once(ledger, begin, spend):
    begin(budget_usd=10.0)
    ledger.add_request(
        RequestKind.BUDGET, actor="person:ada", at=utc_now(), campaign_id=CAMPAIGN,
        payload=Asked(limits={"budget_usd": 100.0}),
    )  # fmt: skip
    follower = Follower(ledger, CAMPAIGN)
    spend(1, 9.0)
    assert budget_lines(follower) == []
    ledger.add_request(
        RequestKind.BUDGET, actor="person:ada", at=utc_now(), campaign_id=CAMPAIGN,
        payload=Asked(limits={"budget_usd": 11.0}),
    )  # fmt: skip
    assert budget_lines(follower)[0].startswith("80% of the dollars are used: $9.00 of $11")


def test_hours_are_told_too_without_the_time_after_the_end(ledger, begin):
    begin(worked_s=3000.0, budget_wall_s=3600.0)
    assert budget_lines(Follower(ledger, CAMPAIGN)) == ["80% of the hours are used: 0.83 of 1 h"]
    early = ledger.campaign_events(CAMPAIGN)[0].at + timedelta(seconds=60)
    ledger.add_campaign_event(
        CampaignEvent(campaign_id=CAMPAIGN, kind=CampaignEventKind.FINISHED, at=early)
    )
    assert budget_lines(Follower(ledger, CAMPAIGN)) == []
