"""What other programs recorded is read whole, and what cannot be read is named for what it is."""

import json
import zipfile
from datetime import UTC, datetime

import pytest
from tests.agent.puppet import GIVE_UP, Puppet
from tests.agent.trajectory.conftest import NOW
from tests.agent.trajectory.test_formats import THOUGHT, VIEW, Thinker, busy

from rsi.agent.llm.types import Reasoning, StopReason, Text, ToolCall
from rsi.agent.trajectory.atif import to_atif
from rsi.agent.trajectory.foreign import read_trajectory
from rsi.agent.trajectory.inspect_log import Judged, inspect_log
from rsi.agent.trajectory.recorded import RecordingError

ATIF = {
    "schema_version": "ATIF-v1.7",
    "session_id": "s1",
    "agent": {"name": "terminus", "version": "2.1", "model_name": "m", "extra": {"parser": "json"}},
    "continued_trajectory_ref": "part-2.json",
    "notes": "the second try",
    "steps": [
        {"step_id": 1, "source": "user", "message": "Fix it."},
        {
            "step_id": 2, "source": "agent", "message": "", "reasoning_content": "Look first.",
            "tool_calls": [
                {"tool_call_id": "a", "function_name": "bash", "arguments": {"command": "ls"}},
                {"tool_call_id": "b", "function_name": "bash", "arguments": {"command": "id"}},
            ],
            "observation": {"results": [
                {"source_call_id": "b", "content": "root"},
                {"source_call_id": "a", "content": [{"type": "text", "text": "x.py"}]},
                {"content": "a bell rang"},
            ]},
            "metrics": {"prompt_tokens": 10, "completion_tokens": 3, "cost_usd": 0.25},
        },
        {"step_id": 3, "source": "agent", "message": "One call.",
         "tool_calls": [{"tool_call_id": "c", "function_name": "bash", "arguments": {}}],
         "observation": {"results": [{"content": "no id, one call"}]}},
        {"step_id": 4, "source": "system", "message": "compacted",
         "observation": {"results": [{"subagent_trajectory_ref": [{"trajectory_id": "sub-7", "trajectory_path": "seven.json"}]}]}},
        {"step_id": 5, "source": "agent", "message": "Done."},
    ],
    "final_metrics": {"total_cost_usd": 0.75, "total_steps": 5},
}  # fmt: skip

MINI = {
    "trajectory_format": "mini-swe-agent-1.1",
    "info": {
        "exit_status": "Submitted", "submission": "diff --git a b", "mini_version": "2.3.0",
        "model_stats": {"instance_cost": 0.031, "api_calls": 2},
        "config": {"model": {"model_name": "anthropic/claude-sonnet-5-5"}},
    },
    "messages": [
        {"role": "system", "content": "You use bash."},
        {"role": "user", "content": [{"type": "text", "text": "Make it faster."}]},
        {
            "role": "assistant", "content": "Look.", "reasoning_content": "A loop, surely.",
            "tool_calls": [{"id": "t1", "type": "function", "function": {"name": "bash", "arguments": '{"command": "ls"}'}}],
            "extra": {
                "cost": 0.011, "timestamp": 1764500000.5, "actions": [{"command": "ls", "tool_call_id": "t1"}],
                "response": {"model": "claude-x", "usage": {
                    "prompt_tokens": 100, "completion_tokens": 9, "prompt_tokens_details": {"cached_tokens": 40}}},
            },
        },
        {"role": "tool", "tool_call_id": "t1", "content": "x.py", "extra": {"returncode": 2}},
        {"role": "assistant", "content": "THOUGHT: now\n```bash\nrm x.py\n```"},
        {"role": "user", "content": "<returncode>0</returncode>"},
        {"role": "exit", "content": "handed in", "extra": {"exit_status": "Submitted", "submission": "diff"}},
    ],
}  # fmt: skip

