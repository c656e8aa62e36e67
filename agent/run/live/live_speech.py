"""What a model says, kept in the ledger while it says it: the cockpit shows a reply before it is whole.

Does not: replace the trajectory, which holds each reply exactly once it is complete; this is for eyes alone.
Invariant: nothing is written that the redactor has not seen in one piece with its neighbours.
"""

import re
from collections.abc import Callable

from rsi.agent.llm.base import Delta, Model, OnDelta, WrappedModel
from rsi.agent.llm.redaction import Redactor
from rsi.agent.llm.types import Reply, Request
from rsi.agent.run.live.log_stream import LogStream

HELD_CHARS = 8192
"""A word longer than this is no key; it is written in parts."""
_KEY_END = re.compile(r"-----END [A-Z ]*-----")
HEADINGS = {"reasoning": "[thinks]", "tool_call": "[calls]", "text": "[says]"}


class AudibleModel(WrappedModel):
    """A model whose replies are also written to a stream as they come."""

    def __init__(
        self, inner: Model, open_stream: Callable[[], LogStream], redactor: Redactor
    ) -> None:
        super().__init__(inner)
        self._open_stream = open_stream
        self._redactor = redactor
        self._stream: LogStream | None = None

    def complete(self, request: Request, *, on_delta: OnDelta | None = None) -> Reply:
        """One call, heard while it runs; see `Model.complete`."""
        if self._stream is None:
            self._stream = self._open_stream()
        speech = _Speech(self._stream, self._redactor)

        def hear(delta: Delta) -> None:
            speech.hear(delta)
            if on_delta is not None:
                on_delta(delta)

        try:
            return self._inner.complete(request, on_delta=hear)
        finally:
            # A reply that broke off is shown as far as it came.
            speech.end()


class _Speech:
    """One reply on its way into a stream."""

    def __init__(self, stream: LogStream, redactor: Redactor) -> None:
        self._stream = stream
        self._redactor = redactor
        self._kind: str | None = None
        self._held = ""

    def hear(self, delta: Delta) -> None:
        if delta.kind != self._kind:
            self._kind = delta.kind
            self._held += f"\n{HEADINGS.get(delta.kind, '[says]')} "
        text = delta.text
        if delta.kind == "tool_call":
            # Arguments come as JSON; a file that is written in one should not be one line.
            text = text.replace("\\n", "\n").replace('\\"', '"')
        self._held += text
        whole = _whole_words(self._held)
        self._write(self._held[:whole])
        self._held = self._held[whole:]

    def end(self) -> None:
        self._write(self._held + ("\n" if self._kind else ""))
        self._held = ""
        self._stream.flush()

    def _write(self, text: str) -> None:
        if text:
            cleaned = self._redactor.text(text)
            self._stream.add(cleaned.encode("utf-8", "backslashreplace"))


def _whole_words(text: str) -> int:
    """Where the word or the private key begins that may go on with the next piece."""
    if len(text) > HELD_CHARS:
        return len(text)
    last_space = max((found.end() for found in re.finditer(r"\s", text)), default=0)
    begun = text.rfind("-----BEGIN")
    if begun >= 0:
        end = _KEY_END.search(text, begun)
        if end is None or last_space < end.end():
            return min(last_space, begun)
    return last_space
