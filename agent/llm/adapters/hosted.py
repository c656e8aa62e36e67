"""What every adapter of a provider is told: which model, where, with which key.

Does not: import any provider's SDK; an adapter does when a model of it is made.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass

from rsi.agent.llm.base import OnDelta
from rsi.agent.llm.naming.keys import NO_KEY
from rsi.agent.llm.naming.options import ModelOptions
from rsi.agent.llm.redaction import Redactor
from rsi.agent.llm.types import Price, Reply, Request


# No repr: it would show the key.
@dataclass(eq=False, repr=False, kw_only=True)
class HostedModel(ABC):
    """One model at one provider."""

    spec: str
    name: str
    """As the provider knows it."""
    key: str | None
    """None and `NO_KEY`: none is sent."""
    base_url: str | None
    """None is the provider's own."""
    price: Price | None
    context_tokens: int
    options: ModelOptions
    redactor: Redactor

    def __post_init__(self) -> None:
        self._connect()

    @abstractmethod
    def _connect(self) -> None:
        """Import the provider's SDK and make its client."""

    @property
    def has_key(self) -> bool:
        """Whether a key of ours is sent."""
        return self.key not in (None, NO_KEY)

    @abstractmethod
    def complete(self, request: Request, *, on_delta: OnDelta | None = None) -> Reply:
        """One streamed call; see `Model.complete`."""