INSPECT = {
    "version": 2,
    "status": "success",
    "eval": {"task": "swe", "model": "openai/gpt-5", "solver": "react"},
    "samples": [
        {
            "id": "s-1", "epoch": 1, "input": "x", "target": "y",
            "messages": [
                {"id": "m1", "role": "system", "content": "Be brief."},
                {"id": "m2", "role": "user", "content": "attachment://abc"},
                {
                    "id": "m3", "role": "assistant", "model": "gpt-5",
                    "content": [
                        {"type": "reasoning", "reasoning": "Hm.", "signature": "x"},
                        {"type": "reasoning", "reasoning": "ENCRYPTED", "summary": "In short.", "redacted": True},
                        {"type": "text", "text": "I look."},
                    ],
                    "tool_calls": [{"id": "c1", "function": "bash", "arguments": {"cmd": "attachment://abc"}, "type": "function"}],
                },
                {"id": "m4", "role": "tool", "tool_call_id": "c1", "function": "bash", "content": "", "error": {
                    "type": "timeout", "message": "too slow"}},
                {"id": "m5", "role": "assistant", "content": "Done."},
            ],
            "events": [{"event": "model", "timestamp": "2026-11-01T10:00:00+00:00", "output": {
                "choices": [{"message": {"id": "m3", "role": "assistant", "content": ""}}],
                "usage": {"input_tokens": 70, "input_tokens_cache_read": 30, "output_tokens": 8, "total_tokens": 108,
                          "total_cost": 0.5}}}],
            "attachments": {"abc": "A long text."},
            "scores": {"match": {"value": "C"}},
            "limit": {"type": "message", "limit": 5},
        },
        {"id": "s-1", "epoch": 2, "messages": [{"role": "assistant", "content": "Second."}]},
    ],
}  # fmt: skip


