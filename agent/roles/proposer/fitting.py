"""Keeps the requests of a proposer within what its model takes: before a call by estimate, after a refusal for real.

Invariant: a request that was refused as too long is not sent again; each one after it is shorter, the first turn's too.
"""

from dataclasses import dataclass, field

from rsi.agent.llm.base import Model
from rsi.agent.llm.errors import ContextOverflowError
from rsi.agent.llm.tokens import request_tokens_estimate
from rsi.agent.llm.types import Request, ToolSpec
from rsi.agent.roles.proposer.allowance import ProposerLimits
from rsi.agent.roles.proposer.conversation import Conversation
from rsi.agent.types import AgentRole, Sink

LEAST_OUTPUT_TOKENS = 1024
"""A reply with less room than this holds no edit."""
OUTPUT_SHARE = 1 / 3
"""Most of the context that a reply may be given."""
MOST_SHORTENINGS = 6
"""Refusals after which a model's context is held to be too small for this task."""
_SHORTER_BY = 0.6
"""A refused request shrinks to this share: our estimate, not the server's count, is what is compared."""
_TEXT_CHARS = (12_000, 6_000, 3_000, 1_500, 700, 300)
"""Longest text of one block, tried in turn when dropping turns does not help."""


@dataclass(slots=True, kw_only=True)
class Fitting:
    """One conversation and the model that it has to fit."""

    model: Model
    conversation: Conversation
    limits: ProposerLimits
    system: str
    tools: tuple[ToolSpec, ...]
    sink: Sink
    _output_tokens: int = field(init=False)

    def __post_init__(self) -> None:
        self._output_tokens = self.limits.max_output_tokens

    def request(self) -> Request:
        """The conversation as it would be sent now."""
        share = int(self.model.context_tokens * OUTPUT_SHARE)
        return Request(
            system=self.system,
            messages=self.conversation.messages(),
            tools=self.tools,
            max_output_tokens=min(self._output_tokens, max(LEAST_OUTPUT_TOKENS, share)),
        )

    def make_room(self) -> None:
        """Compact older steps when the conversation fills its share of the context."""
        self._shrink(int(self.model.context_tokens * self.limits.context_share))

    def shorten(self, refused: Request, error: ContextOverflowError) -> bool:
        """Make the next request shorter than one that was refused; False when nothing is left to cut."""
        # The model may have learnt its context from the refusal, so that asking again now is already less.
        before, told = refused, error.context_tokens
        size = request_tokens_estimate(before)
        ceiling = size if told is None else min(size, told)
        half = before.max_output_tokens // 2 if told is None else int(told * OUTPUT_SHARE)
        self._output_tokens = min(before.max_output_tokens, max(LEAST_OUTPUT_TOKENS, half))
        self._shrink(int(ceiling * _SHORTER_BY))
        after = self.request()
        return (
            request_tokens_estimate(after) < size
            or after.max_output_tokens < before.max_output_tokens
        )

    def _shrink(self, ceiling: int) -> None:
        """Cut old results, then drop old turns, then cut what is left, until the ceiling is kept."""
        if self._fits(ceiling):
            return
        keep = self.limits.keep_recent_turns
        cut = self.conversation.shorten(keep)
        self._note(shortened_blocks=cut, ceiling_tokens=ceiling, kept_turns=keep)
        while not self._fits(ceiling) and keep > 0:
            dropped = self.conversation.drop(keep)
            self._note(dropped_turns=dropped, kept_turns=keep)
            keep //= 2
        for longest in _TEXT_CHARS:
            if self._fits(ceiling):
                return
            if left_out := self.conversation.squeeze(longest):
                self._note(left_out_chars=left_out, longest_text_chars=longest)

    def _fits(self, ceiling: int) -> bool:
        return request_tokens_estimate(self.request()) <= ceiling

    def _note(self, **facts: int) -> None:
        self.sink(AgentRole.PROPOSER.value, "note", {"note": "compaction", **facts})
