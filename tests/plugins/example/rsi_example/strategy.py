"""A strategy: go on from the newest candidate that is not too old."""

from dataclasses import dataclass

from rsi.agent.search.types import Facts, Plan


@dataclass(frozen=True, slots=True, kw_only=True)
class Newest:
    """Build on the newest measured candidate of the last rounds, else on the champion."""

    within: int = 3
    """Rounds to look back."""

    def __post_init__(self) -> None:
        if self.within < 1:
            raise ValueError("within must be at least 1")

    @property
    def name(self) -> str:
        """As the flag writes it."""
        return f"newest:within={self.within}"

    def plan(self, facts: Facts, seed: int) -> Plan:
        """The newest candidate that was measured."""
        del seed
        oldest = facts.next_number - self.within
        for node in sorted(facts.nodes, key=lambda each: -each.number):
            if node.number >= oldest and node.commit is not None and node.value is not None:
                return Plan(parent=node.commit, reason=f"round {node.number} is the newest")
        return Plan(parent=facts.champion, reason="nothing newer than the champion")
