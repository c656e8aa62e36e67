"""A recording put together from a list of chat messages, as Inspect and mini-swe-agent keep a run.

Does not: know either's file; each reader says what a message of its own is. Invariant: every word of every message is in
the recording, in order.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from rsi.agent.llm.types import (
    Block,
    Reasoning,
    Reply,
    StopReason,
    Text,
    ToolCall,
    Usage,
)
from rsi.agent.trajectory.recorded import Recording, ToolAnswer, Turn, calls_of

IMPORTED = "imported"
"""Provider of reasoning that another program recorded: it can be read, and is sent to nobody."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """One message."""

    role: Literal["system", "user", "assistant", "tool"]
    text: str = ""
    blocks: tuple[Block, ...] = ()
    """An assistant's, in its order."""
    call_id: str = ""
    """The call that a tool answers; empty when it does not say."""
    is_error: bool = False
    usage: Usage | None = None
    usd: float | None = None
    model: str = ""
    at: datetime | None = None


@dataclass(slots=True, kw_only=True)
class _OpenTurn:
    """A reply and what has been said in answer so far."""

    said: Said
    answers: list[ToolAnswer] = field(default_factory=list)
    told: list[str] = field(default_factory=list)

    def hear(self, said: Said) -> None:
        calls = {call.id: call.name for call in calls_of(self.said.blocks)}
        call_id = said.call_id
        if said.role == "tool" and not call_id and len(calls) == 1:
            call_id = next(iter(calls))
        if said.role == "tool" and call_id in calls:
            answer = ToolAnswer(
                call_id=call_id, tool=calls[call_id], text=said.text, is_error=said.is_error
            )
            self.answers.append(answer)
        else:
            self.told.append(said.text)

    def closed(self, number: int) -> Turn:
        said = self.said
        natural = StopReason.TOOL_USE if calls_of(said.blocks) else StopReason.END_TURN
        reply = Reply(
            blocks=said.blocks,
            stop_reason=natural,
            usage=said.usage,
            request_id=None,
            model=said.model,
            latency_s=0.0,
        )
        return Turn(
            number=number,
            reply=reply,
            usd=said.usd,
            answers=tuple(self.answers),
            told=tuple(self.told),
            at=said.at,
        )


def recording_of(
    messages: Sequence[Said],
    *,
    round_id: str,
    model: str,
    outcome: str | None,
    reason: str = "",
    extra: Mapping[str, object],
) -> Recording:
    """The run that some messages are.

    Args:
        messages: In order; what comes before the first reply is the system prompt and the brief.
        round_id: What the file calls the run.
        model: Who replied.
        outcome: How it ended, as the file says; None when it does not.
        reason: What it says about that.
        extra: What has no place of its own.
    """
    turns: list[_OpenTurn] = []
    system: list[str] = []
    brief: list[str] = []
    for said in messages:
        if said.role == "assistant":
            turns.append(_OpenTurn(said=said))
        elif turns:
            turns[-1].hear(said)
        else:
            (system if said.role == "system" else brief).append(said.text)
    return Recording(
        round_id=round_id,
        agent="proposer",
        model=model,
        scaffold="",
        scaffold_digest="",
        system="\n\n".join(system),
        tools=(),
        brief=tuple(brief),
        turns=tuple(turn.closed(number) for number, turn in enumerate(turns, start=1)),
        outcome=outcome,
        reason=reason,
        at=next((said.at for said in messages if said.at is not None), None),
        extra=extra,
    )


def thought(text: str) -> tuple[Block, ...]:
    """Reasoning that another program recorded; nothing when there is none."""
    return (Reasoning(provider=IMPORTED, text=text, payload={}),) if text else ()


def words(text: str) -> tuple[Block, ...]:
    """Text as a block; nothing when there is none."""
    return (Text(text=text),) if text else ()


def call_of(call_id: object, name: object, arguments: object) -> ToolCall:
    """A tool call, whose arguments must be an object.

    Raises:
        TypeError: They are not.
    """
    if not isinstance(arguments, Mapping):
        raise TypeError(
            f"arguments of {name!r} must be an object, found {type(arguments).__name__}"
        )
    return ToolCall(id=str(call_id), name=str(name), arguments=dict(arguments))


def amount(value: object, what: str) -> float | None:
    """Dollars as a file has them; None when it has none.

    Raises:
        ValueError: No number, or below zero.
    """
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
        raise ValueError(f"{what} must be a number of dollars, found {value!r}")
    return float(value)


def plain(content: str | Sequence[Mapping[str, Any]] | None) -> str:
    """Text of a message; parts that are no text are named, not kept."""
    if content is None or isinstance(content, str):
        return content or ""
    return "\n".join(str(part.get("text", f"[{part.get('type')}]")) for part in content)
