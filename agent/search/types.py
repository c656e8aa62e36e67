"""What a search strategy sees and says.

Invariant: a strategy keeps nothing. Its next step is a pure function of the rounds so far, a seed and its
settings, so a campaign that crashed, or moved to another machine, searches on as if nothing had been.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One round as the search sees it."""

    round_id: str
    number: int
    """1-based order in which it was opened."""
    commit: str | None
    """The candidate; None while it is being proposed, or when there was none."""
    parent: str
    """Commit that it started from."""
    value: float | None
    """log(speedup) against the commit that the search started from, added along its ancestry; None when
    it failed, was refused by score, review or gate, was rolled back, or was not measured yet."""
    is_open: bool = False
    """Still under way; it counts as a visit of its parent, so that parallel rounds spread out."""
    is_promoted: bool = False
    gain: float | None = None
    """log(effect) against its own champion; None when not measured."""
    cost_usd: float | None = None
    """What its proposal cost; None when the price is unknown."""
    model: str = ""
    island: int = 0
    niche: str = ""
    """What part of the code it changes, such as its main file; candidates compete within a niche."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """All that a strategy may know."""

    baseline: str
    """Commit of the lineage's round 0, for the record; a search starts from the champion it finds."""
    champion: str
    nodes: Sequence[Node] = ()
    archive: Sequence[Node] = ()
    """What other campaigns on the lineage had tried when this one began, oldest first; given to a strategy that reads it."""
    models: Sequence[str] = ()
    """Proposer models to choose from; empty or one leaves no choice."""

    @property
    def next_number(self) -> int:
        """Number of the round to be planned."""
        return 1 + max((node.number for node in self.nodes), default=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Where the next round starts."""

    parent: str
    """Commit to build on."""
    inspirations: tuple[str, ...] = ()
    """Round ids whose ideas and diffs are shown in the brief."""
    model: str | None = None
    """Proposer's model; None leaves the campaign's own."""
    island: int = 0
    reason: str = ""
    """One phrase for the record, such as "softmax over 7 candidates"."""


class Strategy(Protocol):
    """One way to search."""

    @property
    def name(self) -> str:
        """As it is chosen by the flag, with its settings."""
        ...

    def plan(self, facts: Facts, seed: int) -> Plan:
        """The next round.

        Args:
            facts: Rounds so far, those under way included.
            seed: Seed of the campaign; the draw also depends on the round's number.
        """
        ...
