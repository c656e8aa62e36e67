"""Models without tool calling work through written calls."""

import pytest
from tests.agent.puppet import Puppet

from rsi.agent.llm.adapters.wire.text_tools import TextToolsModel, as_text, read_calls
from rsi.agent.llm.arguments import call_problem
from rsi.agent.llm.types import (
    Message,
    Reply,
    Request,
    Role,
    StopReason,
    Text,
    ToolCall,
    ToolResult,
)
from rsi.agent.roles.proposer.workbench.toolbox import TOOLS

SPECS = tuple(spec for spec, _ in TOOLS.values())


def said(text):
    reply = Reply(
        blocks=(Text(text=text),), stop_reason=StopReason.END_TURN, usage=None, request_id=None,
        model="m", latency_s=0.0,
    )  # fmt: skip
    return read_calls(reply, SPECS, 0)


def test_a_written_call_becomes_a_call_with_typed_arguments():
    reply = said(
        'I look.\n<tool name="view">\n<arg name="path">model.py</arg>\n<arg name="first_line">3</arg>\n</tool>'
    )
    assert reply.text == "I look."
    assert reply.stop_reason is StopReason.TOOL_USE
    assert reply.tool_calls[0].arguments == {"path": "model.py", "first_line": 3}


def test_code_needs_no_escapes_and_keeps_its_indentation():
    code = 'def f():\n    return "<b>\\n"\n'
    reply = said(
        f'<tool name="edit">\n<arg name="path">m.py</arg>\n<arg name="old">\n{code}\n</arg>\n'
        f'<arg name="new">\n    x = 1\n</arg>\n</tool>'
    )
    assert reply.tool_calls[0].arguments["old"] == code
    assert reply.tool_calls[0].arguments["new"] == "    x = 1"


def test_several_calls_get_different_ids():
    one = '<tool name="measure"></tool>'
    assert [call.id for call in said(one + one).tool_calls] == ["text-1-1", "text-1-2"]


def test_a_call_that_is_not_closed_is_named():
    call = said('<tool name="write"><arg name="path">x').tool_calls[0]
    assert "does not end with </tool>" in call.problem


@pytest.mark.parametrize("value", ["NaN", "1e999", "-Infinity"])
def test_a_number_that_no_ledger_holds_is_named(value):
    call = said(f'<tool name="view"><arg name="first_line">{value}</arg></tool>').tool_calls[0]
    assert "finite" in call.problem
    assert call.arguments == {}
    assert value in call.raw_arguments


def test_results_that_the_model_invents_are_cut_off():
    reply = said('<tool name="measure"></tool>\n<result of="measure">2x!</result> Great, submit.')
    assert len(reply.tool_calls) == 1
    assert "Great" not in reply.text


def test_plain_words_stay_words():
    reply = said("Nothing to do.")
    assert reply.tool_calls == ()
    assert reply.stop_reason is StopReason.END_TURN


def test_the_request_goes_out_without_tools_and_with_written_history():
    call = ToolCall(id="1", name="view", arguments={"path": "a", "first_line": 2})
    request = Request(
        system="S", tools=SPECS, forced_tool="submit",
        messages=(
            Message(role=Role.USER, blocks=(Text(text="Go."),)),
            Message(role=Role.ASSISTANT, blocks=(call,)),
            Message(role=Role.USER, blocks=(ToolResult(call_id="1", text="none", is_error=True),)),
        ),
    )  # fmt: skip
    sent = as_text(request)
    assert sent.tools == ()
    assert sent.forced_tool is None
    assert "## submit" in sent.system
    assert "must use the tool submit" in sent.system
    written = sent.messages[1].blocks[0].text
    assert '<tool name="view">' in written
    assert said(written).tool_calls[0].arguments == call.arguments
    assert '<result of="view" status="error">' in sent.messages[2].blocks[0].text


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.name)
def test_every_tool_is_described_with_all_its_arguments(spec):
    system = as_text(Request(system="", messages=(), tools=(spec,))).system
    for name in spec.parameters["properties"]:
        assert f"- {name} (" in system


def test_a_wrapped_model_answers_like_one_with_native_tools():
    inner = Puppet('<tool name="give_up"><arg name="reason">no</arg></tool>')
    message = Message(role=Role.USER, blocks=(Text(text="Go."),))
    reply = TextToolsModel(inner).complete(Request(system="S", messages=(message,), tools=SPECS))
    assert reply.tool_calls[0].arguments == {"reason": "no"}
    assert inner.requests[0].tools == ()


def test_a_number_of_thousands_of_digits_is_no_number():
    written = f'<tool name="view"><arg name="path">m.py</arg><arg name="first_line">{"9" * 5000}</arg></tool>'
    call = said(written).tool_calls[0]
    problem = call_problem(call, {spec.name: spec for spec in SPECS})
    assert "first_line must be of type integer" in problem
