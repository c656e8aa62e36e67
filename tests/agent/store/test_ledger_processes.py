"""Several writers at once, and writers that are killed: nothing acknowledged is lost, no chain forks."""

import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest

from rsi.agent.errors import LedgerConflictError
from rsi.agent.store.ledger import Ledger
from rsi.agent.store.records import (
    DecisionAction,
    DecisionRecord,
    HandledMark,
    PromotionRecord,
    RequestKind,
)

pytestmark = pytest.mark.slow

AT = datetime(2026, 11, 20, tzinfo=UTC)

WRITER = """
import sys
from datetime import UTC, datetime
from rsi.agent.store.ledger import Ledger
from rsi.agent.store.records import *

place, name, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
at = datetime(2026, 11, 20, tzinfo=UTC)
with Ledger.open(place) as ledger:
    for number in range(count):
        ledger.add_decision(DecisionRecord(
            round_id="c1-0001", action=DecisionAction.APPROVE, actor=name, reason="x" * 200,
            commit=f"{name}-{number}", score_digest=None, at=at))
        print(number, flush=True)
"""


def start_writer(place: str, name: str, count: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", WRITER, place, name, str(count)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )


def decision(name: str, number: int) -> DecisionRecord:
    return DecisionRecord(
        round_id="c1-0001",
        action=DecisionAction.APPROVE,
        actor=name,
        reason="",
        commit=f"{name}-{number}",
        score_digest=None,
        at=AT,
    )


def test_threads_and_processes_write_one_chain(started: Ledger, place: str):
    writers = [start_writer(place, f"p{number}", 15) for number in range(2)]

    def write(name: str) -> None:
        for number in range(15):
            started.add_decision(decision(name, number))

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(write, ["t0", "t1"]))
    for writer in writers:
        writer.communicate(timeout=60)
        assert writer.returncode == 0
    report = started.verify_chain()
    assert report.is_intact, report.reason
    assert report.rows == 60
    written = {record.commit for record in started.decisions("c1-0001")}
    assert written == {f"{k}{n}-{i}" for k in "pt" for n in range(2) for i in range(15)}


def test_of_many_at_once_one_takes_a_request_and_one_promotion_wins(started: Ledger):
    wish = started.add_request(RequestKind.PAUSE, actor="a", at=AT)
    gate = threading.Barrier(6)

    def take(number: int) -> tuple[bool, bool]:
        gate.wait()
        mark = HandledMark(request_id=wish.id, at=AT, actor=f"w{number}", outcome="done")
        is_taken = started.mark_handled(mark)
        try:
            is_promoted = started.add_promotion(
                PromotionRecord(
                    lineage="toy-main",
                    round_id="c1-0001",
                    old_commit="a" * 40,
                    new_commit=f"{number}" * 40,
                    score_digest=None,
                    at=AT,
                )
            )
        except LedgerConflictError:
            is_promoted = False
        return is_taken, is_promoted

    with ThreadPoolExecutor(6) as pool:
        results = list(pool.map(take, range(6)))
    assert sum(is_taken for is_taken, _ in results) == 1
    assert sum(is_promoted for _, is_promoted in results) == 1
    assert started.verify_chain().is_intact


def test_many_open_a_new_ledger_at_once(empty_place: str):
    with ThreadPoolExecutor(6) as pool:
        ledgers = list(pool.map(lambda _: Ledger.open(empty_place), range(6)))
    for ledger in ledgers:
        assert ledger.campaigns() == ()
        ledger.close()


@pytest.mark.parametrize("kills", [3, pytest.param(25, marks=pytest.mark.slow)])
def test_a_writer_killed_at_any_moment_loses_nothing_it_acknowledged(
    tmp_path: Path, new_campaign, new_round, kills: int
):
    place = str(tmp_path / "ledger.sqlite3")  # a real disk, with its journal
    with Ledger.open(place) as ledger:
        ledger.add_campaign(new_campaign())
        ledger.add_round(new_round())
    acknowledged: set[str] = set()
    for number in range(kills):
        name = f"k{number}"
        writer = start_writer(place, name, 100_000)
        assert writer.stdout is not None
        for _ in range(3 + number * 2):
            acknowledged.add(f"{name}-{int(writer.stdout.readline())}")
        writer.send_signal(signal.SIGKILL)
        rest = writer.stdout.read().split()
        writer.wait(timeout=30)
        acknowledged |= {f"{name}-{line}" for line in rest}
    with Ledger.open(place) as ledger:
        kept = {record.commit for record in ledger.decisions()}
        assert acknowledged <= kept
        assert len(kept) - len(acknowledged) <= kills, "at most the one in flight each time"
        assert ledger.storage_problems() == ()
        assert ledger.verify_chain().is_intact


def test_a_writer_killed_on_postgresql_loses_nothing_it_acknowledged(
    postgres_url: str, new_campaign, new_round
):
    with Ledger.open(postgres_url) as ledger:
        ledger.add_campaign(new_campaign())
        ledger.add_round(new_round())
        writer = start_writer(postgres_url, "k", 100_000)
        assert writer.stdout is not None
        for _ in range(20):
            writer.stdout.readline()
        writer.send_signal(signal.SIGKILL)
        acknowledged = 20 + len(writer.stdout.read().split())
        writer.wait(timeout=30)
        ledger.add_decision(decision("after", 0))
        assert len(ledger.decisions()) - 1 in {acknowledged, acknowledged + 1}
        assert ledger.verify_chain().is_intact
