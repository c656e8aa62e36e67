"""Rounds of a recorded campaign are run again, gone on from, and taken elsewhere."""

import json
import shutil
from pathlib import Path

import pytest

from rsi.agent.cli.entry import main
from rsi.agent.roles.scaffold.loading import DEFAULT
from rsi.agent.store.records import AgentRole, CampaignState
from rsi.agent.store.round_book import RoundBook
from rsi.agent.trajectory.atif import from_document, to_atif
from rsi.agent.trajectory.recorded import last_recording

WANDERING = """[[round]]
[[round.turn]]
text = "Three calls at once."
calls = [{tool = "view", arguments = {path = "."}}, {tool = "view", arguments = {path = "nowhere.py"}},
  {tool = "shell", arguments = {command = "python run.py; echo done $?; python -c 'print(object())'"}}]
[[round.turn]]
calls = [{tool = "shell", arguments = {command = "seq 1 20000"}}, {tool = "view", arguments = {_raw = '{"path'}}]
[[round.turn]]
calls = [{tool = "write", arguments = {path = "bigram/notes.txt", content = "n1\\n"}},
  {tool = "edit", arguments = {path = "bigram/notes.txt", old = "absent", new = "x"}},
  {tool = "edit", arguments = {path = "bigram/notes.txt", old = "n1", new = "n2"}},
  {tool = "shell", arguments = {command = "cat bigram/notes.txt; exit 3"}}]
[[round.turn]]
calls = [{tool = "measure"}]
[[round.turn]]
calls = [{tool = "search_notebook", arguments = {query = "sums"}}]
[[round.turn]]
calls = [{tool = "give_up", arguments = {reason = "seen enough"}}]
"""


def recording_of(ledger, round_id):
    return last_recording(ledger.events(round_id, AgentRole.PROPOSER))


@pytest.mark.slow
def test_every_recorded_round_replays_forks_and_exports(ledger, queue, work, idea, tmp_path, capfd):
    measured = idea("01_edits_the_entry") + "measure = true\n"
    campaign_id = queue([measured, WANDERING, idea("07_wrong_name")])
    status, log = work()
    assert status == 0, log
    lines = RoundBook(ledger).of_campaign(campaign_id)
    assert [each.ended_as for each in lines] == ["not_admitted", "gave_up", "crashed"]
    assert "protected run.py: is protected and was changed" in lines[0].lesson

    for line in lines:
        capfd.readouterr()
        code = main(["replay", line.record.id, "--json"])
        found = json.loads(capfd.readouterr().out)
        assert code == 0, found
        assert found["divergence"] is None
        assert found["is_same"]
        calls = sum(len(t.reply.tool_calls) for t in recording_of(ledger, line.record.id).turns)
        assert found["calls"] + found["from_record"] == calls

    forked = lines[0].record.id
    words = ["fork", forked, "--step", "2", "--say", "leave run.py alone", "--json"]
    assert main(words) == 0
    fork_id = json.loads(capfd.readouterr().out)["campaign"]
    assert fork_id != campaign_id
    assert ledger.campaign_summary(fork_id).state is CampaignState.FINISHED
    (fork_line,) = RoundBook(ledger).of_campaign(fork_id)
    assert fork_line.ended_as == "not_admitted"
    before, after = recording_of(ledger, forked), recording_of(ledger, fork_line.record.id)
    assert [each.is_copied for each in after.turns[:3]] == [True, True, False]
    assert [each.reply.blocks for each in after.turns[:2]] == [
        each.reply.blocks for each in before.turns[:2]
    ]
    assert after.outcome == "submitted"
    told = [text for each in after.turns for text in each.told]
    assert any("leave run.py alone" in each for each in told)
    assert main(["replay", fork_line.record.id]) == 0

    export(ledger, campaign_id, [each.record.id for each in lines], tmp_path / "out")


