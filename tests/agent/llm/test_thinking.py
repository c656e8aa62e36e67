"""Thinking is on where a model has it, in the form and the size that the API takes, and comes back as it went."""

import pytest
from tests.agent.llm.conftest import CANARY
from tests.agent.llm.servers import Fail, Say
from tests.agent.llm.sloppy import Raw, block, messages, used
from tests.agent.llm.test_adapters import ask, assistant, user

from rsi.agent.llm.adapters.thinking import Form, form_of
from rsi.agent.llm.errors import ModelRequestError, ModelSpecError
from rsi.agent.llm.naming.keys import KeyRing
from rsi.agent.llm.resolve import resolve_model
from rsi.agent.llm.types import Reasoning, Text, ToolCall, ToolResult

FORMS = {
    "claude-3-5-sonnet-20241022": Form.NEVER,
    "claude-3-7-sonnet-20250219": Form.BUDGET,
    "claude-sonnet-4-20250514": Form.BUDGET,
    "claude-opus-4-1-20250805": Form.BUDGET,
    "claude-haiku-4-5": Form.BUDGET,
    "claude-sonnet-4-5-20250929": Form.BUDGET,
    "claude-opus-4-6": Form.EITHER,
    "claude-sonnet-4-6": Form.EITHER,
    "claude-opus-4-7-20260416": Form.ADAPTIVE,
    "claude-opus-5": Form.ADAPTIVE,
    "claude-haiku-5-5": Form.ADAPTIVE,
    "claude-sonnet-12": Form.ADAPTIVE,
    "claude-fable-5-1": Form.ALWAYS,
    "claude-mythos-preview": Form.ALWAYS,
    "us.anthropic.claude-sonnet-4-5-20250929-v1:0": Form.BUDGET,
    "vertex_ai/claude-opus-4-6@20260205": Form.EITHER,
    "glm-4.6": Form.UNKNOWN,
    "qwen3:8b": Form.UNKNOWN,
}


@pytest.mark.parametrize("name", FORMS)
def test_the_form_is_told_by_the_name(name):
    assert form_of(name) is FORMS[name]


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("claude-fable-5?reasoning=none", "always thinks"),
        ("claude-opus-5?reasoning=8000", "takes no number of tokens"),
        ("claude-opus-5?temperature=0.5", "temperature: this model takes none"),
        ("claude-opus-4-6?reasoning=xhigh", "low, medium, high or max"),
        ("claude-opus-5?reasoning=minimal", "low, medium, high, xhigh or max"),
        ("claude-sonnet-4-5?reasoning=1000", "the least is 1024"),
        ("claude-sonnet-4-5?reasoning=high&temperature=0.5", "a model that thinks takes none"),
        ("claude-3-5-sonnet-20241022?reasoning=high", "does not think"),
    ],
)
def test_what_the_api_would_refuse_is_refused_when_the_model_is_named(name, problem):
    with pytest.raises(ModelSpecError, match=problem):
        resolve_model(f"anthropic:{name}&price=1/2", keys=KeyRing({"ANTHROPIC_API_KEY": CANARY}))


@pytest.fixture(
    params=["anthropic", pytest.param("litellm", marks=pytest.mark.slow)],
)
def claude(request, provider):
    """A Claude model by its name and options, through the SDK and through litellm."""

    def claude(name):
        form = "anthropic:" if request.param == "anthropic" else "litellm:anthropic/"
        separator = "&" if "?" in name else "?"
        environ = {"ANTHROPIC_API_KEY": CANARY, "ANTHROPIC_BASE_URL": provider.root}
        return resolve_model(f"{form}{name}{separator}price=1/2", keys=KeyRing(environ))

    claude.through = request.param
    return claude


