"""Generates worlds of patches: what each idea is truly worth, how noisy the machine is, what a proposal costs.

Effects follow what is published about such work: most ideas bring nothing, the median gain is one percent and so below
the noise of a run, a few are large. The widths are redrawn for each world, so that no setting fits one of them.
Invariant: a world is a function of its seed.
"""

import math
import random
from dataclasses import dataclass

IDEAS = 60
IDLE_SHARE, SMALL_SHARE, LARGE_SHARE = 0.55, 0.33, 0.09
"""Of the ideas; what is left are cheats, which look large and are worth nothing."""
CRASH_SHARE = 0.12
CONFLICTS = 0.08
"""Chance that two ideas do the same thing, so that the second adds nothing to the first."""
PROPOSAL_RUNS = (0.0, 10.0)
"""What a proposal costs, in runs of the task: from nothing to more than a short comparison."""
NOISE = (0.008, 0.05)
"""Standard deviation of the log ratio of one pair."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Idea:
    """One thing that a proposer may try."""

    effect: float
    """True log gain, where nothing that it conflicts with is there already."""
    apparent: float
    """What the runs would show: the same, but for a cheat."""
    popularity: float
    """How often a proposer comes up with it, in comparison."""
    is_cheat: bool
    crashes: bool
    conflicts: frozenset[int]


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """A task with everything that can be done to it."""

    seed: int
    ideas: tuple[Idea, ...]
    noise: float
    proposal_runs: float

    def worth(self, state: frozenset[int], *, is_apparent: bool = False) -> float:
        """Log gain over the baseline of a version that holds these ideas: the truth, or what runs would show."""
        total = 0.0
        seen: list[int] = []
        for number in sorted(state):
            idea = self.ideas[number]
            if not idea.conflicts.intersection(seen):
                total += idea.apparent if is_apparent else idea.effect
                seen.append(number)
        return total


def draw_world(seed: int) -> World:
    """One world."""
    rng = random.Random(seed)
    small, large = _between(rng, 0.006, 0.016), _between(rng, 0.03, 0.09)
    conflicts: list[set[int]] = [set() for _ in range(IDEAS)]
    for one in range(IDEAS):
        for other in range(one):
            if rng.random() < CONFLICTS:
                conflicts[one].add(other)
                conflicts[other].add(one)
    ranks = rng.sample(range(1, IDEAS + 1), IDEAS)
    habit = rng.uniform(0.6, 1.3)
    ideas = tuple(
        _idea(rng, small, large, popularity=rank**-habit, conflicts=frozenset(mine))
        for rank, mine in zip(ranks, conflicts, strict=True)
    )
    return World(
        seed=seed,
        ideas=ideas,
        noise=_between(rng, *NOISE),
        proposal_runs=rng.uniform(*PROPOSAL_RUNS),
    )


def _idea(
    rng: random.Random, small: float, large: float, *, popularity: float, conflicts: frozenset[int]
) -> Idea:
    kind, crashes = rng.random(), rng.random() < CRASH_SHARE
    is_cheat = kind >= IDLE_SHARE + SMALL_SHARE + LARGE_SHARE
    if kind < IDLE_SHARE:
        effect = 0.0 if rng.random() < 0.5 else -abs(rng.gauss(0.0, 0.03))
    elif kind < IDLE_SHARE + SMALL_SHARE:
        effect = small * math.exp(rng.gauss(0.0, 0.8))
    else:
        effect = min(0.5, large * math.exp(rng.gauss(0.0, 0.7)))
    return Idea(
        effect=-0.01 if is_cheat else effect,
        apparent=effect + 0.1 if is_cheat else effect,
        popularity=popularity,
        is_cheat=is_cheat,
        crashes=crashes,
        conflicts=conflicts,
    )


def _between(rng: random.Random, low: float, high: float) -> float:
    """A positive number whose logarithm is uniform."""
    return math.exp(rng.uniform(math.log(low), math.log(high)))
