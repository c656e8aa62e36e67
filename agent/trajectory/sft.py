"""Chat JSONL for supervised fine-tuning: accepted rounds, and on request the rejected as negatives.

One line a recording, in the Chat Completions form that fine-tuning tools read: `messages`, `tools`, and
`metadata` with the label. Reasoning is left out, since providers' is signed or summarised.
"""

import json
from collections.abc import Iterable, Iterator
from typing import Any

from rsi.agent.llm.adapters.wire.chat_wire import chat_messages, chat_tools
from rsi.agent.llm.types import Request
from rsi.agent.trajectory.recorded import Recording


def sft_lines(
    recordings: Iterable[tuple[Recording, bool]], *, with_rejected: bool = False
) -> Iterator[str]:
    """JSON lines, without line ends.

    Args:
        recordings: Each run with whether its round was accepted.
        with_rejected: Also write the others, with `"label": "rejected"`.
    """
    for recording, is_accepted in recordings:
        if is_accepted or with_rejected:
            yield json.dumps(_example(recording, is_accepted), ensure_ascii=False)


def _example(recording: Recording, is_accepted: bool) -> dict[str, Any]:
    messages = recording.messages()
    if messages and not messages[-1].blocks:
        messages = messages[:-1]
    request = Request(system=recording.system, messages=messages, tools=recording.tools)
    return {
        "messages": chat_messages(request, provider="none"),
        "tools": chat_tools(request),
        "metadata": {
            "label": "accepted" if is_accepted else "rejected",
            "round": recording.round_id,
            "agent": recording.agent,
            "model": recording.model,
            "scaffold_digest": recording.scaffold_digest,
            "outcome": recording.outcome,
            "copied_turns": sum(turn.is_copied for turn in recording.turns),
        },
    }
