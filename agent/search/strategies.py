"""Greedy, best-of-N, tree, archive and open-ended search, behind one interface.

To add one: a frozen dataclass with `name` and `plan`, whose fields are its settings, and its word in `STRATEGIES`; or, in
another distribution, an entry point (`rsi.sandboxes.plugins.Group.STRATEGIES`).
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import ClassVar

from rsi.agent.search.frontier import Pick, Spot, draw_for, frontier, pick
from rsi.agent.search.types import Facts, Node, Plan, Strategy

INSPIRATIONS = 2
MAX_LOGIT = 50.0
"""Beyond it a weight is one or as good as none; `exp` overflows far later."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Greedy:
    """Always build on the champion."""

    @property
    def name(self) -> str:
        return "greedy"

    def plan(self, facts: Facts, seed: int) -> Plan:
        """The champion."""
        del seed
        return Plan(parent=facts.champion, reason="the champion")


@dataclass(frozen=True, slots=True, kw_only=True)
class BestOfN:
    """N ideas from the same start; the next N start from the best of them."""

    n: int = 4

    def __post_init__(self) -> None:
        _at_least_one(n=self.n)

    @property
    def name(self) -> str:
        return f"best_of_n:n={self.n}"

    def plan(self, facts: Facts, seed: int) -> Plan:
        """The start of the current batch."""
        del seed
        number = facts.next_number
        first = number - (number - 1) % self.n
        before = [node for node in facts.nodes if node.number < first]
        start = frontier(facts, before)[0]
        place = number - first + 1
        return Plan(parent=start.commit, reason=f"idea {place} of {self.n} from the same start")


@dataclass(frozen=True, slots=True, kw_only=True)
class Tree:
    """Any measured candidate may be built on; a rule picks which."""

    pick: Pick = Pick.SOFTMAX
    k: int = 3
    epsilon: float = 0.2
    temperature: float = 0.1
    visit_cost: float = 0.02

    def __post_init__(self) -> None:
        _at_least_one(k=self.k)
        _above_zero(temperature=self.temperature)
        if not 0 <= self.epsilon <= 1:
            raise ValueError("epsilon must be between 0 and 1")

    @property
    def name(self) -> str:
        setting = {
            Pick.ARGMAX: "",
            Pick.TOP_K: f",k={self.k}",
            Pick.EPSILON_GREEDY: f",epsilon={self.epsilon:g}",
            Pick.SOFTMAX: f",temperature={self.temperature:g}",
        }[self.pick]
        return f"tree:pick={self.pick.value}{setting}"

    def plan(self, facts: Facts, seed: int) -> Plan:
        """A spot of the frontier."""
        spots = frontier(facts)
        chosen = pick(
            spots,
            self.pick,
            draw_for(seed, facts.next_number, "parent"),
            k=self.k,
            epsilon=self.epsilon,
            temperature=self.temperature,
            visit_cost=self.visit_cost,
        )
        return Plan(
            parent=chosen.commit,
            inspirations=_others(spots, chosen, INSPIRATIONS),
            reason=f"{self.pick.value} over {len(spots)} candidates",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Archive:
    """Islands that evolve apart and now and then look at their neighbour's best.

    Within an island the best candidate of each niche survives. Every `migrate_every` rounds of an
    island its parent comes from the next island in the ring.
    """

    islands: int = 3
    migrate_every: int = 5
    temperature: float = 0.15

    def __post_init__(self) -> None:
        _at_least_one(islands=self.islands, migrate_every=self.migrate_every)
        _above_zero(temperature=self.temperature)

    @property
    def name(self) -> str:
        return f"archive:islands={self.islands},migrate_every={self.migrate_every}"

    def plan(self, facts: Facts, seed: int) -> Plan:
        """A parent from the round's island or its neighbour, and inspirations from elsewhere."""
        number = facts.next_number
        island = (number - 1) % self.islands
        turn = (number - 1) // self.islands + 1
        is_migration = self.islands > 1 and turn % self.migrate_every == 0
        source = (island + 1) % self.islands if is_migration else island
        spots = frontier(facts, elites(facts.nodes, source))
        draw = draw_for(seed, number, "parent")
        if is_migration:
            chosen = spots[0]
            reason = f"migration from island {source} to {island}"
        else:
            chosen = pick(spots, Pick.SOFTMAX, draw, temperature=self.temperature, visit_cost=0.02)
            reason = f"island {island}, {len(spots)} elites"
        elsewhere = [
            spot
            for other in range(self.islands)
            if other != source
            for spot in frontier(facts, elites(facts.nodes, other))[:1]
            if spot.round_id is not None
        ]
        best = sorted(elsewhere, key=lambda spot: -spot.value)
        shown = (*_others(spots, chosen, 1), *(spot.round_id for spot in best if spot.round_id))
        return Plan(
            parent=chosen.commit,
            inspirations=tuple(dict.fromkeys(shown))[:INSPIRATIONS],
            island=island,
            reason=reason,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenEnded:
    """Every measured candidate of the lineage stays a parent, drawn by how good it is and by how few children it has.

    Those that other campaigns on the lineage had left when this one began are among them.
    The weight of a parent is a sigmoid of its value, in the middle of the values there are, over one more than its
    children; so what is good is built on more, and what is new is never left out.
    Source: Zhang et al., Darwin Gödel Machine (2025), for the form of the weight.
    """

    reads_archive: ClassVar[bool] = True
    temperature: float = 0.1
    """In units of log(speedup): how much better counts as much better."""

    def __post_init__(self) -> None:
        _above_zero(temperature=self.temperature)

    @property
    def name(self) -> str:
        return f"open_ended:temperature={self.temperature:g}"

    def plan(self, facts: Facts, seed: int) -> Plan:
        """A draw from the whole archive."""
        spots = frontier(facts)
        middle = fmean(spot.value for spot in spots)
        weights = [
            _sigmoid((spot.value - middle) / self.temperature) / (1 + spot.visits) for spot in spots
        ]
        chosen = draw_for(seed, facts.next_number, "parent").choices(spots, weights)[0]
        return Plan(
            parent=chosen.commit,
            inspirations=_others(spots, chosen, INSPIRATIONS),
            reason=f"value and {chosen.visits} children, of {len(spots)} in the archive",
        )


STRATEGIES: Mapping[str, type[Strategy]] = {
    "greedy": Greedy,
    "best_of_n": BestOfN,
    "tree": Tree,
    "archive": Archive,
    "open_ended": OpenEnded,
}
"""The strategies of rsi's own, by the word that chooses them; the first is the default."""


def elites(nodes: Sequence[Node], island: int) -> tuple[Node, ...]:
    """The best measured candidate of each niche of an island."""
    best: dict[str, Node] = {}
    for node in nodes:
        if node.island != island or node.value is None or node.commit is None:
            continue
        known = best.get(node.niche)
        if known is None or known.value is None or node.value > known.value:
            best[node.niche] = node
    return tuple(best.values())


def _sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-max(-MAX_LOGIT, min(MAX_LOGIT, x))))


def _at_least_one(**settings: int) -> None:
    for name, value in settings.items():
        if value < 1:
            raise ValueError(f"{name} must be at least 1")


def _above_zero(**settings: float) -> None:
    for name, value in settings.items():
        if not value > 0:
            raise ValueError(f"{name} must be above 0")


def _others(spots: Sequence[Spot], chosen: Spot, count: int) -> tuple[str, ...]:
    """The best candidates besides the chosen one."""
    ids = [spot.round_id for spot in spots if spot.round_id and spot.commit != chosen.commit]
    return tuple(ids[:count])
