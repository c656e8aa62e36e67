"""What the words of `rsi run` become in a campaign's stored settings."""

import pytest

from rsi.agent.cli.parser import build_parser
from rsi.agent.cli.verbs.running import config_from


@pytest.fixture
def config():
    def go(*words):
        return config_from(build_parser().parse_args(["run", "toy", *words]), "/tasks/toy")

    return go


def test_a_strategy_is_left_to_the_scaffold_unless_one_is_named(config):
    assert config().strategy == ""
    assert config("--strategy", "tree").strategy == "tree"


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
