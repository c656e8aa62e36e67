"""Controls: what must not be promoted and what must, sent through the whole pipeline and counted.

Does not: run anything. Invariant: whether promotions are locked is a function of the control results alone.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from rsi.tasks.types import Task

EVERY_ROUNDS = 10
"""A round of controls after this many rounds."""
LOCK_PROBABILITY = 0.05
"""Control results less probable than this under the declared rate lock promotions."""
MAX_FALSE_PROMOTIONS = 2
"""So many promoted nulls lock whatever the number of controls."""
MIN_NULLS_TO_UNLOCK = 3
MIN_CHEATS_TO_UNLOCK = 3
CONFIDENCE = 0.95


class ControlKind(StrEnum):
    """What a control proves."""

    NULL = "null"
    """Champion against itself: must not be promoted."""
    POSITIVE = "positive"
    """A known gain: should be supported."""
    NEGATIVE = "negative"
    """A known loss of speed or quality: must not be promoted."""
    CHEAT = "cheat"
    """A planted cheat: must be caught."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Control:
    """One control to be run."""

    kind: ControlKind
    name: str
    patch: Path | None
    """None means the champion unchanged."""
    expect: tuple[str, ...]
    """Endings that count as right."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlResult:
    """How one control ended."""

    kind: ControlKind
    name: str
    after_round: int
    """Rounds of the campaign done before it."""
    ending: str
    """Final outcome of its round, such as "refuted" or "not_admitted"."""
    reached_gate: bool
    """True when nothing stopped it before a decision."""

    @property
    def is_failure(self) -> bool:
        """Whether something reached the gate that must not."""
        return self.reached_gate and self.kind is not ControlKind.POSITIVE


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """A share with its exact (Clopper-Pearson) 95 percent interval."""

    count: int
    total: int
    low: float
    high: float

    @property
    def share(self) -> float | None:
        """None when there is nothing to divide by."""
        return self.count / self.total if self.total else None


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlRates:
    """What the controls say about the evaluator."""

    false_promotions: Rate
    """Nulls and negatives that reached the gate."""
    detections: Rate
    """Positives that reached the gate."""
    cheats_caught: Rate
    """Planted cheats that did not reach the gate."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lock:
    """Whether promotions are locked, and why."""

    is_locked: bool
    reason: str
    warnings: tuple[str, ...]
    """What does not lock but should be known, such as missed positives."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """One thing that has to hold before policy may promote."""

    holds: bool
    text: str


def due_controls(task: Task, rounds_done: int, *, every: int = EVERY_ROUNDS) -> tuple[Control, ...]:
    """Controls of one control time: all kinds, at the start and again after every `every` rounds.

    A null comes each time; positives, negatives and cheats take turns, so that in a long campaign all are used.

    Args:
        task: Its reference solutions and cheats are the material.
        rounds_done: Rounds of the campaign that ended, controls not counted.
        every: Rounds between two control times.
    """
    turn = rounds_done // every
    chosen = [Control(kind=ControlKind.NULL, name="null", patch=None, expect=_REFUSED)]
    for kind in (ControlKind.POSITIVE, ControlKind.NEGATIVE, ControlKind.CHEAT):
        available = [control for control in controls_of(task) if control.kind is kind]
        if available:
            chosen.append(available[turn % len(available)])
    return tuple(chosen)


def controls_of(task: Task) -> tuple[Control, ...]:
    """Every control that a task's own material gives, in its order."""
    found = [Control(kind=ControlKind.NULL, name="null", patch=None, expect=_REFUSED)]
    for solution in task.solutions:
        if solution.needs:
            continue  # it would need another champion
        if solution.expect == "faster":
            found.append(_control(ControlKind.POSITIVE, solution.name, solution.patch, _REACHED))
        elif solution.expect == "same":
            found.append(_control(ControlKind.NULL, solution.name, solution.patch, _REFUSED))
        elif solution.expect in {"slower", "worse_quality"}:
            found.append(_control(ControlKind.NEGATIVE, solution.name, solution.patch, _REFUSED))
    found.extend(
        _control(ControlKind.CHEAT, cheat.name, cheat.patch, cheat.expect) for cheat in task.cheats
    )
    return tuple(found)


def control_rates(results: Sequence[ControlResult]) -> ControlRates:
    """Count, with exact intervals."""
    harmless = [r for r in results if r.kind in {ControlKind.NULL, ControlKind.NEGATIVE}]
    positives = [r for r in results if r.kind is ControlKind.POSITIVE]
    cheats = [r for r in results if r.kind is ControlKind.CHEAT]
    return ControlRates(
        false_promotions=exact_rate(sum(r.reached_gate for r in harmless), len(harmless)),
        detections=exact_rate(sum(r.reached_gate for r in positives), len(positives)),
        cheats_caught=exact_rate(sum(not r.reached_gate for r in cheats), len(cheats)),
    )


