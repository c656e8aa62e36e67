"""A trajectory as a value: what an agent was told, what it said, what its tools answered, turn by turn.

Read from ledger events, written by nobody. Invariant: `messages` gives the conversation exactly as it was
sent before any compaction, so a replay or a fork starts from the same words.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from rsi.agent.llm.codec import block_from_json, usage_from_json
from rsi.agent.llm.types import (
    Block,
    Message,
    Reasoning,
    Reply,
    Role,
    StopReason,
    Text,
    ToolCall,
    ToolResult,
    ToolSpec,
)
from rsi.agent.store.codec import value_of
from rsi.agent.store.records import TrajectoryEvent, TrajectoryKind


class RecordingError(ValueError):
    """Events or a file hold no trajectory that can be read; the message says where."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolAnswer:
    """What one tool answered."""

    call_id: str
    tool: str
    text: str
    is_error: bool
    facts: Mapping[str, object] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """One reply of the model and everything it was told in answer."""

    number: int
    """1-based."""
    reply: Reply
    usd: float | None
    answers: tuple[ToolAnswer, ...]
    told: tuple[str, ...]
    """Words after the answers: status lines, warnings, messages of a person."""
    at: datetime | None = None
    is_copied: bool = False
    """Taken over from the run that this one was forked from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """One run of one agent in one round."""

    round_id: str
    agent: str
    model: str
    scaffold: str
    scaffold_digest: str
    system: str
    tools: tuple[ToolSpec, ...]
    brief: tuple[str, ...]
    """What it was told before its first reply."""
    turns: tuple[Turn, ...]
    outcome: str | None
    """How it ended; None when the run was cut off."""
    reason: str = ""
    base_commit: str = ""
    start_commit: str | None = None
    """The version that was sent back, which the files stood at; None when they stood at `base_commit`."""
    workbench: int = 1
    """Version of the agent's workbench that it was made on."""
    at: datetime | None = None
    extra: Mapping[str, object] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Unique among the runs of all rounds: the round, the agent, and the run's number where it has one."""
        run = self.extra.get("run")
        return f"{self.round_id}/{self.agent}" + ("" if run is None else f"/{run}")

    @property
    def replies(self) -> tuple[Reply, ...]:
        """The model's replies in order, as `replay:` plays them."""
        return tuple(turn.reply for turn in self.turns)

    def messages(self, upto: int | None = None) -> tuple[Message, ...]:
        """The conversation up to the end of a turn.

        Args:
            upto: Number of the last turn taken along; None takes all.
        """
        first = Message(role=Role.USER, blocks=tuple(Text(text=text) for text in self.brief))
        result = [first]
        for turn in self.turns if upto is None else self.turns[:upto]:
            result += turn_messages(turn)
        return tuple(result)


def turn_messages(turn: Turn) -> tuple[Message, Message]:
    """The model's message and our answer to it, as they were sent on."""
    said = turn.reply.blocks or (Text(text="(nothing)"),)
    answers = tuple(
        ToolResult(call_id=answer.call_id, text=answer.text, is_error=answer.is_error)
        for answer in turn.answers
    )
    told = tuple(Text(text=text) for text in turn.told)
    return (
        Message(role=Role.ASSISTANT, blocks=said),
        Message(role=Role.USER, blocks=(*answers, *told)),
    )


def read_recordings(events: Sequence[TrajectoryEvent]) -> tuple[Recording, ...]:
    """All runs of one agent in one round, oldest first.

    A step that ran again after a crash, or a candidate that was sent back, leaves one run each.

    Args:
        events: Of one agent and round, in order of `seq`.

    Raises:
        RecordingError: There is none, or an event before the first system prompt.
    """
    return tuple(_run(each) for each in _by_run(events))


def last_recording(events: Sequence[TrajectoryEvent]) -> Recording:
    """The latest run that came to its end, else the latest.

    Raises:
        RecordingError: There is none.
    """
    runs = read_recordings(events)
    return runs[_latest(runs)]


def turn_at(events: Sequence[TrajectoryEvent], seq: int) -> int:
    """Number of the latest run's turn that an event belongs to; 0 before the first reply.

    Args:
        events: Of one agent and round, in order of `seq`.
        seq: Of the event.

    Raises:
        RecordingError: There is no run, or the event is of another one than `last_recording` reads.
    """
    by_run = _by_run(events)
    runs = [_run(each) for each in by_run]
    at = _latest(runs)
    own = by_run[at]
    if not own[0].seq <= seq <= own[-1].seq:
        raise RecordingError(
            f"event {seq} is not of the run that counts in this round, which has events "
            f"{own[0].seq} to {own[-1].seq}"
        )
    replies = sum(each.kind is TrajectoryKind.MODEL and each.seq <= seq for each in own)
    return min(replies, len(runs[at].turns))


def tool_from_json(value: Mapping[str, object]) -> ToolSpec:
    """A tool definition as the system event holds it."""
    return ToolSpec(
        name=str(value["name"]),
        description=str(value["description"]),
        parameters=value_of(dict[str, object], value["parameters"]),
    )


def _by_run(events: Sequence[TrajectoryEvent]) -> tuple[Sequence[TrajectoryEvent], ...]:
    starts = [i for i, event in enumerate(events) if event.kind is TrajectoryKind.SYSTEM]
    if not starts or starts[0] != 0:
        raise RecordingError(
            f"these {len(events)} events hold no trajectory: it must begin with a system event"
        )
    ends = [*starts[1:], len(events)]
    return tuple(events[a:b] for a, b in zip(starts, ends, strict=True))