ADAPTIVE = {"type": "adaptive", "display": "summarized"}
ASKED = {
    ("claude-sonnet-4-5", 16_000): {"type": "enabled", "budget_tokens": 8000},
    ("claude-sonnet-4-5", 64_000): {"type": "enabled", "budget_tokens": 8192},
    ("claude-sonnet-4-5", 4096): {"type": "enabled", "budget_tokens": 2048},
    ("claude-sonnet-4-5", 2048): {"type": "enabled", "budget_tokens": 1024},
    ("claude-sonnet-4-5", 2047): None,
    ("claude-sonnet-4-5", 1): None,
    ("claude-sonnet-4-5?reasoning=high", 16_000): {"type": "enabled", "budget_tokens": 14_976},
    ("claude-sonnet-4-5?reasoning=low", 16_000): {"type": "enabled", "budget_tokens": 4096},
    ("claude-sonnet-4-5?reasoning=none", 16_000): None,
    ("claude-sonnet-4-5?temperature=0.5", 16_000): None,
    ("claude-3-5-sonnet-20241022", 4096): None,
    ("claude-opus-4-6", 16_000): ADAPTIVE,
    ("claude-opus-4-6?temperature=0.5", 16_000): None,
    ("claude-opus-4-6?reasoning=none", 16_000): None,
    ("claude-opus-5", 16_000): ADAPTIVE,
    ("claude-opus-5?reasoning=max", 16_000): ADAPTIVE,
    ("claude-opus-5?reasoning=none", 16_000): {"type": "disabled"},
    ("claude-fable-5", 16_000): ADAPTIVE,
    ("glm-4.6", 16_000): None,
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize(("name", "tokens"), ASKED)
def test_the_api_takes_what_is_asked_for_by_default(claude, provider, name, tokens):
    if claude.through == "litellm" and name == "glm-4.6":
        pytest.skip("litellm adds what it knows of no such model")
    model = claude(name)
    assert model.complete(ask(max_output_tokens=tokens)).text == "Hello."
    (seen,) = provider.seen
    assert seen.body.get("thinking") == ASKED[name, tokens]
    assert seen.body["max_tokens"] == tokens
    assert seen.body.get("temperature") == (0.5 if "temperature" in name else None)
    effort = seen.body.get("output_config", {}).get("effort")
    assert effort == ("max" if name == "claude-opus-5?reasoning=max" else None)
    has_budget = (seen.body.get("thinking") or {}).get("type") == "enabled"
    assert ("interleaved-thinking" in seen.headers.get("anthropic-beta", "")) == has_budget


@pytest.mark.slow
@pytest.mark.parametrize("number", [1024, 4096, 100_000])
def test_a_number_of_tokens_is_asked_for_as_far_as_the_reply_has_room(provider, number):
    environ = {"ANTHROPIC_API_KEY": CANARY, "ANTHROPIC_BASE_URL": provider.root}
    model = resolve_model(f"anthropic:claude-sonnet-4-5?reasoning={number}", keys=KeyRing(environ))
    model.complete(ask(max_output_tokens=16_000))
    assert provider.seen[0].body["thinking"]["budget_tokens"] == min(number, 16_000 - 1024)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["claude-sonnet-4-5", "claude-opus-5"])
def test_thinking_comes_back_as_it_went_turn_after_turn(claude, provider, name):
    """Interleaved and hidden thinking, over three turns of tool use, under the API's own checks."""
    if claude.through == "litellm":
        pytest.skip("litellm puts all thinking of a turn first; the next test has its form")
    hidden = {"type": "redacted_thinking", "data": "ZW5jcnlwdGVk"}

    def turn(number):
        thought = {"type": "thinking", "thinking": "", "signature": ""}
        said = {"type": "thinking_delta", "thinking": f"thought {number}"}
        sign = {"type": "signature_delta", "signature": f"c2ln{number}"}
        events = [
            *block(0, thought, said, sign), *block(1, hidden), *used(f"a{number}", "view", '{"path": "a"}', index=2),
            *block(3, thought, said | {"thinking": f"again {number}"}, sign | {"signature": f"YWdh{number}"}),
            *used(f"b{number}", "view", '{"path": "b"}', index=4),
        ]  # fmt: skip
        provider.signed[f"c2ln{number}"] = f"thought {number}"
        provider.signed[f"YWdh{number}"] = f"again {number}"
        return Raw(pieces=messages(*events, stop="tool_use"))

    provider.acts = [turn(1), turn(2), turn(3), Say()]
    model = claude(name)
    history = [user("Go.")]
    for _ in range(3):
        reply = model.complete(ask(*history))
        kinds = [type(each).__name__ for each in reply.blocks]
        assert kinds == ["Reasoning", "Reasoning", "ToolCall", "Reasoning", "ToolCall"]
        results = [ToolResult(call_id=call.id, text="x") for call in reply.tool_calls]
        history += [assistant(*reply.blocks), user(*results)]
    assert model.complete(ask(*history)).text == "Hello."
    sent = provider.seen[-1].body["messages"][3]["content"]
    assert sent[0] == {"type": "thinking", "thinking": "thought 2", "signature": "c2ln2"}
    assert sent[1] == hidden
    assert sent[3] == {"type": "thinking", "thinking": "again 2", "signature": "YWdh2"}


