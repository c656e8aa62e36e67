"""Two homes as two machines, one PostgreSQL and one git server: what dies on one is finished on the other."""

import os
import subprocess
import sys

import pytest
from tests.postgres import postgres_binaries, postgres_cluster
from tests.round.conftest import WORKER

from rsi.agent.store.champion import Standing, look_at_champion, open_lineage
from rsi.agent.store.home import Home
from rsi.agent.store.records import CampaignState, Step
from rsi.agent.store.round_book import RoundBook
from rsi.evals.types import Purpose

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def server():
    binaries = postgres_binaries()
    if binaries is None:
        pytest.skip("PostgreSQL's initdb and pg_ctl are not here")
    with postgres_cluster(binaries) as running:
        yield running


@pytest.fixture
def home(tmp_path, monkeypatch, cache, server):
    folder = tmp_path / "srv"
    folder.mkdir()
    monkeypatch.setenv("RSI_CACHE", str(cache))
    monkeypatch.setenv("RSI_HOME", str(tmp_path / "home-a"))
    monkeypatch.setenv("RSI_DATABASE_URL", server.create_database("two_machines"))
    monkeypatch.setenv("RSI_LINEAGES_URL", folder.as_uri())
    return Home.find().create()


def test_a_campaign_begun_on_one_machine_is_finished_on_another(
    home, ledger, queue, idea, start_worker, until
):
    other = Home(root=home.root.with_name("home-b"), lineages_url=home.lineages_url)
    campaign_id = queue([idea("02_row_sums_once", predicted=2.5)])

    def in_the_middle():
        rounds = ledger.rounds(campaign_id)
        runs = ledger.measurements(rounds[0].id) if rounds else ()
        return (rounds[0], runs) if runs else None

    with start_worker() as process:
        record, before = until(in_the_middle, timeout_s=60)
        process.kill()
        process.wait(30)
    assert not any(each.step is Step.SCORE for each in ledger.steps(record.id)), "it was measuring"
    done = subprocess.run(
        [sys.executable, "-P", str(WORKER), ""],
        env=os.environ | {"RSI_HOME": str(other.root)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr

    # As if nothing had happened, in the ledger, on the server and in both homes.
    assert ledger.campaign_summary(campaign_id).state is CampaignState.FINISHED
    lines = RoundBook(ledger).of_campaign(campaign_id)
    assert [each.ended_as for each in lines] == ["promoted"]
    assert ledger.measurements(record.id)[: len(before)] == before
    for purpose in (Purpose.SCREEN, Purpose.CONFIRM, Purpose.AUDIT):
        runs = [(each.pair, each.arm) for each in ledger.measurements(record.id, purpose)]
        assert len(runs) == len(set(runs))
    (promotion,) = ledger.promotions()
    assert ledger.verify_chain().is_intact
    assert not ledger.storage_problems()
    charges = [each.id for each in ledger.charges(campaign_id)]
    assert len(charges) == len(set(charges))
    for each in (home, other):
        lineage = open_lineage(each, ledger, promotion.lineage)
        assert lineage.champion() == promotion.new_commit
        assert look_at_champion(ledger, lineage).standing is Standing.AGREED
    assert len(ledger.workers()) == 2
