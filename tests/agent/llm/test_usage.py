"""Tokens as servers really count them: what is charged is what the server means, or is marked unknown; a cap binds."""

import pytest
from tests.agent.llm.servers import Say
from tests.agent.llm.sloppy import Raw, chat, chunk, messages, said, sse
from tests.agent.llm.test_adapters import ask
from tests.agent.policy.test_budget import MemoryLedger, budget_guard
from tests.agent.puppet import OpenBudgetGuard

from rsi.agent.llm.adapters.wire.token_counts import chat_usage, claude_usage
from rsi.agent.llm.types import Usage
from rsi.agent.policy.budget import Budget, spent
from rsi.agent.roles.calls import Caller
from rsi.agent.types import AgentRole, BudgetExceededError

HI = [chunk({"content": "Hello."}), chunk({}, "stop")]


def used(uncached=0, read=0, written=0, output=0, reasoning=0):
    return Usage(
        input_uncached_tokens=uncached, cache_read_tokens=read, cache_write_tokens=written,
        output_tokens=output, reasoning_tokens=reasoning,
    )  # fmt: skip


def counts(prompt=1000, completion=50, **more):
    return {"prompt_tokens": prompt, "completion_tokens": completion} | more


CHAT = {
    "in the last chunk": (chat(*HI, usage=counts()), used(1000, output=50)),
    "in each chunk, growing": (
        chat(chunk({"content": "Hel"}, usage=counts(1000, 1)), chunk({"content": "lo."}, usage=counts(1000, 30)),
             chunk({}, "stop", usage=counts(1000, 50)), usage=None),
        used(1000, output=50),
    ),
    "zeros after it": (
        chat(*HI[:1], chunk({}, "stop", usage=counts()), usage=counts(0, 0, total_tokens=0)), used(1000, output=50),
    ),
    "nulls after it": (
        chat(*HI[:1], chunk({}, "stop", usage=counts()), usage=counts(None, None)), used(1000, output=50),
    ),
    "zeros before it": (chat(chunk({"content": "Hello."}, usage=counts(0, 0)), *HI[1:], usage=counts()), used(1000, output=50)),
    "inside a choice": (
        [sse(HI[0]), sse({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop", "usage": counts()}]}), b"data: [DONE]\n\n"],
        used(1000, output=50),
    ),
    "under x_groq": (chat(*HI[:1], chunk({}, "stop", x_groq={"usage": counts()}), usage=None), used(1000, output=50)),
    "with names of the other protocol": (
        chat(*HI, usage={"input_tokens": 1000, "output_tokens": 50}), used(1000, output=50),
    ),
    "as text": (chat(*HI, usage=counts("1000", "50")), used(1000, output=50)),
    "as floats": (chat(*HI, usage=counts(1000.0, 50.0)), used(1000, output=50)),
    "completion left to the total": (
        chat(*HI, usage={"prompt_tokens": 1000, "total_tokens": 1050}), used(1000, output=50),
    ),
    "negative": (chat(*HI, usage=counts(-1000, 50)), None),
    "negative completion": (chat(*HI, usage=counts(1000, -1)), None),
    "more cached than can be": (chat(*HI, usage=counts(prompt_tokens_details={"cached_tokens": -3})), None),
    "zero beside text": (chat(*HI, usage=counts(1000, 0)), None),
    "zero prompt": (chat(*HI, usage=counts(0, 50)), None),
    "not a number": (chat(*HI, usage=counts("many", 50)), None),
    "a boolean": (chat(*HI, usage=counts(True, 50)), None),
    "absurd": (chat(*HI, usage=counts(10**15, 50)), None),
    "a list": (chat(*HI, usage=[1, 2]), None),
    "absent": (chat(*HI, usage=None), None),
    "cached, OpenAI": (
        chat(*HI, usage=counts(prompt_tokens_details={"cached_tokens": 800})), used(200, 800, output=50),
    ),
    "cached, DeepSeek": (
        chat(*HI, usage=counts(prompt_cache_hit_tokens=800, prompt_cache_miss_tokens=200)), used(200, 800, output=50),
    ),
    "cached, Moonshot": (chat(*HI, usage=counts(cached_tokens=800)), used(200, 800, output=50)),
    "cached, null details": (
        chat(*HI, usage=counts(prompt_tokens_details=None, cached_tokens=800)), used(200, 800, output=50),
    ),
    "cached outside the prompt": (
        chat(*HI, usage=counts(100, 50, cache_read_input_tokens=800, cache_creation_input_tokens=100)),
        used(100, 800, 100, 50),
    ),
    "written to the cache": (
        chat(*HI, usage=counts(prompt_tokens_details={"cached_tokens": 800, "cache_write_tokens": 100})),
        used(100, 800, 100, 50),
    ),
    "reasoning inside": (
        chat(*HI, usage=counts(completion_tokens_details={"reasoning_tokens": 30}, total_tokens=1050)),
        used(1000, output=50, reasoning=30),
    ),
    "reasoning outside, in the total": (
        chat(*HI, usage=counts(completion_tokens_details={"reasoning_tokens": 300}, total_tokens=1350)),
        used(1000, output=350, reasoning=300),
    ),
    "reasoning outside, total alone tells": (chat(*HI, usage=counts(total_tokens=1350)), used(1000, output=350)),
    "reasoning outside, no total": (
        chat(*HI, usage=counts(completion_tokens_details={"reasoning_tokens": 300})),
        used(1000, output=350, reasoning=300),
    ),
    "a total that is too small": (chat(*HI, usage=counts(total_tokens=50)), used(1000, output=50)),
}  # fmt: skip

START = {"input_tokens": 1000, "output_tokens": 50}


def late(usage, start=START):
    """A reply whose last event has the usage given."""
    pieces = messages(*said("Hello."), usage=start, stop=None, is_ended=False)
    end = {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": usage}
    return [*pieces, sse(end, "message_delta"), sse({"type": "message_stop"}, "message_stop")]


MESSAGES = {
    "at the start and the end": (messages(*said("Hello.")), used(1000, output=50)),
    "zeros at the end": (late({"input_tokens": 0, "output_tokens": 50}), used(1000, output=50)),
    "zeros at the start": (
        late({"input_tokens": 1000, "output_tokens": 50}, {"input_tokens": 0, "output_tokens": 0}),
        used(1000, output=50),
    ),
    "nothing at the start": (late({"input_tokens": 1000, "output_tokens": 50}, {}), used(1000, output=50)),
    "moved into the cache": (
        late({"input_tokens": 0, "cache_read_input_tokens": 1000, "output_tokens": 50}), used(0, 1000, output=50),
    ),
    "all read from the cache": (
        late({"output_tokens": 50}, {"input_tokens": 0, "cache_read_input_tokens": 1000}), used(0, 1000, output=50),
    ),
    "cache by its life": (
        late({"output_tokens": 50}, START | {"cache_creation": {"ephemeral_5m_input_tokens": 70, "ephemeral_1h_input_tokens": 30}}),
        used(1000, 0, 100, 50),
    ),
    "no count of the output": (late(None), None),
    "zero beside text": (late({"output_tokens": 0}), None),
    "negative": (late({"output_tokens": -1}), None),
    "negative at the start": (late({"output_tokens": 50}, {"input_tokens": -5}), None),
    "no count of the input": (late({"output_tokens": 50}, {}), None),
    "names of the other protocol": (late({"prompt_tokens": 1000, "completion_tokens": 50}, {}), used(1000, output=50)),
    "thinking": (
        late({"output_tokens": 50, "output_tokens_details": {"thinking_tokens": 30}}), used(1000, output=50, reasoning=30),
    ),
}  # fmt: skip


def check(pay, provider, pieces, expected):
    provider.acts = [Raw(pieces=pieces)]
    bill = pay(ask())
    assert bill.error is None
    assert bill.reply.text == "Hello."
    assert bill.attempts == 1
    assert bill.usages == [expected]


@pytest.mark.slow
@pytest.mark.parametrize("quirk", CHAT)
def test_counts_in_chunks_are_charged_as_meant(pay, provider, adapter, quirk):
    if "anthropic" in adapter:
        pytest.skip("of the other protocol")
    check(pay, provider, *CHAT[quirk])


@pytest.mark.slow
@pytest.mark.parametrize("quirk", MESSAGES)
def test_counts_in_events_are_charged_as_meant(pay, provider, adapter, quirk):
    if "openai" in adapter:
        pytest.skip("of the other protocol")
    check(pay, provider, *MESSAGES[quirk])


@pytest.mark.parametrize("read", [chat_usage, claude_usage])
@pytest.mark.parametrize("value", [float("nan"), float("inf"), -0.5, [], "1e99", object(), 10**400])
def test_a_count_that_is_none_makes_all_unknown(read, value):
    names = (
        ("prompt_tokens", "completion_tokens")
        if read is chat_usage
        else ("input_tokens", "output_tokens")
    )
    for name in names:
        report = dict.fromkeys(names, 5) | {name: value}
        assert read([report], has_output=True) is None


@pytest.mark.slow
@pytest.mark.parametrize("lie", [counts(0, 0), counts(-1, -1), None, counts(1000, 0)])
def test_a_cap_binds_whatever_a_server_says(pay, provider, adapter, lie):
    if "anthropic" in adapter:
        pytest.skip("one protocol is enough for the guard")
    provider.acts = [Raw(pieces=chat(*HI, usage=lie)) for _ in range(50)]
    ledger = MemoryLedger()
    guard = budget_guard(ledger, Budget(tokens=60_000))

    def go_on() -> None:
        while True:
            pay(ask(), guard=guard)

    with pytest.raises(BudgetExceededError):
        go_on()
    assert 1 < len(provider.seen) < 10
    assert spent(ledger.charges()).tokens <= 60_000


def test_what_a_role_cost_tells_real_from_reserved(pay, make, provider):
    """A provider that tells nothing once: its bound is reserved, and is no usage."""
    provider.acts = [Say(usage=None), Say()]
    open_guard = OpenBudgetGuard()
    caller = Caller(
        model=make(price="1/1"),
        role=AgentRole.CRITIC,
        budget_guard=open_guard,
        sink=lambda *_: None,
    )
    caller.complete(ask())
    _, _, _, bound = open_guard.reserved[0]
    assert caller.cost.usage.total_tokens == 0
    assert caller.cost.reserved_tokens == bound
    assert caller.cost.reserved_usd == caller.cost.usd == pytest.approx(bound / 1e6)
    caller.complete(ask())
    told = caller.cost.usage.total_tokens
    assert told == open_guard.settled[1][1].total_tokens > 0
    assert caller.cost.usd - caller.cost.reserved_usd == pytest.approx(told / 1e6)
