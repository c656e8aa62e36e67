"""A fake provider, and each adapter pointed at it."""

import pytest
from tests.agent.llm.servers import FakeProvider

from rsi.agent.llm.naming.keys import KeyRing
from rsi.agent.llm.resolve import resolve_model

CANARY = "sk-canary-5b1f0c7e9a2d4468b3f1"

ADAPTERS = {
    "anthropic": ("anthropic:claude-sonnet-5-5", ""),
    "openai": ("openai:gpt-5", "/v1"),
    "litellm-anthropic": ("litellm:anthropic/claude-sonnet-5-5", ""),
    "litellm-openai": ("litellm:openai/gpt-5", "/v1"),
}


@pytest.fixture
def provider():
    with FakeProvider() as server:
        yield server


@pytest.fixture(
    params=[
        pytest.param(name, marks=pytest.mark.slow if name.startswith("litellm") else ())
        for name in ADAPTERS
    ]
)
def adapter(request):
    return request.param


@pytest.fixture
def make(adapter, provider):
    def make(**options):
        spec, _path = ADAPTERS[adapter]
        query = "&".join(f"{name}={value}" for name, value in options.items())
        environ = {
            "ANTHROPIC_API_KEY": CANARY,
            "OPENAI_API_KEY": CANARY,
            "ANTHROPIC_BASE_URL": provider.root,
            "OPENAI_BASE_URL": provider.root + "/v1",
        }
        return resolve_model(f"{spec}?{query}" if query else spec, keys=KeyRing(environ))

    return make
