"""An Inspect evaluation log of a campaign, in Inspect's JSON form, which `inspect view` opens.

One sample a recording; its score says whether the round was promoted. Read back by
`inspect_ai.log.read_eval_log` of version 0.3.285.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, assert_never

from rsi.agent.llm.types import Reasoning, StopReason, Text, ToolCall, ToolResult, Usage
from rsi.agent.trajectory.recorded import Recording, Turn

LOG_VERSION = 2
_STOPS: Mapping[StopReason, str] = {
    StopReason.END_TURN: "stop",
    StopReason.TOOL_USE: "tool_calls",
    StopReason.MAX_TOKENS: "max_tokens",
    StopReason.CONTEXT_FULL: "model_length",
    StopReason.REFUSAL: "content_filter",
    StopReason.OTHER: "unknown",
}

Json = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """A recording and what came of its round."""

    recording: Recording
    is_promoted: bool
    outcome: str
    explanation: str


def inspect_log(
    judged: Sequence[Judged], *, task: str, model: str, campaign: str, at: datetime
) -> Json:
    """The log as JSON.

    Args:
        judged: Rounds in order.
        task: Name of the task.
        model: Proposer's model.
        campaign: Id of the campaign.
        at: When it was started.
    """
    samples = [_sample(number, each) for number, each in enumerate(judged, start=1)]
    promoted = sum(each.is_promoted for each in judged)
    share = promoted / len(judged) if judged else 0.0
    ended = max((t.at for j in judged for t in j.recording.turns if t.at), default=at)
    return {
        "version": LOG_VERSION,
        "status": "success",
        "eval": {
            "eval_id": campaign,
            "run_id": campaign,
            "task_id": campaign,
            "created": _time(at),
            "task": task,
            "task_version": 1,
            "dataset": {
                "name": task,
                "samples": len(samples),
                "sample_ids": [sample["id"] for sample in samples],
            },
            "model": model,
            "config": {},
            "metadata": {"source": "rsi"},
        },
        "results": {
            "total_samples": len(samples),
            "completed_samples": len(samples),
            "scores": [
                {
                    "name": "promoted",
                    "scorer": "promoted",
                    "params": {},
                    "metrics": {"mean": {"name": "mean", "value": share, "params": {}}},
                }
            ],
        },
        "stats": {
            "started_at": _time(at),
            "completed_at": _time(ended),
            "model_usage": {model: _usage(_total(j.recording for j in judged))},
        },
        "samples": samples,
    }


def _sample(number: int, judged: Judged) -> Json:
    recording = judged.recording
    messages: list[Json] = [{"role": "system", "content": recording.system}]
    messages += [{"role": "user", "content": text} for text in recording.brief]
    for turn in recording.turns:
        messages.append(_assistant(turn))
        messages += [
            _tool_message(recording.round_id, turn, index) for index in range(len(turn.answers))
        ]
        messages += [{"role": "user", "content": text} for text in turn.told]
    sample: Json = {
        "id": recording.name,
        "epoch": 1,
        "input": "\n\n".join(recording.brief) or "(nothing)",
        "target": "promoted",
        "messages": messages,
        "scores": {
            "promoted": {
                "value": "C" if judged.is_promoted else "I",
                "answer": judged.outcome,
                "explanation": judged.explanation,
            }
        },
        "metadata": {
            "number": number,
            "outcome": judged.outcome,
            "scaffold_digest": recording.scaffold_digest,
            "base_commit": recording.base_commit,
        },
        "store": {},
        "events": [],
        "model_usage": {recording.model: _usage(_total([recording]))},
        "attachments": {},
    }
    if recording.turns:
        last = recording.turns[-1]
        sample["output"] = {
            "model": last.reply.model or recording.model,
            "choices": [
                {"message": _assistant(last), "stop_reason": _STOPS[last.reply.stop_reason]}
            ],
            "usage": _usage(last.reply.usage or Usage()),
        }
    return sample


def _assistant(turn: Turn) -> Json:
    content: list[Json] = []
    calls: list[Json] = []
    for block in turn.reply.blocks:
        match block:
            case Text():
                content.append({"type": "text", "text": block.text})
            case Reasoning():
                content.append({"type": "reasoning", "reasoning": block.text})
            case ToolCall():
                call: Json = {
                    "id": block.id,
                    "function": block.name,
                    "arguments": dict(block.arguments),
                    "type": "function",
                }
                if block.problem is not None:
                    call["parse_error"] = block.problem
                calls.append(call)
            case ToolResult():
                raise ValueError("a reply holds no tool result")
            case _:
                assert_never(block)
    message: Json = {
        "role": "assistant",
        "content": content,
        "source": "generate",
        "model": turn.reply.model,
    }
    if calls:
        message["tool_calls"] = calls
    return message


def _tool_message(round_id: str, turn: Turn, index: int) -> Json:
    answer = turn.answers[index]
    message: Json = {
        "id": f"{round_id}-{turn.number}-{index}",
        "role": "tool",
        "content": answer.text,
        "tool_call_id": answer.call_id,
        "function": answer.tool,
    }
    if answer.is_error:
        message["error"] = {"type": "unknown", "message": answer.text[:400]}
    return message


def _total(recordings: Any) -> Usage:  # noqa: ANN401 (any iterable of recordings)
    total = Usage()
    for recording in recordings:
        for turn in recording.turns:
            total = total + (turn.reply.usage or Usage())
    return total


def _usage(usage: Usage) -> Json:
    return {
        "input_tokens": usage.input_uncached_tokens,
        "input_tokens_cache_read": usage.cache_read_tokens,
        "input_tokens_cache_write": usage.cache_write_tokens,
        "output_tokens": usage.output_tokens,
        "reasoning_tokens": usage.reasoning_tokens,
        "total_tokens": usage.total_tokens,
    }


def _time(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="seconds")
