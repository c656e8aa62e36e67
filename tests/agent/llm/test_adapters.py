"""One behaviour for every adapter: the real SDKs over HTTP against a local server."""

import time

import pytest
from tests.agent.llm.conftest import ADAPTERS, CANARY, FAMILIES
from tests.agent.llm.servers import Cut, Drip, Fail, MidwayError, Rubbish, Say, Silent

from rsi.agent.llm.errors import (
    ContextOverflowError,
    ModelAuthError,
    ModelBusyError,
    ModelReplyError,
    ModelRequestError,
    ModelWireError,
)
from rsi.agent.llm.naming.keys import KeyRing
from rsi.agent.llm.providers import PROVIDERS, Hosting
from rsi.agent.llm.resolve import resolve_model
from rsi.agent.llm.types import (
    Message,
    Reasoning,
    Request,
    Role,
    StopReason,
    Text,
    ToolCall,
    ToolResult,
    ToolSpec,
    Usage,
)

pytestmark = pytest.mark.slow

VIEW = ToolSpec(
    name="view",
    description="Show a file.",
    parameters={
        "type": "object",
        "properties": {"path": {"type": "string"}},
        "required": ["path"],
    },
)


def test_every_provider_with_an_api_is_driven_here():
    driven = {spec.partition(":")[0] for spec, _path in ADAPTERS.values()}
    assert driven == {each.name for each in PROVIDERS if isinstance(each.make, Hosting)}


def user(*blocks):
    return Message(
        role=Role.USER, blocks=tuple(Text(text=b) if isinstance(b, str) else b for b in blocks)
    )


def assistant(*blocks):
    return Message(role=Role.ASSISTANT, blocks=blocks)


def ask(*messages, **changes):
    return Request(
        system="You are terse.", messages=messages or (user("Hi."),), tools=(VIEW,), **changes
    )


def test_text_streams_in_pieces_and_arrives_whole(make, provider):
    provider.acts = [Say(blocks=(Text(text="Hello, world."),))]
    pieces = []
    reply = make().complete(ask(), on_delta=pieces.append)
    assert reply.text == "Hello, world."
    assert reply.stop_reason is StopReason.END_TURN
    assert len(pieces) > 1
    assert "".join(piece.text for piece in pieces) == "Hello, world."


def test_the_system_prompt_tools_and_limit_reach_the_wire(make, provider, adapter):
    make().complete(ask(max_output_tokens=321))
    body = provider.seen[0].body
    assert "You are terse." in str(body.get("system") or body["messages"][0])
    assert "view" in str(body["tools"])
    assert 321 in (body.get("max_tokens"), body.get("max_completion_tokens"))
    assert body["stream"] is True


def test_parallel_tool_calls_keep_their_order_ids_and_arguments(make, provider):
    calls = (
        ToolCall(id="1", name="view", arguments={"path": 'a "quoted" \n path'}),
        ToolCall(id="2", name="view", arguments={"path": "b"}),
    )
    provider.acts = [Say(blocks=(Text(text="Looking."), *calls))]
    reply = make().complete(ask())
    assert reply.stop_reason is StopReason.TOOL_USE
    assert [dict(call.arguments) for call in reply.tool_calls] == [
        {"path": 'a "quoted" \n path'},
        {"path": "b"},
    ]
    assert len({call.id for call in reply.tool_calls}) == 2
    assert reply.text == "Looking."


def test_results_of_tools_go_back_in_the_providers_form(make, provider, adapter):
    history = (
        user("Go."),
        assistant(
            ToolCall(id="t1", name="view", arguments={"path": "a"}),
            ToolCall(id="t2", name="view", arguments={"path": "b"}),
        ),
        user(
            ToolResult(call_id="t1", text="content of a"),
            ToolResult(call_id="t2", text="no such file", is_error=True),
            "Hurry.",
        ),
    )
    make().complete(ask(*history))
    messages = provider.seen[0].body["messages"]
    sent = str(messages)
    for part in ("t1", "t2", "content of a", "no such file", "Hurry."):
        assert part in sent
    if "anthropic" in adapter:
        assert [part["type"] for part in messages[-1]["content"]] == [
            "tool_result", "tool_result", "text",
        ]  # fmt: skip
        assert messages[-1]["content"][1].get("is_error") or "Error: " in sent
    else:
        assert [m["role"] for m in messages] == [
            "system", "user", "assistant", "tool", "tool", "user",
        ]  # fmt: skip


