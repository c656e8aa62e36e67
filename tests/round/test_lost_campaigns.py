"""A worker that lost its campaign to another, for real: it stood still, was taken for dead, and comes back in the middle of a run."""

import os
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest

from rsi.agent.queue.worker import engine_url
from rsi.agent.run.engine import EngineClient
from rsi.agent.store.records import CampaignState, Step
from rsi.agent.store.round_book import RoundBook

WORKER = Path(__file__).parent / "worker_with_fault.py"
LOST = "by now; this worker writes nothing more about it"

pytestmark = pytest.mark.slow


@pytest.fixture
def worker(home, tmp_path):
    """Starts a worker with a log of its own; ends it when the block is left."""

    @contextmanager
    def go(name):
        log = tmp_path / f"{name}.log"
        # What stands still holds the machine's lock; the other must not wait for it.
        variables = os.environ | {"RSI_LEASE_DIR": str(tmp_path / name)}
        process = subprocess.Popen(
            [sys.executable, "-P", str(WORKER), ""], env=variables, stdout=subprocess.DEVNULL,
            stderr=log.open("ab"),
        )  # fmt: skip
        try:
            yield process, log
        finally:
            process.send_signal(signal.SIGCONT)
            process.terminate()
            process.wait(30)

    return go


def give_away(home, ledger, campaign_id, to):
    """What a worker does that takes another for dead."""
    seen = ledger.holder(campaign_id)
    assert ledger.take_campaign(campaign_id, to, after_epoch=seen.epoch)
    client = EngineClient(engine_url(home))
    client.adopt(campaign_id)
    client.close()


def runs_of(ledger, campaign_id):
    rounds = ledger.rounds(campaign_id)
    return ledger.measurements(rounds[-1].id) if rounds else ()


def check(ledger, campaign_id):
    assert ledger.campaign_summary(campaign_id).state is CampaignState.FINISHED
    lines = RoundBook(ledger).of_campaign(campaign_id)
    assert [each.ended_as for each in lines] == ["promoted", "refuted"]
    for line in lines:
        steps = [each.step for each in ledger.steps(line.record.id)]
        assert len(steps) == len(set(steps))
    assert [each.step for each in ledger.steps(lines[0].record.id)] == list(Step)
    assert len(ledger.promotions()) == 1
    assert ledger.verify_chain().is_intact


def test_a_worker_that_comes_back_after_another_took_over_writes_nothing_more(
    home, ledger, queue, idea, worker, until
):
    campaign_id = queue([idea("02_row_sums_once", predicted=2.5), idea("01_null", predicted=1.0)])
    with worker("first") as (first, log):
        until(lambda: runs_of(ledger, campaign_id) or None)
        first.send_signal(signal.SIGSTOP)
        with worker("second"):
            give_away(home, ledger, campaign_id, "nobody-0")
            until(lambda: ledger.promotions() or None)
            first.send_signal(signal.SIGCONT)
            until(lambda: LOST in log.read_text() or None)
            until(
                lambda: ledger.campaign_summary(campaign_id).state is CampaignState.FINISHED or None
            )
    check(ledger, campaign_id)


def test_a_campaign_that_comes_back_to_its_own_worker_is_run_by_one_thread_of_it(
    home, ledger, queue, idea, worker, until
):
    campaign_id = queue([idea("02_row_sums_once", predicted=2.5), idea("01_null", predicted=1.0)])
    with worker("only") as (process, _):
        until(lambda: runs_of(ledger, campaign_id) or None)
        give_away(home, ledger, campaign_id, "nobody-0")
        until(lambda: ledger.campaign_summary(campaign_id).state is CampaignState.FINISHED or None)
        process.wait(60)
        assert ledger.holder(campaign_id).worker_id.startswith(os.uname().nodename)
    check(ledger, campaign_id)
