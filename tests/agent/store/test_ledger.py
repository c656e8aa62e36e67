"""What every ledger promises, on SQLite and on PostgreSQL alike."""

import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from tests.facts import halted, left

from rsi.agent.errors import LedgerConflictError, LedgerValueError, UnknownRecordError
from rsi.agent.store.config import CampaignConfig
from rsi.agent.store.events import CampaignEvent
from rsi.agent.store.ledger import Ledger
from rsi.agent.store.records import (
    AgentRole,
    Asked,
    CampaignEventKind,
    CampaignState,
    ChargeRecord,
    ChargeRole,
    ChargeStatus,
    HandledMark,
    LogChunk,
    RequestKind,
    Step,
    TrajectoryEvent,
    TrajectoryKind,
    WorkerRecord,
)
from rsi.agent.store.round_book import RoundBook
from rsi.agent.store.state import ENDED_STATES
from rsi.agent.store.steps.facts import AnyFact
from rsi.agent.store.steps.record import StepRecord
from rsi.evals.types import Arm, Disturbance, Measurement, Outcome, Purpose

AT = datetime(2026, 11, 20, 12, 0, 0, 123456, tzinfo=UTC)
ROUND = "c1-0001"
HOSTILE = "\0 \x1b[31m \ud800 \U0001f600 'quoted\" \\u0000 ; DROP TABLE steps"


def measurement(pair: int = 0, arm: Arm = Arm.CANDIDATE, **changes: object) -> Measurement:
    values: dict = {
        "arm": arm,
        "purpose": Purpose.SCREEN,
        "pair": pair,
        "position": 1,
        "outcome": Outcome.OK,
        "cpu_s": 0.1 + 0.2,
        "wall_s": 1e-9,
        "max_rss_bytes": 2**40,
        "metric_value": 3.0,
        "quality": {"loss": 2.123456789012345678},
        "result": {"curve": [[0, 3.5], [1, None]], "note": HOSTILE, "ok": True},
        "detail": HOSTILE,
        "backend": "process",
        "assurance": "none",
        "seed_commitment": "f" * 64,
        "disturbance": Disturbance(
            load_1m=0.5, steal_s=None, others_cpu_s=0.25, is_disturbed=False
        ),
    }
    return Measurement(**{**values, **changes})


def step(
    name: Step = Step.OPEN, outcome: str = "ok", *, fact: AnyFact | None = None, **changes: object
) -> StepRecord:
    plain = left(name, outcome, backend=HOSTILE) if name is Step.OPEN else left(name, outcome)
    values: dict = {"round_id": ROUND, "started_at": AT, "wall_s": 0.5, "fact": fact or plain}
    return StepRecord(**{**values, **changes})


def event(seq: int, agent: AgentRole = AgentRole.PROPOSER, **changes: object) -> TrajectoryEvent:
    values: dict = {
        "round_id": ROUND,
        "agent": agent,
        "seq": seq,
        "at": AT,
        "kind": TrajectoryKind.MODEL,
        "payload": {"text": f"{seq}{HOSTILE}"},
        "input_tokens": 10,
        "cost_usd": 0.001,
    }
    return TrajectoryEvent(**{**values, **changes})


def charge(charge_id: str = "k1", **changes: object) -> ChargeRecord:
    values: dict = {
        "id": charge_id,
        "campaign_id": "c1",
        "round_id": ROUND,
        "role": ChargeRole.PROPOSER,
        "model": "scripted:x",
        "reserved_usd": 0.5,
        "reserved_at": AT,
    }
    return ChargeRecord(**{**values, **changes})


def test_a_campaign_and_its_rounds_read_back_equal(ledger: Ledger, new_campaign, new_round):
    record = new_campaign(config=CampaignConfig(rounds=3, proposer=HOSTILE))
    assert ledger.add_campaign(record)
    opened = new_round(is_control=True, parent_commit="b" * 40)
    assert ledger.add_round(opened)
    assert ledger.campaign("c1") == record
    assert ledger.rounds("c1") == (opened,)
    assert ledger.round(ROUND) == opened


def test_the_same_fact_again_changes_nothing(started: Ledger, new_campaign, new_round):
    before = started.cursor()
    assert not started.add_campaign(new_campaign())
    assert not started.add_round(new_round())
    assert started.cursor() == before


def test_the_same_fact_at_another_moment_is_the_same_fact(started: Ledger, new_round):
    assert not started.add_round(new_round(created_at=AT + timedelta(hours=1)))
    started.add_step(step())
    again = step(started_at=AT + timedelta(hours=1), wall_s=9.0)
    assert not started.add_step(again)
    assert started.steps(ROUND) == (step(),)


