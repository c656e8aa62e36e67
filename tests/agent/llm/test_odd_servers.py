"""More of what servers really send: other ends, other errors, other places for the same thing. Through every adapter."""

import json
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from tests.agent.llm.sloppy import (
    TRUE_TOKENS,
    Raw,
    assert_read_whole,
    block,
    calls,
    chat,
    chunk,
    hello,
    messages,
    piece,
    said,
    sse,
    used,
    whole,
)
from tests.agent.llm.test_adapters import ask, assistant, user

from rsi.agent.llm.errors import (
    ContextOverflowError,
    ModelBusyError,
    ModelRefusedError,
    ModelReplyError,
)
from rsi.agent.llm.retry import RetryPolicy
from rsi.agent.llm.types import StopReason, ToolResult

pytestmark = pytest.mark.slow

HELLO = "Hello, wörld."
A, B = {"path": "a"}, {"path": "b"}
JSON_A, JSON_B = '{"path": "a"}', '{"path": "b"}'


def endless(adapter):
    """A reply without the protocol's own end, but with its finish reason and its tokens."""
    if "anthropic" in adapter:
        return messages(*said(HELLO), is_ended=False)
    return chat(chunk({"role": "assistant", "content": HELLO}), chunk({}, "stop"), done=False)


def between(pieces, words):
    return [each for part in pieces for each in (words, part)]


def with_choices(adapter, index):
    if "anthropic" in adapter:
        return hello(adapter)
    first, last = chunk({"role": "assistant", "content": HELLO}), chunk({}, "stop")
    for each in (first, last):
        each["choices"][0]["index"] = index
    return chat(first, last)


def told_whole_again(adapter):
    if "anthropic" in adapter:
        return [*endless(adapter), sse(whole(adapter), "message")]
    last = chunk({}, "stop")
    last["choices"][0]["message"] = {"role": "assistant", "content": HELLO}
    return chat(
        chunk({"role": "assistant", "content": "Hello, "}), chunk({"content": "wörld."}), last
    )


def begun_again(adapter):
    """The server before the model was cut off and asked again, into the same stream."""
    if "anthropic" not in adapter:
        return hello(adapter)
    return [*messages(*said("Hello, wö")[:-1], stop=None, is_ended=False), *hello(adapter)]


def shouted(adapter):
    if "anthropic" in adapter:
        return messages(*said(HELLO), stop="END_TURN")
    return chat(chunk({"content": HELLO}), chunk({}, "STOP"))


GOOD = {
    "a named event of words between": lambda a: Raw(pieces=between(hello(a), b"event: keepalive\ndata: ping\n\n")),
    "words between": lambda a: Raw(pieces=between(hello(a), b"data: ping\n\n")),
    "numbers between": lambda a: Raw(pieces=between(hello(a), b"event: ping\ndata: 1700000000\n\n")),
    "null between": lambda a: Raw(pieces=between(hello(a), b"data: null\n\n")),
    "another end mark": lambda a: Raw(pieces=[*endless(a), b"data: [END]\n\n"]),
    "words as the end": lambda a: Raw(pieces=[*endless(a), b"event: close\ndata: {bye}\n\n"]),
    "the connection drops after the finish reason": lambda a: Raw(pieces=endless(a), is_cut=True),
    "choices counted from 1": lambda a: Raw(pieces=with_choices(a, 1)),
    "choices counted in text": lambda a: Raw(pieces=with_choices(a, "0")),
    "the whole reply once more at the end": lambda a: Raw(pieces=told_whole_again(a)),
    "the reply is begun again": lambda a: Raw(pieces=begun_again(a)),
    "status 201": lambda a: Raw(pieces=hello(a), status=201),
    "a finish reason in capitals": lambda a: Raw(pieces=shouted(a)),
    "a tab inside a string of the JSON": lambda a: Raw(
        pieces=[b"".join(hello(a)).replace(b'"model": "m"', b'"model": "m\t"')]
    ),
    "an event of three megabytes that is none of a reply": lambda a: Raw(
        pieces=[*hello(a)[:1], sse({"type": "x_trace", "text": "x" * 3_000_000}), *hello(a)[1:]]
    ),
}  # fmt: skip