def _latest(runs: Sequence[Recording]) -> int:
    """Index of the latest run that came to its end, else of the latest."""
    ended = [number for number, run in enumerate(runs) if run.outcome is not None]
    return ended[-1] if ended else len(runs) - 1


def _run(events: Sequence[TrajectoryEvent]) -> Recording:
    head, body = events[0], events[1:]
    starts = [i for i, event in enumerate(body) if event.kind is TrajectoryKind.MODEL]
    first = starts[0] if starts else len(body)
    ends = [*starts[1:], len(body)] if starts else []
    if starts and not _is_whole(body[starts[-1] :]):
        # A kill -9 while a reply was written down: nobody acted on it, so the run ends before it.
        starts, ends = starts[:-1], ends[:-1]
    brief = [
        str(event.payload["text"])
        for event in body[:first]
        if event.kind is TrajectoryKind.USER and "text" in event.payload
    ]
    end = next((event for event in reversed(body) if event.kind is TrajectoryKind.END), None)
    system = head.payload
    return Recording(
        round_id=head.round_id,
        agent=head.agent.value,
        model=str(system.get("model", "")),
        scaffold=str(system.get("scaffold", "")),
        scaffold_digest=str(system.get("scaffold_digest", "")),
        system=str(system.get("system", "")),
        tools=tuple(
            tool_from_json(tool)
            for tool in value_of(tuple[dict[str, object], ...], system.get("tools", []))
        ),
        brief=tuple(brief),
        turns=tuple(
            _turn(body[a:b], number)
            for number, (a, b) in enumerate(zip(starts, ends, strict=True), start=1)
        ),
        outcome=None if end is None else str(end.payload.get("outcome", "")),
        reason="" if end is None else str(end.payload.get("reason", "")),
        base_commit=str(system.get("base_commit", "")),
        start_commit=None if (start := system.get("start_commit")) is None else str(start),
        workbench=value_of(int, system.get("workbench", 1)),
        at=head.at,
    )


def _is_whole(events: Sequence[TrajectoryEvent]) -> bool:
    """Whether every block that a reply's layout names was written down."""
    layout = value_of(tuple[str, ...], events[0].payload["layout"])
    kinds = [event.kind for event in events]
    return kinds.count(TrajectoryKind.TOOL_CALL) >= layout.count("tool_call") and kinds.count(
        TrajectoryKind.THINKING
    ) >= layout.count("reasoning")


def _turn(events: Sequence[TrajectoryEvent], number: int) -> Turn:
    head = events[0].payload
    usage = head.get("usage")
    request_id = head.get("request_id")
    usd = head.get("usd")
    reply = Reply(
        blocks=_blocks(events, number),
        stop_reason=StopReason(str(head["stop_reason"])),
        usage=usage_from_json(usage) if isinstance(usage, Mapping) else None,
        request_id=None if request_id is None else str(request_id),
        model=str(head.get("model", "")),
        latency_s=float(str(head.get("latency_s", 0.0))),
    )
    return Turn(
        number=number,
        reply=reply,
        usd=None if usd is None else float(str(usd)),
        answers=tuple(
            ToolAnswer(
                call_id=str(event.payload["call_id"]),
                tool=str(event.payload["tool"]),
                text=str(event.payload["text"]),
                is_error=bool(event.payload["is_error"]),
                facts=facts if isinstance(facts := event.payload.get("facts"), Mapping) else None,
            )
            for event in events
            if event.kind is TrajectoryKind.TOOL_RESULT
        ),
        told=tuple(
            str(event.payload["text"]) for event in events if event.kind is TrajectoryKind.USER
        ),
        at=events[0].at,
        is_copied=bool(head.get("copied", False)),
    )


def _blocks(events: Sequence[TrajectoryEvent], number: int) -> tuple[Block, ...]:
    """The reply's blocks in the order that its layout names."""
    head = events[0].payload
    texts = iter(value_of(tuple[str, ...], head["texts"]))
    thinking = (e.payload for e in events if e.kind is TrajectoryKind.THINKING)
    calls = (e.payload for e in events if e.kind is TrajectoryKind.TOOL_CALL)
    blocks: list[Block] = []
    try:
        for kind in value_of(tuple[str, ...], head["layout"]):
            match kind:
                case "text":
                    blocks.append(Text(text=next(texts)))
                case "reasoning":
                    blocks.append(block_from_json({**next(thinking), "type": "reasoning"}))
                case "tool_call":
                    blocks.append(block_from_json({**next(calls), "type": "tool_call"}))
                case _:
                    raise RecordingError(f"turn {number}: no block is called {kind!r}")
    except StopIteration as error:
        raise RecordingError(
            f"turn {number} was cut off while it was recorded: {len(blocks)} of its blocks are there"
        ) from error
    return tuple(blocks)


def reasoning_text(blocks: Sequence[Block]) -> str:
    """What may be read of a reply's reasoning."""
    return "\n\n".join(b.text for b in blocks if isinstance(b, Reasoning) and b.text)


def calls_of(blocks: Sequence[Block]) -> tuple[ToolCall, ...]:
    """The tool calls among blocks."""
    return tuple(block for block in blocks if isinstance(block, ToolCall))
