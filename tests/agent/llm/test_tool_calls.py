"""Tool calls as servers really stream them: each arrives whole, once, and under an id of its own."""

import json
import random

import pytest
from tests.agent.llm.sloppy import (
    TRUE_TOKENS,
    Raw,
    block,
    calls,
    chat,
    chunk,
    messages,
    piece,
    said,
    used,
)
from tests.agent.llm.test_adapters import ask, assistant, user

from rsi.agent.llm.adapters.wire.tool_calls import CallPieces
from rsi.agent.llm.types import Request, ToolCall, ToolResult, ToolSpec

A, B = {"path": "a"}, {"path": "b"}
JSON_A, JSON_B = '{"path": "a"}', '{"path": "b"}'

CHAT = {
    "share one index": (
        calls(piece(JSON_A, "view", id="x", index=0), piece(JSON_B, "view", id="y", index=0)), [A, B],
    ),
    "share one index, in pieces": (
        calls(
            piece("", "view", id="x", index=0), piece('{"path": ', index=0), piece('"a"}', index=0),
            piece("", "view", id="y", index=0), piece('{"path": ', index=0), piece('"b"}', index=0),
        ), [A, B],
    ),
    "share one index and have no ids": (
        calls(piece(JSON_A, "view", index=0), piece(JSON_B, "view", index=0)), [A, B],
    ),
    "share index and id": (
        calls(piece(JSON_A, "view", id="x", index=0), piece(JSON_B, "view", id="x", index=0)), [A, B],
    ),
    "share an id": (
        calls(piece(JSON_A, "view", id="x", index=0), piece(JSON_B, "view", id="x", index=1)), [A, B],
    ),
    "have neither index nor id": (calls(piece(JSON_A, "view"), piece(JSON_B, "view")), [A, B]),
    "have no index, in pieces": (
        calls(
            piece("", "view", id="x"), piece('{"path"'), piece(': "a"}'),
            piece("", "view", id="y"), piece('{"path": "b"}'),
        ), [A, B],
    ),
    "all in one chunk": (
        [chunk({"tool_calls": [piece(JSON_A, "view", id="x"), piece(JSON_B, "view", id="y")]}), chunk({}, "stop")],
        [A, B],
    ),
    "interleaved": (
        calls(
            piece("", "view", id="x", index=0), piece("", "view", id="y", index=1), piece('{"path"', index=0),
            piece('{"path": "b', index=1), piece(': "a"}', index=0), piece('"}', index=1),
        ), [A, B],
    ),
    "announced first, filled by id": (
        calls(
            piece("", "view", id="x", index=0), piece("", "view", id="y", index=0),
            piece(JSON_B, id="y", index=0), piece(JSON_A, id="x", index=0),
        ), [A, B],
    ),
    "an index that starts at 1 and skips": (
        calls(piece(JSON_A, "view", id="x", index=1), piece(JSON_B, "view", id="y", index=7)), [A, B],
    ),
    "a name in pieces": (
        calls(piece("", "vi", id="x", index=0), piece("", "ew", index=0), piece(JSON_A, index=0)), [A],
    ),
    "a name in pieces under the same id": (
        calls(piece(None, "vi", id="x", index=0), piece(None, "ew", id="x", index=0), piece(JSON_A, id="x", index=0)),
        [A],
    ),
    "a name that grows": (
        calls(piece("", "vi", id="x", index=0), piece("", "view", id="x", index=0), piece(JSON_A, index=0)), [A],
    ),
    "a name with every piece": (
        calls(
            piece('{"pa', "view", id="x", index=0), piece('th": "a', "view", id="x", index=0),
            piece('"}', "view", id="x", index=0),
        ), [A],
    ),
    "a name with every piece, no id": (
        calls(piece('{"pa', "view", index=0), piece('th": "a"}', "view", index=0), piece("", "view", index=0)), [A],
    ),
    "an id that changes with every piece": (
        calls(piece("", "view", id="x", index=0), piece('{"path"', id="y", index=0), piece(': "a"}', id="z", index=0)),
        [A],
    ),
    "an id that comes last": (
        calls(piece("", "view", index=0), piece(JSON_A, index=0), piece("", id="x", index=0)), [A],
    ),
    "arguments repeated whole at the end": (
        calls(piece("", "view", id="x", index=0), piece('{"path"', index=0), piece(': "a"}', index=0), piece(JSON_A, index=0)),
        [A],
    ),
    "arguments and name repeated whole at the end": (
        calls(piece('{"path"', "view", id="x", index=0), piece(': "a"}', index=0), piece('{"path":"a"}', "view", id="x", index=0)),
        [A],
    ),
    "arguments that grow": (
        calls(piece('{"pa', "view", id="x", index=0), piece('{"path": "a', index=0), piece(JSON_A, index=0)), [A],
    ),
    "arguments as an object": (calls(piece(A, "view", id="x", index=0)), [A]),
    "arguments coded twice": (calls(piece('"{\\"path\\": \\"a\\"}"', "view", id="x", index=0)), [A]),
    "two sets of arguments under one name": (
        calls(piece("", "view", id="x", index=0), piece(JSON_A, index=0), piece(JSON_B, index=0)), [A, B],
    ),
    "no arguments": (calls(piece(None, "view", id="x", index=0)), [{}]),
    "empty arguments": (calls(piece("", "view", id="x", index=0)), [{}]),
    "null arguments": (calls(piece("null", "view", id="x", index=0)), [{}]),
    "no arguments, twice": (
        calls(piece("", "view", index=0), piece("", "list", index=0)), [{}, {}],
    ),
    "the old form": (
        [chunk({"function_call": {"name": "view", "arguments": '{"path"'}}),
         chunk({"function_call": {"arguments": ': "a"}'}}), chunk({}, "function_call")], [A],
    ),
    "a null id": (calls(piece(JSON_A, "view", id=None, index=0)), [A]),
    "a number as id": (calls(piece(JSON_A, "view", id=7, index=0)), [A]),
    "a null function": ([chunk({"tool_calls": [{"index": 0, "id": "x", "function": None}]}),
                         *calls(piece(JSON_A, "view", id="x", index=0))], [A]),
}  # fmt: skip

