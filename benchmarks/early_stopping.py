"""What `--early-stop` gives up, on real learning curves: `python benchmarks/early_stopping.py`.

A small network is trained on fresh data under changes of many kinds (learning rate, batch, schedule, width, start), each
at its own cost a step. A change's truth is its time and its final loss over several seeds; the screen that `rsi try` uses
sees the curves of one pair as they are printed. Printed: of the changes that are truly wins, how many it gives up; of those
that are truly worse, how many, and how much of their first pair is saved. `--json` prints the rows.
"""

import argparse
import json
import random
import statistics
from dataclasses import asdict, dataclass, replace

import numpy as np

from rsi.evals.measure.curve_screen import LOOKS, CurveScreen
from rsi.evals.measure.running import Slot
from rsi.evals.planted.controls import exact_rate
from rsi.evals.types import Arm, Purpose

STEPS = 240
SEEDS = 6
EVERY = 6
"""Steps between two printed losses."""
WIN, WORSE, KEPT = "faster at kept quality", "worse than the margin", "kept, and no faster"


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How a run trains, and what a step of it costs in units of the champion's."""

    rate: float = 0.3
    batch: int = 64
    width: int = 24
    steps: int = STEPS
    warmup: int = 0
    start: float = 1.0
    momentum: float = 0.0
    step_cost: float = 1.0

    @property
    def seconds(self) -> float:
        return self.steps * self.step_cost


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One run: printed losses with the time of each, and the loss on data that it did not see."""

    curve: tuple[tuple[float, float], ...]
    final: float


def train(recipe: Recipe, seed: int) -> Run:
    """Fit a random teacher of 12 inputs with one hidden layer; batch losses are printed."""
    data = np.random.default_rng(0)
    teacher = data.normal(size=(12, 8)), data.normal(size=8) / 8**0.5
    x = data.normal(size=(4096, 12))
    y = np.tanh(x @ teacher[0]) @ teacher[1] + 0.1 * data.normal(size=4096)
    rng = np.random.default_rng(seed)
    first = rng.normal(size=(12, recipe.width)) * recipe.start / 12**0.5
    second = rng.normal(size=recipe.width) * recipe.start / recipe.width**0.5
    moved = [np.zeros_like(first), np.zeros_like(second)]
    curve = []
    for step in range(recipe.steps):
        rows = rng.integers(0, 3072, recipe.batch)
        hidden = np.tanh(x[rows] @ first)
        off = hidden @ second - y[rows]
        if step % EVERY == 0:
            curve.append(((step + 1) * recipe.step_cost, float(np.mean(off**2))))
        inner = off[:, None] * second * (1 - hidden**2)
        slopes = (x[rows].T @ inner / recipe.batch, hidden.T @ off / recipe.batch)
        rate = recipe.rate * min(1.0, (step + 1) / (recipe.warmup + 1))
        for weights, speed, slope in zip((first, second), moved, slopes, strict=True):
            speed *= recipe.momentum
            speed += slope
            weights -= rate * speed
    left = np.tanh(x[3072:] @ first) @ second - y[3072:]
    return Run(curve=tuple(curve), final=float(np.mean(left**2)))


def changes(rng: random.Random, n: int) -> list[Recipe]:
    """Changes as agents propose them: what speeds a step up, what learns faster in fewer, and both done badly."""
    base = Recipe()

    def drawn() -> Recipe:
        kind = rng.randrange(6)
        cheaper = rng.uniform(0.5, 1.0)
        match kind:
            case 0:
                return replace(base, step_cost=cheaper)
            case 1:
                return replace(base, rate=base.rate * 10 ** rng.uniform(-2, 0.7), step_cost=cheaper)
            case 2:
                share = rng.uniform(0.2, 1.0)
                return replace(
                    base, batch=max(4, int(base.batch * share)), step_cost=0.4 + 0.6 * share
                )
            case 3:
                return replace(
                    base,
                    steps=int(STEPS * rng.uniform(0.1, 1.0)),
                    momentum=rng.choice([0.0, 0.5, 0.9]),
                    rate=base.rate * rng.choice([0.3, 0.6, 1.0]),
                )
            case 4:
                return replace(base, warmup=rng.randrange(10, STEPS), step_cost=cheaper)
            case _:
                return replace(
                    base,
                    width=rng.choice([2, 4, 8, 16, 32]),
                    start=10 ** rng.uniform(-3, 0.6),
                    step_cost=cheaper,
                )

    return [drawn() for _ in range(n)]


def is_given_up(champion: Run, candidate: Run, *, run_s: float, margin: float) -> bool:
    """Whether the screen ends the pair, fed with both curves in the order of their times."""
    now = 0.0
    screen = CurveScreen(
        read=lambda line: float(line) if line else None,
        name="loss",
        is_higher_better=False,
        margin=margin,
        run_s=run_s,
        clock=lambda: now,
    )
    slots = {
        arm: Slot(
            arm=arm,
            purpose=Purpose.SCREEN,
            pair=0,
            position=position,
            training_seed=0,
            label="bench",
        )
        for position, arm in enumerate(Arm)
    }
    for slot in slots.values():
        screen.heard(slot, "stdout", b"\n")
    told = [
        (at, slots[arm], value)
        for arm, run in ((Arm.CHAMPION, champion), (Arm.CANDIDATE, candidate))
        for at, value in run.curve
    ]
    for now, slot, value in sorted(told, key=lambda each: each[0]):  # noqa: B007  # the screen's clock reads it
        screen.heard(slot, "stdout", f"{value}\n".encode())
    return screen.behind() is not None


def main() -> None:
    """Draw changes, judge each by its truth and by the screen, print both rates."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--changes", type=int, default=240)
    asked = parser.parse_args()
    champion = [train(Recipe(), seed) for seed in range(SEEDS)]
    finals = [run.final for run in champion]
    margin = 2 * statistics.stdev(finals)
    counts = {truth: [0, 0] for truth in (WIN, WORSE, KEPT)}
    for recipe in changes(random.Random(5), asked.changes):
        runs = [train(recipe, seed) for seed in range(SEEDS)]
        loss = statistics.fmean(
            mine.final - theirs.final for mine, theirs in zip(runs, champion, strict=True)
        )
        is_kept, speedup = loss <= margin, STEPS / recipe.seconds
        truth = WIN if is_kept and speedup > 1.05 else KEPT if is_kept else WORSE
        for mine, theirs in zip(runs, champion, strict=True):
            gone = is_given_up(theirs, mine, run_s=float(STEPS), margin=margin)
            counts[truth][0] += gone
            counts[truth][1] += 1
    rates = {truth: exact_rate(gone, pairs) for truth, (gone, pairs) in counts.items() if pairs}
    if asked.json:
        print(
            json.dumps({"margin": margin, **{name: asdict(rate) for name, rate in rates.items()}})
        )
        return
    print(
        f"margin {margin:.4f} over a final loss of {statistics.fmean(finals):.4f}; last look after {LOOKS[-1]:.0%} of a run"
    )
    for truth, rate in rates.items():
        print(
            f"{truth:<28} {rate.count:>4} of {rate.total:>4} pairs given up: {rate.share or 0.0:.1%} [{rate.low:.1%}, {rate.high:.1%}]"
        )


if __name__ == "__main__":
    main()
