"""The protocol that every model obeys.

Invariant: `complete` is one attempt. Retries, money and the record are the caller's (`agent.roles.calls`),
so that each attempt is reserved and settled on its own.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from rsi.agent.llm.types import Price, Reply, Request


@dataclass(frozen=True, slots=True, kw_only=True)
class Delta:
    """A piece of a streaming reply."""

    kind: str
    """"text", "reasoning" or "tool_call"."""
    text: str


OnDelta = Callable[[Delta], None]


class Model(Protocol):
    """One model at one provider."""

    @property
    def spec(self) -> str:
        """The name it was asked for by, such as "anthropic:claude-sonnet-4-5"."""
        ...

    @property
    def price(self) -> Price | None:
        """Dollars per token; None when unknown and allowed to be."""
        ...

    @property
    def context_tokens(self) -> int:
        """Tokens of input and output that fit together."""
        ...

    def complete(self, request: Request, *, on_delta: OnDelta | None = None) -> Reply:
        """Send one request, once.

        Args:
            request: The whole conversation so far.
            on_delta: Called with each piece as it streams in.

        Raises:
            ModelError: One of its subclasses says what happened and whether a repeat may help.
        """
        ...


class WrappedModel:
    """A model around another one, known by that one's name, price and size; what wraps adds its `complete`."""

    def __init__(self, inner: Model) -> None:
        self._inner = inner

    @property
    def spec(self) -> str:
        """Of the model inside."""
        return self._inner.spec

    @property
    def price(self) -> Price | None:
        """Of the model inside."""
        return self._inner.price

    @property
    def context_tokens(self) -> int:
        """Of the model inside."""
        return self._inner.context_tokens
