"""Without a worker every listing says so, and what is asked says that nobody carries it out yet."""

import subprocess
import sys
from dataclasses import replace

import pytest
from tests.agent.run import scripted

from rsi.agent.cli.entry import main
from rsi.agent.queue.liveness import is_gone, start_tick, this_worker
from rsi.agent.queue.standstill import NO_WORKER, NOBODY


@pytest.fixture
def campaign_id(ledger, tmp_path):
    """A campaign that is under way."""
    return scripted.begun(ledger, tmp_path / "script.toml")


@pytest.fixture
def worker(ledger, campaign_id):
    """A process that stands for a worker which runs the campaign."""
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(120)"])
    record = replace(this_worker(ledger.now()), pid=process.pid, start_tick=start_tick(process.pid))
    ledger.heartbeat(record)
    ledger.take_campaign(campaign_id, record.id, after_epoch=0)
    yield process, record
    process.kill()
    process.wait()


ASKED = (["pause"], ["resume"], ["stop"], ["sooner"], ["budget", "--usd", "1"])


@pytest.mark.parametrize("words", ASKED, ids=lambda words: words[0])
def test_what_is_asked_says_that_nobody_carries_it_out(campaign_id, home, capsys, words):
    assert main([words[0], campaign_id, *words[1:]]) == 0
    assert NOBODY in capsys.readouterr().err


@pytest.mark.parametrize("words", ASKED, ids=lambda words: words[0])
def test_with_a_worker_it_says_nothing_of_the_kind(campaign_id, worker, home, capsys, words):
    assert main([words[0], campaign_id, *words[1:]]) == 0
    assert NOBODY not in capsys.readouterr().err


@pytest.mark.parametrize("verb", ["queue", "rounds"])
def test_a_listing_says_so_as_soon_as_the_worker_is_killed(
    ledger, campaign_id, worker, home, capsys, verb
):
    process, record = worker
    assert main([verb]) == 0
    assert "no worker" not in capsys.readouterr().out
    assert not is_gone(record)
    process.kill()
    process.wait()
    assert main([verb]) == 0
    assert f"{campaign_id}: {NO_WORKER}" in capsys.readouterr().out
    assert is_gone(record), "the cockpit leaves it out, however lately it beat"


def test_a_worker_that_said_that_it_leaves_is_gone(ledger):
    assert is_gone(replace(this_worker(ledger.now()), is_leaving=True))