def export(ledger, campaign_id, round_ids, out):
    assert main(["export", campaign_id, "--format", "atif", "--out", str(out / "atif")]) == 0
    for round_id in round_ids:
        stored = recording_of(ledger, round_id)
        text = (out / "atif" / f"{round_id}.json").read_text(encoding="utf-8")
        document = json.loads(text)
        again = from_document(document)
        assert [each.reply.blocks for each in again.turns] == [
            each.reply.blocks for each in stored.turns
        ]
        assert to_atif(again, version=document["agent"]["version"]) == document

    words = ["export", campaign_id, "--format", "sft", "--out", str(out / "sft.jsonl")]
    assert main(words) == 0
    assert (out / "sft.jsonl").read_text(encoding="utf-8") == "", "nothing was accepted"
    assert main([*words, "--with-rejected"]) == 0
    examples = [json.loads(each) for each in (out / "sft.jsonl").read_text().splitlines()]
    assert [each["metadata"]["label"] for each in examples] == ["rejected"] * len(round_ids)
    for each in examples:
        assert each["messages"][0]["role"] == "system"
        calls = [c["id"] for m in each["messages"] for c in m.get("tool_calls") or ()]
        answered = [m["tool_call_id"] for m in each["messages"] if m["role"] == "tool"]
        assert calls == answered

    path = out / "log.json"
    assert main(["export", campaign_id, "--format", "inspect", "--out", str(path)]) == 0
    inspected = json.loads(path.read_text(encoding="utf-8"))
    assert inspected["status"] == "success"
    assert len(inspected["samples"]) == len(round_ids)


@pytest.mark.slow
def test_the_inspect_log_of_a_campaign_is_read_by_inspect_itself(queue, work, idea, tmp_path):
    log_module = pytest.importorskip("inspect_ai.log")
    campaign_id = queue([idea("01_edits_the_entry")])
    work()
    path = tmp_path / "log.json"
    assert main(["export", campaign_id, "--format", "inspect", "--out", str(path)]) == 0
    assert len(log_module.read_eval_log(str(path)).samples) == 1


METERED = """[[round]]
[[round.turn]]
calls = [{tool = "shell", arguments = {command = "seq 1 3000"}}, {tool = "measure"}]
[[round.turn]]
calls = [{tool = "view", arguments = {path = "run.py"}}]
[[round.turn]]
calls = [{tool = "measure"}]
[[round.turn]]
calls = [{tool = "give_up", arguments = {reason = "seen enough"}}]
"""


@pytest.mark.slow
def test_a_fork_of_a_later_round_plays_on_its_entry_under_the_limits_that_drove_it(
    ledger, queue, work, idea, tmp_path, capfd
):
    scaffold = tmp_path / "scaffold"
    shutil.copytree(DEFAULT, scaffold)
    settings = scaffold / "scaffold.toml"
    limits = "max_measures = 1\nshown_chars = 1000"
    settings.write_text(settings.read_text().replace("max_turns = 80", limits))
    entries = [idea("01_edits_the_entry"), METERED, idea("07_wrong_name")]
    campaign_id = queue(entries, scaffold=str(scaffold))
    status, log = work()
    assert status == 0, log
    lines = RoundBook(ledger).of_campaign(campaign_id)
    assert [each.ended_as for each in lines] == ["not_admitted", "gave_up", "crashed"]
    refusal = "No measurements are left in this round."

    for line in lines[1:]:
        round_id = line.record.id
        assert main(["replay", round_id]) == 0, capfd.readouterr().out
        capfd.readouterr()
        assert main(["fork", round_id, "--step", "2", "--json"]) == 0
        fork_id = json.loads(capfd.readouterr().out)["campaign"]
        (forked,) = RoundBook(ledger).of_campaign(fork_id)
        before, after = recording_of(ledger, round_id), recording_of(ledger, forked.record.id)
        assert forked.ended_as == line.ended_as
        assert [each.is_copied for each in after.turns[:3]] == [True, True, False]
        assert [each.reply.tool_calls for each in after.turns] == [
            each.reply.tool_calls for each in before.turns
        ]
        assert forked.hypothesis == line.hypothesis
        last_answer = before.turns[2].answers[0].text
        assert (last_answer == refusal) is (line is lines[1])
        assert (after.turns[2].answers[0].text == refusal) is (line is lines[1])


