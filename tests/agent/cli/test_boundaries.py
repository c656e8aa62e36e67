"""What comes from outside reaches a terminal inert, and a mistake is refused before anything is queued or lost."""

import json
import logging
import os
import shutil
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from tests.facts import finished, left

from rsi.agent.cli.context import OutputError, require_writable
from rsi.agent.cli.entry import EXIT_BAD_INPUT, SafeFormatter, _explain, main
from rsi.agent.cli.verbs.running import from_anywhere
from rsi.agent.errors import LineageNameError
from rsi.agent.policy.gate import GateError, StaleDecisionError, decide, person
from rsi.agent.policy.settings import TaskChangedError, queue_campaign
from rsi.agent.queue.launching import launch
from rsi.agent.roles.scaffold.loading import DEFAULT, ScaffoldError, load_scaffold
from rsi.agent.store.config import CampaignConfig
from rsi.agent.store.records import DecisionAction, RoundRecord, Step
from rsi.agent.trust.rescoring import rescore_round
from rsi.agent.trust.what_if import Rule, what_if
from rsi.tasks.format.loader import load_task

AT = datetime(2026, 11, 20, tzinfo=UTC)
ACTIVE = "\x1b]52;c;ZXZpbA==\x07\x1b[2J\u202e"
COMMIT, SCORE = "ab" * 20, "cd" * 32


@pytest.fixture
def at_gate(ledger):
    """A round that waits for a decision about COMMIT and SCORE."""
    config = CampaignConfig(
        task_root=str(load_task("toy").root), rounds=1, proposer="scripted:demo", seed="ab" * 16
    )
    campaign = queue_campaign(
        ledger, load_task("toy"), profile="smoke", lineage="here", config=config
    )
    round_id = f"{campaign.id}-0001"
    ledger.add_round(
        RoundRecord(
            id=round_id, campaign_id=campaign.id, number=1, champion_commit="0" * 40, created_at=AT
        )
    )
    for fact in (left(Step.COMMIT, commit=COMMIT), left(Step.REVIEW, score_digest=SCORE)):
        ledger.add_step(finished(fact, round_id=round_id))
    return round_id


@pytest.mark.parametrize("error", [OutputError, RuntimeError])
def test_an_errors_text_cannot_move_the_cursor(capsys, error):
    _explain(error(f"the sandbox said {ACTIVE}"), is_verbose=False)
    said = capsys.readouterr().err
    assert "the sandbox said ␛]52" in said
    assert not set(ACTIVE) & {"\x1b", "\x07", "\u202e"} & set(said)


def test_a_log_line_and_its_trace_cannot_either():
    trace = (RuntimeError, RuntimeError(ACTIVE), None)
    record = logging.LogRecord("x", logging.ERROR, "f", 1, "says %s", (ACTIVE,), trace)
    said = SafeFormatter("%(message)s").format(record)
    assert "RuntimeError: ␛]52" in said
    assert not {"\x1b", "\x07", "\u202e"} & set(said)


def decided(ledger, round_id, **shown):
    given = {"commit": None, "score_digest": None} | shown
    return decide(ledger, round_id, DecisionAction.APPROVE, actor="person:ada", reason="", **given)


def test_what_show_prints_can_be_pasted(ledger, at_gate):
    record = decided(ledger, at_gate, commit=COMMIT[:12], score_digest=SCORE[:16])
    assert (record.commit, record.score_digest) == (COMMIT, SCORE)


@pytest.mark.parametrize(
    ("shown", "error", "words"),
    [
        ({"commit": COMMIT[:11] + "0"}, StaleDecisionError, "changed since"),
        ({"score_digest": COMMIT[:16]}, StaleDecisionError, "changed since"),
        ({"commit": COMMIT + "ab"}, StaleDecisionError, "changed since"),
        ({"commit": COMMIT[:6]}, GateError, "too short"),
        ({"score_digest": ""}, GateError, "too short"),
    ],
)
def test_any_other_digits_are_refused(ledger, at_gate, shown, error, words):
    with pytest.raises(error, match=words):
        decided(ledger, at_gate, **shown)
    assert not ledger.decisions(at_gate)


