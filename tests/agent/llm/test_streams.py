"""What servers really send where a stream was asked for: it works, or it ends as one sentence and is charged as the server would."""

import json
import time

import pytest
from tests.agent.llm.sloppy import (
    TRUE_TOKENS,
    Raw,
    assert_read_whole,
    chat,
    chunk,
    hello,
    messages,
    said,
    split,
    sse,
    whole,
    zipped,
)
from tests.agent.llm.test_adapters import ask

from rsi.agent.llm.errors import (
    ContextOverflowError,
    ModelBusyError,
    ModelRefusedError,
    ModelWireError,
)
from rsi.agent.llm.types import StopReason

pytestmark = pytest.mark.slow

LOGIN = b"<!doctype html>\n<html><title>Sign in</title></html>"
HELLO = "Hello, w\u00f6rld."


def same(adapter):
    return hello(adapter)


def text_of(pieces):
    return b"".join(pieces)


GOOD = {
    "one byte at a time": lambda a: Raw(pieces=split(hello(a), 1)),
    "cut inside characters": lambda a: Raw(
        pieces=split([text_of(hello(a)).replace(rb"\u00f6", "ö".encode())], 3)
    ),
    "lines end in CR LF": lambda a: Raw(pieces=[text_of(hello(a)).replace(b"\n", b"\r\n")]),
    "lines end in CR": lambda a: Raw(pieces=[text_of(hello(a)).replace(b"\n", b"\r")]),
    "no space after data:": lambda a: Raw(pieces=[text_of(hello(a)).replace(b"data: ", b"data:")]),
    "comments keep it alive": lambda a: Raw(
        pieces=[b": ping\n\n", *(p for each in hello(a) for p in (b": OPENROUTER PROCESSING\n\n", each))]
    ),
    "ids and retry lines": lambda a: Raw(
        pieces=[b"retry: 3000\n\n", *(b"id: 7\n" + each for each in hello(a))]
    ),
    "a byte order mark first": lambda a: Raw(pieces=[b"\xef\xbb\xbf", *hello(a)]),
    "no blank line at the end": lambda a: Raw(pieces=[text_of(hello(a)).rstrip(b"\n")]),
    "events have no names": lambda a: Raw(
        pieces=[b"".join(each.split(b"\n", 1)[1] if each.startswith(b"event") else each for each in hello(a))]
    ),
    "called plain text": lambda a: Raw(pieces=hello(a), content_type="text/plain; charset=utf-8"),
    "called JSON": lambda a: Raw(pieces=hello(a), content_type="application/json"),
    "gzip": lambda a: Raw(pieces=zipped(hello(a)), headers={"content-encoding": "gzip"}),
    "HTTP/1.0, ended by the connection": lambda a: Raw(pieces=hello(a), framing="close"),
    "a content length": lambda a: Raw(pieces=hello(a), framing="length"),
    "garbage after the end": lambda a: Raw(pieces=[*hello(a), b"data: {oops\n\n", b"<eof>\n"]),
    "the end mark is missing": lambda a: Raw(pieces=hello(a)[:-1]),
    "one JSON object a line": lambda a: Raw(
        pieces=[each.split(b"data: ")[1].replace(b"\n\n", b"\n") for each in hello(a) if b"[DONE]" not in each],
        content_type="application/x-ndjson",
    ),
    "a whole answer": lambda a: Raw(
        pieces=[json.dumps(whole(a)).encode()], content_type="application/json", framing="length"
    ),
    "a whole answer, called a stream": lambda a: Raw(pieces=[json.dumps(whole(a), indent=1).encode()]),
    "a whole answer as one event": lambda a: Raw(pieces=[sse(whole(a)), b"data: [DONE]\n\n"]),
    "null fields": lambda a: Raw(
        pieces=messages(*said(HELLO))
        if "anthropic" in a
        else chat(
            chunk({"role": "assistant", "content": None, "tool_calls": None, "reasoning_content": None}),
            chunk({"content": HELLO, "refusal": None, "function_call": None}, usage=None),
            {"id": None, "choices": None, "model": None},
            chunk({"content": None}, "stop"),
        )
    ),
    "content as a list of parts": lambda a: Raw(
        pieces=messages(*said(HELLO))
        if "anthropic" in a
        else chat(
            chunk({"content": [{"type": "text", "text": "Hello, "}]}),
            chunk({"content": [{"type": "text", "text": "wörld."}]}),
            chunk({}, "stop"),
        )
    ),
    "pings between events": lambda a: Raw(
        pieces=[p for each in hello(a) for p in (sse({"type": "ping"}, "ping"), each)]
        if "anthropic" in a
        else hello(a)
    ),
    "events of a kind nobody knows": lambda a: Raw(
        pieces=[p for each in hello(a) for p in (sse({"type": "x_new"}, "x_new"), each)]
    ),
}  # fmt: skip


