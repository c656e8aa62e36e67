"""mini-swe-agent's trajectories (`.traj.json`, formats 1 and 1.1), read as recordings.

Actions that a model wrote as text stay text, and what they printed stays a message: that is what was sent.
Source: mini-swe-agent's page on output files, read in November 2026.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from rsi.agent.llm.adapters.wire.token_counts import chat_usage
from rsi.agent.llm.types import Block
from rsi.agent.trajectory.chat_log import (
    Said,
    amount,
    call_of,
    plain,
    recording_of,
    thought,
    words,
)
from rsi.agent.trajectory.recorded import Recording, RecordingError
from rsi.tasks.harness_kit.canonical import parse_json

FORMAT = "mini-swe-agent"
_ROLES = ("system", "user", "assistant", "tool")

Json = Mapping[str, Any]


def is_mini_swe(document: object) -> bool:
    """Whether a document says that it is one of theirs."""
    return isinstance(document, Mapping) and str(document.get("trajectory_format", "")).startswith(
        FORMAT
    )


def from_mini_swe(document: Json, *, name: str) -> Recording:
    """The recording in a trajectory.

    Args:
        document: The file.
        name: What the run is called; the file does not say.

    Raises:
        RecordingError: A message has a form that this does not read.
        KeyError, TypeError, ValueError, AttributeError: It breaks its format.
    """
    about: Json = document.get("info") or {}
    messages: Sequence[Json] = document["messages"]
    said = [
        _said(message, n) for n, message in enumerate(messages) if message.get("role") != "exit"
    ]
    last: Json = messages[-1] if messages else {}
    ended: Json = (last.get("extra") or {}) if last.get("role") == "exit" else {}
    config: Json = (about.get("config") or {}).get("model") or {}
    outcome = about.get("exit_status") or ended.get("exit_status")
    extra: dict[str, object] = {
        "agent": {"name": FORMAT, "version": str(about.get("mini_version") or "unknown")},
        "source_format": str(document["trajectory_format"]),
    }
    if submission := about.get("submission") or ended.get("submission"):
        extra["submission"] = str(submission)
    total = amount((about.get("model_stats") or {}).get("instance_cost"), "instance_cost")
    if total is not None:
        extra["final_metrics"] = {"total_cost_usd": total}
    return recording_of(
        said,
        round_id=str(document.get("instance_id") or name),
        model=str(config.get("model_name") or ""),
        outcome=None if outcome is None else str(outcome),
        reason=plain(last.get("content")) if ended else "",
        extra=extra,
    )


def _said(message: Json, number: int) -> Said:
    role = message.get("role")
    if role not in _ROLES:
        raise RecordingError(
            f"message {number + 1} has the role {role!r}; this reads {', '.join(_ROLES)} and exit, as mini-swe-agent "
            "writes them for chat models"
        )
    extra: Json = message.get("extra") or {}
    text = plain(message.get("content"))
    if role != "assistant":
        return Said(
            role=role,
            text=text,
            call_id=str(message.get("tool_call_id") or ""),
            is_error=extra.get("returncode") not in (None, 0),
            at=_time(extra),
        )
    response: Json = extra.get("response") if isinstance(extra.get("response"), Mapping) else {}  # type: ignore[assignment]  # checked
    blocks: tuple[Block, ...] = (
        *thought(plain(message.get("reasoning_content"))),
        *words(text),
        *(_call(each) for each in message.get("tool_calls") or ()),
    )
    return Said(
        role="assistant",
        blocks=blocks,
        usage=chat_usage([response.get("usage")], has_output=bool(blocks)),
        usd=amount(extra.get("cost"), f"cost of message {number + 1}"),
        model=str(response.get("model") or ""),
        at=_time(extra),
    )


def _call(call: Json) -> Block:
    function: Json = call["function"]
    arguments = function["arguments"]
    if isinstance(arguments, str):
        arguments = parse_json(arguments.encode())
    return call_of(call["id"], function["name"], arguments)


def _time(extra: Json) -> datetime | None:
    stamp = extra.get("timestamp")
    is_number = isinstance(stamp, int | float) and not isinstance(stamp, bool)
    return datetime.fromtimestamp(stamp, UTC) if is_number else None  # type: ignore[arg-type]  # checked
