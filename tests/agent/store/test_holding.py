"""Who runs a campaign: one holder, taken by one conditional write, and no write of whoever lost it."""

import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from rsi.agent.errors import CampaignLostError
from rsi.agent.store.events import CampaignEvent
from rsi.agent.store.facts.worker_facts import Holder
from rsi.agent.store.ledger import Ledger
from rsi.agent.store.records import (
    AgentRole,
    CampaignEventKind,
    ChargeRecord,
    ChargeRole,
    DecisionAction,
    DecisionRecord,
    HandledMark,
    LogChunk,
    PromotionRecord,
    Reopening,
    RequestKind,
    Step,
    StepOutcome,
    TrajectoryEvent,
    TrajectoryKind,
    WorkerRecord,
)
from rsi.agent.store.sql.tables import FACT_TABLES
from rsi.agent.store.steps.facts import Halted
from rsi.agent.store.steps.record import StepRecord
from rsi.evals.types import Arm, Disturbance, Measurement, Outcome, Purpose

AT = datetime(2026, 11, 20, tzinfo=UTC)
ROUND = "c1-0001"
WORKER = WorkerRecord(id="w1", host="box", pid=1, started_at=AT, heartbeat_at=AT, version="0")

WRITES = {
    "add_campaign_event": lambda ledger: ledger.add_campaign_event(
        CampaignEvent(campaign_id="c1", kind=CampaignEventKind.FAILED, at=AT)
    ),
    "add_round": lambda ledger: ledger.add_round(
        replace(ledger.round(ROUND), id="c1-0002", number=2)
    ),
    "add_step": lambda ledger: ledger.add_step(
        StepRecord(
            round_id=ROUND, started_at=AT, wall_s=1.0,
            fact=Halted(step=Step.PROPOSE, outcome=StepOutcome.NO_PATCH, reason="x"),
        )
    ),
    "add_measurement": lambda ledger: ledger.add_measurement(
        ROUND,
        Measurement(
            arm=Arm.CANDIDATE, purpose=Purpose.SCREEN, pair=0, position=0, outcome=Outcome.OK, cpu_s=1.0,
            wall_s=1.0, max_rss_bytes=None, metric_value=1.0, quality={}, result={}, detail="",
            backend="process", assurance="none", seed_commitment="",
            disturbance=Disturbance(load_1m=None, steal_s=None, others_cpu_s=None, is_disturbed=False),
        ),
    ),
    "add_events": lambda ledger: ledger.add_events(
        [TrajectoryEvent(round_id=ROUND, agent=AgentRole.CRITIC, seq=0, at=AT, kind=TrajectoryKind.NOTE)]
    ),
    "add_log": lambda ledger: ledger.add_log(
        LogChunk(round_id=ROUND, stream="s", seq=0, at=AT, content=b"x")
    ),
    "put_blob": lambda ledger: ledger.put_blob(b"x"),
    "add_decision": lambda ledger: ledger.add_decision(
        DecisionRecord(
            round_id=ROUND, action=DecisionAction.APPROVE, actor="policy:3", reason="", commit="b" * 40,
            score_digest="5" * 64, at=AT,
        )
    ),
    "add_intent": lambda ledger: ledger.add_intent(promotion()),
    "add_promotion": lambda ledger: ledger.add_promotion(promotion()),
    "reopen": lambda ledger: ledger.reopen(
        Reopening(round_id=ROUND, number=1, actor="a", at=AT, reason="")
    ),
    "add_rebase": lambda ledger: ledger.add_rebase(
        ROUND, attempt=0, champion_commit="9" * 40, at=AT
    ),
    "reserve": lambda ledger: ledger.reserve(charge()),
    "settle": lambda ledger: ledger.settle("open", actual_usd=0.0, at=AT),
    "add_request": lambda ledger: ledger.add_request(RequestKind.PAUSE, actor="a", at=AT),
    "mark_handled": lambda ledger: ledger.mark_handled(
        HandledMark(request_id=1, at=AT, actor="worker", outcome="done")
    ),
}  # fmt: skip


def promotion():
    return PromotionRecord(
        lineage="toy-main", round_id=ROUND, old_commit="a" * 40, new_commit="b" * 40, score_digest=None, at=AT
    )  # fmt: skip


def charge(charge_id="new"):
    return ChargeRecord(
        id=charge_id, campaign_id="c1", round_id=ROUND, role=ChargeRole.DEVICE, model="x", reserved_usd=0.0,
        reserved_at=AT,
    )  # fmt: skip


@pytest.fixture
def held(started):
    """The ledger of a worker that runs campaign c1."""
    epoch = started.take_campaign("c1", "w1", after_epoch=0)
    started.reserve(charge("open"))
    started.add_request(RequestKind.STOP, actor="a", at=AT, campaign_id="c1")
    return started.fenced("c1", epoch)


def rows(ledger):
    with ledger._database.read() as connection:
        return {
            table.name: connection.execute(select(table).order_by(table.c.seq)).all()
            for table in FACT_TABLES
        }


def test_every_write_of_the_ledger_is_tried_here():
    names = {name for name in dir(Ledger) if name.startswith(("add_", "put_", "mark_"))}
    assert names | {"reserve", "settle", "reopen"} == WRITES.keys() | {"add_campaign"}


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES.keys())
def test_who_lost_a_campaign_writes_nothing_more(started, held, write):
    assert started.take_campaign("c1", "w2", after_epoch=1) == 2
    before = rows(started)
    with pytest.raises(CampaignLostError, match="c1 is run by w2 by now"):
        write(held)
    assert rows(started) == before
    assert write(started.fenced("c1", 2)) is not None, "the new holder may"


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES.keys())
def test_the_holder_writes_as_anyone(held, write):
    assert write(held) is not None


def test_of_many_who_take_a_campaign_at_once_one_gets_it(started, place):
    started.take_campaign("c1", "dead", after_epoch=0)
    barrier, won = threading.Barrier(6), []

    def take(number):
        with Ledger.open(place) as own:
            barrier.wait()
            epoch = own.take_campaign("c1", f"w{number}", after_epoch=1)
            if epoch is not None:
                won.append((f"w{number}", epoch))

    threads = [threading.Thread(target=take, args=(number,)) for number in range(6)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert len(won) == 1
    assert started.holder("c1") == Holder(worker_id=won[0][0], epoch=2)


def test_a_worker_that_beat_since_it_was_thought_dead_is_not_robbed(started):
    started.heartbeat(WORKER, at=AT)
    (dead,) = started.workers()
    started.take_campaign("c1", "w1", after_epoch=0)
    started.heartbeat(WORKER, at=AT + timedelta(seconds=61))
    assert started.take_campaign("c1", "w2", after_epoch=1, from_dead=dead) is None
    assert started.holder("c1") == Holder(worker_id="w1", epoch=1)
    (dead,) = started.workers()
    assert started.take_campaign("c1", "w2", after_epoch=1, from_dead=dead) == 2


def test_a_write_that_has_begun_is_committed_before_another_can_take_the_campaign(
    started, held, place
):
    inside, may_end, order = threading.Event(), threading.Event(), []

    def slow_write():
        with held._database.write():
            inside.set()
            may_end.wait(20)
            order.append("written")

    def take():
        with Ledger.open(place) as own:
            own.take_campaign("c1", "w2", after_epoch=1)
            order.append("taken")

    writer, taker = threading.Thread(target=slow_write), threading.Thread(target=take)
    writer.start()
    assert inside.wait(20)
    taker.start()
    taker.join(0.5)
    may_end.set()
    writer.join()
    taker.join()
    assert order == ["written", "taken"]