def test_usage_counts_are_disjoint(make, provider, adapter):
    usage = make().complete(ask()).usage
    if "anthropic" in adapter:
        assert usage == Usage(
            input_uncached_tokens=1000, cache_read_tokens=800, cache_write_tokens=100,
            output_tokens=50,
        )  # fmt: skip
    else:
        assert usage == Usage(input_uncached_tokens=1100, cache_read_tokens=800, output_tokens=50)


def test_a_provider_that_reports_no_usage_is_not_guessed_for(make, provider, adapter):
    if adapter.startswith("litellm"):
        pytest.skip("litellm counts tokens itself where the provider is silent")
    provider.acts = [Say(usage=None)]
    usage = make().complete(ask()).usage
    assert usage is None or adapter == "anthropic"


def test_a_request_id_is_kept(make, provider, adapter):
    reply = make().complete(ask())
    assert reply.request_id == "req_1" or adapter.startswith("litellm")
    provider.acts = [Fail(status=400, kind="invalid_request_error", message="no")]
    with pytest.raises(ModelRequestError) as caught:
        make().complete(ask())
    assert caught.value.request_id == "req_2" or adapter.startswith("litellm")


@pytest.mark.parametrize("stop", [StopReason.MAX_TOKENS, StopReason.REFUSAL])
def test_stop_reasons_are_told_apart(make, provider, stop):
    provider.acts = [Say(stop=stop)]
    assert make().complete(ask()).stop_reason is stop


def test_arguments_that_are_not_json_are_kept_and_named(make, provider):
    call = ToolCall(id="1", name="view", arguments={})
    provider.acts = [Say(blocks=(call,), raw_arguments='{"path": "a')]
    found = make().complete(ask()).tool_calls[0]
    assert found.problem is not None
    assert found.raw_arguments == '{"path": "a'
    assert found.arguments == {}


def test_arguments_that_are_no_object_are_named(make, provider):
    call = ToolCall(id="1", name="view", arguments={})
    provider.acts = [Say(blocks=(call,), raw_arguments='["a"]')]
    assert "not a JSON object" in (make().complete(ask()).tool_calls[0].problem or "")


@pytest.mark.parametrize(
    ("raw", "problem"),
    [
        (r'{"path": "a\ud83d"}', "half of a character"),
        (r'{"a\udce9": 1}', "half of a character"),
        ('{"timeout_s": NaN}', "must be a finite number"),
        ('{"timeout_s": 1e999}', "must be a finite number"),
        ('{"parts": ' + "[" * 100 + "]" * 100 + "}", "nested too deeply"),
        ('{"parts": ' + "[" * 200_000, "nested too deeply"),
        ('{"predicted_ratio": ' + "9" * 5000 + "}", "far too many digits"),
        ('{"predicted_ratio": ' + "9" * 400 + "}", "more than 64 bits"),
    ],
)
def test_arguments_that_nobody_could_keep_are_named_and_the_conversation_goes_on(
    make, provider, raw, problem
):
    call = ToolCall(id="1", name="view", arguments={})
    provider.acts = [Say(blocks=(call,), raw_arguments=raw), Say(blocks=(Text(text="ok"),))]
    model = make()
    found = model.complete(ask()).tool_calls[0]
    assert problem in (found.problem or "")
    assert found.arguments == {}
    answer = ToolResult(call_id=found.id, text=str(found.problem), is_error=True)
    history = (user("Hi."), assistant(found), user(answer))
    assert model.complete(ask(*history)).text == "ok"


def test_reasoning_is_kept_and_passed_back_verbatim(make, provider, adapter):
    thought = Reasoning(
        provider="x", text="Let me think about it.", payload={"signature": "c2lnbmF0dXJl"}
    )
    call = ToolCall(id="1", name="view", arguments={"path": "a"})
    provider.acts = [Say(blocks=(thought, call))]
    model = make()
    reply = model.complete(ask())
    assert isinstance(reply.blocks[0], Reasoning)
    assert reply.blocks[0].text == "Let me think about it."
    result = ToolResult(call_id=reply.tool_calls[0].id, text="x")
    model.complete(ask(user("Hi."), assistant(*reply.blocks), user(result)))
    body = provider.seen[1].body
    if "anthropic" in adapter:
        first = next(m for m in body["messages"] if m["role"] == "assistant")["content"][0]
        assert (first["type"], first["thinking"], first["signature"]) == (
            "thinking", "Let me think about it.", "c2lnbmF0dXJl",
        )  # fmt: skip
    else:
        sent = next(m for m in body["messages"] if m["role"] == "assistant")
        assert sent.get("reasoning_content") == "Let me think about it." or "litellm" in adapter


