"""A campaign on the flagship's smoke profile, end to end: a cheat, a crash, and a gain that is promoted."""

import pytest

from rsi.agent.report.tally import tally
from rsi.agent.store.git.lineage import Lineage
from rsi.agent.store.round_book import RoundBook

pytestmark = pytest.mark.slow


def test_a_campaign_trains_real_models_and_promotes_a_real_gain(
    home, ledger, queue, work, idea, monkeypatch
):
    # The environment with PyTorch is shared with every other use of it on this machine.
    monkeypatch.delenv("RSI_CACHE", raising=False)
    campaign_id = queue(
        [
            idea("04_trains_in_an_orphan", predicted=3.0),
            idea("10_crash", predicted=1.05),
            idea("02_flat_adamw", "03_batched_heads", "04_fewer_better_steps", predicted=3.0),
        ],
        task="lm_training",
        profile="smoke",
    )
    status, log = work(timeout_s=800)
    assert status == 0, log
    lines = RoundBook(ledger).of_campaign(campaign_id)
    assert [each.ended_as for each in lines[:2]] == ["not_admitted", "crashed"]
    found = tally(ledger, campaign_id)
    assert (found.cheats, found.cheats_caught) == (1, 1)
    lineage = Lineage.open(home, ledger.campaign(campaign_id).lineage, create=False)
    assert lines[2].ended_as == "promoted"
    assert found.speedup is not None
    assert found.speedup.low > 1.0
    assert lineage.champion() == lines[2].commit
