"""Takes the server's answer out of litellm's hands where its form is one that we read ourselves.

litellm makes the request for every provider that it knows. What it makes of sloppy answers is another matter: it counts
tokens itself where a server told none, calls cut replies finished, and loops on chunks that it cannot parse. So answers
in the two forms that our own adapters read go to the same reader as theirs, and litellm gets an empty stream instead.
"""

import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import Any, cast

from rsi.agent.llm.adapters.transport.event_stream import Event
from rsi.agent.llm.adapters.transport.network import http_client, http_transport

_OURS = ("/chat/completions", "/messages")
"""Ends of the paths whose answers are in Chat Completions or in Messages form."""
_SILENCE_S = 180.0
"""For requests of litellm's that name no limit; ours all do."""
_NOTHING = b"data: [DONE]\n\n"


@dataclass(slots=True)
class Tap:
    """What one request of litellm's came to."""

    response: Any = None
    """The answer with its body unread, where it is good and of a form of ours."""
    refused: Any = None
    """The answer with its body read, where it is an error in a form of ours."""
    error: Exception | None = None
    """Why there is no answer."""


@dataclass(slots=True)
class Taps:
    """Watches litellm's connections for all of its models; which request is whose is known by the thread."""

    _here: threading.local = field(default_factory=threading.local)

    @contextmanager
    def open(self) -> Iterator[Tap]:
        """A tap on the requests that this thread makes inside."""
        self._here.tap = tap = Tap()
        try:
            yield tap
        finally:
            self._here.tap = None

    def answered(self, response: Any) -> Any:  # noqa: ANN401 (of httpx, which only litellm's models load)
        """Keep an answer that is in one of our forms, and give litellm something harmless for it."""
        import httpx

        tap: Tap | None = getattr(self._here, "tap", None)
        if tap is None or not response.request.url.path.endswith(_OURS):
            return response
        if response.is_success:
            tap.response = response
            empty = {"content-type": "text/event-stream"}
            return httpx.Response(httpx.codes.OK, headers=empty, content=_NOTHING)
        response.read()
        tap.refused = response
        # litellm's clients follow redirects, and a key must not go where a server points.
        status = max(response.status_code, int(httpx.codes.BAD_REQUEST))
        return httpx.Response(status, headers=_plain(response.headers), content=response.content)

    def failed(self, error: Exception) -> None:
        """Keep why a request got no answer; litellm's own errors tell less."""
        if (tap := getattr(self._here, "tap", None)) is not None:
            tap.error = error


@dataclass(slots=True)
class LiteLLMChunks:
    """litellm's own reading of an answer whose form only it knows, as events."""

    chunks: Iterable[Any]
    begins: str = ""
    is_events: bool = True
    is_done: bool = True

    def __iter__(self) -> Iterator[Event]:
        """The chunks as plain values."""
        for chunk in self.chunks:
            yield chunk.model_dump()


@cache
def taps() -> Taps:
    """The one set of taps of this process, put into litellm when it is first asked for.

    Raises:
        ModelSpecError: A variable of the environment names a proxy or certificates that cannot be used.
    """
    import httpx
    import litellm

    found = Taps()
    transport = http_transport(httpx, watcher=found)
    module = cast(Any, litellm)
    # Its OpenAI-like providers take the session, the others make clients of their own around the transport.
    module.client_session = http_client(httpx, timeout_s=_SILENCE_S, transport=transport)
    module.sync_transport = transport
    return found


def _plain(headers: Mapping[str, str]) -> dict[str, str]:
    """Headers of a body that is no longer coded or cut."""
    coded = ("content-encoding", "content-length", "transfer-encoding")
    return {name: value for name, value in headers.items() if name.lower() not in coded}