MESSAGES = {
    "whole input at the start": (messages(*used("x", "view", start=A), stop="tool_use"), [A]),
    "whole input at the start and in pieces": (
        messages(*used("x", "view", '{"path"', ': "a"}', start=A), stop="tool_use"), [A],
    ),
    "whole input repeated at the end": (
        messages(*used("x", "view", '{"path"', ': "a"}', JSON_A), stop="tool_use"), [A],
    ),
    "share one index": (
        messages(*used("x", "view", JSON_A), *used("y", "view", JSON_B), stop="tool_use"), [A, B],
    ),
    "share an id": (
        messages(*used("x", "view", JSON_A), *used("x", "view", JSON_B, index=1), stop="tool_use"), [A, B],
    ),
    "no ids": (
        messages(*used(None, "view", JSON_A), *used("", "view", JSON_B, index=1), stop="tool_use"), [A, B],
    ),
    "no index at all": (
        messages(
            *({k: v for k, v in e.items() if k != "index"} for e in (*used("x", "view", JSON_A), *used("y", "view", JSON_B))),
            stop="tool_use",
        ), [A, B],
    ),
    "blocks side by side": (
        messages(
            *used("x", "view")[:1], *used("y", "view", index=1)[:1], *used("y", "", JSON_B, index=1)[1:],
            *used("x", "", JSON_A)[1:], stop="tool_use",
        ), [A, B],
    ),
    "input as text": (messages(*used("x", "view", start=JSON_A), stop="tool_use"), [A]),
    "empty input": (messages(*used("x", "view", ""), stop="tool_use"), [{}]),
    "null input": (
        messages(*block(0, {"type": "tool_use", "id": "x", "name": "view", "input": None}), stop="tool_use"), [{}],
    ),
    "another stop reason": (messages(*used("x", "view", JSON_A), stop="end_turn"), [A]),
}  # fmt: skip


def told(bill):
    return [dict(call.arguments) for call in bill.reply.tool_calls]


def check(bill, expected):
    assert bill.error is None
    made = bill.reply.tool_calls
    assert [call.problem for call in made] == [None] * len(made)
    assert told(bill) == expected
    assert {call.name for call in made} <= {"view", "list"}
    ids = [call.id for call in made]
    assert len(set(ids)) == len(ids)
    assert all(ids)
    assert bill.reply.stop_reason.value == "tool_use"
    assert (bill.attempts, bill.tokens, bill.unknown) == (1, TRUE_TOKENS, 0)


@pytest.mark.slow
@pytest.mark.parametrize("quirk", CHAT)
def test_calls_in_chunks_arrive_whole_and_once(pay, provider, adapter, quirk):
    if "anthropic" in adapter:
        pytest.skip("of the other protocol")
    chunks, expected = CHAT[quirk]
    provider.acts = [Raw(pieces=chat(*chunks))]
    check(pay(ask()), expected)


@pytest.mark.slow
@pytest.mark.parametrize("quirk", MESSAGES)
def test_calls_in_blocks_arrive_whole_and_once(pay, provider, adapter, quirk):
    if "openai" in adapter:
        pytest.skip("of the other protocol")
    pieces, expected = MESSAGES[quirk]
    provider.acts = [Raw(pieces=pieces)]
    check(pay(ask()), expected)


@pytest.mark.slow
def test_an_id_of_an_earlier_turn_is_not_given_twice(pay, provider, adapter):
    pieces = (
        messages(*used("x", "view", JSON_B), stop="tool_use")
        if "anthropic" in adapter
        else chat(*calls(piece(JSON_B, "view", id="x", index=0)))
    )
    provider.acts = [Raw(pieces=pieces)]
    earlier = assistant(ToolCall(id="x", name="view", arguments=A))
    answer = user(ToolResult(call_id="x", text="content"))
    bill = pay(ask(user("Go."), earlier, answer))
    assert told(bill) == [B]
    assert bill.reply.tool_calls[0].id != "x"


