"""What the words of `rsi run` become in a campaign's stored settings."""

import shutil

import pytest

from rsi.agent.cli.parser import build_parser
from rsi.agent.cli.verbs.running import config_from
from rsi.agent.roles.scaffold.loading import DEFAULT
from rsi.agent.store.codec import decode, encode
from rsi.agent.store.config import CampaignConfig


@pytest.fixture
def config():
    def go(*words):
        return config_from(build_parser().parse_args(["run", "toy", *words]), "/tasks/toy")

    return go


def test_a_scaffolds_search_settings_hold_unless_a_strategy_is_named(config, tmp_path):
    folder = tmp_path / "scaffold"
    shutil.copytree(DEFAULT, folder)
    settings = folder / "scaffold.toml"
    told = settings.read_text().replace(
        'strategy = "greedy"', 'strategy = "archive"\nislands = 2\ntemperature = 0.3'
    )
    settings.write_text(told)
    words = ("--scaffold", str(folder))
    stored = encode(config(*words))
    settings.unlink()
    after_a_crash = decode(CampaignConfig, stored)
    assert after_a_crash.strategy == "archive:islands=2,temperature=0.3"
    assert config(*words, "--strategy", "tree").strategy == "tree"
    assert config().strategy == "greedy"


def test_budgets_are_stored_in_seconds_and_dollars(config):
    found = config("--budget-hours", "2", "--budget-device-hours", "0.5", "--round-budget-usd", "1")
    assert (found.budget_wall_s, found.budget_device_s, found.round_budget_usd) == (7200, 1800, 1)
    assert config().budget_device_s is None


def test_files_are_named_by_absolute_paths_since_the_worker_runs_elsewhere(
    config, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "run.json").write_text("{}")
    found = config("--model", "replay:run.json", "--critic", "scripted:run.json")
    assert found.proposer == f"replay:{tmp_path / 'run.json'}"
    assert found.critic == f"scripted:{tmp_path / 'run.json'}"
    assert config("--model", "replay:c1-0001").proposer == "replay:c1-0001"
    assert config().proposer == "scripted:demo"