def test_a_person_without_a_name_is_a_number(monkeypatch):
    import getpass

    def nobody():
        raise KeyError("getpwuid(): uid not found: 12345")

    monkeypatch.setattr(getpass, "getuser", nobody)
    assert person() == f"person:uid-{os.getuid()}"


@pytest.mark.parametrize(
    ("settings", "lineage", "error", "words"),
    [
        ({"tools": '["shell", "telepathy"]'}, None, ScaffoldError, "telepathy"),
        ({"tools": '["shell"]'}, None, ScaffoldError, "could not end"),
        ({"proposer": "patience = 3"}, None, ScaffoldError, "patience"),
        ({"proposer": 'max_turns = "many"'}, None, ScaffoldError, "positive number"),
        ({"proposer": "max_turns = 0"}, None, ScaffoldError, "positive number"),
        ({}, "bad name", LineageNameError, "cannot name a lineage"),
    ],
)
def test_what_no_round_could_run_with_is_never_queued(
    home, ledger, tmp_path, settings, lineage, error, words
):
    folder = tmp_path / "scaffold"
    shutil.copytree(DEFAULT, folder)
    tools = settings.get("tools", '["submit", "give_up"]')
    (folder / "scaffold.toml").write_text(
        f'name = "mine"\nversion = "1"\ntools = {tools}\n[proposer]\n{settings.get("proposer", "")}\n'
    )
    task = load_task("toy")
    config = CampaignConfig(
        task_root=str(task.root), rounds=1, proposer="scripted:demo", scaffold=str(folder)
    )
    with pytest.raises(error, match=words):
        launch(home, ledger, task, profile="smoke", config=config, lineage=lineage)
    assert ledger.campaigns() == ()


@pytest.mark.parametrize("name", ["scaffold.toml", "prompts/critic.md"])
def test_a_scaffold_that_is_no_text_is_named(tmp_path, name):
    folder = tmp_path / "scaffold"
    shutil.copytree(DEFAULT, folder)
    (folder / name).write_bytes(b"\xff\xfe")
    with pytest.raises(ScaffoldError, match=name):
        load_scaffold(folder)


def test_a_models_file_is_found_from_the_workers_folder(tmp_path, monkeypatch):
    (tmp_path / "x.toml").touch()
    monkeypatch.chdir(tmp_path)
    assert from_anywhere("scripted:./x.toml") == f"scripted:{tmp_path / 'x.toml'}"
    assert from_anywhere("openai:x.toml") == "openai:x.toml"


def test_a_place_that_cannot_be_written_is_one_sentence(home, ledger, at_gate, tmp_path, capsys):
    (tmp_path / "file").touch()
    inside = str(tmp_path / "file" / "x")
    document = {"schema_version": "ATIF-v1.7", "agent": {}, "steps": []}
    atif = tmp_path / "run.json"
    atif.write_text(json.dumps(document))
    for words in (
        ["export", "--format", "atif", "--out", inside],
        ["export", "--format", "sft", "--out", inside],
        ["import", str(atif), "--out", inside],
    ):
        assert main(words) == EXIT_BAD_INPUT
        assert "cannot be written" in capsys.readouterr().err


def test_a_calibration_that_could_not_be_kept_is_refused_beforehand(tmp_path):
    for path in (tmp_path, tmp_path / "nowhere" / "x.json"):
        with pytest.raises(OutputError, match="cannot be written"):
            require_writable(path)
    require_writable(tmp_path / "x.json")
    assert not list(tmp_path.iterdir())


def test_another_version_of_the_task_decides_nothing_again(home, ledger, at_gate, tmp_path):
    task = load_task("toy")
    config = CampaignConfig(
        task_root=str(task.root), rounds=1, proposer="scripted:demo", seed="ab" * 16
    )
    older = replace(task, digest="0" * 64)
    campaign = queue_campaign(ledger, older, profile="smoke", lineage="old", config=config)
    round_id = f"{campaign.id}-0001"
    ledger.add_round(
        RoundRecord(
            id=round_id, campaign_id=campaign.id, number=1, champion_commit="0" * 40, created_at=AT
        )
    )
    with pytest.raises(TaskChangedError, match="changed since campaign"):
        rescore_round(ledger, round_id, home)
    with pytest.raises(TaskChangedError, match="changed since campaign"):
        what_if(ledger, home, campaign.id, Rule())
