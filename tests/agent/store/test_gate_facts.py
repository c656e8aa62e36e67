"""Decisions, promotions and the chain over them, on both databases."""

from datetime import UTC, datetime

import pytest
from sqlalchemy import text
from tests.facts import finished, left

from rsi.agent.errors import LedgerConflictError, LedgerError, UnknownRecordError
from rsi.agent.store.events import CampaignEvent
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
    PromotionKind,
    PromotionRecord,
    Reopening,
    RequestKind,
    Step,
    TrajectoryEvent,
    TrajectoryKind,
)
from rsi.agent.store.sql.database import Database, ledger_url
from rsi.agent.store.sql.tables import FACT_TABLES
from rsi.evals.types import Arm, Disturbance, Measurement, Outcome, Purpose

AT = datetime(2026, 11, 20, tzinfo=UTC)
A, B, C = "a" * 40, "b" * 40, "c" * 40


def decision(action: DecisionAction = DecisionAction.APPROVE, **changes: object) -> DecisionRecord:
    values: dict = {
        "round_id": "c1-0001",
        "action": action,
        "actor": "person:ada",
        "reason": "plain\0 and \ud800 good",
        "commit": B,
        "score_digest": "5" * 64,
        "at": AT,
    }
    return DecisionRecord(**{**values, **changes})


def promotion(old: str = A, new: str = B, **changes: object) -> PromotionRecord:
    values: dict = {
        "lineage": "toy-main",
        "round_id": "c1-0001",
        "old_commit": old,
        "new_commit": new,
        "score_digest": "5" * 64,
        "at": AT,
    }
    return PromotionRecord(**{**values, **changes})


def measurement() -> Measurement:
    return Measurement(
        arm=Arm.CANDIDATE,
        purpose=Purpose.SCREEN,
        pair=0,
        position=0,
        outcome=Outcome.OK,
        cpu_s=1.0,
        wall_s=1.0,
        max_rss_bytes=None,
        metric_value=1.0,
        quality={},
        result={},
        detail="",
        backend="process",
        assurance="none",
        seed_commitment="",
        disturbance=Disturbance(load_1m=None, steal_s=None, others_cpu_s=None, is_disturbed=False),
    )


def tamper(place: str, *statements: str) -> None:
    """Change facts behind the ledger's back, as somebody with the database's password could."""
    database = Database(ledger_url(place))
    with database.write() as connection:
        if database.is_sqlite:
            connection.execute(text("DROP TRIGGER gate_no_update"))
            connection.execute(text("DROP TRIGGER gate_no_delete"))
        else:
            connection.execute(text("DROP TRIGGER gate_insert_only ON gate"))
        for statement in statements:
            connection.execute(text(statement))
    database.close()


@pytest.fixture
def chained(started: Ledger, new_round) -> Ledger:
    """Five chained rows."""
    started.add_round(new_round(number=2))
    started.add_decision(decision())
    started.add_promotion(promotion())
    started.add_decision(decision(DecisionAction.REJECT, round_id="c1-0002", commit=C))
    started.add_decision(decision(round_id="c1-0002", commit=C, is_override=True))
    started.add_promotion(promotion(B, C, round_id="c1-0002"))
    return started


def test_decisions_and_promotions_read_back_equal_and_chained(chained: Ledger):
    assert chained.decisions("c1-0001") == (decision(),)
    assert len(chained.decisions()) == 3
    assert chained.promotions("toy-main") == (promotion(), promotion(B, C, round_id="c1-0002"))
    assert chained.promotions(round_id="c1-0001") == (promotion(),)
    report = chained.verify_chain()
    assert report.is_intact
    assert report.rows == 5


def test_an_empty_chain_is_intact(ledger: Ledger):
    report = ledger.verify_chain()
    assert (report.is_intact, report.rows, report.head) == (True, 0, "0" * 64)


def test_the_same_decision_twice_is_one_and_another_one_needs_an_override(started: Ledger):
    assert started.add_decision(decision())
    assert not started.add_decision(decision(actor="person:bob"))
    with pytest.raises(LedgerConflictError, match="approve by person:ada"):
        started.add_decision(decision(DecisionAction.REJECT))
    assert started.add_decision(decision(DecisionAction.REJECT, is_override=True))
    assert started.add_decision(decision(DecisionAction.REJECT, score_digest=None))
    assert not started.add_decision(decision(DecisionAction.REJECT, score_digest=None))
    assert len(started.decisions("c1-0001")) == 3


def test_decisions_on_unknown_rounds_are_refused(ledger: Ledger):
    with pytest.raises(UnknownRecordError):
        ledger.add_decision(decision())
    with pytest.raises(UnknownRecordError):
        ledger.add_promotion(promotion())


def test_promotions_of_a_lineage_form_one_line(started: Ledger):
    assert started.add_promotion(promotion(A, B))
    assert not started.add_promotion(promotion(A, B))
    with pytest.raises(
        LedgerConflictError, match=f"is {B[:12]} since round 'c1-0001', not {A[:12]}"
    ):
        started.add_promotion(promotion(A, C))
    back = promotion(B, A, kind=PromotionKind.ROLLBACK, score_digest=None)
    assert started.add_promotion(back)
    assert started.add_promotion(promotion(A, B)), "what was rolled back may be promoted again"
    assert started.add_promotion(promotion(A, C, lineage="other")), "lineages are apart"
    assert started.campaign_summary("c1").promoted == 1, "one round promoted, whatever moved since"