def test_reasoning_of_another_provider_is_left_out(make, provider):
    foreign = Reasoning(provider="elsewhere", text="secret thought", payload={"x": "y"})
    make().complete(ask(user("Hi."), assistant(foreign, Text(text="Yes.")), user("Go on.")))
    assert "secret thought" not in str(provider.seen[0].body)


def test_anthropics_prompt_cache_is_marked_at_three_places(make, provider, adapter):
    if "anthropic" not in adapter:
        pytest.skip("this provider caches by itself")
    make().complete(ask(user("1"), assistant(Text(text="a")), user("2")))
    body = provider.seen[0].body
    assert str(body).count("cache_control") == 3
    assert body["system"][0]["cache_control"] == {"type": "ephemeral"}


def test_a_turn_of_many_parallel_calls_finds_what_the_turn_before_wrote_to_the_cache(
    make, provider, adapter
):
    """The API looks back over some twenty blocks for an earlier mark, and such a turn has more."""
    if "anthropic" not in adapter:
        pytest.skip("this provider caches by itself")
    model = make()
    history = [user("Go.")]
    for turn in range(3):
        model.complete(ask(*history))
        calls = [
            ToolCall(id=f"t{turn}n{n}", name="view", arguments={"path": "a"}) for n in range(15)
        ]
        results = [ToolResult(call_id=call.id, text="content") for call in calls]
        history += [assistant(*calls), user(*results)]
    model.complete(ask(*history))

    def marks(body):
        return [
            (place, number)
            for place, message in enumerate(body["messages"])
            for number, part in enumerate(message["content"])
            if "cache_control" in part
        ]

    written = [marks(seen.body)[-1] for seen in provider.seen]
    assert len(set(written)) == 4
    for before, seen in zip(written, provider.seen[1:], strict=False):
        assert before in marks(seen.body)


def test_a_rate_limit_says_how_long_to_wait(make, provider):
    provider.acts = [
        Fail(status=429, kind="rate_limit_error", headers={"retry-after": "7"}, message="slow down")
    ]
    with pytest.raises(ModelBusyError) as caught:
        make().complete(ask())
    assert caught.value.retry_after_s == 7.0
    assert not caught.value.may_have_cost
    assert len(provider.seen) == 1, "the SDK must not retry by itself"


@pytest.mark.parametrize(
    ("status", "kind", "expected"),
    [
        (400, "invalid_request_error", ModelRequestError),
        (401, "authentication_error", ModelAuthError),
        (403, "permission_error", ModelAuthError),
        (404, "not_found_error", ModelRequestError),
        (500, "api_error", ModelBusyError),
        (503, "api_error", ModelBusyError),
        (529, "overloaded_error", ModelBusyError),
    ],
)
def test_each_status_becomes_its_own_error(make, provider, status, kind, expected):
    provider.acts = [Fail(status=status, kind=kind)]
    with pytest.raises(expected) as caught:
        make().complete(ask())
    assert len(provider.seen) == 1
    assert caught.value.is_retryable == (expected is ModelBusyError)
    assert not caught.value.may_have_cost


def test_a_request_that_is_too_long_is_named_as_that(make, provider, adapter):
    message = (
        "prompt is too long: 250000 tokens > 200000 maximum"
        if "anthropic" in adapter
        else "This model's maximum context length is 128000 tokens."
    )
    provider.acts = [
        Fail(
            status=400,
            kind="invalid_request_error",
            message=message,
            code=None if "anthropic" in adapter else "context_length_exceeded",
        )
    ]
    with pytest.raises(ContextOverflowError):
        make().complete(ask())


def test_an_empty_quota_is_not_worth_a_retry(make, provider, adapter):
    if "anthropic" in adapter:
        pytest.skip("another provider's word")
    provider.acts = [Fail(status=429, kind="insufficient_quota", code="insufficient_quota")]
    with pytest.raises(ModelAuthError):
        make().complete(ask())


def test_an_error_page_that_is_not_json_is_survived(make, provider):
    provider.acts = [Fail(status=502, body=b"<html>bad gateway</html>")]
    with pytest.raises(ModelBusyError):
        make().complete(ask())


@pytest.mark.parametrize("events", [1, 3])
def test_a_cut_stream_is_a_wire_error_that_may_have_cost(make, provider, events):
    provider.acts = [Cut(events=events)]
    with pytest.raises((ModelWireError, ModelReplyError)) as caught:
        make().complete(ask())
    assert caught.value.may_have_cost
    assert caught.value.is_retryable


def test_rubbish_in_the_stream_is_a_reply_error_that_may_have_cost(make, provider):
    provider.acts = [Rubbish()]
    with pytest.raises((ModelReplyError, ModelWireError)) as caught:
        make().complete(ask())
    assert caught.value.may_have_cost
    assert caught.value.is_retryable


