"""What a campaign will probably cost and take is said before it starts."""

import json

import pytest

from rsi.agent.cli.entry import main
from rsi.agent.queue.launching import launch
from rsi.agent.store.config import CampaignConfig
from rsi.tasks.format.loader import load_task

GIVES_UP = '[[round]]\ngive_up = "nothing to gain"\n'


@pytest.fixture
def expected(home, ledger, backend_name):
    """What is said of a campaign that is queued now."""

    def go(proposer, **settings):
        task = load_task("toy")
        config = CampaignConfig(
            task_root=str(task.root), rounds=4, proposer=proposer, backend=backend_name, **settings
        )
        return launch(home, ledger, task, profile="smoke", config=config).expected

    return go


def test_before_the_first_round_of_its_kind_only_a_price_says_something(expected, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-nothing-is-called")
    priced = expected("openai:house-model?price=3/15", budget_usd=0.5)
    assert priced.startswith("expected: about $")
    assert "guessed from the model's price; how long they take is not known yet" in priced
    assert priced.endswith("; the budget is $0.5")
    dearer = expected(
        "openai:house-model?price=3/15", other_proposers=("openai:house-model?price=6/30",)
    )
    assert dearer == expected("openai:house-model?price=6/30")
    unknown = expected("openai:house-model", is_unknown_price_allowed=True)
    assert unknown == "expected: nothing is known yet about dollars and time of 4 rounds"


@pytest.mark.slow
def test_run_says_it_before_any_work_and_never_on_stdout(
    ledger, capsys, tmp_path, backend_name, expected
):
    script = tmp_path / "script.toml"
    script.write_text(GIVES_UP, encoding="utf-8")
    words = ["run", "toy", "--rounds", "1", "--json", "--sandbox", backend_name]
    assert main([*words, "--model", f"scripted:{script}"]) == 0
    said = capsys.readouterr()
    assert json.loads(said.out)["state"] == "finished"
    assert said.err.index("expected: ") < said.err.index("  started")
    text = expected(f"scripted:{script}")
    assert "as the last 1 of this kind went" in text
    assert "about $0.00 and " in text
    assert " s for 4 rounds" in text