def test_another_fact_under_the_same_key_is_refused_and_the_first_stands(
    started: Ledger, new_campaign, new_round
):
    started.add_step(step())
    started.add_measurement(ROUND, measurement())
    with pytest.raises(LedgerConflictError, match="campaign 'c1' is in the ledger already"):
        started.add_campaign(new_campaign(task="other"))
    with pytest.raises(LedgerConflictError):
        started.add_round(new_round(champion_commit="b" * 40))
    with pytest.raises(LedgerConflictError):
        started.add_round(new_round(id="other-id"))
    with pytest.raises(LedgerConflictError, match=r"step open \(attempt 0\)"):
        started.add_step(step(fact=left(Step.OPEN, alpha=0.5)))
    with pytest.raises(LedgerConflictError, match="pair 0 candidate"):
        started.add_measurement(ROUND, measurement(metric_value=4.0))
    assert started.steps(ROUND) == (step(),)
    assert started.measurements(ROUND) == (measurement(),)


@pytest.mark.parametrize(
    "name", ["", "a b", "../x", "x" * 121, "a/b", "-rf", "ä", "a\n", "a\0b", "a.lock"]
)
def test_ids_that_cannot_be_part_of_a_ref_are_refused(ledger: Ledger, new_campaign, name: str):
    with pytest.raises(LedgerValueError, match="is no id"):
        ledger.add_campaign(new_campaign(name))


def test_facts_about_unknown_things_are_refused(ledger: Ledger, new_round):
    with pytest.raises(UnknownRecordError):
        ledger.add_round(new_round())
    with pytest.raises(UnknownRecordError):
        ledger.add_step(step())
    with pytest.raises(UnknownRecordError):
        ledger.add_measurement(ROUND, measurement())
    with pytest.raises(UnknownRecordError):
        ledger.reserve(charge())
    with pytest.raises(UnknownRecordError, match="no campaign 'c9'"):
        ledger.campaign("c9")
    with pytest.raises(UnknownRecordError, match="no campaign 'c9'"):
        ledger.campaign_summary("c9")
    with pytest.raises(UnknownRecordError, match="no round 'c9'"):
        ledger.round("c9")
    with pytest.raises(UnknownRecordError, match="no blob"):
        ledger.blob("0" * 64)


def test_measurements_read_back_equal_whatever_they_hold(started: Ledger):
    bare = measurement(
        arm=Arm.CHAMPION,
        outcome=Outcome.TIMEOUT,
        cpu_s=None,
        wall_s=None,
        max_rss_bytes=None,
        metric_value=None,
        quality={},
        result={},
        disturbance=Disturbance(load_1m=None, steal_s=None, others_cpu_s=None, is_disturbed=True),
    )
    for item in (measurement(), bare):
        assert started.add_measurement(ROUND, item)
        assert not started.add_measurement(ROUND, item)
    assert started.measurements(ROUND) == (measurement(), bare)


def test_measurements_are_found_by_purpose_and_attempt(started: Ledger):
    confirm = measurement(purpose=Purpose.CONFIRM)
    second = measurement(metric_value=9.0)
    started.add_measurement(ROUND, measurement())
    started.add_measurement(ROUND, confirm)
    started.add_measurement(ROUND, second, attempt=1)
    assert started.measurements(ROUND, Purpose.CONFIRM) == (confirm,)
    assert started.measurements(ROUND, Purpose.SCREEN) == (measurement(), second)
    assert started.measurements(ROUND, Purpose.SCREEN, attempt=1) == (second,)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_numbers_that_are_none_are_refused_by_name(started: Ledger, value: float):
    with pytest.raises(LedgerValueError, match=r"Measurement\.quality\.loss is"):
        started.add_measurement(ROUND, measurement(quality={"loss": value}))
    with pytest.raises(LedgerValueError, match=r"StepRecord\.payload\.revised_alphas\[1\] is"):
        started.add_step(step(fact=left(Step.OPEN, revised_alphas=(1.0, value))))
    assert started.measurements(ROUND) == ()


def test_a_time_without_a_zone_is_refused(started: Ledger):
    with pytest.raises(LedgerValueError, match="has no time zone"):
        started.add_step(step(started_at=datetime(2026, 1, 1)))  # noqa: DTZ001


