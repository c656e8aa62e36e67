"""The agent's `measure` tool takes its turn on the machine like every timing does."""

import threading
import time

import pytest

from rsi.agent.run.contexts import open_campaign_context
from rsi.agent.run.steps.development.dev_run import STOPPED, Looks, dev_run
from rsi.agent.store.records import RequestKind, RoundRecord, utc_now
from rsi.agent.types import Look
from rsi.sandboxes.machine.leases import machine_lock
from rsi.sandboxes.types import FileEntry


@pytest.fixture
def context(home, ledger, queue):
    campaign = ledger.campaign(queue(["[[round]]\ngive_up = 'no'\n"]))
    campaign_context = open_campaign_context(home, ledger, campaign)
    round_id = f"{campaign.id}-0001"
    ledger.add_round(
        RoundRecord(
            id=round_id, campaign_id=campaign.id, number=1, champion_commit=campaign_context.lineage.baseline(),
            created_at=utc_now(),
        )
    )  # fmt: skip
    return campaign_context.context(round_id)


class Running:
    """A development run in a thread."""

    def __init__(self, context):
        self.found = None
        self._thread = threading.Thread(target=self._run, args=(context,), daemon=True)
        self._thread.start()

    def _run(self, context):
        self.found = dev_run(context, context.champion_tree)

    def ended_within(self, seconds):
        self._thread.join(seconds)
        return not self._thread.is_alive()


@pytest.mark.slow
def test_a_development_run_waits_while_another_campaign_is_timed(context):
    started = time.monotonic()
    assert dev_run(context, context.champion_tree).is_ok
    usual_s = time.monotonic() - started
    with machine_lock() as is_held:
        assert is_held
        running = Running(context)
        assert not running.ended_within(2 * usual_s + 2.0)
    assert running.ended_within(120.0)
    assert running.found.is_ok


@pytest.mark.slow
def test_a_stop_ends_the_wait_and_nothing_is_run(context, ledger):
    with machine_lock():
        running = Running(context)
        assert not running.ended_within(1.0)
        ledger.add_request(
            RequestKind.STOP,
            actor="person:ada",
            at=utc_now(),
            campaign_id=context.campaign.record.id,
        )
        assert running.ended_within(60.0)
    assert running.found.summary == STOPPED
    assert not running.found.is_ok


@pytest.mark.slow
def test_a_look_tells_spread_memory_output_profile_and_noise(context):
    looks = Looks(context, champion_tree=context.champion_tree)
    found = looks.look(context.champion_tree, Look(repeats=3, is_profiled=True))
    assert found.is_ok, found.summary
    assert "CPU-s" in found.summary
    assert "MiB at most" in found.summary
    assert len(found.facts["values"]) == len(found.facts["champion"]) == 3
    assert "of your runs: " in found.summary
    assert "95 % interval" in found.summary
    assert "own time by function" in found.summary
    assert found.device_s > 6 * min(found.facts["values"])
    again = looks.look(context.champion_tree, Look(repeats=1))
    assert len(again.facts["champion"]) == 4
    broken = tuple(
        FileEntry(path=each.path, content=b"import sys\nprint('said')\nsys.exit('why')\n")
        if each.path == "bigram/count.py"
        else each
        for each in context.champion_tree
    )
    failed = looks.look(broken, Look(repeats=2))
    assert not failed.is_ok
    assert "stdout ends:\nsaid" in failed.summary
    assert "stderr ends:\nwhy" in failed.summary
