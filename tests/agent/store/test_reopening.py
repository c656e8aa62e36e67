"""A round that failed on our side is run again: where it broke counts no more, and stays in the ledger."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from sqlalchemy import text
from tests.facts import left

from rsi.agent.errors import LedgerConflictError, LedgerError, UnknownRecordError
from rsi.agent.store.ledger import Ledger
from rsi.agent.store.records import Reopening, Step, StepOutcome
from rsi.agent.store.sql.database import Database, ledger_url
from rsi.agent.store.sql.migrations import MIGRATIONS
from rsi.agent.store.state import RoundVerdict, round_state
from rsi.agent.store.steps.facts import Halted
from rsi.agent.store.steps.record import StepRecord

AT = datetime(2026, 11, 20, tzinfo=UTC)
ROUND = "c1-0001"


def halted(name, outcome=StepOutcome.STOPPED, reason="x", **changes):
    fact = Halted(step=name, outcome=outcome, reason=reason)
    return StepRecord(round_id=ROUND, started_at=AT, wall_s=1.0, fact=fact, **changes)


def broken_at(name, **changes):
    return halted(name, StepOutcome.HARNESS_ERROR, **changes)


OPENED = StepRecord(round_id=ROUND, started_at=AT, wall_s=1.0, fact=left(Step.OPEN))


def reopening(number=1, **changes):
    values = {"round_id": ROUND, "actor": "person:ada", "reason": "measure: the disk was full"}
    return Reopening(number=number, at=AT, **values | changes)


@pytest.fixture
def broken(started):
    """A round that broke while measuring."""
    started.add_step(OPENED)
    for name in (Step.MEASURE, Step.REPORT):
        started.add_step(broken_at(name))
    return started


def test_where_it_broke_counts_no_more_and_what_was_done_before_counts_on(broken):
    assert round_state(broken.steps(ROUND)).verdict is RoundVerdict.HARNESS_ERROR
    assert broken.campaign_summary("c1").latest_step is Step.REPORT
    assert broken.reopen(reopening())
    assert not broken.reopen(reopening())
    assert broken.reopenings(ROUND) == (reopening(),)
    assert broken.steps(ROUND) == broken.steps_of(campaign_id="c1") == (OPENED,)
    assert broken.step(ROUND, Step.MEASURE) is None
    assert broken.campaign_summary("c1").latest_step is Step.OPEN
    again = replace(OPENED, fact=left(Step.MEASURE), retry=1)
    assert broken.add_step(again)
    assert not broken.add_step(again)
    assert broken.step(ROUND, Step.MEASURE) == again.fact
    assert broken.steps(ROUND) == (OPENED, again)


def test_it_may_break_again_and_be_reopened_again(broken):
    broken.reopen(reopening())
    broken.add_step(broken_at(Step.MEASURE, retry=1, reason="y"))
    assert [each.outcome for each in broken.steps(ROUND)] == ["ok", "harness_error"]
    broken.reopen(reopening(2))
    assert broken.steps(ROUND) == (OPENED,)
    with pytest.raises(LedgerConflictError):
        broken.reopen(reopening(2, actor="person:bob"))


def test_an_unknown_round_is_not_reopened(ledger):
    with pytest.raises(UnknownRecordError):
        ledger.reopen(reopening())


def test_a_ledger_of_the_first_version_keeps_its_steps_and_their_protection(
    empty_place, new_campaign, new_round
):
    database = Database(ledger_url(empty_place))
    with database.write() as connection:
        for statement in MIGRATIONS[0].statements(connection.dialect.name):
            connection.exec_driver_sql(statement)
        connection.execute(
            text(f"INSERT INTO schema_migrations VALUES ('{MIGRATIONS[0].name}', 'x')")
        )
    old = Ledger(database)
    old.add_campaign(new_campaign())
    old.add_round(new_round())
    with database.write() as connection:
        for name in ("open", "brief"):
            connection.execute(
                text("INSERT INTO steps (round_id, step, attempt, outcome, body) VALUES (:r, :s, 0, 'stopped', :b)"),
                {"r": ROUND, "s": name,
                 "b": f'{{"round_id":"{ROUND}","step":"{name}","outcome":"stopped","started_at":"2026-11-20T00:00:00+00:00",'
                      f'"wall_s":1.0,"attempt":0,"payload":{{"reason":"x"}}}}'},
            )  # fmt: skip
        before = connection.execute(text("SELECT seq, step FROM steps ORDER BY seq")).all()
    database.close()
    with Ledger.open(empty_place) as ledger:
        assert ledger.steps(ROUND) == (halted(Step.OPEN), halted(Step.BRIEF))
        assert ledger.add_step(halted(Step.COMMIT))
        assert ledger.reopen(reopening())
        with pytest.raises(LedgerConflictError):
            ledger.add_step(halted(Step.OPEN, reason="y"))
        for change in (
            "UPDATE steps SET outcome = 'x'",
            "DELETE FROM steps",
            "DELETE FROM reopenings",
        ):
            with (
                pytest.raises(LedgerError, match="refused to change"),
                ledger._database.write() as connection,
            ):
                connection.execute(text(change))
        with ledger._database.read() as connection:
            after = connection.execute(text("SELECT seq, step FROM steps ORDER BY seq")).all()
        assert after[:2] == before
        assert after[2].seq > before[-1].seq
        assert ledger.storage_problems() == ()