@pytest.fixture
def filled(chained: Ledger) -> Ledger:
    """A ledger with at least one row in every table: SQLite's triggers are per row."""
    chained.add_campaign_event(
        CampaignEvent(campaign_id="c1", kind=CampaignEventKind.STARTED, at=AT)
    )
    chained.add_step(finished(left(Step.OPEN)))
    chained.add_measurement("c1-0001", measurement())
    chained.add_events(
        [
            TrajectoryEvent(
                round_id="c1-0001",
                agent=AgentRole.PROPOSER,
                seq=0,
                at=AT,
                kind=TrajectoryKind.NOTE,
            )
        ]
    )
    chained.reopen(Reopening(round_id="c1-0001", number=1, actor="a", at=AT, reason="x"))
    chained.add_rebase("c1-0001", attempt=0, champion_commit="f" * 40, at=AT)
    wish = chained.add_request(RequestKind.PAUSE, actor="a", at=AT)
    chained.mark_handled(HandledMark(request_id=wish.id, at=AT, actor="w", outcome="done"))
    chained.reserve(
        ChargeRecord(
            id="k",
            campaign_id="c1",
            round_id=None,
            role=ChargeRole.CRITIC,
            model="m",
            reserved_usd=1.0,
            reserved_at=AT,
        )
    )
    chained.settle("k", actual_usd=1.0, at=AT)
    chained.add_log(LogChunk(round_id="c1-0001", stream="out", seq=0, at=AT, content=b"x"))
    chained.put_blob(b"x")
    return chained


def test_no_fact_in_any_table_can_be_changed_or_removed(filled: Ledger, place: str):
    database = Database(ledger_url(place))
    verbs = ["UPDATE {0} SET seq = seq + 1", "DELETE FROM {0}"]
    if not database.is_sqlite:
        verbs.append("TRUNCATE {0} CASCADE")
    before = filled.cursor()
    assert ".0." not in before.removesuffix("0"), "every table has a row"
    for table in FACT_TABLES:
        for verb in verbs:
            with (
                pytest.raises(LedgerError, match="refused to change a stored fact"),
                database.write() as connection,
            ):
                connection.execute(text(verb.format(table.name)))
    assert filled.cursor() == before
    database.close()


def test_replacing_a_row_is_refused_on_sqlite(started: Ledger, tmp_path):
    if "sqlite" not in started.label:
        pytest.skip("INSERT OR REPLACE is SQLite's")
    database = Database(ledger_url(started.label))
    with (
        pytest.raises(LedgerError, match="refused to change"),
        database.write() as connection,
    ):
        connection.execute(
            text("INSERT OR REPLACE INTO campaigns (id, lineage, body) VALUES ('c1', 'x', '{}')")
        )
    database.close()


@pytest.mark.parametrize(
    ("statement", "broken_at", "reason"),
    [
        ("UPDATE gate SET body = replace(body, 'ada', 'eve') WHERE position = 1", 1, "was changed"),
        ("UPDATE gate SET action = 'approve' WHERE position = 3", 3, "searched columns"),
        ("DELETE FROM gate WHERE position = 2", 2, "row 2 is missing"),
        ("UPDATE gate SET kind = 'promotion' WHERE position = 1", 1, "was changed"),
        ("UPDATE gate SET position = 99 WHERE position = 5", 5, "row 5 is missing"),
        ("UPDATE gate SET prev_hash = 'x' WHERE position = 4", 4, "not at the row before"),
    ],
)
def test_tampering_shows(chained: Ledger, place: str, statement: str, broken_at: int, reason: str):
    assert chained.verify_chain().is_intact
    tamper(place, statement)
    report = chained.verify_chain()
    assert not report.is_intact
    assert report.broken_at == broken_at
    assert reason in report.reason


@pytest.mark.parametrize(
    ("step", "outcome", "said"),
    [
        (Step.DECIDE, "reject", "carried out a decision (reject)"),
        (Step.PROMOTE, "promoted", "carried out a promotion (promote)"),
    ],
)
def test_an_end_that_was_cut_off_shows_in_the_step_that_carried_it_out(
    started: Ledger, place: str, step: Step, outcome: str, said: str
):
    started.add_decision(decision(DecisionAction.REVISE))
    started.add_decision(decision(DecisionAction.REJECT, commit=C))
    started.add_promotion(promotion())
    started.add_step(finished(left(step, outcome)))
    assert started.verify_chain().is_intact
    tamper(place, "DELETE FROM gate WHERE position > 1")
    report = started.verify_chain()
    assert (report.is_intact, report.broken_at, report.rows) == (False, 2, 1)
    assert said in report.reason


def test_a_second_word_of_the_same_kind_that_was_cut_off_shows(started: Ledger, place: str):
    for attempt, commit in enumerate((B, C)):
        started.add_decision(decision(DecisionAction.REVISE, commit=commit))
        started.add_step(finished(left(Step.DECIDE, "revise"), attempt=attempt))
    assert started.verify_chain().is_intact
    tamper(place, "DELETE FROM gate WHERE position = 2")
    assert "cut off" in started.verify_chain().reason