@pytest.mark.parametrize("quirk", GOOD)
def test_an_odd_stream_is_read(pay, provider, adapter, quirk):
    provider.acts = [GOOD[quirk](adapter)]
    bill = pay(ask())
    assert_read_whole(bill, HELLO)


def test_a_character_in_two_halves_is_whole_again(pay, provider, adapter):
    """Servers that cut by sixteen bits send each half escaped, in a piece of its own."""
    halves = ("a\ud83d", "\ude00b")
    call = {"path": "\U0001f600"}
    cut = ('{"path": "\ud83d', '\ude00"}')
    if "anthropic" in adapter:
        text = block(
            0, {"type": "text", "text": ""}, *({"type": "text_delta", "text": h} for h in halves)
        )
        pieces = messages(*text, *used("x", "view", *cut, index=1), stop="tool_use")
    else:
        parts = [piece("", "view", id="x", index=0), *(piece(part, index=0) for part in cut)]
        pieces = chat(*(chunk({"content": h}) for h in halves), *calls(*parts))
    provider.acts = [Raw(pieces=pieces)]
    bill = pay(ask())
    assert bill.reply.text == "a\U0001f600b"
    (made,) = bill.reply.tool_calls
    assert (made.problem, dict(made.arguments)) == (None, call)


def test_half_a_character_does_not_break_what_keeps_it(pay, provider, adapter):
    pieces = (
        messages(*said("a\ud83d"))
        if "anthropic" in adapter
        else chat(chunk({"content": "a\ud83d"}), chunk({}, "stop"))
    )
    provider.acts = [Raw(pieces=pieces)]
    assert pay(ask()).reply.text == "a\ufffd"


def flat(arguments, name, **more):
    return {"name": name, "arguments": arguments} | more


CALLS = {
    "an empty object before the arguments": (
        calls(piece("{}", "view", id="x", index=0), piece('{"path"', index=0), piece(': "a"}', index=0)), [A],
    ),
    "an empty object after the arguments": (
        calls(piece(JSON_A, "view", id="x", index=0), piece("{}", index=0)), [A],
    ),
    "an empty object as an object first": (
        calls(piece({}, "view", id="x", index=0), piece(JSON_A, index=0)), [A],
    ),
    "name and arguments not under function": (
        calls(flat(JSON_A, "view", id="x", index=0), flat(JSON_B, "view", id="y", index=1)), [A, B],
    ),
    "line breaks as they are inside arguments": (
        calls(piece('{"path": "a\nb\tc"}', "view", id="x", index=0)), [{"path": "a\nb\tc"}],
    ),
    "blanks around the name": (calls(piece(JSON_A, " view\n", id="x", index=0)), [A]),
    "null beside a call": (
        [chunk({"tool_calls": [None, piece(JSON_A, "view", id="x", index=0)]}), chunk({}, "tool_calls")], [A],
    ),
    "one call that is no list": (
        [chunk({"tool_calls": piece(JSON_A, "view", id="x", index=0)}), chunk({}, "tool_calls")], [A],
    ),
    "indices as text, interleaved": (
        calls(
            piece("", "view", id="x", index="0"), piece("", "view", id="y", index="1"), piece('{"path"', index="0"),
            piece('{"path": "b', index="1"), piece(': "a"}', index="0"), piece('"}', index="1"),
        ), [A, B],
    ),
    "the whole message once more at the end": (
        [*calls(piece(JSON_A, "view", id="x", index=0), piece(JSON_B, "view", id="y", index=1))[:-1],
         {"choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls",
                       "message": {"content": None, "tool_calls": [piece(JSON_A, "view", id="x"), piece(JSON_B, "view", id="y")]}}]}],
        [A, B],
    ),
    "the last chunk twice": (
        [*calls(piece(JSON_A, "view", id="x", index=0)), chunk({}, "tool_calls")], [A],
    ),
}  # fmt: skip


