"""Capability and control of a lineage on one time axis: how far its champion came, and what control had shown by then.

A moment is one at which something became known: the champion moved or was audited, a planted control ended. Rates are those
of everything before it. Invariants: a function of the ledger; a total is measured whole, never multiplied up.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from rsi.agent.policy.controls import control_result
from rsi.agent.report.champions import ChampionBook, ChampionPoint, Move
from rsi.agent.store.ledger import Ledger
from rsi.agent.store.records import PromotionKind, PromotionRecord
from rsi.agent.store.round_book import RoundBook
from rsi.agent.store.state import is_person
from rsi.evals.planted.controls import ControlResult, Rate, control_rates, exact_rate
from rsi.evals.types import Interval


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """What was known of a lineage at one time."""

    at: datetime
    ideas: int
    """Tried on the lineage until then."""
    event: str
    """What happened, in words, such as "promotion" or "cheat 03_forges: reached the gate"."""
    move: Move | None
    """What happened to the champion; None for a control."""
    is_failure: bool
    """A null, a loss or a cheat reached the gate, or an audit is not supported."""
    speedup: Interval | None
    """Of the champion over the baseline; None where it was not measured whole."""
    cheats_caught: Rate
    false_promotions: Rate
    seen: Rate
    """Promotions that a person saw before they happened."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Happening:
    """One event with what it changes."""

    at: datetime
    control: ControlResult | None = None
    point: ChampionPoint | None = None


def capability_and_control(ledger: Ledger, lineage: str) -> tuple[Moment, ...]:
    """Every moment of a lineage, oldest first; empty while no control ended and nothing was promoted."""
    book = RoundBook(ledger)
    rounds = book.of_lineage(lineage)
    points = [
        _Happening(at=each.at, point=each)
        for each in ChampionBook(ledger, book).curve(lineage)
        if each.at is not None
    ]
    controls = [
        _Happening(at=each.last_at, control=result)
        for each in rounds
        if (result := control_result(each)) is not None
    ]
    promotions = [each for each in ledger.promotions(lineage) if each.kind is PromotionKind.PROMOTE]
    ideas = [each.last_at for each in rounds if not each.record.is_control]
    return tuple(
        _moments(sorted([*points, *controls], key=lambda each: each.at), promotions, ideas)
    )


def _moments(
    happenings: Sequence[_Happening],
    promotions: Sequence[PromotionRecord],
    ideas: Sequence[datetime],
) -> Iterator[Moment]:
    results: list[ControlResult] = []
    speedup: Interval | None = None
    for each in happenings:
        if each.point is not None:
            speedup = each.point.total
        if each.control is not None:
            results.append(each.control)
        rates = control_rates(results)
        before = [move for move in promotions if move.at <= each.at]
        seen = sum(is_person(move.actor) for move in before)
        yield Moment(
            at=each.at,
            ideas=sum(at <= each.at for at in ideas),
            event=_event(each),
            move=None if each.point is None else each.point.move,
            is_failure=(each.control is not None and each.control.is_failure)
            or _is_failed_audit(each.point),
            speedup=speedup,
            cheats_caught=rates.cheats_caught,
            false_promotions=rates.false_promotions,
            seen=exact_rate(seen, len(before)),
        )


def _is_failed_audit(point: ChampionPoint | None) -> bool:
    return point is not None and point.move is Move.AUDIT and not point.is_supported


def _event(happened: _Happening) -> str:
    if happened.point is not None:
        doubt = " that fails" if _is_failed_audit(happened.point) else ""
        return f"{happened.point.move.value}{doubt}"
    control = happened.control
    if control is None:
        return ""
    ended = "reached the gate" if control.reached_gate else control.ending.replace("_", " ")
    return f"{control.kind.value} {control.name}: {ended}"
