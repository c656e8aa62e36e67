"""Where a proposer's loop begins when it does not begin at the beginning."""

from collections.abc import Mapping
from dataclasses import dataclass

from rsi.agent.llm.types import Message
from rsi.agent.roles.proposer.workbench.bench import Bench


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """The state of an earlier run after some turn."""

    bench: Bench
    """Tools whose sandbox is in that state; measuring and the notebook are connected by `propose`."""
    brief: tuple[str, ...]
    """What the earlier run was told first."""
    turns: tuple[tuple[Message, Message], ...]
    """The model's messages and the answers to them, so far."""
    events: tuple[tuple[str, Mapping[str, object]], ...]
    """The same turns as trajectory events, marked as copied, so that the new run's record is whole."""
    say: str | None
    """Words for the agent at this point."""
    origin: str
    """Which run and turn this is, for the record."""