def test_an_error_in_the_middle_of_a_stream_may_be_retried_and_may_have_cost(make, provider):
    provider.acts = [MidwayError()]
    with pytest.raises((ModelBusyError, ModelWireError)) as caught:
        make().complete(ask())
    assert caught.value.is_retryable
    assert caught.value.may_have_cost


def test_a_silent_server_is_given_up_on(make, provider):
    provider.acts = [Silent()]
    started = time.monotonic()
    with pytest.raises(ModelWireError) as caught:
        make(silence_s=0.4).complete(ask())
    assert time.monotonic() - started < 5
    assert caught.value.may_have_cost


def test_a_body_that_drips_without_end_is_given_up_on(make, provider):
    provider.acts = [Drip()]
    started = time.monotonic()
    with pytest.raises(ModelWireError):
        make(timeout_s=0.6).complete(ask())
    assert time.monotonic() - started < 8


def test_nobody_listening_is_a_wire_error_that_cost_nothing(make, adapter):
    path = "" if adapter == "anthropic" else "/v1"
    with pytest.raises((ModelWireError, ModelBusyError)) as caught:
        make(base_url=f"http://127.0.0.1:9{path}").complete(ask())
    assert caught.value.is_retryable
    assert not caught.value.may_have_cost or adapter.startswith("litellm")


def test_the_key_goes_to_the_provider_and_into_no_error(make, provider):
    provider.acts = [Fail(status=401, message=f"Incorrect API key provided: {CANARY}")]
    with pytest.raises(ModelAuthError) as caught:
        make().complete(ask())
    assert CANARY in str(provider.seen[0].headers)
    assert CANARY not in str(caught.value)


def test_a_providers_key_goes_to_no_other_server_that_a_models_name_names(
    adapter, provider, monkeypatch
):
    spec, path = ADAPTERS[adapter]
    environ = dict.fromkeys(("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "OPENAI_API_KEY"), CANARY)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)  # SDKs look for keys themselves
    ring = KeyRing({**environ, "HOUSE_KEY": "house-0123456789"})
    where = f"{spec}?base_url={provider.root}{path}"
    provider.acts = [Say(blocks=(Text(text="hello"),))] * 2
    assert resolve_model(where, keys=ring).complete(ask()).text == "hello"
    assert resolve_model(f"{where}&key_env=HOUSE_KEY", keys=ring).complete(ask()).text == "hello"
    without, named = (" ".join(each.headers.values()) for each in provider.seen)
    assert CANARY not in without + named
    assert "house-0123456789" in named


def test_a_server_that_wants_a_key_and_gets_none_says_how_to_name_one(adapter, provider):
    spec, path = ADAPTERS[adapter]
    provider.acts = [Fail(status=401, kind="authentication_error")]
    model = resolve_model(f"{spec}?base_url={provider.root}{path}", keys=KeyRing({}))
    with pytest.raises(ModelAuthError, match="key_env=<VARIABLE>"):
        model.complete(ask())


def test_the_environments_own_base_url_may_be_written_out(adapter, provider):
    spec, path = ADAPTERS[adapter]
    environ = {f"{name}_API_KEY": CANARY for name in FAMILIES}
    environ |= {f"RSI_{name}_BASE_URL": provider.root + path for name in FAMILIES}
    provider.acts = [Say(blocks=(Text(text="hello"),))]
    where = f"{spec}?base_url={provider.root}{path}"
    resolve_model(where, keys=KeyRing(environ)).complete(ask())
    assert any(CANARY in value for value in provider.seen[0].headers.values())


def test_a_forced_tool_is_asked_for_where_the_provider_can(make, provider, adapter):
    if "anthropic" in adapter:
        pytest.skip("models that always think refuse a forced choice")
    make().complete(ask(forced_tool="view"))
    assert "view" in str(provider.seen[0].body["tool_choice"])


def test_after_a_failure_the_same_model_goes_on(make, provider):
    provider.acts = [Fail(status=500), Cut(), Say(blocks=(Text(text="Back."),))]
    model = make()
    for _ in range(2):
        with pytest.raises((ModelBusyError, ModelWireError)):
            model.complete(ask())
    assert model.complete(ask()).text == "Back."


def test_a_temperature_reaches_the_wire(make, provider, adapter):
    if adapter != "openai":
        pytest.skip("this model takes none; `test_thinking` asks one that does")
    make(temperature=0.5).complete(ask())
    assert provider.seen[0].body["temperature"] == 0.5
