"""Pause, resume and drain of a worker: it takes nothing new, hands on what it runs between two steps, and a drained one ends."""

import json
from dataclasses import replace

import pytest
from tests.agent.queue.conftest import taken

from rsi.agent.cli.entry import main
from rsi.agent.queue.handing_on import CampaignHandedOnError, name_of
from rsi.agent.queue.launching import ensure_worker
from rsi.agent.queue.liveness import live_workers, this_worker
from rsi.agent.queue.standstill import NO_WORKER, PAUSED, standstills
from rsi.agent.store.events import CampaignEvent
from rsi.agent.store.records import CampaignEventKind, CampaignState, utc_now


class Remembering:
    """A durable engine that remembers nothing and hears what is waited for."""

    def __init__(self, on_wait=lambda: None):
        self.done, self._on_wait = [], on_wait

    def step(self, name, work):
        self.done.append(name)
        return work()

    def wait(self, topic):
        self._on_wait()


def begin(ledger, client, keeper, campaign_id):
    """Let a worker have begun a campaign, as the engine and the ledger tell it."""
    keeper.take_waiting()
    store = client._client._sys_db
    status = store.tables.workflow_status
    with store.engine.begin() as connection:
        connection.execute(
            status.update()
            .where(status.c.workflow_uuid == campaign_id)
            .values(status="PENDING", executor_id=keeper.worker.id)
        )
    event = CampaignEvent(campaign_id=campaign_id, kind=CampaignEventKind.STARTED, at=utc_now())
    ledger.add_campaign_event(event)


def tell(word, name, capsys):
    assert main(["workers", word, name]) == 0
    return capsys.readouterr().out


def test_a_paused_worker_takes_nothing_until_it_is_resumed(ledger, client, queue, worker, capsys):
    campaign_id, keeper = queue(), worker()
    assert "takes nothing new" in tell("pause", name_of(keeper.worker), capsys)
    assert keeper.tick()
    assert taken(client, keeper) == set()
    assert main(["workers"]) == 0
    assert capsys.readouterr().out.splitlines()[1].split()[2] == "paused"
    (still,) = standstills(ledger, ledger.campaigns()).values()
    assert still.reason == PAUSED
    assert [each.is_paused for each in live_workers(ledger)] == [True], "it is there, and stays"
    assert not any(each.handled is None for each in ledger.requests(unhandled_only=False))
    tell("resume", keeper.worker.host, capsys)
    assert keeper.tick()
    assert taken(client, keeper) == {campaign_id}
    assert not standstills(ledger, ledger.campaigns())


@pytest.mark.parametrize("word", ["pause", "drain"])
def test_what_it_runs_is_handed_on_before_the_next_step(
    ledger, client, queue, worker, capsys, word
):
    campaign_id, keeper, engine = queue(), worker(), Remembering()
    begin(ledger, client, keeper, campaign_id)

    def body():
        try:
            with keeper.holding(campaign_id) as fenced:
                durable = keeper.handing(fenced, campaign_id, engine)
                durable.step("one", lambda: "done")
                tell(word, name_of(keeper.worker), capsys)
                assert keeper.tick(), "while it runs something, it stays"
                durable.step("two", lambda: "done")
        except CampaignHandedOnError:
            keeper.give_back(campaign_id)
            raise

    with pytest.raises(CampaignHandedOnError):
        body()
    assert engine.done == ["one"]
    assert client.waiting() == (campaign_id,)
    assert ledger.campaign_summary(campaign_id).state is CampaignState.PARKED
    assert "takes no more" in ledger.campaign_events(campaign_id)[-1].reason
    assert keeper.tick() is (word == "pause")
    assert bool(live_workers(ledger)) is (word == "pause")
    other = worker()
    other.take_waiting()
    assert taken(client, other) == {campaign_id}, "another of its class goes on with it"


def test_a_drained_worker_does_not_wait_for_a_persons_decision(
    ledger, client, queue, worker, capsys
):
    campaign_id, keeper = queue(), worker()
    begin(ledger, client, keeper, campaign_id)
    ended = []

    def while_it_waits():
        tell("drain", name_of(keeper.worker), capsys)
        ended.append(keeper.tick())

    with keeper.holding(campaign_id) as fenced:
        keeper.handing(fenced, campaign_id, Remembering(while_it_waits)).wait("decision")
    assert ended == [False]
    assert client.waiting() == (campaign_id,), "another waits for the decision"


def test_the_batch_systems_signal_drains(ledger, client, queue, worker):
    queue()
    keeper = worker()
    keeper.on_limit(12, None)
    assert not keeper.tick()
    assert taken(client, keeper) == set()
    assert ledger.workers()[0].is_draining


def test_a_worker_that_drains_is_no_reason_not_to_start_another(ledger, worker, home, monkeypatch):
    keeper = worker()
    assert ensure_worker(home, ledger) is None
    ledger.heartbeat(replace(keeper.worker, is_draining=True))
    assert not live_workers(ledger)
    started = []
    monkeypatch.setattr("subprocess.Popen", lambda *args, **kw: started.append(args) or 1 / 0)
    with pytest.raises(ZeroDivisionError):
        ensure_worker(home, ledger)
    assert started


def test_a_name_that_nobody_has_is_told_with_those_that_run(ledger, worker, capsys):
    assert main(["workers", "drain", "nobody"]) == 3
    assert "those that run: none" in capsys.readouterr().err
    keeper = worker("lab")
    for name in (name_of(keeper.worker), "lab", keeper.worker.id, keeper.worker.host):
        assert main(["workers", "pause", name, "--json"]) == 0
        assert json.loads(capsys.readouterr().out) == [name_of(keeper.worker)]
    assert main(["workers", "drain", "nobody"]) == 3
    assert name_of(keeper.worker) in capsys.readouterr().err


def test_a_worker_that_ends_is_not_named_any_more(ledger, capsys):
    record = replace(this_worker(ledger.now()), is_leaving=True)
    ledger.heartbeat(record)
    assert main(["workers", "pause", name_of(record)]) == 3
    capsys.readouterr()
    assert main(["workers", "list"]) == 0
    assert NO_WORKER in capsys.readouterr().out
