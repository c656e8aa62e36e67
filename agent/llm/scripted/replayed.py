"""`replay:<round or ATIF file>`: a model that says again what another one said, reply by reply.

Does not: look at the request. Whether the tools answer as they did then is the replayer's question.
"""

from collections.abc import Sequence

from rsi.agent.llm.base import Delta, OnDelta
from rsi.agent.llm.errors import ModelReplyError
from rsi.agent.llm.types import FREE, Price, Reply, Request, Text


class ReplayModel:
    """Recorded replies in their order."""

    def __init__(self, spec: str, replies: Sequence[Reply]) -> None:
        self._spec = spec
        self._replies = tuple(replies)
        self._next = 0

    @property
    def spec(self) -> str:
        return self._spec

    @property
    def price(self) -> Price | None:
        return FREE

    @property
    def context_tokens(self) -> int:
        return 10_000_000

    def complete(self, request: Request, *, on_delta: OnDelta | None = None) -> Reply:
        """The next recorded reply; the request is not looked at.

        Raises:
            ModelReplyError: The recording has no further reply.
        """
        del request
        if self._next >= len(self._replies):
            raise _RecordingEndedError(
                f"{self._spec}: the recording ends after {len(self._replies)} replies"
            )
        reply = self._replies[self._next]
        self._next += 1
        if on_delta is not None:
            for block in reply.blocks:
                if isinstance(block, Text):
                    on_delta(Delta(kind="text", text=block.text))
        return reply


class _RecordingEndedError(ModelReplyError):
    """Asking again would not help."""

    is_retryable = False
    may_have_cost = False
