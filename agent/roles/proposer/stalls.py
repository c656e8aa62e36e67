"""Notices when an agent goes round in circles."""

import hashlib
import json
from collections import Counter
from dataclasses import dataclass, field

from rsi.agent.llm.types import ToolCall

_CHANGING = frozenset({"edit", "write", "create", "str_replace", "insert"})
"""Tools, and commands of the editor, after which repeating an earlier look is reasonable."""


@dataclass(slots=True)
class StallWatch:
    """Counts identical calls that got identical answers since the repo last changed."""

    max_repeats: int
    _seen: Counter[str] = field(default_factory=Counter)

    def note(self, call: ToolCall, answer: str, *, is_error: bool) -> int:
        """Record a call; how often this very call got this very answer so far."""
        if not is_error and {call.name, call.arguments.get("command")} & _CHANGING:
            self._seen.clear()
            return 1
        key = json.dumps([call.name, dict(call.arguments), answer], sort_keys=True, default=str)
        digest = hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()
        self._seen[digest] += 1
        return self._seen[digest]

    def warning(self, repeats: int) -> str | None:
        """What the agent is told when it has repeated itself; None when it has not."""
        if repeats < max(2, self.max_repeats - 1):
            return None
        return (
            f"You made this same call {repeats} times and got the same answer. "
            "Do something else, submit, or give_up."
        )

    def is_stalled(self, repeats: int) -> bool:
        """Whether the loop should end."""
        return repeats > self.max_repeats
