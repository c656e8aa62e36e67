"""A synthetic world to try strategies in: seconds instead of days, with an optimum that is known.

A candidate is a tuple of choices. Its worth adds what each choice brings and what pairs of choices bring
together, which is where greedy climbers get stuck. Most choices hurt, as most changes to working code do. Proposing copies the parent, borrows a choice from
an inspiration now and then, and changes one or two choices; some proposals crash. Measuring is noisy.
Used by tests and benchmarks only.
"""

import itertools
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from rsi.agent.search.types import Facts, Node, Plan, Strategy

PLACES = 8
CHOICES = 3
CRASH_RATE = 0.15
NOISE = 0.02
"""Standard deviation of a measured log(speedup), about what a few pairs on a quiet machine give."""
MINIMUM_GAIN = 0.02
MODELS: Mapping[str, tuple[int, float]] = {"quick": (1, 0.05), "careful": (3, 0.50)}
"""Model name to how many changes it thinks of before it proposes the best, and dollars a round."""

FLAGS = (
    "greedy",
    "best_of_n:n=4",
    "tree:pick=argmax",
    "tree:pick=top_k,k=3",
    "tree:pick=epsilon_greedy,epsilon=0.2",
    "tree:pick=softmax,temperature=0.1",
    "archive:islands=3",
    "open_ended:temperature=0.1",
)
"""Every strategy, with settings of it that are worth a comparison."""

Genome = tuple[int, ...]


@dataclass(frozen=True)
class Landscape:
    """One world; equal seeds give equal worlds."""

    seed: int

    @cached_property
    def _tables(self) -> tuple[list[list[float]], dict[tuple[int, int], list[list[float]]]]:
        draw = random.Random(f"landscape/{self.seed}")
        single = [
            [0.0, *(draw.gauss(-0.08, 0.2) for _ in range(CHOICES - 1))] for _ in range(PLACES)
        ]
        pairs: dict[tuple[int, int], list[list[float]]] = {}
        for pair in itertools.combinations(range(PLACES), 2):
            if draw.random() < 0.4:
                table = [[draw.gauss(0.0, 0.15) for _ in range(CHOICES)] for _ in range(CHOICES)]
                pairs[pair] = [
                    [0.0 if 0 in (a, b) else value for b, value in enumerate(row)]
                    for a, row in enumerate(table)
                ]
        return single, pairs

    def worth(self, genome: Genome) -> float:
        """log(speedup) of a candidate against the all-zero baseline."""
        single, pairs = self._tables
        total = sum(single[place][choice] for place, choice in enumerate(genome))
        return total + sum(t[genome[a]][genome[b]] for (a, b), t in pairs.items())

    @cached_property
    def optimum(self) -> float:
        """The best worth there is, by looking at all candidates."""
        return max(self.worth(g) for g in itertools.product(range(CHOICES), repeat=PLACES))


@dataclass(frozen=True)
class Campaign:
    """What came of a simulated campaign."""

    best: float
    """True worth of the best measured candidate, 0 for none better than the baseline."""
    usd: float


def simulate(
    world: Landscape,
    strategy: Strategy | None,
    *,
    rounds: int,
    seed: int,
    models: Sequence[str] = ("quick",),
    parallel: int = 1,
) -> Campaign:
    """Run a strategy in a world.

    Args:
        world: Where.
        strategy: Who plans; None proposes candidates at random, without parents.
        rounds: Proposals in all.
        seed: Of proposals, crashes and noise.
        models: Proposers to choose from.
        parallel: Rounds that are under way at once: a plan cannot see the results of the latest ones.
    """
    draw = random.Random(f"campaign/{seed}")
    start: Genome = (0,) * PLACES
    genomes: dict[str, Genome] = {_name(start): start}
    nodes: list[Node] = []
    champion, champion_value, usd = _name(start), 0.0, 0.0
    for number in range(1, rounds + 1):
        seen = [node if node.number <= number - parallel else _hidden(node) for node in nodes]
        facts = Facts(baseline=_name(start), champion=champion, nodes=seen, models=models)
        plan = strategy.plan(facts, seed) if strategy is not None else None
        model = (plan.model if plan is not None else None) or models[0]
        tries, price = MODELS[model]
        usd += price
        child, parent = _propose(world, plan, nodes, genomes, tries, draw)
        value = None
        if draw.random() >= CRASH_RATE:
            genomes[_name(child)] = child
            value = world.worth(child) + draw.gauss(0.0, NOISE)
        parent_value = world.worth(genomes[parent])
        is_better = value is not None and value > champion_value + MINIMUM_GAIN
        nodes.append(
            Node(
                round_id=f"r{number}",
                number=number,
                commit=_name(child) if value is not None else None,
                parent=parent,
                value=value,
                is_promoted=is_better,
                gain=None if value is None else value - parent_value,
                cost_usd=price,
                model=model,
                island=plan.island if plan is not None else 0,
                niche=str(_first_change(child)),
            )
        )
        if is_better and value is not None:
            champion, champion_value = _name(child), value
    measured = [node for node in nodes if node.value is not None and node.commit is not None]
    top = max(measured, key=lambda node: node.value or 0.0, default=None)
    best = world.worth(genomes[top.commit]) if top is not None and top.commit else 0.0
    return Campaign(best=max(0.0, best), usd=usd)


def _propose(
    world: Landscape,
    plan: Plan | None,
    nodes: Sequence[Node],
    genomes: Mapping[str, Genome],
    tries: int,
    draw: random.Random,
) -> tuple[Genome, str]:
    if plan is None:
        return tuple(draw.randrange(CHOICES) for _ in range(PLACES)), _name((0,) * PLACES)
    by_round = {node.round_id: node.commit for node in nodes}
    commits = [by_round.get(round_id) for round_id in plan.inspirations]
    lenders = [genomes[commit] for commit in commits if commit is not None]
    ideas = [_mutant(genomes[plan.parent], lenders, draw) for _ in range(tries)]
    return max(ideas, key=world.worth), plan.parent


def _mutant(parent: Genome, lenders: Sequence[Genome], draw: random.Random) -> Genome:
    child = list(parent)
    if lenders and draw.random() < 0.3:
        lender = draw.choice(lenders)
        for place in draw.sample(range(PLACES), 2):
            child[place] = lender[place]
    for place in draw.sample(range(PLACES), draw.choice((1, 1, 2))):
        child[place] = draw.choice([c for c in range(CHOICES) if c != child[place]])
    return tuple(child)


def _hidden(node: Node) -> Node:
    return Node(
        round_id=node.round_id, number=node.number, commit=None, parent=node.parent, value=None,
        is_open=True, model=node.model, island=node.island,
    )  # fmt: skip


def _first_change(genome: Genome) -> int:
    return next((place for place, choice in enumerate(genome) if choice), -1)


def _name(genome: Genome) -> str:
    return "".join(map(str, genome))
