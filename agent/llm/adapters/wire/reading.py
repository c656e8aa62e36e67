"""Reads one streamed answer of a server into a reply, the same for every adapter.

Invariant: an answer without an end is never a reply. One that ended by itself without a finish reason is refused, one
that was cut is a wire error; either costs what the server says, or stays reserved.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import urlsplit

from rsi.agent.llm.adapters.transport.event_stream import (
    BrokenEventError,
    EventStream,
    NoStreamError,
    Stream,
    readable,
)
from rsi.agent.llm.adapters.transport.failures import failure, no_stream, transport_errors
from rsi.agent.llm.base import Delta, OnDelta
from rsi.agent.llm.errors import ModelError, ModelReplyError, ModelRequestError, ModelWireError
from rsi.agent.llm.redaction import Redactor
from rsi.agent.llm.types import Block, Reply, StopReason, Usage

MOST_CHARS = 16 << 20
"""Of text, thinking and arguments together; the longest replies have a few megabytes."""


class Gathering(ABC):
    """A reply while it arrives."""

    def __init__(self, on_delta: OnDelta | None) -> None:
        self._on_delta = on_delta
        self.has_started = False
        """Whether anything of a reply has come."""
        self.finish: str | None = None
        """The server's word for why it stopped; None until it says one."""
        self.is_ended = False
        """Whether the protocol's own end has come."""
        self.model = ""
        self._chars = 0

    @abstractmethod
    def add(self, event: Mapping[str, Any]) -> None:
        """Take in one event; one of another kind is passed over."""

    @abstractmethod
    def blocks(self) -> tuple[Block, ...]:
        """What it says."""

    @abstractmethod
    def stop_reason(self) -> StopReason:
        """Why it stopped."""

    @abstractmethod
    def usage(self) -> Usage | None:
        """Its tokens; None when unknown."""

    def tell(self, kind: str, text: str) -> None:
        """Count a piece, and pass it on to who watches.

        Raises:
            BrokenEventError: There is more of it than any reply has.
        """
        self._chars += len(text)
        if self._chars > MOST_CHARS:
            raise BrokenEventError(f"a reply of more than {MOST_CHARS} characters")
        if self._on_delta is not None and text:
            self._on_delta(Delta(kind=kind, text=readable(text)))


class HttpResponse(Protocol):
    """A response with its body unread, as the HTTP libraries and the SDKs give it."""

    @property
    def url(self) -> object: ...

    @property
    def headers(self) -> Mapping[str, str]: ...

    def iter_bytes(self) -> Iterator[bytes]: ...

    def close(self) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One HTTP answer with a good status, its body unread."""

    provider: str
    url: str
    headers: Mapping[str, str]
    """Names in small letters."""
    stream: Stream
    close: Callable[[], None]
    """Hangs up; may be called from another thread, and more than once."""

    @property
    def has_own_end(self) -> bool:
        """Whether the body tells its end, by its length or in chunks, so that a cut shows as an error below us."""
        return "content-length" in self.headers or "transfer-encoding" in self.headers

    @property
    def request_id(self) -> str | None:
        """The provider's name for the request."""
        return self.headers.get("request-id") or self.headers.get("x-request-id")


def answer_of(provider: str, response: HttpResponse) -> Answer:
    """The answer that an HTTP response of either library is."""
    host = urlsplit(str(response.url))
    return Answer(
        provider=provider,
        url=f"{host.scheme}://{host.netloc.rpartition('@')[2]}{host.path}",
        headers={name.lower(): value for name, value in response.headers.items()},
        stream=EventStream(response.iter_bytes()),
        close=response.close,
    )


def read_reply(
    answer: Answer,
    gathered: Gathering,
    *,
    redactor: Redactor,
    check: Callable[[], None],
    latency_s: Callable[[], float],
) -> Reply:
    """The reply in an answer.

    Args:
        answer: What the server sent.
        gathered: Empty; takes the events in.
        redactor: Cleans what is quoted.
        check: Raises when the time is up; called at each event.
        latency_s: Seconds since the request was sent.

    Raises:
        ModelError: It is no reply, says an error, was cut, or has no end.
    """
    stream, odd = answer.stream, None
    breaks: tuple[type[Exception], ...] = (BrokenEventError, *transport_errors())
    try:
        for event in stream:
            check()
            if said := _error_in(event):
                raise _said_error(answer, said, redactor, has_started=gathered.has_started)
            gathered.add(event)
            if gathered.is_ended:
                break
            if odd is None and not gathered.has_started and set(event) - {"type"}:
                odd = event
    except NoStreamError as error:
        raise no_stream(answer.provider, str(error), stream.begins, answer.url, redactor) from None
    except breaks:
        # Once it is said why the reply stopped, it is whole, however the server ends the body.
        if gathered.finish is None:
            raise
    check()
    if odd is not None and not gathered.has_started and stream.is_events:
        raise failure(answer.provider, odd, redactor=redactor, headers=answer.headers)
    return _finished(answer, gathered, stream, redactor, latency_s())


def _said_error(
    answer: Answer, said: Mapping[str, object], redactor: Redactor, *, has_started: bool
) -> ModelError | NoStreamError:
    """The error that an event tells; a document that nobody knows as one is no answer of a model."""
    found = failure(
        answer.provider, said, redactor=redactor, headers=answer.headers, has_started=has_started
    )
    is_unknown = type(found) is ModelReplyError and not answer.stream.is_events
    return NoStreamError("an error") if is_unknown else found


def _error_in(event: Mapping[str, object]) -> Mapping[str, object] | None:
    """The event, where it says that something went wrong rather than a part of a reply."""
    if event.get("error") or event.get("type") == "error" or event.get("object") == "error":
        return event
    choices = event.get("choices")
    for choice in choices if isinstance(choices, list) else ():
        if isinstance(choice, Mapping) and choice.get("error"):
            return choice
    is_other = not any(name in event for name in ("choices", "type", "usage", "content"))
    return event if is_other and (event.get("detail") or event.get("code")) else None


def _finished(
    answer: Answer, gathered: Gathering, stream: Stream, redactor: Redactor, latency_s: float
) -> Reply:
    if not gathered.has_started:
        if not stream.is_events:
            raise no_stream(
                answer.provider, "JSON of another kind", stream.begins, answer.url, redactor
            )
        raise ModelWireError(f"{answer.provider}: the stream ended before any reply")
    usage = gathered.usage()
    if gathered.finish is None and not gathered.is_ended:
        raise _endless(answer, stream, usage, redactor)
    if gathered.finish == "error":
        raise ModelReplyError(
            f"{answer.provider}: the server ended the reply with an error", usage=usage
        )
    return Reply(
        blocks=gathered.blocks(),
        stop_reason=gathered.stop_reason(),
        usage=usage,
        request_id=answer.request_id,
        model=gathered.model,
        latency_s=latency_s,
        notes={"stop_reason": gathered.finish},
    )


def _endless(
    answer: Answer, stream: Stream, usage: Usage | None, redactor: Redactor
) -> ModelWireError | ModelRequestError:
    """The error of a reply that never said why it stopped: refused where the server ended it, else cut."""
    if not (stream.is_done or answer.has_own_end):
        text = f"{answer.provider}: the stream was cut before its end"
        return ModelWireError(text, request_id=answer.request_id)
    return ModelRequestError(
        redactor.text(
            f"{answer.provider}: the reply of {answer.url} ended without a finish reason, so nobody knows whether it is "
            f"whole; it begins {stream.begins!r}. Is this a server for streamed Chat Completions, and is /v1 missing?"
        ),
        request_id=answer.request_id,
        may_have_cost=True,
        usage=usage,
    )
