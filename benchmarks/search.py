"""Search strategies on synthetic landscapes with a known optimum, beside random proposal.

Run: python benchmarks/search.py [--worlds N] [--rounds N]. Takes seconds; no model, no sandbox.
Prints the share of the optimum's log(speedup) that the best measured candidate reaches, mean over
worlds with a 95 percent interval, and in how many worlds a strategy beats random proposal.
"""

import argparse
import functools
import math
import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.landscape import FLAGS, Landscape, simulate

from rsi.agent.search.choose import choose_strategy
from rsi.agent.search.types import Facts, Plan


@functools.cache
def world_of(seed: int) -> Landscape:
    """One world; its optimum is looked for once."""
    return Landscape(seed)


@dataclass(frozen=True)
class Even:
    """Greedy, with the models in turn: what the bandit has to beat."""

    name: str = "even"

    def plan(self, facts: Facts, seed: int) -> Plan:
        """The champion and the next model."""
        del seed
        model = facts.models[facts.next_number % len(facts.models)]
        return Plan(parent=facts.champion, model=model)


def shares(flag: str | None, *, worlds: int, rounds: int, **settings: object) -> list[float]:
    """Share of the optimum reached in each world."""
    strategy = None if flag is None else choose_strategy(flag)
    result = []
    for seed in range(worlds):
        world = world_of(seed)
        campaign = simulate(world, strategy, rounds=rounds, seed=seed, **settings)  # type: ignore[arg-type]
        result.append(campaign.best / world.optimum)
    return result


def line(name: str, values: Sequence[float], random_values: Sequence[float]) -> str:
    """One row of the table."""
    mean = statistics.fmean(values)
    half = 1.96 * statistics.stdev(values) / math.sqrt(len(values))
    wins = sum(a > b for a, b in zip(values, random_values, strict=True))
    return f"{name:42} {mean:6.1%} ±{half:5.1%}   beats random in {wins}/{len(values)} worlds"


def out(text: str) -> None:
    """One line of the report."""
    sys.stdout.write(text + "\n")


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--worlds", type=int, default=60)
    parser.add_argument("--rounds", type=int, default=40)
    args = parser.parse_args()
    size = {"worlds": args.worlds, "rounds": args.rounds}
    started = time.perf_counter()
    random_values = shares(None, **size)
    out(f"share of the optimum after {args.rounds} rounds, {args.worlds} worlds")
    out(line("random proposal", random_values, random_values))
    for flag in FLAGS:
        out(line(flag, shares(flag, **size), random_values))
    flag = "tree:pick=softmax,temperature=0.1"
    out(line(f"{flag}, 4 in parallel", shares(flag, **size, parallel=4), random_values))
    out("\ngain per dollar, same rounds, two proposers (quick 0.05 USD, careful 0.50 USD a round)")
    greedy = choose_strategy("greedy")
    for name, strategy, models in (
        ("quick alone", greedy, ("quick",)),
        ("careful alone", greedy, ("careful",)),
        ("both in turn", Even(), ("quick", "careful")),
        ("bandit over both", greedy, ("quick", "careful")),
    ):
        done = [
            simulate(world_of(s), strategy, rounds=args.rounds, seed=s, models=models)
            for s in range(args.worlds)
        ]
        gain = statistics.fmean(c.best for c in done)
        usd = statistics.fmean(c.usd for c in done)
        out(f"{name:42} log speedup {gain:.3f} for {usd:6.2f} USD: {gain / usd:.3f} per USD")
    out(f"\n{time.perf_counter() - started:.1f} s")


if __name__ == "__main__":
    main()
