"""A request that is too long is known as that, whoever says it and however, and is then really shortened."""

import json

import pytest
from tests.agent.llm.overflows import OTHERS, OVERFLOWS
from tests.agent.llm.sloppy import Raw, sse
from tests.agent.llm.test_adapters import ask

from rsi.agent.llm.adapters.failures import failure
from rsi.agent.llm.errors import ContextOverflowError, ModelError
from rsi.agent.llm.redaction import Redactor


def raw(status, body):
    text = body if isinstance(body, str) else json.dumps(body)
    kind = "text/html" if isinstance(body, str) else "application/json"
    return Raw(pieces=[text.encode()], status=status, content_type=kind, framing="length")


def is_spoken(protocol, adapter):
    return protocol == "both" or ("anthropic" in adapter) == (protocol == "anthropic")


@pytest.mark.slow
@pytest.mark.parametrize("server", OVERFLOWS)
def test_an_overflow_is_known_as_one(pay, provider, adapter, server):
    told = OVERFLOWS[server]
    if not is_spoken(told.protocol, adapter):
        pytest.skip("of the other protocol")
    provider.acts = [raw(told.status, told.body)] * 6
    bill = pay(ask())
    assert isinstance(bill.error, ContextOverflowError), bill.error
    assert bill.error.context_tokens == told.context_tokens
    assert (bill.attempts, bill.tokens, bill.unknown) == (1, 0, 0)


@pytest.mark.slow
@pytest.mark.parametrize(
    "server", [name for name, told in OVERFLOWS.items() if isinstance(told.body, dict)]
)
def test_an_overflow_that_comes_in_a_stream_is_known_too(pay, provider, adapter, server):
    told = OVERFLOWS[server]
    if not is_spoken(told.protocol, adapter):
        pytest.skip("of the other protocol")
    provider.acts = [Raw(pieces=[sse(told.body, "error")])] * 6
    bill = pay(ask())
    if told.status == 413:
        assert isinstance(bill.error, ModelError)  # known by its status alone
        return
    assert isinstance(bill.error, ContextOverflowError), bill.error
    assert (bill.attempts, bill.tokens, bill.unknown) == (1, 0, 0)


@pytest.mark.parametrize("what", OTHERS)
def test_another_error_is_no_overflow(what):
    status, body, expected = OTHERS[what]
    found = failure("openai", body, redactor=Redactor(()), status=status)
    assert type(found).__name__ == expected