@pytest.mark.parametrize("quirk", GOOD)
def test_a_sloppy_stream_is_read(pay, provider, adapter, quirk):
    provider.acts = [GOOD[quirk](adapter)]
    bill = pay(ask())
    assert_read_whole(bill, HELLO)


NO_STREAM = {
    "a page of HTML": (Raw(pieces=[LOGIN], content_type="text/html"), "<!doctype html>"),
    "HTML called a stream": (Raw(pieces=[LOGIN]), "<!doctype html>"),
    "plain words": (Raw(pieces=[b"It works!"], content_type="text/plain"), "It works!"),
    "nothing": (Raw(pieces=[], framing="length"), "an empty body"),
    "an error as JSON": (
        Raw(
            pieces=[b'{"error": "Unexpected endpoint or method. (POST /chat/completions)"}'],
            content_type="application/json", framing="length",
        ),
        "Unexpected endpoint",
    ),
    "another error as JSON": (
        Raw(pieces=[b'{"detail":"Not Found"}'], content_type="application/json", framing="length"),
        "Not Found",
    ),
    "a list of models": (
        Raw(pieces=[b'{"object":"list","data":[]}'], content_type="application/json"), '"list"',
    ),
    "a word in JSON": (Raw(pieces=[b'"ok"'], content_type="application/json"), '"ok"'),
    "null": (Raw(pieces=[b"null"], content_type="application/json"), "null"),
    "zipped HTML": (
        Raw(pieces=zipped([LOGIN]), content_type="text/html", headers={"content-encoding": "gzip"}),
        "<!doctype html>",
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", NO_STREAM)
def test_a_200_that_is_no_stream_is_one_refusal_that_quotes_it(pay, provider, kind):
    act, quoted = NO_STREAM[kind]
    provider.acts = [act] * 6
    bill = pay(ask())
    assert isinstance(bill.error, ModelRefusedError), bill
    assert quoted in str(bill.error)
    assert "is /v1 missing" in str(bill.error)
    assert (bill.attempts, bill.tokens, bill.unknown) == (1, 0, 0)


def test_a_redirect_to_a_login_is_one_refusal_that_says_where(pay, provider, adapter):
    headers = {"location": f"{provider.root}/login?next=/chat"}
    provider.acts = [Raw(pieces=[b"moved"], status=302, headers=headers, framing="length")] * 6
    bill = pay(ask())
    assert isinstance(bill.error, ModelRefusedError)
    assert "/login?next=/chat" in str(bill.error)
    assert (bill.attempts, bill.tokens, bill.unknown) == (1, 0, 0)
    assert provider.asked == [], "a key must not follow a redirect"


@pytest.mark.parametrize("framing", ["chunked", "length"])
def test_a_stream_without_a_finish_reason_is_one_refusal_and_costs_what_it_says(
    pay, provider, adapter, framing
):
    pieces = (
        messages(*said("Hel"), stop=None, is_ended=False)
        if "anthropic" in adapter
        else chat(chunk({"content": "Hel"}))
    )
    provider.acts = [Raw(pieces=pieces, framing=framing)] * 6
    bill = pay(ask())
    assert isinstance(bill.error, ModelRefusedError)
    assert "finish reason" in str(bill.error)
    first = "event: message_start" if "anthropic" in adapter else "chat.completion.chunk"
    assert first in str(bill.error)
    assert bill.attempts == 1
    # Messages tells the tokens of the reply at its end only, so here nobody knows them.
    assert (bill.tokens, bill.unknown) == ((0, 1) if "anthropic" in adapter else (TRUE_TOKENS, 0))


def test_a_stream_cut_by_an_old_server_is_tried_again(pay, provider, adapter):
    pieces = hello(adapter)[:2]
    provider.acts = [Raw(pieces=pieces[:1], framing="close"), Raw(pieces=hello(adapter))]
    bill = pay(ask())
    assert bill.reply.text == HELLO
    assert (bill.attempts, bill.tokens, bill.unknown) == (2, TRUE_TOKENS, 1)


@pytest.mark.parametrize(
    ("body", "error", "attempts"),
    [
        ({"error": {"message": "Rate limit", "code": 429}}, ModelBusyError, 6),
        ({"error": {"message": "No slot", "type": "unavailable_error", "code": 503}}, ModelBusyError, 6),
        (
            {"error": {"code": 400, "type": "exceed_context_size_error", "message": "too big", "n_ctx": 4096}},
            ContextOverflowError, 1,
        ),
    ],
)  # fmt: skip
def test_an_error_with_status_200_is_read_by_its_code(pay, provider, body, error, attempts):
    raw = Raw(pieces=[json.dumps(body).encode()], content_type="application/json")
    provider.acts = [raw] * 6
    bill = pay(ask())
    assert type(bill.error) is error
    assert (bill.attempts, bill.tokens, bill.unknown) == (attempts, 0, 0)


def error_event(adapter, kind, message, **more):
    error = {"type": kind, "message": message, **more}
    if "anthropic" in adapter:
        return sse({"type": "error", "error": error}, "error")
    return sse({"error": error})


@pytest.mark.parametrize("started", [False, True])
def test_overload_in_a_stream_is_tried_again_and_costs_only_what_had_begun(
    pay, provider, adapter, started
):
    first = hello(adapter)[:1] if started else []
    error = error_event(adapter, "overloaded_error", "Overloaded")
    provider.acts = [Raw(pieces=[*first, error]), Raw(pieces=hello(adapter))]
    bill = pay(ask())
    assert bill.reply.text == HELLO
    assert (bill.attempts, bill.tokens, bill.unknown) == (2, TRUE_TOKENS, int(started))


def test_an_error_event_in_plain_words_is_quoted(pay, provider, adapter):
    provider.acts = [Raw(pieces=[b"event: error\ndata: upstream went away\n\n"])] * 6
    bill = pay(ask())
    assert "upstream went away" in str(bill.error)
    assert bill.tokens == 0


def test_a_refused_request_in_a_stream_is_not_repeated(pay, provider, adapter):
    error = error_event(adapter, "invalid_request_error", "tools: unknown field", code=400)
    provider.acts = [Raw(pieces=[error])] * 6
    bill = pay(ask())
    assert isinstance(bill.error, ModelRefusedError)
    assert (bill.attempts, bill.tokens, bill.unknown) == (1, 0, 0)


def test_a_filtered_reply_is_a_refusal_that_costs_what_it_says(pay, provider, adapter):
    pieces = (
        messages(*said("I can"), stop="refusal")
        if "anthropic" in adapter
        else chat(chunk({"content": "I can"}), chunk({}, "content_filter"))
    )
    provider.acts = [Raw(pieces=pieces)]
    bill = pay(ask())
    assert bill.reply.stop_reason is StopReason.REFUSAL
    assert bill.tokens == TRUE_TOKENS


def test_a_refusal_in_its_own_field_is_read(pay, provider, adapter):
    if "anthropic" in adapter:
        pytest.skip("a field of Chat Completions")
    provider.acts = [Raw(pieces=chat(chunk({"refusal": "I will not."}), chunk({}, "stop")))]
    bill = pay(ask())
    assert bill.reply.stop_reason is StopReason.REFUSAL
    assert bill.reply.text == "I will not."
    assert bill.tokens == TRUE_TOKENS


def test_tool_use_is_announced_without_any_and_the_text_is_kept(pay, provider, adapter):
    pieces = (
        messages(*said("Let me look."), stop="tool_use")
        if "anthropic" in adapter
        else chat(chunk({"content": "Let me look."}), chunk({}, "tool_calls"))
    )
    provider.acts = [Raw(pieces=pieces)]
    bill = pay(ask())
    assert bill.reply.text == "Let me look."
    assert bill.reply.tool_calls == ()
    assert bill.reply.stop_reason is StopReason.END_TURN
    assert bill.tokens == TRUE_TOKENS


def test_a_date_says_how_long_to_wait(make, provider):
    from datetime import UTC, datetime, timedelta
    from email.utils import format_datetime

    later = format_datetime(datetime.now(UTC) + timedelta(seconds=30), usegmt=True)
    body = b'{"type":"error","error":{"type":"rate_limit_error","message":"slow"}}'
    provider.acts = [
        Raw(pieces=[body], status=429, headers={"retry-after": later}, framing="length")
    ]
    with pytest.raises(ModelBusyError) as caught:
        make().complete(ask())
    assert 20 < caught.value.retry_after_s <= 31


def test_a_slow_reply_that_keeps_coming_is_waited_for(make, provider, adapter):
    provider.acts = [Raw(pieces=split(hello(adapter), 60), pause_s=0.05)]
    assert make(silence_s=2).complete(ask()).text == HELLO


def test_a_piece_is_passed_on_before_the_next_one_comes(make, provider, adapter):
    """A person watches a model think; what it says must not wait for its end."""
    provider.acts = [Raw(pieces=hello(adapter), pause_s=0.15)]
    began = time.monotonic()
    heard = []
    reply = make().complete(ask(), on_delta=lambda _: heard.append(time.monotonic() - began))
    assert reply.text == HELLO
    assert heard[0] < time.monotonic() - began - 0.15


def test_a_connection_that_drops_in_the_middle_is_a_wire_error(make, provider, adapter):
    provider.acts = [Raw(pieces=hello(adapter)[:1], is_cut=True)]
    with pytest.raises(ModelWireError) as caught:
        make().complete(ask())
    assert caught.value.may_have_cost


def test_an_error_page_of_megabytes_is_quoted_in_short(make, provider):
    provider.acts = [Raw(pieces=[b"<html>" + b"x" * 3_000_000], content_type="text/html")]
    with pytest.raises(ModelRefusedError) as caught:
        make().complete(ask())
    assert len(str(caught.value)) < 1000
