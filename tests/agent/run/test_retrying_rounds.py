"""`rsi retry ROUND`: a round that failed on our side goes on from where it broke, also in a finished campaign."""

import pytest
from tests.agent.run import scripted
from tests.agent.run.test_faults import Broken, NoEngine

from rsi.agent.cli.entry import EXIT_BAD_INPUT, EXIT_NOT_FOUND, main
from rsi.agent.queue.requests import serve_queue_requests
from rsi.agent.store.ledger import Ledger
from rsi.agent.store.records import CampaignState, Step
from rsi.agent.store.round_book import RoundBook
from rsi.agent.store.sql.database import ledger_url
from rsi.evals.types import Purpose


@pytest.fixture
def broken(home, ledger, tmp_path):
    """A finished campaign of two rounds whose first one broke in the middle of measuring; returns its id."""
    ideas = [scripted.idea("02_row_sums_once"), scripted.idea("01_null", 1.0)]
    campaign_id = scripted.queue(ledger, tmp_path / "script.toml", ideas)
    fault = scripted.Fault()
    fault.arm(15, Broken("out of the blue"), is_after=True)

    def on_step(name):
        fault.is_armed = name.endswith("-0001/0/measure")

    with Ledger(scripted.FaultyDatabase(ledger_url(home.ledger_place), fault)) as faulty:
        scripted.run(home, faulty, campaign_id, fault=fault, on_step=on_step)
    assert endings(ledger, campaign_id) == ["harness_error", "refuted"]
    assert ledger.campaign_summary(campaign_id).state is CampaignState.FINISHED
    return campaign_id


def endings(ledger, campaign_id):
    return [each.ended_as for each in RoundBook(ledger).of_campaign(campaign_id)]


def go_on(home, ledger, campaign_id):
    serve_queue_requests(ledger, NoEngine(), "worker")
    assert ledger.campaign_summary(campaign_id).state is CampaignState.QUEUED
    scripted.run(home, ledger, campaign_id)
    assert ledger.campaign_summary(campaign_id).state is CampaignState.FINISHED


def test_a_round_goes_on_from_where_it_broke(home, ledger, broken, capsys):
    round_id = f"{broken}-0001"
    before = ledger.measurements(round_id, Purpose.SCREEN)
    proposed = ledger.step(round_id, Step.PROPOSE)
    calls = len(ledger.charges(round_id=round_id))
    assert main(["retry", round_id]) == 0
    assert f"round {round_id} is run again from where it broke" in capsys.readouterr().out
    go_on(home, ledger, broken)
    assert endings(ledger, broken) == ["promoted", "refuted"]
    assert ledger.step(round_id, Step.PROPOSE) == proposed, "the model is not paid again"
    assert ledger.measurements(round_id, Purpose.SCREEN)[: len(before)] == before
    assert before
    assert [each.step for each in ledger.steps(round_id)] == list(Step)
    (reopened,) = ledger.reopenings(round_id)
    assert reopened.reason == "measure: Broken: out of the blue"
    assert len(ledger.charges(round_id=round_id)) > calls
    assert main(["show", round_id]) == 0
    assert "run again for person:" in capsys.readouterr().out


def test_only_a_round_that_failed_on_our_side_is_run_again(home, ledger, broken, capsys):
    assert main(["retry", f"{broken}-0002"]) == EXIT_BAD_INPUT
    assert "ended as refuted; only one that failed on our side" in capsys.readouterr().err
    assert main(["retry", "c0-0000"]) == EXIT_NOT_FOUND
    assert "no campaign 'c0-0000'" in capsys.readouterr().err
    assert main(["retry", f"{broken}-0001"]) == 0
    serve_queue_requests(ledger, NoEngine(), "worker")
    assert main(["retry", f"{broken}-0001"]) == EXIT_BAD_INPUT
    assert "it is queued; only one that has ended" in capsys.readouterr().err


def test_a_round_whose_champion_moved_on_says_so_and_what_helps(
    home, ledger, broken, tmp_path, capsys
):
    later = scripted.queue(ledger, tmp_path / "later.toml", [scripted.idea("02_row_sums_once")])
    scripted.run(home, ledger, later)
    assert endings(ledger, later) == ["promoted"]
    assert main(["retry", f"{broken}-0001"]) == 0
    assert f"`rsi fork {broken}-0001 --step 0`" in capsys.readouterr().out
    go_on(home, ledger, broken)
    assert endings(ledger, broken) == ["stale", "refuted"]
    assert len(ledger.promotions("toy")) == 1
