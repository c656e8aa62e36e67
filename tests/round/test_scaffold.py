"""What a scaffold sets beside the prompts has its effect in a real campaign, and none of it can promote anything."""

import shutil

import pytest

from rsi.agent.roles.scaffold.loading import DEFAULT, load_scaffold
from rsi.agent.store.records import Step
from rsi.agent.store.round_book import RoundBook
from rsi.evals.types import Purpose

pytestmark = pytest.mark.slow


def test_repeats_are_withdrawn_and_a_screen_ends_what_is_behind(
    ledger, queue, work, idea, tmp_path
):
    folder = tmp_path / "scaffold"
    shutil.copytree(DEFAULT, folder)
    (folder / "search.toml").write_text(
        '[notebook]\nrepeats = "withdraw"\n[screening]\npairs = 1\ndrop_below = 1.05\n'
    )
    cheat = idea("01_edits_the_entry")
    campaign_id = queue(
        [cheat, cheat, idea("05_twice_the_grid"), idea("02_row_sums_once")], scaffold=str(folder)
    )
    shutil.rmtree(folder)
    status, log = work()
    assert status == 0, log
    lines = RoundBook(ledger).of_campaign(campaign_id)
    assert [each.ended_as for each in lines] == [
        "not_admitted", "withdrawn", "inconclusive", "promoted",
    ]  # fmt: skip
    repeated = ledger.step(lines[1].record.id, Step.CRITIQUE)
    assert "The scaffold withdraws repeats" in repeated.text
    assert len(ledger.measurements(lines[2].record.id, Purpose.SCREEN)) == 2
    proposed = ledger.step(lines[3].record.id, Step.PROPOSE)
    assert (
        proposed.scaffold_digest == ledger.campaign(campaign_id).config.driver_digests["scaffold"]
    )
    assert proposed.scaffold_digest != load_scaffold().digest
