"""The campaign list and the cursor stay quick with ten thousand campaigns."""

import time
from datetime import UTC, datetime

import pytest
from sqlalchemy import insert
from tests.facts import finished, left

from rsi.agent.store.codec import encode
from rsi.agent.store.events import CampaignEvent
from rsi.agent.store.ledger import Ledger
from rsi.agent.store.records import CampaignEventKind, ChargeRecord, ChargeRole, Step
from rsi.agent.store.sql.database import Database, ledger_url
from rsi.agent.store.sql.tables import campaign_events, campaigns, charges, rounds, steps

AT = datetime(2026, 11, 20, tzinfo=UTC)
CAMPAIGNS = 10_000
ROUNDS = 4


def fill(place: str, new_campaign, new_round) -> None:
    """What ten thousand campaigns leave behind, written in bulk."""
    names = [f"c{number}" for number in range(CAMPAIGNS)]
    records = [new_campaign(name) for name in names]
    opened = [new_round(name, number) for name in names for number in range(1, ROUNDS + 1)]
    database = Database(ledger_url(place))
    with database.write() as connection:
        connection.execute(
            insert(campaigns),
            [{"id": r.id, "lineage": r.lineage, "body": encode(r)} for r in records],
        )
        started = CampaignEvent(campaign_id="", kind=CampaignEventKind.STARTED, at=AT)
        connection.execute(
            insert(campaign_events),
            [
                {
                    "campaign_id": name,
                    "kind": "started",
                    "at": AT.isoformat(),
                    "body": encode(started),
                }
                for name in names
            ],
        )
        connection.execute(
            insert(rounds),
            [
                {"id": r.id, "campaign_id": r.campaign_id, "number": r.number, "body": encode(r)}
                for r in opened
            ],
        )
        done = finished(left(Step.OPEN), round_id="")
        connection.execute(
            insert(steps),
            [
                {
                    "round_id": r.id,
                    "step": step,
                    "attempt": 0,
                    "retry": 0,
                    "outcome": "ok",
                    "body": encode(done),
                }
                for r in opened
                for step in ("open", "brief", "report")
            ],
        )
        charge = ChargeRecord(
            id="",
            campaign_id="",
            round_id=None,
            role=ChargeRole.PROPOSER,
            model="m",
            reserved_usd=0.25,
            reserved_at=AT,
        )
        connection.execute(
            insert(charges),
            [
                {
                    "id": r.id,
                    "campaign_id": r.campaign_id,
                    "role": "proposer",
                    "reserved_usd": 0.25,
                    "body": encode(charge),
                }
                for r in opened
            ],
        )
    database.close()


@pytest.mark.slow
def test_ten_thousand_campaigns_are_listed_and_polled_quickly(
    ledger, place, new_campaign, new_round
):
    fill(place, new_campaign, new_round)
    ledger.campaigns()  # the first call decodes each record, which never change
    spent = {}
    for name, act, repeats in (
        ("all", ledger.campaigns, 1),
        ("page", lambda: ledger.campaigns(limit=50), 5),
        ("one", lambda: ledger.campaign_summary("c777"), 20),
        ("cursor", ledger.cursor, 50),
        ("rounds", lambda: ledger.rounds("c777"), 50),
    ):
        cpu, wall = time.process_time(), time.perf_counter()
        for _ in range(repeats):
            act()
        spent[name] = (
            round((time.perf_counter() - wall) / repeats, 4),
            round((time.process_time() - cpu) / repeats, 4),
        )
    print(f"\n{place.split(':')[0][:10]}: seconds (wall, cpu): {spent}")
    listed = ledger.campaigns()
    assert len(listed) == CAMPAIGNS
    assert all(item.rounds == ROUNDS and item.spend_usd == 1.0 for item in listed)
    assert spent["all"][1] < 1.5
    assert spent["page"][1] < 0.05
    assert spent["one"][1] < 0.05
    assert spent["cursor"][1] < 0.01


def test_opening_a_ledger_again_runs_no_migration(place: str):
    Ledger.open(place).close()
    started = time.process_time()
    Ledger.open(place).close()
    assert time.process_time() - started < 0.5


def test_postgresql_does_not_compile_what_takes_less_to_run(postgres_url):
    ledger = Ledger.open(postgres_url)
    with ledger, ledger._database.read() as connection:
        assert connection.exec_driver_sql("SHOW jit").scalar() == "off"
    with Ledger.open(postgres_url, read_only=True) as reader, reader._database.read() as connection:
        assert connection.exec_driver_sql("SHOW jit").scalar() == "off"
