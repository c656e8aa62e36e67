"""The messages of one proposer, and how older ones are shortened when the context fills.

Invariant: what is shortened here stays whole in the trajectory; tool calls and their results are only ever
shortened or dropped together, as providers demand.
"""

import json
from dataclasses import dataclass, field, replace

from rsi.agent.llm.fence import shortened
from rsi.agent.llm.tokens import block_bytes
from rsi.agent.llm.types import Block, Message, Reasoning, Role, Text, ToolCall, ToolResult

_LONG_CHARS = 400
"""Tool results and arguments longer than this are shortened when they are old."""
_KEPT_CHARS = 120
KEPT_LINES = 20
"""Lines about dropped turns that stay when room is very short."""


@dataclass(slots=True)
class Conversation:
    """First message, then turns: each the model's message and our answer to it."""

    first: Message
    turns: list[tuple[Message, Message]] = field(default_factory=list)
    dropped: list[str] = field(default_factory=list)
    """One line for each turn that was dropped."""

    def messages(self) -> tuple[Message, ...]:
        """What is sent to the model now."""
        first = self.first
        if self.dropped:
            recap = "Earlier steps of yours, in short:\n" + "\n".join(self.dropped)
            first = replace(first, blocks=(*first.blocks, Text(text=recap)))
        return (first, *(message for turn in self.turns for message in turn))

    def add(self, reply: tuple[Block, ...], answer: tuple[Block, ...]) -> None:
        """Append one turn."""
        self.turns.append(
            (
                Message(role=Role.ASSISTANT, blocks=reply),
                Message(role=Role.USER, blocks=answer),
            )
        )

    def shorten(self, keep_turns: int) -> int:
        """Cut long results and arguments in all but the last turns; how many blocks were cut."""
        cut = 0
        for index in range(max(0, len(self.turns) - keep_turns)):
            reply, answer = self.turns[index]
            shorter = (_shorter_message(reply), _shorter_message(answer))
            cut += sum(
                old is not new
                for before, after in zip((reply, answer), shorter, strict=True)
                for old, new in zip(before.blocks, after.blocks, strict=True)
            )
            self.turns[index] = shorter
        return cut

    def drop(self, keep_turns: int) -> int:
        """Replace all but the last turns by one line each; how many turns were dropped."""
        count = max(0, len(self.turns) - keep_turns)
        old, self.turns = self.turns[:count], self.turns[count:]
        self.dropped.extend(_line(reply, answer) for reply, answer in old)
        return count

    def squeeze(self, longest: int) -> int:
        """Cut every text that is longer, in the first message too; how many characters were left out."""
        before = self._chars()
        self.first = _squeezed(self.first, longest)
        self.turns = [(_squeezed(a, longest), _squeezed(b, longest)) for a, b in self.turns]
        self.dropped = self.dropped[-KEPT_LINES:]
        return before - self._chars()

    def _chars(self) -> int:
        return sum(block_bytes(block) for message in self.messages() for block in message.blocks)


def _squeezed(message: Message, longest: int) -> Message:
    return replace(message, blocks=tuple(_cut(block, longest) for block in message.blocks))


def _cut(block: Block, longest: int) -> Block:
    match block:
        case Text() | ToolResult():
            return replace(block, text=shortened(block.text, longest))
        case _:
            return _shorter(block)


def _shorter_message(message: Message) -> Message:
    return replace(message, blocks=tuple(_shorter(block) for block in message.blocks))


def _shorter(block: Block) -> Block:
    match block:
        case ToolResult() if len(block.text) > _LONG_CHARS:
            left_out = len(block.text) - _KEPT_CHARS
            note = (
                f"{block.text[:_KEPT_CHARS]}\n[{left_out} characters of an older answer left out]"
            )
            return replace(block, text=note)
        case ToolCall() if len(json.dumps(dict(block.arguments))) > _LONG_CHARS:
            return replace(
                block,
                arguments={name: _shorter_value(v) for name, v in block.arguments.items()},
            )
        case _:
            return block


def _shorter_value(value: object) -> object:
    if isinstance(value, str) and len(value) > _LONG_CHARS:
        return f"{value[:_KEPT_CHARS]} [{len(value) - _KEPT_CHARS} characters left out]"
    return value


def _line(reply: Message, answer: Message) -> str:
    results = {block.call_id: block for block in answer.blocks if isinstance(block, ToolResult)}
    parts: list[str] = []
    for block in reply.blocks:
        match block:
            case Text():
                parts.append(_one_line(block.text))
            case ToolCall():
                result = results.get(block.id)
                end = _one_line(result.text) if result else ""
                shown = _one_line(json.dumps(dict(block.arguments)))
                parts.append(f"{block.name}({shown}) -> {end}")
            case Reasoning() | ToolResult():
                pass
    return "- " + "; ".join(parts)


def _one_line(text: str) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= _KEPT_CHARS else flat[:_KEPT_CHARS] + "..."