@pytest.mark.slow
def test_a_delta_without_a_start_is_not_dropped(pay, provider, adapter):
    if "openai" in adapter:
        pytest.skip("of the other protocol")
    lost = [
        event
        for event in used("x", "view", JSON_A, index=1)
        if event["type"] != "content_block_start"
    ]
    provider.acts = [Raw(pieces=messages(*said("Look."), *lost, stop="tool_use"))]
    bill = pay(ask())
    assert bill.reply.text == "Look."
    assert [(call.name, dict(call.arguments)) for call in bill.reply.tool_calls] == [("", A)]


@pytest.mark.slow
def test_text_at_the_start_of_a_block_is_kept(pay, provider, adapter):
    if "openai" in adapter:
        pytest.skip("of the other protocol")
    start = {"type": "text", "text": "Hello, "}
    text = block(0, start, {"type": "text_delta", "text": "world."})
    provider.acts = [Raw(pieces=messages(*text))]
    assert pay(ask()).reply.text == "Hello, world."


@pytest.mark.slow
def test_cut_arguments_are_a_problem_and_not_an_empty_call(pay, provider, adapter):
    pieces = (
        messages(*used("x", "view", '{"path": "a'), stop="max_tokens")
        if "anthropic" in adapter
        else chat(*calls(piece('{"path": "a', "view", id="x", index=0), finish="length"))
    )
    provider.acts = [Raw(pieces=pieces)]
    (call,) = pay(ask()).reply.tool_calls
    assert "cut off" in call.problem
    assert call.raw_arguments == '{"path": "a'


@pytest.mark.slow
def test_names_and_ids_that_a_model_made_up_go_back_in_a_form_that_is_taken(
    make, provider, adapter
):
    odd = ToolCall(id="functions.view:0", name="view file!", arguments={})
    nameless = ToolCall(id="y", name="", arguments={})
    answers = user(
        ToolResult(call_id="functions.view:0", text="no"), ToolResult(call_id="y", text="no")
    )
    make().complete(ask(user("Go."), assistant(odd, nameless), answers))
    sent = provider.seen[0].body["messages"]
    if "anthropic" in adapter:
        parts = [part for message in sent for part in message["content"] if isinstance(part, dict)]
        uses = [part for part in parts if part["type"] == "tool_use"]
        ids = [part["tool_use_id"] for part in parts if part["type"] == "tool_result"]
        assert [part["id"] for part in uses] == ids
        assert all(part.replace("_", "").replace("-", "").isalnum() for part in ids)
    else:
        made = next(message for message in sent if message["role"] == "assistant")["tool_calls"]
        uses = [call["function"] for call in made]
        # A server knows its own ids again, whatever letters they have.
        assert [call["id"] for call in made] == ["functions.view:0", "y"]
    assert [use["name"] for use in uses] == ["view_file_", "unnamed"]


SPECS = tuple(
    ToolSpec(name=name, description="", parameters={})
    for name in ("view", "view_range", "edit", "list")
)


@pytest.mark.parametrize("seed", range(200))
def test_any_cutting_of_calls_in_order_gives_the_same_calls(seed):
    """Pieces in order, with ids and indices as honest servers give them, however they are cut."""
    draw = random.Random(seed)
    request = Request(system="", messages=(), tools=SPECS)
    pieces = CallPieces(request)
    expected = []
    has_ids, has_index = draw.choice([(True, True), (True, False), (False, True)])
    for number in range(draw.randint(1, 5)):
        name = draw.choice(SPECS).name
        arguments = {"path": "x" * draw.randint(0, 5), "n": number, "deep": [{"a": "{}"}, '"}']}
        expected.append((name, arguments))
        text = json.dumps(arguments)
        cuts = sorted(draw.sample(range(1, len(text)), draw.randint(0, 4)))
        parts = [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]
        index = number if has_index else None
        pieces.add(call_id=f"c{number}" if has_ids else None, index=index, name=name, arguments="")
        for part in parts:
            pieces.add(
                call_id=draw.choice([None, f"c{number}"]) if has_ids else None,
                index=index,
                arguments=part,
            )
    made = [call for calls in pieces.finished() for call in calls]
    assert [(call.name, dict(call.arguments)) for call in made] == expected


def test_a_name_is_joined_only_to_a_tool_that_exists():
    request = Request(system="", messages=(), tools=SPECS)
    for said_names, expected in (
        (["view", "_range"], ["view_range"]),
        (["view", "view"], ["view"]),
        (["view", "edit"], ["view", "edit"]),
        (["v", "i", "ew"], ["view"]),
        (["dele", "te"], ["delete"]),
    ):
        pieces = CallPieces(request)
        for name in said_names:
            pieces.add(index=0, name=name)
        assert [call.name for calls in pieces.finished() for call in calls] == expected
