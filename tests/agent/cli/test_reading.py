"""What the reading verbs say of a round is what the cockpit says of it."""

import json

import pytest
from tests.tui.ledgers import Sample

from rsi.agent.cli.entry import main


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A home with five rounds, one of them slower, one at the gate."""
    sample = Sample(tmp_path / "home")
    sample.play(sample.campaign())
    sample.ledger.close()
    monkeypatch.setenv("RSI_HOME", str(tmp_path / "home"))
    return sample.home


def test_rounds_say_why_they_ended_and_are_found_by_it(home, capsys):
    assert main(["rounds"]) == 0
    said = capsys.readouterr().out
    for word in ("refuted: worse", "inconclusive: noise", "not_admitted: reads_outside"):
        assert word in said
    assert main(["rounds", "--only", "worse", "--json"]) == 0
    (found,) = json.loads(capsys.readouterr().out)
    assert found["why"] == {"reason": "worse", "about": ""}
    assert found["sentence"].startswith("Refused because it is slower: it takes 1.41 times as long")
    assert main(["rounds", "--only", "!worse !promoted", "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)) == 3


def test_show_begins_with_the_sentence(home, capsys):
    assert main(["show", "c1120-4f2a-0005"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].startswith("Waits for a decision: 1.84 times as fast, surely above 1.78 (95%)")