@pytest.mark.parametrize("quirk", CALLS)
def test_odd_calls_arrive_whole_and_once(pay, provider, adapter, quirk):
    if "anthropic" in adapter:
        pytest.skip("of the other protocol")
    chunks, expected = CALLS[quirk]
    provider.acts = [Raw(pieces=chat(*chunks))]
    bill = pay(ask())
    assert bill.error is None
    made = bill.reply.tool_calls
    assert [each.problem for each in made] == [None] * len(made)
    assert [dict(each.arguments) for each in made] == expected
    assert {each.name for each in made} == {"view"}
    assert bill.reply.stop_reason is StopReason.TOOL_USE
    assert (bill.attempts, bill.tokens, bill.unknown) == (1, TRUE_TOKENS, 0)


def test_an_index_as_text_and_as_a_number_is_one_block(pay, provider, adapter):
    if "openai" in adapter:
        pytest.skip("of the other protocol")
    events = used("x", "view", JSON_A)
    events[0]["index"] = "0"
    provider.acts = [Raw(pieces=messages(*events, stop="tool_use"))]
    (made,) = pay(ask()).reply.tool_calls
    assert (made.name, dict(made.arguments)) == ("view", A)


ERRORS = {
    "flat, with a type": ({"type": "invalid_request_error", "message": "no such model"}, ModelRefusedError, 1, "no such model"),
    "a list of errors": ({"success": False, "errors": [{"code": 429, "message": "Slow down"}]}, ModelBusyError, 6, "Slow down"),
    "a status word": ({"status": "error", "message": "the model is loading"}, ModelReplyError, 6, "the model is loading"),
    "a number as status": ({"status_code": 503, "msg": "no worker"}, ModelBusyError, 6, "no worker"),
    "a word": ({"error": "context length exceeded: 9000 > 8192"}, ContextOverflowError, 1, "9000"),
}  # fmt: skip


@pytest.mark.parametrize("form", ERRORS)
def test_an_error_event_in_an_odd_form_is_quoted_and_read_by_its_code(pay, provider, form):
    event, error, attempts, words = ERRORS[form]
    provider.acts = [Raw(pieces=[sse(event), b"data: [DONE]\n\n"])] * 6
    bill = pay(ask())
    assert isinstance(bill.error, error), bill
    assert words in str(bill.error)
    assert (bill.attempts, bill.tokens) == (attempts, 0)


def test_an_error_inside_a_choice_is_quoted_and_read_by_its_code(pay, provider, adapter):
    if "anthropic" in adapter:
        pytest.skip("of the other protocol")
    error = {"code": 502, "message": "Upstream went away"}
    choice = {"index": 0, "delta": {"content": ""}, "finish_reason": "error", "error": error}
    provider.acts = [Raw(pieces=[sse({"id": "c1", "choices": [choice]}), b"data: [DONE]\n\n"])] * 6
    bill = pay(ask())
    assert isinstance(bill.error, ModelBusyError)
    assert "Upstream went away" in str(bill.error)


def limited(**headers):
    body = b'{"type":"error","error":{"type":"rate_limit_error","message":"slow"}}'
    return Raw(pieces=[body], status=429, headers=headers, framing="length")


LONG_AGO = format_datetime(datetime.now(UTC) - timedelta(days=1), usegmt=True)


@pytest.mark.parametrize(
    "asked", ["0", "-5", pytest.param(LONG_AGO, id="a date that is past"), "0.001"]
)
def test_a_server_that_says_do_not_wait_is_not_hammered(make, provider, asked):
    import random

    provider.acts = [limited(**{"retry-after": asked})]
    with pytest.raises(ModelBusyError) as caught:
        make().complete(ask())
    waits = [RetryPolicy().wait_s(n, caught.value, random.Random(1)) for n in range(5)]
    assert waits[0] >= 0.5
    assert waits == sorted(waits)
    assert waits[-1] >= 8


