"""Who follows a campaign is told what waits for them, also where policy was to decide and does not."""

from dataclasses import replace

import pytest
from tests.facts import finished, left

from rsi.agent.cli.verbs.running import _Follower
from rsi.agent.policy.settings import queue_campaign
from rsi.agent.store.config import Autonomy, CampaignConfig
from rsi.agent.store.records import DecisionAction, RoundRecord, Step, utc_now
from rsi.agent.store.steps.values import Planted
from rsi.evals.planted.controls import ControlKind
from rsi.tasks.format.loader import load_task


@pytest.fixture
def follower(home, ledger):
    """A follower of a campaign whose only round lies at the gate."""

    def go(autonomy, *, patience_s=0.0, escaped=None):
        task = load_task("toy")
        config = CampaignConfig(
            task_root=str(task.root), rounds=1, proposer="scripted:demo", autonomy=autonomy
        )
        campaign = queue_campaign(ledger, task, profile="smoke", lineage="here", config=config)
        facts = [left(Step.OPEN), left(Step.COMMIT), left(Step.REVIEW)]
        if escaped is not None:
            planted = Planted(kind=ControlKind.CHEAT, name=escaped, expect=(), after_round=0)
            rejected = left(Step.DECIDE, "reject", action=DecisionAction.REJECT)
            opened = replace(facts[0], planted=planted)
            _round(ledger, campaign.id, -1, [opened, *facts[1:], rejected, left(Step.REPORT)])
        _round(ledger, campaign.id, 1, facts)
        return _Follower(ledger, campaign.id, home, patience_s=patience_s)

    return go


def _round(ledger, campaign_id, number, facts):
    round_id = f"{campaign_id}-{number:04d}"
    ledger.add_round(
        RoundRecord(
            id=round_id, campaign_id=campaign_id, number=number, champion_commit="0" * 40, created_at=utc_now(),
            is_control=number < 0,
        )
    )  # fmt: skip
    for fact in facts:
        ledger.add_step(finished(fact, round_id=round_id))


def test_a_person_who_decides_is_told_at_once_and_once(follower, capsys):
    following = follower(Autonomy.PERSON, patience_s=1000.0)
    following.look()
    following.look()
    assert capsys.readouterr().err.count("waits for your decision") == 1


def test_policy_gets_its_moment_and_then_the_person_is_told(follower, capsys):
    follower(Autonomy.POLICY, patience_s=1000.0).look()
    assert "waits for your decision" not in capsys.readouterr().err
    following = follower(Autonomy.POLICY)
    following.look()
    following.look()
    assert capsys.readouterr().err.count("waits for your decision") == 1


def test_why_policy_does_not_decide_is_said(follower, capsys):
    follower(Autonomy.POLICY, escaped="08_ships_the_counts").look()
    said = capsys.readouterr().err
    assert "policy may not decide here now: promotions are locked: the planted cheat '08_ships_the_counts'" in said  # fmt: skip