@pytest.fixture
def written(tmp_path):
    def written(content, name="run.json"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
        return path

    return written


def test_atif_keeps_reasoning_observations_notes_costs_and_who_wrote_it(written):
    recording = read_trajectory(written(ATIF))
    first, second, third = recording.turns
    assert first.reply.blocks[0] == Reasoning(provider="imported", text="Look first.", payload={})
    assert [(each.call_id, each.text) for each in first.answers] == [("b", "root"), ("a", "x.py")]
    assert first.told == ("a bell rang",)
    assert first.usd == 0.25
    assert [each.text for each in second.answers] == ["no id, one call"]
    assert second.told == ("compacted", "[run of another agent: sub-7, seven.json]")
    assert third.reply.text == "Done."
    again = to_atif(recording, version="0.1")
    assert again["agent"]["name"] == "terminus"
    assert again["agent"]["version"] == "2.1"
    assert again["agent"]["extra"]["parser"] == "json"
    assert (again["notes"], again["continued_trajectory_ref"]) == ("the second try", "part-2.json")
    assert again["final_metrics"]["total_cost_usd"] == 0.75
    assert again["steps"][2]["reasoning_content"] == "Look first."
    assert not {"agent", "continued_trajectory_ref"} & set(again["extra"])


def test_what_was_imported_can_be_written_and_read_again(written):
    for document in (ATIF, MINI):
        recording = read_trajectory(written(document))
        text = to_atif(recording, version="0.1")
        again = read_trajectory(written(text, "again.json"))
        assert to_atif(again, version="0.1") == text
        assert again.messages() == recording.messages()


def test_a_run_of_mini_swe_agent_is_read(written):
    recording = read_trajectory(written(MINI, "django-1.traj.json"))
    first, second = recording.turns
    assert (recording.round_id, recording.model) == ("django-1", "anthropic/claude-sonnet-5-5")
    assert (recording.system, recording.brief) == ("You use bash.", ("Make it faster.",))
    assert [type(each) for each in first.reply.blocks] == [Reasoning, Text, ToolCall]
    assert first.reply.tool_calls[0].arguments == {"command": "ls"}
    assert [(a.text, a.tool, a.is_error) for a in first.answers] == [("x.py", "bash", True)]
    assert first.reply.usage.cache_read_tokens == 40
    assert first.reply.usage.input_uncached_tokens == 60
    assert (first.usd, first.at) == (0.011, datetime.fromtimestamp(1764500000.5, UTC))
    assert second.told == ("<returncode>0</returncode>",)
    assert (recording.outcome, recording.reason) == ("Submitted", "handed in")
    assert recording.extra["submission"] == "diff --git a b"
    assert to_atif(recording, version="0.1")["final_metrics"]["total_cost_usd"] == 0.031
    assert recording.extra["agent"] == {"name": "mini-swe-agent", "version": "2.3.0"}


def check_inspect(recording):
    first, second = recording.turns
    assert (recording.system, recording.brief) == ("Be brief.", ("A long text.",))
    assert [each.text for each in first.reply.blocks[:3]] == ["Hm.", "In short.", "I look."]
    assert first.reply.tool_calls[0].arguments == {"cmd": "A long text."}
    assert [(a.text, a.is_error) for a in first.answers] == [("too slow", True)]
    assert (first.reply.usage.total_tokens, first.usd) == (108, 0.5)
    assert first.reply.stop_reason is StopReason.TOOL_USE
    assert second.reply.text == "Done."
    assert recording.outcome == "limit: message"
    assert recording.extra["scores"] == {"match": {"value": "C"}}
    assert recording.extra["agent"]["name"] == "react"


def test_an_inspect_log_is_read_sample_by_sample(written):
    path = written(INSPECT)
    check_inspect(read_trajectory(path, sample="s-1"))
    assert read_trajectory(path, sample="s-1/2").turns[0].reply.text == "Second."
    with pytest.raises(
        RecordingError, match=r"it holds 2 samples \(s-1, s-1/2\); choose one with --sample"
    ):
        read_trajectory(path)
    with pytest.raises(RecordingError, match=r"no sample 's-9', but 2 samples"):
        read_trajectory(path, sample="s-9")


def test_an_archive_of_inspect_is_read_as_its_json(written, tmp_path):
    path = tmp_path / "log.eval"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        head = {name: value for name, value in INSPECT.items() if name != "samples"}
        archive.writestr("header.json", json.dumps(head))
        archive.writestr("samples/s-1_epoch_1.json", json.dumps(INSPECT["samples"][0]))
    check_inspect(read_trajectory(path))
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(RecordingError, match="damaged ZIP archive"):
        read_trajectory(path)


def test_our_own_inspect_log_comes_back(record, written):
    ours = record(Thinker([THOUGHT, "So.", VIEW], GIVE_UP))
    for recording in (record(busy()), ours):
        judged = [Judged(recording=recording, is_promoted=True, outcome="promoted", explanation="")]
        log = inspect_log(judged, task="circle", model="puppet", campaign="c1", at=NOW)
        again = read_trajectory(written(log))
        assert again.outcome == "promoted"
        assert again.system == recording.system
        assert again.brief == recording.brief
        assert [t.answers for t in again.turns] != []
        for before, after in zip(recording.turns, again.turns, strict=True):
            assert after.reply.text == before.reply.text
            assert [c.id for c in after.reply.tool_calls] == [c.id for c in before.reply.tool_calls]
            assert [a.text for a in after.answers] == [a.text for a in before.answers]
            assert after.told == before.told


@pytest.mark.parametrize("codec", ["utf-8-sig", "utf-16"])
def test_a_byte_order_mark_is_passed_over(written, codec):
    text = json.dumps(ATIF | {"notes": "grüße"}, ensure_ascii=False)
    assert read_trajectory(written(text.encode(codec))).extra["notes"] == "grüße"


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"nonsense", "this is no JSON"),
        (b"", "this is no JSON"),
        (b"{", "no JSON that can be read"),
        (b"<!doctype html><html>", "a page in HTML or XML"),
        (b'{"type": "user"}\n{"type": "assistant"}\n', "a file of JSON lines"),
        (b'[{"role": "user", "content": "x"}]', "a list of chat messages"),
        (b'[{"action": "run"}]', "a list of events as OpenHands"),
        (b'{"trajectory": [], "info": {}}', "a trajectory of SWE-agent"),
        (b'{"messages": []}', "a chat, without"),
        (b'{"b": 1, "a": 2}', r"a JSON object with the keys a, b; what can be read is ATIF 1\.x"),
        (b"3", "a single JSON value"),
        (b"\x1f\x8bxxx", "packed with gzip"),
        (b"PK\x03\x04xxx", "damaged ZIP archive"),
        (json.dumps(ATIF).replace("0.25", "NaN").encode(), "NaN is not allowed"),
        (json.dumps(ATIF).replace("0.25", "1e999").encode(), "no JSON that can be read"),
        (json.dumps(ATIF).replace("0.25", "-1").encode(), "cost_usd must be a number of dollars"),
        (json.dumps(MINI).replace('"tool"', '"robot"').encode(), "message 4 has the role 'robot'"),
        (json.dumps(MINI).replace("0.011", '"free"').encode(), "cost of message 3 must be"),
        (json.dumps({**MINI, "messages": [7]}).encode(), "breaks the format"),
        (json.dumps({**INSPECT, "samples": []}).encode(), r"0 samples \(none\)"),
        (json.dumps({**INSPECT, "samples": [{"id": 1}]}).encode(), "breaks the format"),
    ],
)
def test_what_cannot_be_read_is_named_in_one_sentence(written, content, problem):
    with pytest.raises(RecordingError, match=problem) as caught:
        read_trajectory(written(content))
    assert "\n" not in str(caught.value)
    assert str(caught.value).count("run.json") == 1


def test_a_sample_is_chosen_of_inspect_logs_alone(written):
    with pytest.raises(RecordingError, match="--sample goes with an Inspect log"):
        read_trajectory(written(ATIF), sample="1")


def test_own_trajectories_are_written_with_our_own_name(record):
    document = to_atif(record(Puppet(VIEW, GIVE_UP)), version="0.1")
    assert document["agent"]["name"] == "rsi"
    assert "notes" not in document