@pytest.mark.parametrize(
    ("headers", "wait_s"),
    [
        ({"retry-after": "30s"}, 30), ({"retry-after": "1m30s"}, 90), ({"retry-after": "1500ms"}, 1.5),
        ({"retry-after-ms": "2500"}, 2.5),
        ({"retry-after": "7, 9"}, 7),
    ],
)  # fmt: skip
def test_how_long_to_wait_is_read_in_other_units(make, provider, headers, wait_s):
    provider.acts = [limited(**headers)]
    with pytest.raises(ModelBusyError) as caught:
        make().complete(ask())
    assert caught.value.retry_after_s == pytest.approx(wait_s)


def test_how_long_to_wait_is_read_from_the_body(make, provider):
    details = [
        {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "34.5s"},
    ]
    error = {"code": 429, "message": "Quota", "status": "RESOURCE_EXHAUSTED", "details": details}
    body = json.dumps([{"error": error}]).encode()
    provider.acts = [Raw(pieces=[body], status=429, framing="length")]
    with pytest.raises(ModelBusyError) as caught:
        make().complete(ask())
    assert caught.value.retry_after_s == pytest.approx(34.5)


def test_a_stream_without_end_is_ended_before_it_fills_the_memory(make, provider, adapter):
    text = "x" * 1_000_000
    many = [chunk({"content": text})] * 20
    pieces = named_flood(text) if "anthropic" in adapter else chat(*many, chunk({}, "stop"))
    provider.acts = [Raw(pieces=pieces)]
    with pytest.raises(ModelReplyError, match="characters"):
        make().complete(ask())


def named_flood(text):
    deltas = [{"type": "text_delta", "text": text}] * 20
    return messages(*block(0, {"type": "text", "text": ""}, *deltas))


def test_what_a_server_puts_beside_its_calls_and_thinking_goes_back_to_it(make, provider, adapter):
    """Gemini refuses the next turn without its signatures, OpenRouter forgets what was thought."""
    if "anthropic" in adapter:
        pytest.skip("of the other protocol")
    signature = {"google": {"thought_signature": "c2lnbmVk"}}
    details = [
        {"type": "reasoning.text", "text": "Hm. ", "index": 0, "format": "x"},
        {"type": "reasoning.text", "text": "Ah.", "signature": "s", "index": 0, "format": "x"},
    ]
    provider.acts = [
        Raw(
            pieces=chat(
                chunk({"reasoning": "Hm. ", "reasoning_details": details[:1]}),
                chunk({"reasoning": "Ah.", "reasoning_details": details[1:]}),
                *calls(piece(JSON_A, "view", id="x", index=0, extra_content=signature)),
            )
        ),
        Raw(pieces=hello(adapter)),
    ]
    model = make()
    reply = model.complete(ask())
    answer = user(ToolResult(call_id="x", text="content"))
    model.complete(ask(user("Go."), assistant(*reply.blocks), answer))
    sent = next(m for m in provider.seen[1].body["messages"] if m["role"] == "assistant")
    assert sent["tool_calls"][0]["extra_content"] == signature
    assert sent["reasoning_details"] == details


@pytest.mark.parametrize(
    ("field", "words"),
    [
        ("stream_options", "Unrecognized request argument supplied: stream_options"),
        ("stream_options", "body.stream_options: Extra inputs are not permitted"),
        ("max_tokens", "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead."),
    ],
)
def test_a_field_that_a_server_does_not_know_is_given_up(make, provider, adapter, field, words):
    if "anthropic" in adapter or (field == "max_tokens" and adapter != "openai"):
        pytest.skip("of the other protocol, or written so by litellm alone")

    def refuse(body):
        if field not in body:
            return None
        error = {"error": {"message": words, "type": "invalid_request_error"}}
        return Raw(pieces=[json.dumps(error).encode()], status=400, framing="length")

    provider.refuse = refuse
    provider.acts = [Raw(pieces=hello(adapter)), Raw(pieces=hello(adapter))]
    model = make()
    for _ in range(2):
        assert model.complete(ask()).text == HELLO
    assert len(provider.seen) == 3
    assert {"max_tokens", "max_completion_tokens"} & set(provider.seen[-1].body)
