"""Why a campaign does not go on, told from the ledger and this machine alone."""

import os
from dataclasses import replace
from datetime import timedelta

import pytest

from rsi.agent.queue.liveness import this_worker
from rsi.agent.queue.standstill import (
    FULL_BYTES,
    GONE,
    NO_WORKER,
    Standstill,
    standstills,
    state_text,
)
from rsi.agent.store.config import CampaignConfig
from rsi.agent.store.events import CampaignEvent
from rsi.agent.store.records import CampaignEventKind, CampaignRecord, utc_now

QUEUED, STARTED, PARKED, FAILED = (
    CampaignEventKind.QUEUED,
    CampaignEventKind.STARTED,
    CampaignEventKind.PARKED,
    CampaignEventKind.FAILED,
)


@pytest.fixture
def campaign(ledger):
    """A campaign with these events, held by a worker; returns how it stands still."""

    def go(*kinds, holder=None, home=None, reason=""):
        ledger.add_campaign(
            CampaignRecord(id="c1", created_at=utc_now(), task="toy", task_digest="d" * 64, track="main",
                           profile="smoke", lineage="toy", seed_commitment="e" * 64,
                           config=CampaignConfig(task_root="/nowhere", rounds=1, proposer="scripted:x"))
        )  # fmt: skip
        for kind in kinds:
            event = CampaignEvent(campaign_id="c1", kind=kind, at=utc_now(), reason=reason)
            ledger.add_campaign_event(event)
        if holder is not None:
            ledger.take_campaign("c1", holder.id, after_epoch=0)
        (summary,) = ledger.campaigns()
        found = standstills(ledger, [summary], home)
        assert found.keys() <= {"c1"}
        return found.get("c1"), state_text(summary, found.get("c1"))

    return go


@pytest.fixture
def worker(ledger):
    """This process as a worker that beat so long ago."""

    def go(silent_s=0.0, **changes):
        made = replace(this_worker(ledger.now()), **changes)
        ledger.heartbeat(made, at=ledger.now() - timedelta(seconds=silent_s))
        return made

    return go


@pytest.mark.parametrize("kinds", [(QUEUED,), (QUEUED, STARTED), (QUEUED, STARTED, PARKED)])
def test_without_any_worker_nothing_that_is_open_goes_on(campaign, kinds):
    found, said = campaign(*kinds)
    assert found == Standstill(word="no worker", reason=NO_WORKER)
    assert said.endswith(", no worker")


def test_what_has_ended_needs_no_worker(campaign):
    assert campaign(QUEUED, STARTED, FAILED) == (None, "failed")


def test_a_worker_that_works_is_no_standstill(campaign, worker):
    assert campaign(QUEUED, STARTED, holder=worker()) == (None, "running")


def test_what_waits_in_the_queue_of_a_worker_is_no_standstill(campaign, worker):
    worker()
    assert campaign(QUEUED) == (None, "queued")


def test_a_worker_that_leaves_takes_nothing_new(campaign, worker):
    worker(is_leaving=True)
    assert campaign(QUEUED)[1] == "queued, no worker"


def test_a_campaign_whose_worker_died_is_told_apart_from_those_of_the_living(campaign, worker):
    dead = worker(start_tick=1)
    worker()
    assert campaign(QUEUED, STARTED, holder=dead)[0] == Standstill(word="no worker", reason=GONE)


def test_a_worker_that_lives_and_cannot_write_says_so_by_its_silence(campaign, worker):
    found, said = campaign(QUEUED, STARTED, holder=worker(silent_s=40))
    assert said == "parked"
    assert f"pid {os.getpid()}) lives and could not write for 4" in found.reason


def test_a_full_disk_is_named(campaign, worker, home, monkeypatch):
    usage = type("Usage", (), {"free": FULL_BYTES - 1})
    monkeypatch.setattr("shutil.disk_usage", lambda path: usage)
    found, _ = campaign(QUEUED, STARTED, holder=worker(silent_s=40), home=home)
    assert f"the disk of {str(home.root)!r} is full ({FULL_BYTES - 1} bytes free)" in found.reason


def test_a_parked_campaign_says_why(campaign, worker):
    found, said = campaign(QUEUED, STARTED, PARKED, holder=worker(), reason="no room for git")
    assert (found, said) == (Standstill(word="parked", reason="no room for git"), "parked")
