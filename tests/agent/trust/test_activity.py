"""What a campaign does now, since when, and who keeps the machine from it: told from facts, also between rounds."""

from dataclasses import replace

import pytest

from rsi.agent.cli.entry import main
from rsi.agent.queue.liveness import this_worker
from rsi.agent.report.activity import activity_of
from rsi.agent.report.follow import Follower
from rsi.agent.store.events import Audit, CampaignEvent
from rsi.agent.store.records import CampaignEventKind, RoundRecord, Step, utc_now
from rsi.evals.types import Purpose
from rsi.sandboxes.machine.leases import machine_lock


@pytest.fixture
def served(past, ledger, tmp_path, monkeypatch):
    """The campaign, held by a worker of this machine whose locks are in a folder of their own."""
    monkeypatch.setenv("RSI_LEASE_DIR", str(tmp_path / "leases"))
    worker = this_worker(ledger.now())
    ledger.heartbeat(worker)
    ledger.take_campaign(past.campaign.id, worker.id, after_epoch=0)
    return past


def begin(past, number):
    round_id = f"{past.campaign.id}-{number:04d}"
    past.ledger.add_round(
        RoundRecord(
            id=round_id, campaign_id=past.campaign.id, number=number, champion_commit=past.lineage.baseline(),
            created_at=utc_now(),
        )
    )  # fmt: skip
    return round_id


def what(past):
    return activity_of(past.ledger, past.campaign.id).what


def test_each_thing_that_takes_time_has_its_words(served):
    assert what(served) == "environment and lineage"
    round_id = begin(served, 1)
    assert what(served) == "round 1 open, the floor is measured"
    served._step(round_id, Step.OPEN, "ok", floor_s=0.1)
    assert what(served) == "round 1 brief"
    for step in (Step.BRIEF, Step.PROPOSE, Step.COMMIT, Step.CRITIQUE, Step.ADMIT):
        served._step(round_id, step, "ok")
    assert what(served) == "round 1 measure run 1"
    served._pair(round_id, Purpose.SCREEN, 0, 1.0, 0.003)
    assert what(served) == "round 1 measure run 3"
    served._step(round_id, Step.MEASURE, "ok")
    served._step(round_id, Step.REPORT, "ok")
    assert what(served) == "next round"
    served._pair(round_id, Purpose.AUDIT, 0, 1.0, 0.003)
    assert what(served) == "audit of the champion, run 3"
    audit = Audit(
        word="measured", baseline_commit="b", champion_commit="c", score=None, round_id=round_id
    )
    served.ledger.add_campaign_event(
        CampaignEvent(campaign_id=served.campaign.id, kind=CampaignEventKind.AUDITED, at=utc_now(), audit=audit)
    )  # fmt: skip
    assert what(served) == "next round"
    for number in range(2, 10):
        last = begin(served, number)
        served._step(last, Step.OPEN, "ok")
        served._step(last, Step.REPORT, "ok")
    assert what(served) == "audit of the champion, run 1"
    served.ledger.add_campaign_event(
        CampaignEvent(campaign_id=served.campaign.id, kind=CampaignEventKind.FINISHED, at=utc_now())
    )
    assert activity_of(served.ledger, served.campaign.id) is None


def test_who_holds_the_machine_is_named_with_since_when_and_never_the_campaign_itself(
    served, capsys
):
    round_id = begin(served, 1)
    served._step(round_id, Step.OPEN, "ok")
    for step in (Step.BRIEF, Step.PROPOSE, Step.COMMIT, Step.CRITIQUE, Step.ADMIT):
        served._step(round_id, step, "ok")
    follower = Follower(served.ledger, served.campaign.id)
    assert "machine" not in follower.now()
    with machine_lock(what=f"screen of {round_id}"):
        assert "machine" not in follower.now()
    with machine_lock(what="screen of c9-0004"):
        said = follower.now()
        assert "round 1 measure run 1, since " in said
        assert "; the machine is held by screen of c9-0004 (pid " in said
        assert main(["queue"]) == 0
        assert f"{served.campaign.id}: {said}" in capsys.readouterr().out
        served._step(round_id, Step.MEASURE, "ok")
        served._step(round_id, Step.SCORE, "supported")
        served._step(round_id, Step.REVIEW, "ok", score_digest="d")
        assert "machine" not in follower.now(), "a decision waits for no machine"


def test_another_machines_lock_is_not_this_ones(served):
    worker = this_worker(served.ledger.now())
    served.ledger.heartbeat(replace(worker, id="far-1", host="far"))
    served.ledger.take_campaign(served.campaign.id, "far-1", after_epoch=1)
    begin(served, 1)
    with machine_lock(what="screen of c9-0004"):
        assert activity_of(served.ledger, served.campaign.id).held_by == ""