def test_steps_are_found_by_round_campaign_and_lineage(started: Ledger, new_campaign, new_round):
    started.add_campaign(new_campaign("c2"))
    started.add_campaign(new_campaign("c3", lineage="other"))
    for campaign_id in ("c2", "c3"):
        started.add_round(new_round(campaign_id))
    records = [
        step(round_id=f"{campaign_id}-0001", fact=left(Step.OPEN, backend=campaign_id))
        for campaign_id in ("c1", "c2", "c3")
    ]
    records.append(step(Step.REPORT))
    for record in records:
        started.add_step(record)
    assert started.steps(ROUND) == (records[0], records[3])
    assert started.step_record(ROUND, Step.REPORT) == records[3]
    assert started.step(ROUND, Step.REPORT) == records[3].fact
    assert started.step(ROUND, Step.REPORT, attempt=1) is None
    assert started.steps_of(campaign_id="c2") == (records[1],)
    assert started.steps_of(lineage="toy-main", step=Step.OPEN) == tuple(records[:2])


def test_trajectory_events_page_by_seq(started: Ledger):
    events = [event(seq) for seq in range(10)] + [event(0, AgentRole.CRITIC)]
    assert started.add_events(events) == 11
    assert started.add_events(events[:3]) == 0
    assert started.add_events([]) == 0
    assert started.events(ROUND, AgentRole.PROPOSER) == tuple(events[:10])
    assert started.events(ROUND, AgentRole.PROPOSER, after_seq=6, limit=2) == tuple(events[7:9])
    assert started.event_count(ROUND) == 11
    assert started.event_count(ROUND, AgentRole.CRITIC) == 1
    assert started.next_event_seq(ROUND, AgentRole.PROPOSER) == 10
    assert started.next_event_seq(ROUND, AgentRole.REVIEWER) == 0


def test_a_batch_with_one_conflicting_event_stores_none_of_it(started: Ledger):
    started.add_events([event(5)])
    with pytest.raises(LedgerConflictError, match="event 5 of the proposer"):
        started.add_events([event(4), replace(event(5), payload={"text": "other"})])
    assert started.event_count(ROUND) == 1


def test_repeating_the_latest_campaign_event_is_no_change(started: Ledger):
    def say(kind: CampaignEventKind, reason: str = "") -> bool:
        return started.add_campaign_event(
            CampaignEvent(campaign_id="c1", kind=kind, at=AT, reason=reason)
        )

    assert say(CampaignEventKind.STARTED)
    assert not say(CampaignEventKind.STARTED)
    assert say(CampaignEventKind.PAUSED, "budget")
    assert say(CampaignEventKind.STARTED)
    kinds = [item.kind.value for item in started.campaign_events("c1")]
    assert kinds == ["started", "paused", "started"]
    with pytest.raises(UnknownRecordError):
        started.add_campaign_event(
            CampaignEvent(campaign_id="c9", kind=CampaignEventKind.STARTED, at=AT)
        )


def test_the_campaign_list_tells_state_rounds_spend_and_latest_step(
    started: Ledger, new_campaign, new_round
):
    started.add_campaign(new_campaign("c2"))
    started.add_campaign_event(
        CampaignEvent(campaign_id="c1", kind=CampaignEventKind.STARTED, at=AT + timedelta(1))
    )
    started.add_round(new_round(number=2))
    started.add_step(step(Step.REPORT))
    started.add_step(step(round_id="c1-0002"))
    started.add_step(step(fact=halted(Step.BRIEF, "out_of_budget"), round_id="c1-0002"))
    started.reserve(charge("k1"))
    started.reserve(charge("k2"))
    started.settle("k2", actual_usd=0.125, at=AT)
    second, first = started.campaigns()
    assert (second.record.id, second.state, second.rounds) == ("c2", CampaignState.QUEUED, 0)
    assert second.latest_step is None
    assert second.changed_at == AT
    assert first.state is CampaignState.RUNNING
    assert first.changed_at == AT + timedelta(1)
    assert (first.rounds, first.promoted, first.spend_usd) == (2, 0, 0.625)
    assert (first.latest_round_id, first.latest_step) == ("c1-0002", Step.BRIEF)
    assert first.latest_outcome == "out_of_budget"
    assert started.campaign_summary("c1") == first
    assert started.campaigns(limit=1) == (second,)
    assert started.campaigns(limit=1, offset=1) == (first,)
    assert started.campaigns(lineage="nothing") == ()


