"""What every adapter of a provider is told: which model, where, with which key; and one call of it, from send to reply.

Does not: import any provider's SDK; an adapter does when a model of it is made.
"""

import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, cast

from rsi.agent.llm.adapters.context_size import asked_context_tokens
from rsi.agent.llm.adapters.thinking import Thinking
from rsi.agent.llm.adapters.transport.deadline import Deadline, pumped
from rsi.agent.llm.adapters.transport.failures import ErrorTable, translated, transport_errors
from rsi.agent.llm.adapters.transport.network import http_client, library_of
from rsi.agent.llm.adapters.wire.reading import Answer, Gathering, read_reply
from rsi.agent.llm.base import OnDelta
from rsi.agent.llm.errors import ContextOverflowError, ModelRequestError
from rsi.agent.llm.naming.keys import NO_KEY
from rsi.agent.llm.naming.options import ModelOptions
from rsi.agent.llm.redaction import Redactor
from rsi.agent.llm.types import Price, Reply, Request

DEFAULT_CONTEXT_TOKENS = 128_000
"""For models whose context nobody told us: the smallest of the current hosted ones."""
OPTIONAL_FIELDS = ("stream_options", "max_completion_tokens")
"""What some servers refuse: to be asked for the tokens' counts, or the one name of the limit where they know the other."""
ASK_WALL_S = 2.0
"""Longest wait for a page that tells the size of a context; a server that is slower is not waited for."""


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
    listed_context_tokens: int | None
    """What the price table says of the context; None when it does not."""
    is_own_api: bool
    """Whether it is reached at the provider itself, rather than at a server of somebody's own."""
    options: ModelOptions
    redactor: Redactor
    provider: str = field(init=False)
    """The adapter, for messages and as the origin of reasoning."""
    errors: ErrorTable = field(init=False)
    sdk_errors: tuple[type[Exception], ...] = field(init=False)
    thinking: Thinking = field(init=False)
    """What is asked of the model where it is one of Anthropic's."""
    http: Any = field(init=False)
    """The client that its requests go through."""
    refused_fields: set[str] = field(init=False, default_factory=set)
    """Fields of requests that the server does not take, left out or written otherwise since it said so."""
    _context_tokens: int | None = field(init=False, default=None)
    """What is known of the context; None while nobody wanted to know."""
    _times_asked: int = field(init=False, default=0)

    def __post_init__(self) -> None:
        self.thinking = Thinking(self.name, self.options)
        self._connect()

    @abstractmethod
    def _connect(self) -> None:
        """Import the provider's SDK, make its client, and say what its errors are."""

    def _sdk_arguments(self, sdk: Any) -> dict[str, Any]:  # noqa: ANN401 (a module)
        """What the client of an SDK is made with; `http` is set to what its requests go through.

        Args:
            sdk: The SDK's module, already imported.
        """
        self.http = http_client(library_of(sdk), timeout_s=self.options.silence_s)
        return {
            "api_key": self.key or NO_KEY,
            "base_url": self.base_url,
            "max_retries": 0,  # retries are ours: each is recorded and paid for
            "timeout": self.options.silence_s,
            "http_client": self.http,
        }

    @abstractmethod
    def _send(self, request: Request) -> Answer:
        """Send a request and return the answer with its body unread."""

    @abstractmethod
    def _gathering(self, answer: Answer, request: Request, on_delta: OnDelta | None) -> Gathering:
        """An empty reply in the form that the answer has."""

    @property
    def context_tokens(self) -> int:
        """Input and output that fit together: as told, else as its server says, as listed, or as most have."""
        if self._context_tokens is None:
            self._context_tokens = (
                self.options.context_tokens
                or self._asked_context_tokens()
                or self.listed_context_tokens
                or DEFAULT_CONTEXT_TOKENS
            )
        return self._context_tokens

    def _asked_context_tokens(self) -> int | None:
        """What a server of somebody's own says; None where it says nothing, and for the provider's own API."""
        if self.is_own_api or self.base_url is None:
            return None
        self._times_asked += 1
        headers = {"authorization": f"Bearer {self.key}"} if self.has_key else {}
        is_there = True

        def page(url: str) -> object:
            nonlocal is_there
            try:
                found = (
                    self.http.get(url, headers=headers, timeout=ASK_WALL_S) if is_there else None
                )
                return cast(object, found.json()) if found and found.is_success else None
            except ValueError:
                return None
            except transport_errors():
                is_there = False  # so it is not waited for again
                return None

        return asked_context_tokens(self.base_url, self.name, page)

    def _learn(self, error: ContextOverflowError) -> None:
        """Remember the size that a refusal tells, where it is less than was believed."""
        if error.context_tokens is not None and error.context_tokens < self.context_tokens:
            self._context_tokens = error.context_tokens

    @property
    def has_key(self) -> bool:
        """Whether a key of ours is sent."""
        return self.key not in (None, NO_KEY)

    def complete(self, request: Request, *, on_delta: OnDelta | None = None) -> Reply:
        """One streamed call; see `Model.complete`."""
        while True:
            try:
                return self._complete(request, on_delta)
            except ContextOverflowError as error:
                self._learn(error)
                raise
            except ModelRequestError as error:
                # Asked again at once where a field can be given up: what was refused has cost nothing.
                if not (self.thinking.gives_way(error) or self._gives_way(error)):
                    raise

    def _gives_way(self, error: ModelRequestError) -> bool:
        """Whether a refusal names a field that we can do without, which is then given up from now on."""
        named = {name for name in OPTIONAL_FIELDS if name in str(error)} - self.refused_fields
        self.refused_fields |= named
        return bool(named)

    def _complete(self, request: Request, on_delta: OnDelta | None) -> Reply:
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
                has_answer=lambda: gathered is not None,
                has_started=lambda: gathered is not None and gathered.has_started,
                has_key=self.has_key,
            ),
        ):
            # In a thread until the headers have come: nothing else can end a request whose answer has not begun.
            (answer,) = pumped(lambda: self._sent_in_time(request, deadline), deadline)
            deadline.watch(answer.close)
            gathered = self._gathering(answer, request, on_delta)
            try:
                reply = read_reply(
                    answer,
                    gathered,
                    redactor=self.redactor,
                    check=deadline.check,
                    latency_s=lambda: time.monotonic() - started,
                )
            finally:
                answer.close()
        if self._times_asked == 1:
            self._context_tokens = (
                None  # some servers load a model at its first call, and can tell only then
            )
        return reply

    def _sent_in_time(self, request: Request, deadline: Deadline) -> Iterator[Answer]:
        answer = self._send(request)
        if not deadline.left_s:
            answer.close()  # nobody waits for it any more
        yield answer
