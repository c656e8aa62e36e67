"""A finished step as its row stores it: the one place that knows the keys under which a fact is kept.

The row's object has the record's own fields and, under `payload`, the fact's. A payload that says a reason and no more is
a step that was halted. Invariant: rows of older versions read back, and new ones have the same shape.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from rsi.agent.errors import LedgerCorruptError, LedgerSchemaError
from rsi.agent.store.codec import Stored, stored_fields, value_of
from rsi.agent.store.records import Step, StepOutcome
from rsi.agent.store.steps.facts import FACT_BY_STEP, AnyFact, Halted

_OF_ROW = frozenset({"step", "outcome"})
"""Fields of a fact that the row keeps beside the payload."""
_OF_HALTED = frozenset({"reason", "refused"})


@dataclass(frozen=True, slots=True, kw_only=True)
class StepRecord(Stored):
    """One finished step and when it ran; unique by (round_id, step, attempt, retry)."""

    round_id: str
    started_at: datetime
    wall_s: float
    attempt: int = 0
    """0-based; a candidate that was sent back for revision goes through the steps again."""
    fact: AnyFact
    retry: int = 0
    """How often the round had been reopened by then after failing on our side."""

    @property
    def step(self) -> Step:
        return self.fact.step

    @property
    def outcome(self) -> StepOutcome:
        return self.fact.outcome

    def to_stored(self) -> Mapping[str, object]:
        return {
            "round_id": self.round_id,
            "step": self.step,
            "outcome": self.outcome,
            "started_at": self.started_at,
            "wall_s": self.wall_s,
            "attempt": self.attempt,
            "payload": {
                name: value
                for name, value in stored_fields(self.fact).items()
                if name not in _OF_ROW
            },
            **({"retry": self.retry} if self.retry else {}),
        }

    @classmethod
    def from_stored(cls, raw: object) -> "StepRecord":
        row = value_of(_Row, raw)
        outcome = outcome_of(row.outcome, row.round_id, row.step)
        try:
            fact = _fact(row.step, outcome, row.payload)
        except (LedgerCorruptError, LedgerSchemaError) as error:
            raise type(error)(
                f"round {row.round_id!r}, step {row.step.value!r}: {error}"
            ) from error
        return cls(
            round_id=row.round_id,
            started_at=row.started_at,
            wall_s=row.wall_s,
            attempt=row.attempt,
            fact=fact,
            retry=row.retry,
        )


def outcome_of(word: str, round_id: str, step: str) -> StepOutcome:
    """The outcome that a stored word means.

    Raises:
        LedgerSchemaError: It is none that this version knows.
    """
    try:
        return StepOutcome(word)
    except ValueError as error:
        raise LedgerSchemaError(
            f"round {round_id!r}, step {str(step)!r}: {word!r} is no outcome that this version of rsi knows; "
            "upgrade rsi, or check the ledger with `rsi doctor`"
        ) from error


@dataclass(frozen=True, slots=True, kw_only=True)
class _Row:
    """The stored object."""

    round_id: str
    step: Step
    outcome: str
    started_at: datetime
    wall_s: float
    attempt: int = 0
    payload: Mapping[str, object]
    retry: int = 0


def _fact(step: Step, outcome: StepOutcome, payload: Mapping[str, object]) -> AnyFact:
    if not outcome.goes_on and payload.keys() <= _OF_HALTED:
        return value_of(Halted, {"step": step, "outcome": outcome, "reason": "", **payload})
    return value_of(FACT_BY_STEP[step], {"outcome": outcome, **payload})
