"""What was recorded comes back exactly, in our form and in others'."""

import json

import pytest
from tests.agent.puppet import GIVE_UP, Puppet
from tests.agent.trajectory.conftest import NOW, as_ledger

from rsi.agent.llm.types import Reasoning, Text, ToolCall
from rsi.agent.trajectory.atif import from_document, to_atif
from rsi.agent.trajectory.inspect_log import Judged, inspect_log
from rsi.agent.trajectory.recorded import RecordingError, last_recording, read_recordings
from rsi.agent.trajectory.sft import sft_lines

THOUGHT = Reasoning(
    provider="anthropic", text="Hmm.", payload={"type": "thinking", "signature": "s"}
)
VIEW = ToolCall(id="v1", name="view", arguments={"path": "model.py"})
BAD = ToolCall(id="v2", name="view", arguments={}, raw_arguments='{"p', problem="not JSON.")
SUBMIT = ("submit", {"hypothesis": "h", "predicted_ratio": 1.1, "risk": "r"})


def busy():
    return Puppet(
        ["Looking.", VIEW, BAD], ("measure", {}), ["Changing it.",
        ("edit", {"path": "model.py", "old": "STEPS = 100", "new": "STEPS = 50"})], "Thinking.", SUBMIT,
    )  # fmt: skip


class Thinker(Puppet):
    def _block(self, item, number):
        return item if isinstance(item, Reasoning) else super()._block(item, number)


def test_the_conversation_comes_back_as_it_was_sent(lab, record):
    lab.person.words = {2: ["be bold"]}
    puppet = busy()
    recording = record(puppet)
    assert recording.outcome == "submitted"
    assert len(recording.turns) == 5
    for number, request in enumerate(puppet.requests):
        assert recording.messages(number) == request.messages
    assert recording.system == puppet.requests[0].system
    assert recording.tools == puppet.requests[0].tools


def test_reasoning_keeps_its_place_and_its_payload(record):
    recording = record(Thinker([THOUGHT, "So.", VIEW], GIVE_UP))
    assert recording.turns[0].reply.blocks == (THOUGHT, Text(text="So."), VIEW)


def test_a_step_that_ran_again_leaves_two_runs_and_the_finished_one_counts(lab):
    lab.run(Puppet(("shell", {"command": "true"}), GIVE_UP))
    cut_off = lab.events[:4]
    lab.events = list(cut_off)
    lab.run(Puppet(GIVE_UP))
    runs = read_recordings(as_ledger(lab.events))
    assert [run.outcome for run in runs] == [None, "gave_up"]
    assert last_recording(as_ledger(lab.events)) == runs[1]
    assert last_recording(as_ledger(cut_off)).outcome is None


def test_events_that_are_no_trajectory_are_refused(lab):
    lab.run(Puppet(GIVE_UP))
    with pytest.raises(RecordingError, match="must begin with a system event"):
        read_recordings(as_ledger(lab.events[1:]))
    with pytest.raises(RecordingError, match="0 events"):
        read_recordings(())


def test_atif_has_the_system_prompt_the_tools_and_linked_results(record):
    document = to_atif(record(busy()), version="0.1")
    assert document["schema_version"] == "ATIF-v1.7"
    steps = document["steps"]
    assert [step["step_id"] for step in steps] == list(range(1, len(steps) + 1))
    assert steps[0]["source"] == "system"
    assert "performance engineer" in steps[0]["message"]
    names = [t["function"]["name"] for t in document["agent"]["tool_definitions"]]
    assert "submit" in names
    for step in steps:
        results = step.get("observation", {}).get("results", [])
        calls = {call["tool_call_id"] for call in step.get("tool_calls", [])}
        assert {result["source_call_id"] for result in results} <= calls
        if step["source"] != "agent":
            assert not {"model_name", "tool_calls", "metrics"} & set(step)
    agent_steps = [step for step in steps if step["source"] == "agent"]
    assert document["final_metrics"]["total_prompt_tokens"] == 10 * len(agent_steps)
    json.dumps(document, allow_nan=False)


def test_atif_of_ours_comes_back_exactly(lab, record):
    lab.person.words = {2: ["be bold"]}
    for model in (busy(), Thinker([THOUGHT, VIEW], GIVE_UP)):
        recording = record(model)
        again = from_document(json.loads(json.dumps(to_atif(recording, version="0.1"))))
        assert to_atif(again, version="0.1") == to_atif(recording, version="0.1")
        assert again.messages() == recording.messages()
        assert again.replies == recording.replies


