"""The candidates that may be built on, and four ways to pick one."""

import math
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from rsi.agent.search.types import Facts, Node


class Pick(StrEnum):
    """How a parent is picked from the frontier."""

    ARGMAX = "argmax"
    TOP_K = "top_k"
    EPSILON_GREEDY = "epsilon_greedy"
    SOFTMAX = "softmax"


@dataclass(frozen=True, slots=True, kw_only=True)
class Spot:
    """A commit that a round may start from."""

    commit: str
    value: float
    """log(speedup) against the root."""
    visits: int
    """Rounds that started here, open ones included."""
    round_id: str | None
    """None for the root, and for a champion that nothing here made."""
    niche: str = ""
    island: int = 0


def draw_for(seed: int, number: int, what: str) -> random.Random:
    """The source of chance of one decision: the same for the same campaign, round and purpose."""
    return random.Random(f"{seed}/{number}/{what}")  # noqa: S311 (a search, not a secret)


def root_of(facts: Facts) -> str:
    """The commit that the search started from: where its first round began, or the champion."""
    oldest = min(facts.nodes, key=lambda node: node.number, default=None)
    first = next(iter(facts.archive), oldest)
    return facts.champion if first is None else first.parent


def frontier(facts: Facts, nodes: Sequence[Node] | None = None) -> tuple[Spot, ...]:
    """The search's root and its measured candidates, best first; those of the archive among them where it was given.

    A champion that neither is (another campaign moved it) joins at the best value known here: it was
    accepted, and how it compares with these candidates was not measured.

    Args:
        facts: Rounds so far.
        nodes: Only these candidates; None takes all.
    """
    every = (*facts.archive, *facts.nodes)
    visits = Counter(node.parent for node in every)
    root = root_of(facts)
    spots = [Spot(commit=root, value=0.0, visits=visits[root], round_id=None)]
    spots += [
        Spot(
            commit=node.commit,
            value=node.value,
            visits=visits[node.commit],
            round_id=node.round_id,
            niche=node.niche,
            island=node.island,
        )
        for node in (every if nodes is None else nodes)
        if node.commit is not None and node.value is not None
    ]
    known = {root, *(node.commit for node in every)}
    if facts.champion not in known:
        best = max(spot.value for spot in spots)
        foreign = facts.champion
        spots.append(Spot(commit=foreign, value=best, visits=visits[foreign], round_id=None))
    return tuple(sorted(spots, key=lambda spot: (-spot.value, spot.round_id or "")))


def pick(
    spots: Sequence[Spot],
    how: Pick,
    draw: random.Random,
    *,
    k: int = 3,
    epsilon: float = 0.2,
    temperature: float = 0.1,
    visit_cost: float = 0.0,
) -> Spot:
    """One spot of the frontier.

    Args:
        spots: Not empty.
        how: The rule.
        draw: Source of chance.
        k: For top_k.
        epsilon: Chance of a uniform pick, for epsilon_greedy.
        temperature: In units of log(speedup), for softmax; small is greedy.
        visit_cost: Taken off a spot's value for each earlier visit, so that a spot whose children keep
            failing is left.
    """

    def worth(spot: Spot) -> float:
        return spot.value - visit_cost * spot.visits

    order = sorted(spots, key=lambda spot: -worth(spot))
    match how:
        case Pick.ARGMAX:
            return order[0]
        case Pick.TOP_K:
            return draw.choice(order[:k])
        case Pick.EPSILON_GREEDY:
            return draw.choice(order) if draw.random() < epsilon else order[0]
        case Pick.SOFTMAX:
            top = worth(order[0])
            weights = [math.exp((worth(spot) - top) / temperature) for spot in order]
            return draw.choices(order, weights)[0]
