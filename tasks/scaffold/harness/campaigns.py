"""Plays a campaign in a world: propose, screen, measure in pairs, confirm on fresh pairs, promote.

The gate is the same for every scaffold and no setting reaches it: a boundary that spends its error rate over its looks, a
confirmation, and a reviewer that stops nineteen of twenty cheats. The spread of a pair is taken as known, which a real gate has
to estimate. Invariant: a campaign is a function of world and settings; equal steps of two scaffolds have equal luck.
"""

import itertools
import math
import random
from dataclasses import dataclass, field
from statistics import NormalDist

from harness.settings import Settings
from harness.worlds import World

BUDGET_RUNS = 600.0
MIN_PAIRS, MAX_PAIRS = 4, 12
ALPHA = 0.01
FUTILE_ALPHA = 0.05
MINIMUM_EFFECT = math.log1p(0.01)
CHEATS_CAUGHT = 0.95
REPEAT_FOUND, REPEAT_ALARM = 0.9, 0.03
"""How often a repeated idea is recognised, and how often a new one is taken for one."""
RUNS_A_PAIR = 2
WITHDRAWN_COST = 1.0
"""Runs' worth of the look that finds a repeat, besides the proposal."""
OPEN_MARGIN = 0.02
"""A version that seems worse than the champion by more is not built upon."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """What came of one campaign."""

    gain: float
    """True log gain of the final champion over the baseline."""
    promotions: int
    false_promotions: int
    """Promotions whose true gain over the champion of their time is not above zero."""
    proposals: int
    repeats: int
    """Proposals of an idea that was tried before."""


@dataclass(slots=True, kw_only=True)
class _Version:
    """One version that may be built upon."""

    state: frozenset[int]
    estimate: float
    """Log gain over the baseline, as far as it was measured."""
    visits: int = 0


@dataclass(slots=True, kw_only=True)
class _Play:
    """A campaign under way."""

    world: World
    settings: Settings
    champion: _Version = field(default_factory=lambda: _Version(state=frozenset(), estimate=0.0))
    versions: list[_Version] = field(default_factory=list)
    batch: list[_Version] = field(default_factory=list)
    start: _Version | None = None
    tried: set[int] = field(default_factory=set)
    spent: float = 0.0


def _boundary() -> dict[int, float]:
    """Standard normal bound at each look; the levels sum to ALPHA."""
    whole = MAX_PAIRS - MIN_PAIRS + 1
    return {
        pairs: NormalDist().inv_cdf(1 - ALPHA / whole) for pairs in range(MIN_PAIRS, MAX_PAIRS + 1)
    }


BOUNDARY = _boundary()
FUTILE = NormalDist().inv_cdf(1 - FUTILE_ALPHA)


def play(world: World, settings: Settings, budget_runs: float = BUDGET_RUNS) -> Ended:
    """Run one campaign until its budget is spent."""
    at = _Play(world=world, settings=settings)
    at.versions.append(at.champion)
    promotions = false = proposals = repeats = 0
    # The last proposal may not run over the budget by more than itself, whatever drives it.
    while at.spent < budget_runs:
        luck = random.Random(world.seed * 1_000_003 + proposals)
        parent, idea = _propose(at, luck)
        proposals += 1
        at.spent += world.proposal_runs + 0.5
        is_repeat = idea in at.tried
        repeats += is_repeat
        chance = REPEAT_FOUND if is_repeat else REPEAT_ALARM
        if luck.random() < chance and settings.repeats == "withdraw":
            at.spent += WITHDRAWN_COST
            continue
        at.tried.add(idea)
        if world.ideas[idea].crashes:
            at.spent += 1
            continue
        version = _Version(state=parent.state | {idea}, estimate=0.0)
        is_supported = _measure(at, version, luck)
        is_cheating = any(world.ideas[each].is_cheat for each in version.state - at.champion.state)
        if is_supported and is_cheating and luck.random() < CHEATS_CAUGHT:
            continue  # rejected, and so never built upon
        at.versions.append(version)
        at.batch.append(version)
        if not is_supported:
            continue
        promotions += 1
        false += world.worth(version.state) <= world.worth(at.champion.state)
        at.champion, at.batch, at.start = version, [], None
    return Ended(
        gain=world.worth(at.champion.state),
        promotions=promotions,
        false_promotions=false,
        proposals=proposals,
        repeats=repeats,
    )


def _propose(at: _Play, luck: random.Random) -> tuple[_Version, int]:
    """A version to build on, and an idea that is not in it."""
    parent = _parent(at, luck)
    weights = [
        0.0 if number in parent.state else idea.popularity
        for number, idea in enumerate(at.world.ideas)
    ]
    return parent, luck.choices(range(len(weights)), weights)[0]


def _parent(at: _Play, luck: random.Random) -> _Version:
    draw = luck.random()
    match at.settings.strategy:
        case "best_of_n":
            if len(at.batch) >= at.settings.n:
                best = max(at.batch, key=lambda each: each.estimate)
                at.start = best if best.estimate > at.champion.estimate else None
                at.batch = []
            return at.start or at.champion
        case "tree":
            spots = [
                each for each in at.versions if each.estimate >= at.champion.estimate - OPEN_MARGIN
            ]
            top = max(each.estimate for each in spots)
            shares = [
                math.exp((each.estimate - 0.002 * each.visits - top) / at.settings.temperature)
                for each in spots
            ]
            left = draw * sum(shares)
            reached = itertools.accumulate(shares)
            number = next((at for at, share in enumerate(reached) if share >= left), -1)
            spots[number].visits += 1
            return spots[number]
        case _:
            return at.champion


def _measure(at: _Play, version: _Version, luck: random.Random) -> bool:
    """Whether a version is supported on the screen and again on fresh pairs; its estimate is kept."""
    world = at.world
    truth = world.worth(version.state, is_apparent=True) - world.worth(
        at.champion.state, is_apparent=True
    )
    is_supported, mean = _compared(at, truth, luck, is_screened=True)
    version.estimate = at.champion.estimate + mean
    if not is_supported:
        return False
    is_confirmed, again = _compared(at, truth, luck, is_screened=False)
    version.estimate = at.champion.estimate + again
    return is_confirmed


def _compared(
    at: _Play, truth: float, luck: random.Random, *, is_screened: bool
) -> tuple[bool, float]:
    """Pairs until the boundary is crossed, the effect is surely too small, or the cap."""
    settings, noise, total, pairs = at.settings, at.world.noise, 0.0, 0
    while pairs < MAX_PAIRS:
        total += luck.gauss(truth, noise)
        pairs += 1
        at.spent += RUNS_A_PAIR
        mean, error = total / pairs, noise / math.sqrt(pairs)
        if is_screened and pairs == settings.screen_pairs and mean < math.log(settings.drop_below):
            return False, mean
        if pairs < MIN_PAIRS:
            continue
        if mean - BOUNDARY[pairs] * error > MINIMUM_EFFECT:
            return True, mean
        if mean + FUTILE * error < MINIMUM_EFFECT:
            return False, mean
    return False, total / pairs
