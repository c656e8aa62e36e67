"""What waits for a person, least risk first: a batch of low-risk candidates, and how long a decision takes.

Does not: decide. Invariant: the order is a function of what waits, the times one of the ledger.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import median

from rsi.agent.memory.similarity import WordIndex
from rsi.agent.store.ledger import Ledger
from rsi.agent.store.records import DecisionRecord, Step
from rsi.agent.store.rounds import RoundView
from rsi.agent.store.state import is_person
from rsi.agent.store.steps.facts import Committed


@dataclass(frozen=True, slots=True, kw_only=True)
class LowRisk:
    """A candidate without a doubt."""

    view: RoundView
    difference: float | None
    """From the others of the batch, 0 to 1; None for one alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionTimes:
    """How long people took, each from when both the candidate and its person were free."""

    decisions: int
    median_s: float | None
    """None without a decision."""
    total_s: float


def doubts(view: RoundView) -> int:
    """How doubtful a candidate at the gate is: what holds it counts twice, each finding once."""
    return 2 * len(view.held_by) + len(view.findings)


def sure_gain(view: RoundView) -> float:
    """Lower end of the effect's interval; 0 where there is none: for sorting only."""
    return 0.0 if view.effect is None else view.effect.low


def low_risk(waiting: Iterable[RoundView]) -> tuple[LowRisk, ...]:
    """The candidates without a doubt, the one that differs most from the others first.

    Who looks at only one of a batch looks at that one: what is alike was seen with any of them.
    """
    batch = [each for each in waiting if doubts(each) == 0]
    texts = [_words_of(each) for each in batch]
    index = WordIndex(texts)
    found = []
    for place, each in enumerate(batch):
        alike = index.scores(texts[place])
        others = [score for at, score in enumerate(alike) if at != place]
        found.append(
            LowRisk(view=each, difference=1 - sum(others) / len(others) if others else None)
        )
    return tuple(sorted(found, key=lambda each: (-(each.difference or 0.0), -sure_gain(each.view))))


def decision_times_of(ledger: Ledger) -> DecisionTimes:
    """The same of everything that people have decided in a ledger."""
    decisions = ledger.decisions()
    asked = {each.round_id for each in decisions if is_person(each.actor)}
    arrived = [
        (step.round_id, step.started_at + timedelta(seconds=step.wall_s))
        for step in (ledger.steps_of(step=Step.REVIEW) if asked else ())
        if step.round_id in asked
    ]
    return decision_times(decisions, arrived)


def decision_times(
    decisions: Sequence[DecisionRecord], since: Iterable[tuple[str, datetime]]
) -> DecisionTimes:
    """Time that people took for a decision.

    Args:
        decisions: Of any actor, oldest first.
        since: Round ids with when each came to the gate, once for each time; a decision on another round is left out.
    """
    arrivals: dict[str, list[datetime]] = {}
    for round_id, at in since:
        arrivals.setdefault(round_id, []).append(at)
    free_at: dict[str, datetime] = {}
    taken: list[float] = []
    for each in decisions:
        if not is_person(each.actor):
            continue
        # What was sent back came again: the last time before the decision counts.
        before = [at for at in arrivals.get(each.round_id, ()) if at <= each.at]
        if before:
            begun = max(max(before), free_at.get(each.actor, min(before)))
            taken.append((each.at - begun).total_seconds())
        free_at[each.actor] = each.at
    return DecisionTimes(
        decisions=len(taken), median_s=median(taken) if taken else None, total_s=sum(taken)
    )


def _words_of(view: RoundView) -> str:
    committed = view.left(Committed)
    files = () if committed is None else committed.files
    return " ".join([view.hypothesis, *(each.path for each in files)])
