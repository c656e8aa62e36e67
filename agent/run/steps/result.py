"""What a step returns."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class StepResult:
    """One finished step, before it is written down."""

    outcome: str
    """"ok" or "supported" lets the round go on; any other word ends it."""
    payload: Mapping[str, object] = field(default_factory=dict)
    """Plain JSON."""
