"""What every adapter of a provider is told: which model, where, with which key; and one call of it, from send to reply.

Does not: import any provider's SDK; an adapter does when a model of it is made.
"""

import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, field

from rsi.agent.llm.adapters.deadline import Deadline, pumped
from rsi.agent.llm.adapters.failures import ErrorTable, translated
from rsi.agent.llm.adapters.reading import Answer, Gathering, read_reply
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
    provider: str = field(init=False)
    """The adapter, for messages and as the origin of reasoning."""
    errors: ErrorTable = field(init=False)
    sdk_errors: tuple[type[Exception], ...] = field(init=False)

    def __post_init__(self) -> None:
        self._connect()

    @abstractmethod
    def _connect(self) -> None:
        """Import the provider's SDK, make its client, and say what its errors are."""

    @abstractmethod
    def _send(self, request: Request) -> Answer:
        """Send a request and return the answer with its body unread."""

    @abstractmethod
    def _gathering(self, answer: Answer, request: Request, on_delta: OnDelta | None) -> Gathering:
        """An empty reply in the form that the answer has."""

    @property
    def has_key(self) -> bool:
        """Whether a key of ours is sent."""
        return self.key not in (None, NO_KEY)

    def complete(self, request: Request, *, on_delta: OnDelta | None = None) -> Reply:
        """One streamed call; see `Model.complete`."""
        started = time.monotonic()
        gathered: Gathering | None = None
        with (
            Deadline(self.options.timeout_s) as deadline,
            translated(
                self.provider,
                sdk_errors=self.sdk_errors,
                table=self.errors,
                redactor=self.redactor,
                deadline=deadline,
                has_started=lambda: gathered is not None and gathered.has_started,
                has_key=self.has_key,
            ),
        ):
            # In a thread until the headers have come: nothing else can end a request whose answer has not begun.
            (answer,) = pumped(lambda: self._sent_in_time(request, deadline), deadline)
            deadline.watch(answer.close)
            gathered = self._gathering(answer, request, on_delta)
            try:
                return read_reply(
                    answer,
                    gathered,
                    redactor=self.redactor,
                    check=deadline.check,
                    latency_s=lambda: time.monotonic() - started,
                )
            finally:
                answer.close()

    def _sent_in_time(self, request: Request, deadline: Deadline) -> Iterator[Answer]:
        answer = self._send(request)
        if not deadline.left_s:
            answer.close()  # nobody waits for it any more
        yield answer
