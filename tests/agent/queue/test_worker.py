"""What a worker does between steps: it wakes whoever waits, finds what was lost, and leaves without losing anything."""

import time

import pytest

from rsi.agent.queue.liveness import live_workers
from rsi.agent.queue.reconciling import LOST, Reconciler, reconcile
from rsi.agent.queue.requests import serve_queue_requests
from rsi.agent.queue.worker import Housekeeping, engine_url
from rsi.agent.run.engine import EngineClient
from rsi.agent.store.config import CampaignConfig
from rsi.agent.store.events import CampaignEvent
from rsi.agent.store.home import Home
from rsi.agent.store.ledger import Ledger
from rsi.agent.store.records import (
    CampaignEventKind,
    CampaignRecord,
    CampaignState,
    RequestKind,
    RoundRecord,
    round_id_of,
    utc_now,
)

IDLE_S = 1.05
"""A worker looks so seldom whether anything is left to do."""


class FakeEngine:
    """An engine whose looks are told beforehand; the last one stays."""

    def __init__(self, *looks):
        self._looks = [frozenset(each) for each in looks]
        self.woken, self.queued, self.looks = [], [], 0

    def under_way(self):
        self.looks += 1
        return self._looks.pop(0) if len(self._looks) > 1 else self._looks[0]

    def unfinished(self, executor_ids):
        return ()

    def waiting(self):
        return ()

    def assigned(self, executor_id):
        return 0

    def leave(self, executor_id):
        """Nothing was given to anybody."""

    def wake(self, campaign_id, topic, key):
        self.woken.append((campaign_id, topic))

    def requeue(self, campaign_id, sooner=0):
        self.queued.append(campaign_id)


@pytest.fixture
def home(tmp_path):
    return Home(root=tmp_path).create()


@pytest.fixture
def ledger(home):
    with Ledger.open(home) as opened:
        yield opened


@pytest.fixture
def campaign(ledger):
    """Writes a campaign and its events; returns its id."""

    def go(number, *kinds):
        campaign_id = f"c1120-{number:04x}"
        ledger.add_campaign(
            CampaignRecord(id=campaign_id, created_at=utc_now(), task="toy", task_digest="d" * 64, track="fixed",
                           profile="smoke", lineage="toy", seed_commitment="e" * 64, config=CampaignConfig(rounds=3, proposer="scripted:demo"))
        )  # fmt: skip
        for kind in kinds:
            say(ledger, campaign_id, kind)
        return campaign_id

    return go


def say(ledger, campaign_id, kind, **more):
    ledger.add_campaign_event(
        CampaignEvent(campaign_id=campaign_id, kind=kind, at=utc_now(), **more)
    )


def state(ledger, campaign_id):
    return ledger.campaign_summary(campaign_id).state


QUEUED, STARTED, FAILED = (
    CampaignEventKind.QUEUED,
    CampaignEventKind.STARTED,
    CampaignEventKind.FAILED,
)


def test_what_the_engine_lacks_is_queued_or_closed_and_the_rest_is_left_alone(ledger, campaign):
    waits, runs = campaign(1, QUEUED), campaign(2, QUEUED, STARTED)
    never_queued, lost = campaign(3, QUEUED), campaign(4, QUEUED, STARTED)
    ended = campaign(5, QUEUED, STARTED, FAILED)
    engine = FakeEngine({waits, runs})
    reconcile(ledger, engine)
    assert engine.queued == [never_queued]
    assert ledger.campaign_events(lost)[-1].reason == LOST
    states = [state(ledger, each) for each in (waits, runs, never_queued, lost, ended)]
    assert [each.value for each in states] == ["queued", "running", "queued", "failed", "failed"]


def test_looks_without_news_read_no_campaigns_and_what_the_engine_loses_later_is_noticed(
    ledger, campaign, monkeypatch
):
    runs = campaign(1, QUEUED, STARTED)
    engine = FakeEngine({runs})
    reconciler = Reconciler(ledger, engine)
    reconciler.look()
    with monkeypatch.context() as patched:
        patched.setattr(ledger, "campaigns", None)
        reconciler.look()
    later = campaign(2, QUEUED)
    reconciler.look()
    assert engine.queued == [later]
    assert state(ledger, runs).value == "running"
    reconciler = Reconciler(ledger, engine)
    reconciler.look()
    ledger.add_round(
        RoundRecord(
            id=round_id_of(runs, 1),
            campaign_id=runs,
            number=1,
            champion_commit="a" * 40,
            created_at=utc_now(),
        )
    )
    monkeypatch.setattr(engine, "under_way", frozenset)
    reconciler.look()
    assert ledger.campaign_events(runs)[-1].reason == LOST


def test_a_campaign_that_is_queued_again_twice_is_one_entry(home, ledger, campaign):
    campaign_id = campaign(1, QUEUED)
    client = EngineClient(engine_url(home))
    try:
        for _ in range(2):
            reconcile(ledger, client)
            assert client.under_way() == {campaign_id}
        client.requeue(campaign_id, 3)
        assert client.under_way() == {campaign_id}
    finally:
        client.close()


def test_a_retry_cut_off_before_it_was_answered_is_granted_once(ledger, campaign):
    campaign_id = campaign(1, QUEUED, STARTED, FAILED)
    request = ledger.add_request(
        RequestKind.RETRY, actor="person:ada", at=utc_now(), campaign_id=campaign_id
    )
    again = ledger.add_request(
        RequestKind.RETRY, actor="person:ada", at=utc_now(), campaign_id=campaign_id
    )
    # A kill right after the event: what the engine had was not queued again.
    reason = "person:ada asked for it to go on"
    say(ledger, campaign_id, QUEUED, reason=reason, request_id=request.id)
    engine = FakeEngine(())
    serve_queue_requests(ledger, engine, "worker-1")
    marks = {
        each.id: each.handled
        for each in ledger.requests(unhandled_only=False, campaign_id=campaign_id)
    }
    assert (marks[request.id].outcome, marks[again.id].outcome) == ("done", "refused")
    assert engine.queued == [campaign_id]
    assert len(ledger.campaign_events(campaign_id)) == 4


def test_a_worker_that_leaves_counts_as_gone_before_it_is(ledger):
    keeper = Housekeeping(ledger, FakeEngine(()), exit_when_idle=True)
    assert keeper.tick()
    assert [each.id for each in live_workers(ledger)] == [keeper.worker.id]
    time.sleep(IDLE_S)
    assert not keeper.tick()
    assert not live_workers(ledger)


def test_a_worker_stays_for_what_was_queued_while_it_was_leaving(ledger):
    engine = FakeEngine((), (), {"c1120-late"})
    keeper = Housekeeping(ledger, engine, exit_when_idle=True)
    time.sleep(IDLE_S)
    assert keeper.tick()
    assert engine.looks == 3, (
        "for whom to wake, for work, and once more after saying that it leaves"
    )
    assert [each.id for each in live_workers(ledger)] == [keeper.worker.id]


def test_a_campaign_older_than_a_hundred_others_is_woken(ledger, campaign):
    oldest = campaign(0, QUEUED, STARTED)
    for number in range(1, 102):
        campaign(number, QUEUED, STARTED, FAILED)
    ledger.add_request(RequestKind.RESUME, actor="person:ada", at=utc_now(), campaign_id=oldest)
    engine = FakeEngine({oldest})
    Housekeeping(ledger, engine, exit_when_idle=False).wake()
    assert engine.woken == [(oldest, "resume")]
    assert state(ledger, oldest) is CampaignState.RUNNING