def test_a_request_is_taken_once(started: Ledger):
    wish = started.add_request(
        RequestKind.MESSAGE, actor="person:a", at=AT, campaign_id="c1", payload=Asked(text=HOSTILE)
    )
    other = started.add_request(RequestKind.STOP, actor="person:b", at=AT)
    assert started.requests() == (wish, other)
    assert started.requests(campaign_id="c1") == (wish,)
    mark = HandledMark(request_id=wish.id, at=AT, actor="worker:1", outcome="done")
    assert started.mark_handled(mark)
    assert not started.mark_handled(replace(mark, actor="worker:2"))
    assert started.requests() == (other,)
    everything = started.requests(unhandled_only=False)
    assert everything == (replace(wish, handled=mark), other)
    with pytest.raises(UnknownRecordError):
        started.mark_handled(replace(mark, request_id=999))


def test_a_request_with_a_key_is_one_request(started: Ledger):
    def ask(text: str) -> int:
        return started.add_request(
            RequestKind.MESSAGE, actor="a", at=AT, payload=Asked(text=text), key="k"
        ).id

    assert ask("x") == ask("x")
    with pytest.raises(LedgerConflictError):
        ask("y")
    assert len(started.requests()) == 1


def test_a_reservation_counts_in_full_until_it_is_settled(started: Ledger):
    assert started.reserve(charge("k1"))
    assert not started.reserve(charge("k1"))
    started.reserve(charge("k2", role=ChargeRole.CRITIC))
    started.reserve(charge("k3", role=ChargeRole.CRITIC, reserved_usd=None))
    tokens = {"input": 10, "output": 5}
    assert started.settle("k2", actual_usd=0.25, tokens=tokens, at=AT)
    assert not started.settle("k2", actual_usd=0.25, tokens=tokens, at=AT + timedelta(1))
    spend = started.spend("c1")
    assert spend[ChargeRole.PROPOSER].spent_usd == 0.5
    assert spend[ChargeRole.PROPOSER].reserved_usd == 0.5
    critic = spend[ChargeRole.CRITIC]
    assert (critic.calls, critic.spent_usd, critic.reserved_usd) == (2, 0.25, 0.0)
    assert (critic.unknown_calls, critic.tokens) == (1, tokens)
    settled = started.charges("c1")[1]
    assert settled.status is ChargeStatus.SETTLED
    assert (settled.actual_usd, settled.settled_at) == (0.25, AT)
    assert started.charges(round_id="other") == ()


def test_a_settlement_at_an_unknown_price_keeps_the_reservation(started: Ledger):
    started.reserve(charge("k1"))
    started.settle("k1", actual_usd=None, device_s=2.5, at=AT)
    spend = started.spend()[ChargeRole.PROPOSER]
    assert (spend.spent_usd, spend.reserved_usd, spend.device_s) == (0.5, 0.5, 2.5)
    summary = started.campaign_summary("c1")
    assert (summary.spend_usd, summary.reserved_usd) == (0.5, 0.5)


def test_real_money_and_tokens_are_told_from_reserved_ones(started: Ledger):
    for name in ("k1", "k2", "k3"):
        started.reserve(charge(name, tokens={"bound": 900}))
    started.settle("k1", actual_usd=0.125, tokens={"input": 10, "output": 5}, at=AT)
    started.settle(
        "k2", actual_usd=None, tokens={"bound": 900}, at=AT
    )  # cut: nobody told what it cost
    spend = started.spend("c1")[ChargeRole.PROPOSER]
    assert (spend.spent_usd, spend.reserved_usd) == (1.125, 1.0)
    assert (dict(spend.tokens), spend.reserved_tokens) == ({"input": 10, "output": 5}, 1800)
    summary = started.campaign_summary("c1")
    assert (summary.spend_usd, summary.reserved_usd) == (1.125, 1.0)
    (view,) = RoundBook(started).of_campaign("c1")
    assert (view.spend_usd, view.reserved_usd) == (1.125, 1.0)


def test_charges_that_make_no_sense_are_refused(started: Ledger):
    with pytest.raises(LedgerValueError, match="must be 0 or more"):
        started.reserve(charge(reserved_usd=-1.0))
    with pytest.raises(LedgerValueError, match="reserved first"):
        started.reserve(charge(status=ChargeStatus.SETTLED))
    with pytest.raises(UnknownRecordError, match="reserve it first"):
        started.settle("k1", actual_usd=1.0, at=AT)
    started.reserve(charge())
    with pytest.raises(LedgerConflictError):
        started.reserve(charge(reserved_usd=0.75))
    started.settle("k1", actual_usd=1.0, at=AT)
    with pytest.raises(LedgerConflictError):
        started.settle("k1", actual_usd=2.0, at=AT)


