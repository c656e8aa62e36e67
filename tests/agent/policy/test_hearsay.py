"""Where a quality is the run's own word, a person decides, whatever was granted."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from rsi.agent.policy.controls import HEARSAY, unearned
from rsi.agent.store.config import Autonomy, CampaignConfig
from rsi.agent.store.home import Home
from rsi.agent.store.ledger import Ledger
from rsi.agent.store.records import CampaignRecord
from rsi.tasks.choices import Honesty
from rsi.tasks.format.loader import load_task, profile_of


@pytest.mark.parametrize(
    ("honesty", "autonomy", "lacking"),
    [
        (Honesty.L0, Autonomy.POLICY, (HEARSAY,)),
        (Honesty.L0, Autonomy.LOW_RISK, (HEARSAY,)),
        (Honesty.L0, Autonomy.PERSON, ()),
        (Honesty.L1, Autonomy.POLICY, ()),
        (None, Autonomy.POLICY, ()),
    ],
)
def test_policy_never_decides_on_hearsay(tmp_path, honesty, autonomy, lacking):
    profile = replace(profile_of(load_task("toy"), "smoke"), honesty=honesty)
    config = CampaignConfig(
        task_root="toy",
        rounds=1,
        proposer="scripted:demo",
        autonomy=autonomy,
        is_autonomy_granted=True,
    )
    campaign = CampaignRecord(
        id="c1", created_at=datetime.now(UTC), task="toy", task_digest="0", track="main",
        profile="smoke", lineage="toy", seed_commitment="0", config=config,
    )  # fmt: skip
    with Ledger.open(Home(root=tmp_path).create()) as ledger:
        assert unearned(ledger, campaign, config, profile) == lacking
