"""What is read on the feed's thread: hostile output costs little, faults are said, nothing that changed stays stale."""

import threading
import time
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from tests.facts import score
from tests.tui.ledgers import LINEAGE, START, Sample, measurement

from rsi.agent.report.task_facts import KnownTasks
from rsi.agent.store.events import Audit, CampaignEvent
from rsi.agent.store.records import (
    AgentRole,
    CampaignEventKind,
    ChargeRecord,
    ChargeRole,
    LogChunk,
    RoundRecord,
    Step,
    TrajectoryEvent,
    TrajectoryKind,
    round_id_of,
)
from rsi.agent.store.stages import Stage, worked_s
from rsi.evals.types import Arm, Purpose
from rsi.tui.lines.run import run_series
from rsi.tui.model.code import Code
from rsi.tui.model.view import View
from rsi.tui.reading.feed import Feed
from rsi.tui.reading.reader import Interest, Reader
from rsi.tui.reading.round_reader import diff_text
from rsi.tui.reading.silence import SILENT_AFTER_S, is_silent
from rsi.tui.reading.training import MAX_LINE_CHARACTERS, CurveReader, add_points

CAMPAIGN = "c1120-4f2a"
WAITING = f"{CAMPAIGN}-0005"

HOSTILE = (
    "step=1 " + "loss" * 498,
    "step=1 " + "loss " * 399,
    "step" + " " * 1_996,
    "step=1 loss" + " " * 1_989,
    "step=1 loss " + "1" * 1_900 + "x",
    "step=1 " + "_" * 1_990,
    "step=1 " + "a_" * 990,
    "iteration" * 222,
)


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: text[:12])
def test_a_hostile_line_costs_as_little_as_its_length_asks(text):
    started = time.thread_time()
    for _ in range(10):
        add_points({}, text)
    assert time.thread_time() - started < 0.1, "a stream of a megabyte holds 500 such lines"


def test_a_line_without_an_end_is_not_kept_whole(sample):
    for seq in range(20):
        sample.ledger.add_log(
            LogChunk(
                round_id=WAITING, stream="x/candidate", seq=seq, at=START, content=b"." * 5_000
            )
        )
    reader = CurveReader(sample.ledger, WAITING)
    reader.read(["x/candidate"], ())
    assert len(reader._streams["x/candidate"].tail) <= MAX_LINE_CHARACTERS


def test_the_curve_of_a_finished_round_is_read_to_its_end(sample):
    for seq in range(450):
        sample.ledger.add_log(
            LogChunk(round_id=WAITING, stream="x/candidate", seq=seq, at=START,
                     content=f"step={seq} loss=1\n".encode())
        )  # fmt: skip
    _, (curve,) = CurveReader(sample.ledger, WAITING).read(["x/candidate"], ())
    assert curve.xs[-1] == 449


def test_curves_that_stand_together_are_of_one_pair(sample):
    """Pairs run beside each other, on other text: curves of two of them say nothing about each other."""
    names = []
    for arm, pair, value in (
        ("champion", 1, 11),
        ("candidate", 0, 20),
        ("champion", 0, 10),
        ("candidate", 1, 21),
    ):
        names.append(f"screen/0/{arm}/{pair}/stdout")
        sample.ledger.add_log(
            LogChunk(round_id=WAITING, stream=names[-1], seq=0, at=START,
                     content=f"step=1 loss={value}\n".encode())
        )  # fmt: skip
    reader = CurveReader(sample.ledger, WAITING)
    for seen, values in ((names[:2], [11, 20]), (names[:3], [10, 20]), (names, [11, 21])):
        _, curves = reader.read(seen, ())
        assert [curve.ys[0] for curve in curves] == values


def test_numbers_beyond_every_float_are_no_points_of_a_curve(sample):
    run = measurement(Arm.CANDIDATE, Purpose.SCREEN, 0, 1.0)
    result = {"curve": [[1, 10**400], [10**400, 1], [2, 3]]}
    _, (curve,) = CurveReader(sample.ledger, WAITING).read([], [replace(run, result=result)])
    assert (curve.xs, curve.ys) == ((2.0,), (3.0,))


