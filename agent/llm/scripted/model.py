"""A model that plays a script: deterministic, free, and the default, so that all works without a key.

Invariant: a reply is a pure function of the script, the round and the request. Nothing is remembered
between calls, so a resumed round goes on where it was.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace

from rsi.agent.llm.base import Delta, OnDelta
from rsi.agent.llm.scripted import players
from rsi.agent.llm.scripted.script import Script, ScriptedRound
from rsi.agent.llm.tokens import block_bytes, request_tokens_estimate
from rsi.agent.llm.types import (
    FREE,
    Block,
    Message,
    Price,
    Reply,
    Request,
    Role,
    StopReason,
    Text,
    ToolCall,
    ToolResult,
    Usage,
)

_PLAYERS: Mapping[str, Callable[[ScriptedRound, players.Setting], players.Player]] = {
    "submit": players.proposer,
    "critique": players.critic,
    "report": players.reviewer,
}
"""Which part to play, told by the tool that only that role has."""


SENT_BACK_MARKS = ("\n## Your last version was sent back", "\n## A person asked for this change")
"""Headings of the proposer's brief, as `rsi.agent.roles.proposer.prompt` writes them."""


class ScriptedModel:
    """Plays one round of a script."""

    def __init__(self, script: Script, *, round_number: int, spec: str = "scripted") -> None:
        """Make a player of one round.

        Args:
            script: All rounds.
            round_number: 1-based; beyond the script's end the proposer gives up.
            spec: Name it was asked for by.
        """
        self._spec = spec
        self._round_number = round_number
        count = len(script.rounds)
        if 1 <= round_number <= count:
            self._entry = script.rounds[round_number - 1]
        else:
            reason = f"the script has {count} rounds and this is {round_number}"
            self._entry = ScriptedRound(give_up=reason)

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
        """The next turn of the part that the request's tools call for."""
        turn = sum(message.role is Role.ASSISTANT for message in request.messages)
        blocks = _numbered(self._next(request), turn)
        if on_delta is not None:
            for block in blocks:
                if isinstance(block, Text):
                    on_delta(Delta(kind="text", text=block.text))
        has_calls = any(isinstance(block, ToolCall) for block in blocks)
        output_bytes = sum(block_bytes(block) for block in blocks)
        return Reply(
            blocks=blocks,
            stop_reason=StopReason.TOOL_USE if has_calls else StopReason.END_TURN,
            usage=Usage(
                input_uncached_tokens=request_tokens_estimate(request),
                output_tokens=1 + output_bytes // 4,
            ),
            request_id=f"scripted-{self._round_number}-{turn + 1}",
            model=self._spec,
            latency_s=0.0,
        )

    def _revised(self) -> ScriptedRound:
        idea, revision = self._entry.idea, self._entry.revision
        if idea is None or not revision:
            return self._entry
        return replace(self._entry, idea=replace(idea, patches=revision))

    def _next(self, request: Request) -> tuple[Block, ...]:
        """Play the part from its start, feeding it every answer that it has had."""
        names = frozenset(tool.name for tool in request.tools)
        part = next((play for name, play in _PLAYERS.items() if name in names), None)
        if part is None:
            return (Text(text="Nothing in the script answers this."),)
        is_sent_back = _is_sent_back(request)
        setting = players.Setting(offered=names, is_sent_back=is_sent_back)
        player = part(self._revised() if is_sent_back else self._entry, setting)
        try:
            blocks = next(player)
            for message in request.messages[1:]:
                if message.role is Role.USER:
                    blocks = player.send(_results(message))
        except StopIteration:
            return (Text(text="The script has nothing more to say."),)
        return blocks


def _is_sent_back(request: Request) -> bool:
    """Whether the brief says that this idea was handed in before and came back."""
    first = request.messages[0] if request.messages else None
    texts = [block.text for block in first.blocks if isinstance(block, Text)] if first else []
    return any(mark in text for text in texts for mark in SENT_BACK_MARKS)


def _results(message: Message) -> tuple[ToolResult, ...]:
    return tuple(block for block in message.blocks if isinstance(block, ToolResult))


def _numbered(blocks: tuple[Block, ...], turn: int) -> tuple[Block, ...]:
    return tuple(
        replace(block, id=f"call-{turn + 1}-{index + 1}") if isinstance(block, ToolCall) else block
        for index, block in enumerate(blocks)
    )
