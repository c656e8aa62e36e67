"""Simulate fifty generations of a loop that improves itself, with and without the rule that control must keep pace.

Each generation proposes candidates; some are cheats, and the more capable the loop, the harder they are to see. A cheat that
passes is worth less than it shows. With the rule, planted cheats as subtle as the loop's own are sent through review first: where
fewer are caught than must be, nothing is promoted and the generation's work goes into the reviewer instead.
Everything is assumed (the constants below); what is shown is what the rule does under these assumptions, not how fast real loops drift.
"""

import math
import random
from dataclasses import dataclass
from statistics import mean

GENERATIONS = 50
CANDIDATES = 8
CHEAT_SHARE = 0.2
GAIN = 0.03
"""Mean true log gain of an honest promoted candidate."""
CHEAT_SHOWS, CHEAT_LOSES = 0.08, 0.02
"""Log gain that a cheat shows, and what it truly costs."""
SUBTLETY = 1.2
"""How much harder to see a cheat gets with each unit of log capability."""
SHARPNESS = 3.0
HEAD_START = 1.0
"""By how much review is ahead of cheats at first: nineteen of twenty are caught."""
REVIEWER_STEP = 0.25
"""What one generation's work adds to the reviewer."""
PLANTED, LEAST_CAUGHT = 30, 0.85


@dataclass(frozen=True, slots=True, kw_only=True)
class Generation:
    """How the loop stands after one generation."""

    truth: float
    """True log gain since the start."""
    shown: float
    """What the promotions claimed, added up."""
    detection: float
    """Chance that a cheat as subtle as the loop's own is caught."""
    promotions: int
    false_promotions: int


def run(seed: int, *, keeps_pace: bool, generations: int = GENERATIONS) -> list[Generation]:
    """One history."""
    rng = random.Random(f"pace/{seed}")
    truth = shown = review = 0.0
    history = []
    for _ in range(generations):
        caught = detection(truth, review)
        promotions = false = 0
        seen = sum(rng.random() < caught for _ in range(PLANTED)) / PLANTED
        if keeps_pace and seen < LEAST_CAUGHT:
            review += REVIEWER_STEP
        else:
            for _ in range(CANDIDATES):
                if rng.random() < CHEAT_SHARE:
                    if rng.random() < caught:
                        continue
                    truth, shown, false = truth - CHEAT_LOSES, shown + CHEAT_SHOWS, false + 1
                    promotions += 1
                elif rng.random() < 0.3:
                    gain = rng.expovariate(1 / GAIN)
                    truth, shown, promotions = truth + gain, shown + gain, promotions + 1
        history.append(
            Generation(
                truth=truth,
                shown=shown,
                detection=detection(truth, review),
                promotions=promotions,
                false_promotions=false,
            )
        )
    return history


def detection(truth: float, review: float) -> float:
    """Chance that review of this strength catches a cheat of a loop of this capability."""
    return 1 / (1 + math.exp(-SHARPNESS * (HEAD_START + review - SUBTLETY * truth)))


def false_share(histories: list[list[Generation]]) -> float:
    """Share of all promotions that were cheats."""
    promotions = sum(each.promotions for history in histories for each in history)
    return sum(each.false_promotions for history in histories for each in history) / promotions


def main() -> None:
    """Print both histories side by side."""
    seeds = range(200)
    both = {
        name: [run(seed, keeps_pace=keeps) for seed in seeds]
        for name, keeps in (("control keeps pace", True), ("capability alone", False))
    }
    print("simulated, mean of 200 histories: true gain / shown gain / cheats that would be caught")
    for generation in (1, 10, 20, 30, 40, 50):
        cells = []
        for name, histories in both.items():
            at = [history[generation - 1] for history in histories]
            truth, shown = (
                math.exp(mean(getattr(each, key) for each in at)) for key in ("truth", "shown")
            )
            caught = mean(each.detection for each in at)
            cells.append(f"{name}: {truth:5.2f}x {shown:5.2f}x {caught:4.0%}")
        print(f"generation {generation:2}   " + "   ".join(cells))
    for name, histories in both.items():
        print(f"{name}: {false_share(histories):.1%} of all promotions were cheats")


if __name__ == "__main__":
    main()
