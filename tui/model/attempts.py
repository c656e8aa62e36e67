"""The attempts of one round: what each committed, and the note with which the one before it was sent back.

Pure: from the facts of a round alone.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

from rsi.agent.store.records import Step, StepOutcome
from rsi.agent.store.rounds import RoundView
from rsi.agent.store.steps.facts import Committed, Critiqued, Decided
from rsi.agent.store.steps.record import StepRecord
from rsi.evals.types import Finding


@dataclass(frozen=True, slots=True, kw_only=True)
class SentBack:
    """Why an attempt was not the last one of its round."""

    by: str
    """Who sent it back: "the critic", or the name that decided at the gate."""
    note: str
    """Untrusted when the critic wrote it."""
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptMade:
    """One attempt that left a commit."""

    number: int
    """1-based, as people count."""
    committed: Committed
    sent_back: SentBack | None
    """None when nobody sent it back, or nobody has yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptPair:
    """Two attempts of a round, one after the other."""

    before: AttemptMade
    after: AttemptMade


def attempt_pairs(view: RoundView) -> tuple[AttemptPair, ...]:
    """Each attempt of a round that left a commit with the one before it that did, oldest first."""
    made = attempts_made(view)
    return tuple(AttemptPair(before=before, after=after) for before, after in pairwise(made))


def attempts_made(view: RoundView) -> tuple[AttemptMade, ...]:
    """Attempts that left a commit, oldest first."""
    by_attempt: dict[int, dict[Step, StepRecord]] = {}
    for each in view.steps:
        # What was done again after a failure of ours comes later and counts.
        by_attempt.setdefault(each.attempt, {})[each.step] = each
    found = []
    for number, steps in sorted(by_attempt.items()):
        commit = steps.get(Step.COMMIT)
        if commit is not None and isinstance(commit.fact, Committed):
            found.append(
                AttemptMade(
                    number=number + 1, committed=commit.fact, sent_back=_sent_back(steps.values())
                )
            )
    return tuple(found)


def _sent_back(steps: Iterable[StepRecord]) -> SentBack | None:
    for each in steps:
        if each.outcome is not StepOutcome.REVISE:
            continue
        match each.fact:
            case Critiqued(text=text, findings=findings):
                return SentBack(by="the critic", note=text, findings=findings)
            case Decided(actor=actor, reason=reason):
                return SentBack(by=actor, note=reason)
            case _:
                continue
    return None
