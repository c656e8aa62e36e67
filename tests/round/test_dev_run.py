"""The agent's `measure` tool takes its turn on the machine like every timing does."""

import threading
import time

import pytest

from rsi.agent.run.steps.dev_run import STOPPED, dev_run
from rsi.agent.run.workshop import open_workshop
from rsi.agent.store.records import RequestKind, RoundRecord, utc_now
from rsi.sandboxes.machine.leases import machine_lock


@pytest.fixture
def desk(home, ledger, queue):
    campaign = ledger.campaign(queue(["[[round]]\ngive_up = 'no'\n"]))
    shop = open_workshop(home, ledger, campaign)
    round_id = f"{campaign.id}-0001"
    ledger.add_round(
        RoundRecord(
            id=round_id, campaign_id=campaign.id, number=1, champion_commit=shop.lineage.baseline(),
            created_at=utc_now(),
        )
    )  # fmt: skip
    return shop.desk(round_id)


class Running:
    """A development run in a thread."""

    def __init__(self, desk):
        self.found = None
        self._thread = threading.Thread(target=self._run, args=(desk,), daemon=True)
        self._thread.start()

    def _run(self, desk):
        self.found = dev_run(desk, desk.champion_tree)

    def ended_within(self, seconds):
        self._thread.join(seconds)
        return not self._thread.is_alive()


@pytest.mark.slow
def test_a_development_run_waits_while_another_campaign_is_timed(desk):
    started = time.monotonic()
    assert dev_run(desk, desk.champion_tree).is_ok
    usual_s = time.monotonic() - started
    with machine_lock() as is_held:
        assert is_held
        running = Running(desk)
        assert not running.ended_within(2 * usual_s + 2.0)
    assert running.ended_within(120.0)
    assert running.found.is_ok


@pytest.mark.slow
def test_a_stop_ends_the_wait_and_nothing_is_run(desk, ledger):
    with machine_lock():
        running = Running(desk)
        assert not running.ended_within(1.0)
        ledger.add_request(
            RequestKind.STOP, actor="person:ada", at=utc_now(), campaign_id=desk.shop.campaign.id
        )
        assert running.ended_within(60.0)
    assert running.found.summary == STOPPED
    assert not running.found.is_ok