def test_a_fault_of_ours_reaches_who_asked_and_the_view_and_the_feed_goes_on(sample):
    views: list[View] = []
    is_faulty = threading.Event()
    feed = Feed(sample.ledger, Code(None), views.append)
    real = feed._reader.read

    def read(interest: Interest) -> View | None:
        if is_faulty.is_set():
            raise PermissionError("no way in")
        return real(interest)

    def fault(_: object) -> None:
        raise ZeroDivisionError("of ours")

    feed._reader.read = read
    feed.start()
    try:
        with pytest.raises(ZeroDivisionError):
            feed.call(fault).result(timeout=10)
        assert feed.call(lambda ledger: ledger.label).result(timeout=10)
        is_faulty.set()
        end = time.monotonic() + 10
        while not any("no way in" in each.problem for each in views):
            assert time.monotonic() < end
            time.sleep(0.02)
        assert feed.call(lambda ledger: ledger.label).result(timeout=10)
        while views[-1].problem:
            assert time.monotonic() < end, "a new reader looks again"
            time.sleep(0.02)
    finally:
        feed.stop()


def test_a_task_folder_that_may_not_be_read_leaves_its_facts_out(sample, monkeypatch):
    def refused(_: Path) -> bool:
        raise PermissionError("no way in")

    summary = sample.ledger.campaign_summary(CAMPAIGN)
    record = replace(summary.record, config=replace(summary.record.config, task_root="/root/own"))
    monkeypatch.setattr(Path, "is_file", refused)
    facts = KnownTasks().of(record)
    assert facts.metric == ""


def test_what_an_agent_says_is_shown_though_nothing_else_changed(sample):
    interest = Interest(campaign_id=CAMPAIGN, round_id=WAITING)
    reader = Reader(sample.ledger, Code(None))
    reader.read(interest)
    sample.ledger.add_events(
        [TrajectoryEvent(round_id=WAITING, agent=AgentRole.PROPOSER, seq=16, at=sample.tick(),
                         kind=TrajectoryKind.NOTE, payload={"text": "one more word"})]
    )  # fmt: skip
    view = reader.read(interest)
    assert any("one more word" in each.text for each in view.round.tail)


def charge(sample: Sample, usd: float, round_id: str = WAITING) -> None:
    charge_id = f"{round_id}/proposer"
    sample.ledger.reserve(
        ChargeRecord(id=charge_id, campaign_id=CAMPAIGN, round_id=round_id, role=ChargeRole.PROPOSER,
                     model="m", reserved_usd=usd, reserved_at=sample.now)
    )  # fmt: skip


def test_the_gate_shows_what_a_candidate_cost_and_since_when_its_review_is_over(sample):
    charge(sample, 0.42)
    view = Reader(sample.ledger, Code(None)).read(Interest())
    (item,) = view.gate
    assert item.round.spend_usd == pytest.approx(0.42)
    review = sample.ledger.steps(WAITING)[-1]
    assert (item.since - review.started_at).total_seconds() == review.wall_s == 31


def control(sample: Sample) -> str:
    """A control round, opened last."""
    round_id = f"{CAMPAIGN}-c001"
    later = sample.ledger.steps(WAITING)[-1].started_at + timedelta(hours=1)
    sample.ledger.add_round(
        RoundRecord(id=round_id, campaign_id=CAMPAIGN, number=-1, champion_commit="a" * 40,
                    created_at=later, is_control=True)
    )  # fmt: skip
    return round_id


def test_rounds_come_in_the_order_they_were_opened_and_controls_have_their_own_names(sample):
    round_id = control(sample)
    view = Reader(sample.ledger, Code(None)).read(Interest(campaign_id=CAMPAIGN))
    assert [each.label for each in view.campaign.rounds] == ["1", "2", "3", "4", "5", "c1"]
    assert view.campaign.rounds[-1].id == round_id


def test_a_lineages_time_is_that_under_way_of_all_its_campaigns_with_audits(sample):
    reader = Reader(sample.ledger, Code(None))
    sample.campaign("c1120-5b3b")
    on_it = sample.ledger.campaigns(lineage=LINEAGE)
    assert len(on_it) == 2

    def under_way() -> float:
        events = [sample.ledger.campaign_events(each.record.id) for each in on_it]
        return sum(worked_s(each, each[-1].at) for each in events)

    audit = CampaignEvent(campaign_id=CAMPAIGN, kind=CampaignEventKind.FINISHED, at=sample.tick(77),
                          audit=Audit(word="measured", baseline_commit="b", champion_commit="c", score=score()))  # fmt: skip
    sample.ledger.add_campaign_event(audit)
    time = reader.read(Interest(lineage=LINEAGE)).lineage_time
    assert sum(each.wall_s for each in time) == pytest.approx(under_way())
    assert next(each.wall_s for each in time if each.stage is Stage.AUDIT) >= 77
    assert reader.read(Interest()).lineage_time == ()