def test_atif_of_another_agent_is_read():
    foreign = {
        "schema_version": "ATIF-v1.4",
        "session_id": "s",
        "agent": {"name": "terminus", "version": "2", "model_name": "m"},
        "steps": [
            {"step_id": 1, "source": "user", "message": "Fix it."},
            {
                "step_id": 2, "source": "agent", "message": "ls first", "reasoning_content": "hm",
                "tool_calls": [{"tool_call_id": "a", "function_name": "bash", "arguments": {"c": "ls"}}],
                "observation": {"results": [{"source_call_id": "a", "content": "x.py"}]},
                "metrics": {"prompt_tokens": 100, "completion_tokens": 7, "cached_tokens": 60},
            },
            {"step_id": 3, "source": "user", "message": [{"type": "text", "text": "go on"}]},
            {"step_id": 4, "source": "agent", "message": "done"},
        ],
    }  # fmt: skip
    recording = from_document(foreign)
    assert recording.turns[0].answers[0].text == "x.py"
    assert recording.turns[0].reply.usage.input_uncached_tokens == 40
    assert recording.turns[0].told == ("go on",)
    assert [type(each) for each in recording.turns[0].reply.blocks] == [Reasoning, Text, ToolCall]
    assert recording.turns[0].reply.blocks[0].text == "hm"
    assert recording.brief == ("Fix it.",)


@pytest.mark.parametrize(
    ("document", "problem"),
    [
        ({"schema_version": "ATIF-v2.0"}, "reads ATIF-v1.x"),
        ({"schema_version": "ATIF-v1.7", "agent": {}, "steps": [{}]}, "breaks its format"),
    ],
)
def test_a_document_that_is_no_atif_is_refused_with_words(document, problem):
    with pytest.raises(RecordingError, match=problem):
        from_document(document)


def test_fine_tuning_lines_hold_accepted_rounds_and_on_request_the_others(record):
    good, bad = record(busy()), record(Puppet(VIEW, GIVE_UP))
    lines = list(sft_lines([(good, True), (bad, False)]))
    assert len(lines) == 1
    example = json.loads(lines[0])
    roles = [message["role"] for message in example["messages"]]
    assert roles[:3] == ["system", "user", "assistant"]
    assert example["metadata"]["label"] == "accepted"
    called = [c["id"] for m in example["messages"] for c in m.get("tool_calls", ())]
    answered = [m["tool_call_id"] for m in example["messages"] if m["role"] == "tool"]
    assert called == answered
    both = [
        json.loads(line) for line in sft_lines([(good, True), (bad, False)], with_rejected=True)
    ]
    assert [example["metadata"]["label"] for example in both] == ["accepted", "rejected"]


def test_an_inspect_log_has_a_sample_a_round_with_its_score(record):
    judged = [
        Judged(recording=record(busy()), is_promoted=True, outcome="promoted", explanation="1.2x"),
        Judged(
            recording=record(Puppet(GIVE_UP)), is_promoted=False, outcome="gave_up", explanation=""
        ),
    ]
    log = inspect_log(judged, task="circle", model="puppet", campaign="c1", at=NOW)
    assert [sample["scores"]["promoted"]["value"] for sample in log["samples"]] == ["C", "I"]
    assert log["results"]["scores"][0]["metrics"]["mean"]["value"] == 0.5
    roles = [message["role"] for message in log["samples"][0]["messages"]]
    assert roles.count("tool") == 5
    json.dumps(log, allow_nan=False)


@pytest.mark.parametrize(
    ("step", "problem"),
    [
        (
            {"tool_calls": [{"tool_call_id": "1", "function_name": "sh", "arguments": "{}"}]},
            "arguments of 'sh' must be an object",
        ),
        ({"extra": {"rsi": {"blocks": [
            {"type": "tool_call", "id": "1", "name": "sh", "arguments": "{}"}]}}}, "must be an object"),
        ({"metrics": {"cost_usd": "much"}}, "much"),
        ({"metrics": {"prompt_tokens": float("inf"), "completion_tokens": 1}}, "infinity"),
    ],
)  # fmt: skip
def test_a_foreign_step_of_an_odd_form_is_named(step, problem):
    document = {
        "schema_version": "ATIF-v1.7", "agent": {"name": "x"},
        "steps": [{"source": "agent", "message": "", **step}],
    }  # fmt: skip
    with pytest.raises(RecordingError, match=problem):
        from_document(document)