@pytest.mark.slow
@pytest.mark.parametrize("name", ["claude-sonnet-4-5", "claude-opus-5"])
def test_hidden_and_shown_thinking_pass_through_litellm_too(claude, provider, name):
    hidden = {"type": "redacted_thinking", "data": "ZW5jcnlwdGVk"}
    thought = {"type": "thinking", "thinking": "", "signature": ""}
    deltas = [
        {"type": "thinking_delta", "thinking": "hm"},
        {"type": "signature_delta", "signature": "c2ln"},
    ]
    provider.signed["c2ln"] = "hm"
    events = [
        *block(0, thought, *deltas),
        *block(1, hidden),
        *used("a", "view", '{"path": "a"}', index=2),
    ]
    provider.acts = [Raw(pieces=messages(*events, stop="tool_use")), Say()]
    model = claude(name)
    reply = model.complete(ask())
    result = ToolResult(call_id=reply.tool_calls[0].id, text="x")
    assert model.complete(ask(user("Hi."), assistant(*reply.blocks), user(result))).text == "Hello."
    sent = provider.seen[-1].body["messages"][1]["content"]
    assert [each["type"] for each in sent] == ["thinking", "redacted_thinking", "tool_use"]
    assert (sent[0]["thinking"], sent[0]["signature"]) == ("hm", "c2ln")
    assert sent[1]["data"] == "ZW5jcnlwdGVk"


@pytest.mark.slow
@pytest.mark.parametrize(
    "begun",
    [
        (Text(text="I look."), ToolCall(id="x", name="view", arguments={"path": "a"})),
        (
            Reasoning(provider="openai", text="hm", payload={"reasoning_content": "hm"}),
            ToolCall(id="x", name="view", arguments={"path": "a"}),
        ),
        (
            Reasoning(provider="anthropic", text="hm", payload={"type": "thinking", "thinking": "hm", "signature": ""}),
            ToolCall(id="x", name="view", arguments={"path": "a"}),
        ),
    ],
    ids=["without thinking", "by another provider", "unsigned"],
)  # fmt: skip
def test_tool_use_that_began_without_thinking_goes_on_without_until_it_ends(
    claude, provider, begun
):
    answer = user(ToolResult(call_id="x", text="content"))
    model = claude("claude-sonnet-4-5")
    history = (user("Go."), assistant(*begun), answer)
    assert model.complete(ask(*history, max_output_tokens=16_000)).text == "Hello."
    assert "thinking" not in provider.seen[0].body
    later = (*history, assistant(Text(text="Done.")), user("And now this."))
    model.complete(ask(*later, max_output_tokens=16_000))
    assert provider.seen[1].body["thinking"]["type"] == "enabled"


@pytest.mark.slow
def test_a_server_that_refuses_thinking_nobody_asked_for_is_served_without(claude, provider):
    refusal = Fail(
        status=400, kind="invalid_request_error",
        message="thinking.type: Input tag 'adaptive' found using 'type' does not match",
    )  # fmt: skip
    provider.acts = [refusal, Say(), Say()]
    model = claude("claude-opus-5")
    assert model.complete(ask()).text == "Hello."
    assert model.complete(ask()).text == "Hello."
    assert ["thinking" in seen.body for seen in provider.seen] == [True, False, False]


@pytest.mark.slow
def test_thinking_that_was_asked_for_is_not_dropped_silently(claude, provider):
    refusal = Fail(status=400, kind="invalid_request_error", message="thinking: not on this plan")
    provider.acts = [refusal, Say()]
    with pytest.raises(ModelRequestError, match="not on this plan"):
        claude("claude-opus-5?reasoning=high").complete(ask())


@pytest.mark.slow
def test_a_forced_tool_never_meets_thinking(claude, provider):
    model = claude("claude-sonnet-4-5")
    assert model.complete(ask(forced_tool="view", max_output_tokens=16_000)).text == "Hello."
    assert provider.seen[0].body["thinking"]["type"] == "enabled"