def test_what_costs_much_to_read_is_read_less_often_but_in_the_end(sample, monkeypatch):
    reader = Reader(sample.ledger, Code(None))
    interest = Interest(campaign_id=CAMPAIGN, lineage=LINEAGE)
    reader.read(interest)
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now)
    for pace in (reader._campaign_pace, reader._lineage_pace):
        pace._cost_s, pace._read_at_s = 1.0, now
    control(sample)
    view = reader.read(interest)
    assert (len(view.campaign.rounds), len(view.lineage)) == (5, 5)
    assert reader.read(interest) is None
    now += 21
    view = reader.read(interest)
    assert (len(view.campaign.rounds), len(view.lineage)) == (6, 6), "though nothing changed since"


def test_a_diff_that_the_repository_has_is_missed_nowhere(sample, caplog):
    view = Reader(sample.ledger, Code(sample.home)).read(Interest(campaign_id=CAMPAIGN)).campaign
    found = view.round_by_id(WAITING)
    committed = found.latest.steps[Step.COMMIT]
    lacking = replace(committed, fact=replace(committed.fact, diff_sha256="0" * 64))
    steps = {**found.latest.steps, Step.COMMIT: lacking}
    without = replace(found, latest=replace(found.latest, steps=steps))
    assert "autocast" in diff_text(sample.ledger, Code(sample.home), without)
    assert not caplog.records
    diff_text(sample.ledger, Code(None), without)
    assert "missing_blob" in caplog.text


def test_an_audit_is_not_taken_for_evidence_about_the_last_candidate(sample):
    interest = Interest(campaign_id=CAMPAIGN, round_id=WAITING)
    before = Reader(sample.ledger, Code(None)).read(interest).round
    for arm, value in ((Arm.CHAMPION, 40.0), (Arm.CANDIDATE, 10.0)):
        sample.ledger.add_measurement(WAITING, measurement(arm, Purpose.AUDIT, 0, value))
    after = Reader(sample.ledger, Code(None)).read(interest).round
    assert after.points == before.points
    assert run_series(after.measurements) == run_series(before.measurements)
    assert after.measurements[-1].purpose is Purpose.AUDIT, (
        "what the machine did is told all the same"
    )


def test_output_counts_as_a_sign_of_life_and_a_heartbeat_does_not(sample):
    now = sample.tick()
    reader = Reader(sample.ledger, Code(None))
    first = reader.read(Interest())
    last_step = sample.ledger.steps(WAITING)[-1]
    ended = last_step.started_at + timedelta(seconds=last_step.wall_s)
    assert first.heard == {CAMPAIGN: ended}, "what was there was said before the first look"
    sample.worker(at=now)
    assert reader.read(Interest()).heard == first.heard, "a heart beats while a run hangs"
    reader._listener_pace._cost_s = 0.0
    sample.ledger.add_log(
        LogChunk(round_id=WAITING, stream="x/candidate", seq=0, at=START, content=b"step=1\n")
    )
    assert reader.read(Interest()).heard[CAMPAIGN] > now


def test_a_busy_campaign_does_not_hide_one_that_is_silent(sample):
    record = sample.campaign("c1120-beef")
    busy = round_id_of(record.id, 1)
    opened = RoundRecord(id=busy, campaign_id=record.id, number=1, champion_commit="a" * 40,
                         created_at=sample.tick())  # fmt: skip
    sample.ledger.add_round(opened)
    reader = Reader(sample.ledger, Code(None))
    before = reader.read(Interest())
    assert record.id not in before.heard, "it has not said anything yet"
    reader._listener_pace._cost_s = 0.0
    sample.ledger.add_log(
        LogChunk(round_id=busy, stream="x/candidate", seq=0, at=START, content=b"step=1\n")
    )
    view = reader.read(Interest())
    assert view.heard[CAMPAIGN] == before.heard[CAMPAIGN]
    quiet, loud = view.by_id[CAMPAIGN], view.by_id[record.id]
    later = view.heard[record.id] + timedelta(minutes=1)

    def age_s(then: datetime) -> float:
        return (later - then).total_seconds()

    assert not is_silent(loud, view, age_s)
    assert not is_silent(quiet, view, age_s), "it waits for a person, and need not say anything"
    unwatched = replace(view, gate=())
    assert is_silent(quiet, unwatched, age_s)
    later += timedelta(seconds=SILENT_AFTER_S)
    assert is_silent(loud, unwatched, age_s)