@pytest.mark.slow
def test_a_fork_goes_on_with_the_model_that_proposed_in_its_round(
    ledger, queue, work, tmp_path, capfd
):
    other = tmp_path / "other.toml"
    other.write_text(METERED * 2, encoding="utf-8")
    campaign_id = queue([METERED, METERED], other_proposers=(f"scripted:{other}",))
    status, log = work()
    assert status == 0, log
    lines = RoundBook(ledger).of_campaign(campaign_id)
    used = [recording_of(ledger, each.record.id).model for each in lines]
    assert f"scripted:{other}" in used
    assert len(set(used)) == 2
    for line, model in zip(lines, used, strict=True):
        capfd.readouterr()
        assert main(["fork", line.record.id, "--step", "1", "--json"]) == 0
        fork_id = json.loads(capfd.readouterr().out)["campaign"]
        (forked,) = RoundBook(ledger).of_campaign(fork_id)
        assert recording_of(ledger, forked.record.id).model == model


@pytest.mark.slow
def test_every_run_of_a_round_is_exported_and_an_imported_one_is_played_again(
    ledger, queue, work, idea, tmp_path, capsys
):
    critique = '[round.critique]\nstance = "revise"\ntext = "The name does not exist."\n'
    entry = idea("07_wrong_name") + critique
    campaign_id = queue([entry], critic=f"scripted:{tmp_path / 'script.toml'}")
    work()
    (line,) = RoundBook(ledger).of_campaign(campaign_id)
    out = tmp_path / "all"
    words = ["export", campaign_id, "--format", "atif", "--out", str(out)]
    assert main(words) == 0
    round_id = line.record.id
    assert [each.name for each in out.iterdir()] == [f"{round_id}.json"]
    assert main([*words, "--all-agents"]) == 0
    runs = {"proposer.1", "critic.1", "critic.2"}
    names = {f"{round_id}.json", *(f"{round_id}.{each}.json" for each in runs)}
    assert {each.name for each in out.iterdir()} == names
    documents = [json.loads(each.read_text(encoding="utf-8")) for each in out.iterdir()]
    assert len({each["trajectory_id"] for each in documents}) == 4
    said = json.loads((out / f"{round_id}.critic.1.json").read_text(encoding="utf-8"))
    assert "The name does not exist." in str(said["steps"])
    log = str(tmp_path / "all.json")
    assert main(["export", campaign_id, "--format", "inspect", "--out", log, "--all-agents"]) == 0
    assert len(json.loads(Path(log).read_text(encoding="utf-8"))["samples"]) == 4
    assert main(["export", campaign_id, "--format", "sft", "--out", log, "--all-agents"]) != 0

    capsys.readouterr()
    copy = tmp_path / "imported.json"
    assert main(["import", str(out / f"{round_id}.json"), "--out", str(copy)]) == 0
    assert "--- 1 tool_call" in capsys.readouterr().out
    assert copy.read_text(encoding="utf-8") == (out / f"{round_id}.json").read_text(
        encoding="utf-8"
    )
    assert main(["import", str(tmp_path / "script.toml")]) == 6
    assert "this is no JSON" in capsys.readouterr().err

    again = queue([idea("07_wrong_name")], proposer=f"replay:{copy}", lineage="played")
    status, trouble = work()
    assert status == 0, trouble
    (played,) = RoundBook(ledger).of_campaign(again)
    assert played.ended_as == line.ended_as == "crashed"
    before, after = recording_of(ledger, round_id), recording_of(ledger, played.record.id)
    assert [each.blocks for each in after.replies] == [each.blocks for each in before.replies]
    assert main(["replay", played.record.id]) == 0
