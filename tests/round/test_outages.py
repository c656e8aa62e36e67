"""A full disk and a database that restarts, for real, under a campaign that runs: it stands still, says why, and goes on by itself."""

import subprocess
import sys
import time

import pytest
from tests.postgres import postgres_binaries, postgres_cluster

from rsi.agent.cli.entry import main
from rsi.agent.queue.standstill import SILENT_S, standstills
from rsi.agent.run.parking import NOTICED_S
from rsi.agent.store.home import Home
from rsi.agent.store.ledger import Ledger
from rsi.agent.store.records import CampaignEventKind, CampaignState, Step, utc_now
from rsi.agent.store.round_book import RoundBook
from rsi.agent.store.stages import worked_s

DISK = "24m"

pytestmark = pytest.mark.slow


@pytest.fixture
def small_disk(tmp_path):
    """A folder on a small file system of its own."""
    folder = tmp_path / "disk"
    folder.mkdir()
    options = ["-t", "tmpfs", "-o", f"size={DISK}", "tmpfs", str(folder)]
    done = subprocess.run(["mount", *options], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"no file system can be mounted here: {done.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.fixture(scope="module")
def server():
    binaries = postgres_binaries()
    if binaries is None:
        pytest.skip("PostgreSQL's initdb and pg_ctl are not here")
    with postgres_cluster(binaries) as running:
        yield running


def wait_for_step(ledger, campaign_id, until, step):
    """The round whose step of this name has ended."""

    def look():
        for record in ledger.rounds(campaign_id):
            if any(each.step is step for each in ledger.steps(record.id)):
                return record.id
        return None

    return until(look)


def check_that_nothing_was_lost(ledger, campaign_id):
    lines = RoundBook(ledger).of_campaign(campaign_id)
    assert [each.ended_as for each in lines] == ["refuted", "promoted"]
    assert [each.step for each in ledger.steps(lines[1].record.id)] == list(Step)
    assert len(ledger.promotions()) == 1
    assert ledger.verify_chain().is_intact
    assert not ledger.storage_problems()


IDEAS = (("01_null", 1.0), ("02_row_sums_once", 2.5))


def fill(folder):
    with (folder / "fill").open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(1024))
        except OSError:
            pass


class TestAFullDisk:
    @pytest.fixture
    def home(self, small_disk, monkeypatch, cache):
        monkeypatch.setenv("RSI_CACHE", str(cache))
        monkeypatch.setenv("RSI_HOME", str(small_disk))
        monkeypatch.delenv("RSI_DATABASE_URL", raising=False)
        return Home.find().create()

    def test_parks_the_campaign_with_its_reason_until_there_is_room(
        self, home, ledger, queue, idea, start_worker, until, capsys, tmp_path
    ):
        worker_log = tmp_path / "worker.log"
        campaign_id = queue([idea(name, predicted=ratio) for name, ratio in IDEAS])
        with start_worker() as process:
            wait_for_step(ledger, campaign_id, until, Step.MEASURE)
            fill(home.root)

            def parked():
                found = standstills(ledger, [ledger.campaign_summary(campaign_id)], home)
                return found.get(campaign_id)

            still = until(parked, timeout_s=SILENT_S + 60)
            assert still.word == "parked"
            assert f"the disk of {str(home.root)!r} is full" in still.reason
            assert main(["queue"]) == 0
            shown = capsys.readouterr().out
            assert "parked" in shown
            assert f"the disk of {str(home.root)!r} is full" in shown
            assert process.poll() is None
            # The campaign itself may still be measuring, which needs no room.
            until(lambda: "waiting for the ledger" in worker_log.read_text() or None)
            time.sleep(1.5 * NOTICED_S)
            (home.root / "fill").unlink()
            until(
                lambda: ledger.campaign_summary(campaign_id).state is CampaignState.FINISHED or None
            )
        check_that_nothing_was_lost(ledger, campaign_id)
        events = ledger.campaign_events(campaign_id)
        parked_at = [each for each in events if each.kind is CampaignEventKind.PARKED]
        assert parked_at
        assert "is full" in parked_at[0].reason
        total_s = (events[-1].at - events[0].at).total_seconds()
        assert worked_s(events, utc_now()) < total_s - NOTICED_S, (
            "the wait is not the campaign's time"
        )


class TestADatabaseThatRestarts:
    @pytest.fixture
    def home(self, tmp_path, monkeypatch, cache, server):
        monkeypatch.setenv("RSI_CACHE", str(cache))
        monkeypatch.setenv("RSI_HOME", str(tmp_path / "home"))
        monkeypatch.setenv("RSI_DATABASE_URL", server.create_database(f"t{tmp_path.stat().st_ino}"))
        return Home.find().create()

    @pytest.mark.parametrize(
        ("step", "mode"),
        [
            (Step.SCORE, "immediate"),
            *(
                pytest.param(step, mode, marks=pytest.mark.exhaustive)
                for step, mode in (
                    (Step.BRIEF, "fast"),
                    (Step.BRIEF, "immediate"),
                    (Step.ADMIT, "fast"),
                    (Step.ADMIT, "immediate"),
                    (Step.SCORE, "fast"),
                )
            ),
        ],
    )
    def test_is_waited_out(
        self, home, ledger, queue, idea, start_worker, until, server, capsys, mode, step
    ):
        campaign_id = queue([idea(name, predicted=ratio) for name, ratio in IDEAS])
        follow = [sys.executable, "-P", "-m", "rsi.agent.cli", "follow", campaign_id]
        with start_worker() as process:
            follower = subprocess.Popen(
                follow, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True
            )
            wait_for_step(ledger, campaign_id, until, step)
            server.stop(mode)
            try:
                assert main(["queue"]) == 5
                assert "cannot be used" in capsys.readouterr().err
                time.sleep(6.0)
            finally:
                server.start()

            def ended():
                with Ledger.open(home) as reader:
                    state = reader.campaign_summary(campaign_id).state
                    return state if state is CampaignState.FINISHED else None

            until(ended)
            assert process.poll() is None
            _, said = follower.communicate(timeout=60)
        assert follower.returncode == 0
        assert "waiting for the ledger: ledger 'postgresql" in said
        assert "the ledger answers again after" in said
        check_that_nothing_was_lost(ledger, campaign_id)
