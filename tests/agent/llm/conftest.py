"""A fake provider, and each adapter pointed at it."""

from dataclasses import dataclass

import pytest
from tests.agent.llm.servers import FakeProvider
from tests.agent.puppet import OpenBudgetGuard

from rsi.agent.llm.errors import ModelError
from rsi.agent.llm.naming.keys import KeyRing
from rsi.agent.llm.resolve import resolve_model
from rsi.agent.llm.retry import RetryPolicy
from rsi.agent.llm.types import Reply, Request
from rsi.agent.roles.calls import Caller
from rsi.agent.types import AgentRole, BudgetGuard

CANARY = "sk-canary-5b1f0c7e9a2d4468b3f1"

ADAPTERS = {
    "anthropic": ("anthropic:claude-sonnet-5-5", ""),
    "openai": ("openai:gpt-5", "/v1"),
    "litellm-anthropic": ("litellm:anthropic/claude-sonnet-5-5", ""),
    "litellm-openai": ("litellm:openai/gpt-5", "/v1"),
}

FAMILIES = {"ANTHROPIC": "", "OPENAI": "/v1"}
"""How a family's variables begin, and where its API lies below a server's root."""


def environ_of(root):
    """Keys and base URLs of every family, as a person sets them for one server."""
    keys = {f"{name}_API_KEY": CANARY for name in FAMILIES}
    return keys | {f"{name}_BASE_URL": root + path for name, path in FAMILIES.items()}


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
        keys = KeyRing(environ_of(provider.root))
        return resolve_model(f"{spec}?{query}" if query else spec, keys=keys)

    return make


@dataclass(kw_only=True)
class Bill:
    """What one call of a role came to, all its attempts together."""

    reply: Reply | None
    error: ModelError | None
    attempts: int
    tokens: int
    """Tokens that were charged as real."""
    unknown: int
    """Attempts whose cost nobody knows, which keep their reservation."""
    usages: list


@pytest.fixture
def pay(make, provider):
    """Asks once, as every role does: with six attempts, reserved and settled one by one."""

    def pay(request: Request, guard: BudgetGuard | None = None, **options: object) -> Bill:
        open_guard = OpenBudgetGuard()
        caller = Caller(
            model=make(**options),
            role=AgentRole.PROPOSER,
            budget_guard=guard or open_guard,
            sink=lambda *_: None,
            policy=RetryPolicy(attempts=6, base_s=0.0),
        )
        reply = error = None
        try:
            reply = caller.complete(request)
        except ModelError as caught:
            error = caught
        usages = [usage for _, usage, _ in open_guard.settled]
        return Bill(
            reply=reply,
            error=error,
            attempts=len(provider.seen),
            tokens=sum(usage.total_tokens for usage in usages if usage is not None),
            unknown=usages.count(None),
            usages=usages,
        )

    return pay