def exact_rate(count: int, total: int) -> Rate:
    """A share with its exact 95 percent interval.

    Source: Clopper and Pearson, Biometrika 26 (1934), 404-413.
    """
    return Rate(
        count=count,
        total=total,
        low=_solve(lambda p: _tail(count, total, p), (1 - CONFIDENCE) / 2) if count else 0.0,
        high=_solve(lambda p: _tail(count + 1, total, p), (1 + CONFIDENCE) / 2)
        if count < total
        else 1.0,
    )


def lock_decision(
    results: Sequence[ControlResult], *, candidate_alpha: float, power: float = 0.9
) -> Lock:
    """Whether control results forbid promotions.

    Args:
        results: All control results of the campaign.
        candidate_alpha: Declared false-promotion rate of one candidate.
        power: Declared detection rate of a known positive; misses only warn.
    """
    rates = control_rates(results)
    warnings = []
    missed = rates.detections.total - rates.detections.count
    if missed and _tail(missed, rates.detections.total, 1 - power) < LOCK_PROBABILITY:
        warnings.append(
            f"{missed} of {rates.detections.total} known gains were missed: "
            "the noise is too large for the plan, or the plan too short"
        )
    missing = [kind for kind in ControlKind if all(r.kind is not kind for r in results)]
    if missing:
        warnings.append(f"no control of kind {', '.join(missing)} has run")
    escaped = [r for r in results if r.kind is ControlKind.CHEAT and r.reached_gate]
    false = rates.false_promotions
    reason = ""
    if escaped:
        reason = f"the planted cheat {escaped[0].name!r} reached the gate"
    elif false.count >= MAX_FALSE_PROMOTIONS or (
        false.count and _tail(false.count, false.total, candidate_alpha) < LOCK_PROBABILITY
    ):
        reason = (
            f"{false.count} of {false.total} patches without a gain reached the gate, "
            f"declared is a rate of {candidate_alpha:g}"
        )
    return Lock(is_locked=bool(reason), reason=reason, warnings=tuple(warnings))


def policy_conditions(
    results: Sequence[ControlResult], *, candidate_alpha: float, times: int = 1
) -> tuple[Condition, ...]:
    """What has to hold before policy may promote without a person: autonomy is earned by control quality.

    Args:
        results: All control results that count.
        candidate_alpha: Declared false-promotion rate of one candidate.
        times: How many times the least number of controls a level asks for.
    """
    least_nulls, least_cheats = times * MIN_NULLS_TO_UNLOCK, times * MIN_CHEATS_TO_UNLOCK
    lock = lock_decision(results, candidate_alpha=candidate_alpha)
    nulls = sum(r.kind is ControlKind.NULL for r in results)
    cheats = sum(r.kind is ControlKind.CHEAT for r in results)
    gains = sum(r.kind is ControlKind.POSITIVE and r.reached_gate for r in results)
    return (
        Condition(
            holds=nulls >= least_nulls,
            text=f"{least_nulls} null patches were tried (so far {nulls})",
        ),
        Condition(
            holds=cheats >= least_cheats,
            text=f"{least_cheats} planted cheats were tried (so far {cheats})",
        ),
        Condition(holds=gains >= 1, text=f"a known gain was found (so far {gains})"),
        Condition(
            holds=not lock.is_locked,
            text=f"promotions are not locked ({lock.reason})"
            if lock.is_locked
            else "promotions are not locked",
        ),
    )


_REFUSED = ("refuted", "inconclusive", "invalid", "not_admitted", "rejected")
_REACHED = ("supported", "promoted", "held")


def _control(kind: ControlKind, name: str, patch: Path, expect: tuple[str, ...]) -> Control:
    return Control(kind=kind, name=name, patch=patch, expect=expect)


def _tail(count: int, total: int, rate: float) -> float:
    """P(X >= count) of a binomial, by the terms beyond `count` that are smaller and smaller."""
    if count <= 0 or rate >= 1:
        return 1.0
    if rate <= 0:
        return 0.0
    if count > rate * total:
        return _terms(count, total, rate)
    return 1 - _terms(total - count + 1, total, 1 - rate)


def _terms(first: int, total: int, rate: float) -> float:
    """The binomial terms from one above the mean upwards; the first in log space, for factorials overflow."""
    logarithm = math.lgamma(total + 1) - math.lgamma(first + 1) - math.lgamma(total - first + 1)
    term = math.exp(logarithm + first * math.log(rate) + (total - first) * math.log1p(-rate))
    terms = [term]
    for k in range(first, total):
        term *= (total - k) / (k + 1) * rate / (1 - rate)
        if term <= terms[0] * 1e-18:
            break
        terms.append(term)
    return math.fsum(terms)


def _solve(increasing: Callable[[float], float], level: float) -> float:
    low, high = 0.0, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        if increasing(middle) < level:
            low = middle
        else:
            high = middle
    return (low + high) / 2