def test_logs_keep_their_bytes(started: Ledger):
    chunks = [
        LogChunk(round_id=ROUND, stream="measure/0/stdout", seq=seq, at=AT, content=content)
        for seq, content in enumerate([b"\0\xff\x1b[2J", b"", b"end"])
    ]
    for chunk in chunks:
        assert started.add_log(chunk)
        assert not started.add_log(chunk)
    started.add_log(replace(chunks[0], stream="another"))
    assert started.log(ROUND, "measure/0/stdout") == tuple(chunks)
    assert started.log(ROUND, "measure/0/stdout", after_seq=0, limit=1) == (chunks[1],)
    assert started.log_streams(ROUND) == ("measure/0/stdout", "another")
    with pytest.raises(LedgerConflictError, match="log piece 0"):
        started.add_log(replace(chunks[0], content=b"other"))


def test_blobs_are_kept_once_under_their_digest(ledger: Ledger):
    content = bytes(range(256)) * 100
    digest = ledger.put_blob(content)
    before = ledger.cursor()
    assert ledger.put_blob(content) == digest
    assert ledger.cursor() == before
    assert ledger.blob(digest) == content
    with pytest.raises(LedgerValueError, match="over the limit"):
        ledger.put_blob(bytes((32 << 20) + 1))


def test_a_heartbeat_overwrites_itself_and_moves_the_cursor(ledger: Ledger):
    worker = WorkerRecord(
        id="w1", host="box", pid=1, started_at=AT, heartbeat_at=AT, version="0.1.0"
    )
    later, between = AT + timedelta(seconds=5), AT + timedelta(seconds=2)
    ledger.heartbeat(worker, at=AT)
    before = ledger.cursor()
    ledger.heartbeat(worker, at=later)
    ledger.heartbeat(replace(worker, id="w2"), at=between)
    assert ledger.cursor() != before
    assert ledger.workers() == (
        replace(worker, heartbeat_at=later),
        replace(worker, id="w2", heartbeat_at=between),
    )


def test_a_heartbeat_is_told_by_the_databases_clock(ledger: Ledger):
    far_off = AT - timedelta(days=900)
    worker = WorkerRecord(
        id="w1", host="box", pid=1, started_at=AT, heartbeat_at=far_off, version="0.1.0"
    )
    before = ledger.now()
    ledger.heartbeat(worker)
    (stored,) = ledger.workers()
    assert before <= stored.heartbeat_at <= ledger.now()
    assert abs(datetime.now(UTC) - before) < timedelta(seconds=5)


def test_the_cursor_changes_with_every_write_and_with_nothing_else(place: str, new_campaign):
    with Ledger.open(place) as writer, Ledger.open(place, read_only=True) as reader:
        seen = [reader.cursor()]
        assert reader.cursor() == seen[0]
        writer.add_campaign(new_campaign())
        seen.append(reader.cursor())
        writer.add_request(RequestKind.PAUSE, actor="a", at=AT)
        seen.append(reader.cursor())
        reader.campaigns()
        assert reader.cursor() == seen[-1]
        assert len(set(seen)) == 3


def test_a_read_only_ledger_refuses_every_write(place: str, new_campaign):
    from rsi.agent.errors import LedgerUnavailableError

    Ledger.open(place).close()
    with Ledger.open(place, read_only=True) as reader:
        with pytest.raises(LedgerUnavailableError, match="read-only"):
            reader.add_campaign(new_campaign())
        assert reader.campaigns() == ()


def test_a_ledger_opens_again_with_everything_in_it(place: str, new_campaign, new_round):
    with Ledger.open(place) as ledger:
        ledger.add_campaign(new_campaign())
        ledger.add_round(new_round())
        ledger.add_step(step())
    with Ledger.open(place) as ledger:
        assert ledger.steps(ROUND) == (step(),)
        assert ledger.storage_problems() == ()


def test_campaigns_that_have_ended_are_told_by_their_last_event_alone(ledger, new_campaign):
    ledger.add_campaign(new_campaign("none"))
    for at, kind in enumerate(CampaignEventKind):
        ledger.add_campaign(new_campaign(f"c{at}"))
        for each in (CampaignEventKind.FINISHED, kind):  # what was said before does not count
            ledger.add_campaign_event(
                CampaignEvent(campaign_id=f"c{at}", kind=each, at=AT + timedelta(seconds=at))
            )
    every = ledger.campaigns()
    ended = tuple(each for each in every if each.state in ENDED_STATES)
    assert len(ended) == len(ENDED_STATES)
    assert ledger.campaigns(has_ended=True) == ended
    assert ledger.campaigns(has_ended=False) == tuple(each for each in every if each not in ended)
    newest = [each for each in every if each not in ended][:1]
    assert list(ledger.campaigns(has_ended=False, limit=1, lineage="toy-main")) == newest
