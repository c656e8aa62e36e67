"""A lineage as a leaderboard, out of its rounds, and what was rolled back of it."""

from collections.abc import Sequence
from dataclasses import dataclass

from rsi.agent.policy.audits import champion_line
from rsi.agent.report.reasons import why_ended
from rsi.agent.store.records import PromotionKind, PromotionRecord
from rsi.agent.store.rounds import RoundView


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """One line of the leaderboard."""

    place: int | None
    """1-based; None below the line of significance."""
    view: RoundView


def leaderboard(rounds: Sequence[RoundView], *, minimum_effect: float | None) -> tuple[Place, ...]:
    """Measured candidates, best lower bound first; those that are not surely better, or were refused, have no place.

    Each effect is over the champion of its own round, so places compare steps, not totals.

    Args:
        rounds: Of one lineage.
        minimum_effect: 0.02 means that better begins at 1.02; None takes 0.
    """
    measured = [each for each in rounds if each.effect is not None and not each.planted]
    least = 1.0 + (minimum_effect or 0.0)
    # A gain that was refused stands below every gain that was not, however large it is.
    measured.sort(key=lambda each: (why_ended(each) is not None, -_low(each)))
    places: list[Place] = []
    for each in measured:
        has_place = why_ended(each) is None and _low(each) > least
        places.append(Place(place=len(places) + 1 if has_place else None, view=each))
    return tuple(places)


def _low(view: RoundView) -> float:
    return 0.0 if view.effect is None else view.effect.low


def rolled_back(promotions: Sequence[PromotionRecord]) -> frozenset[str]:
    """Commits that were champion and were moved away from by a rollback, over however many champions it went."""
    moves: dict[str, list[PromotionRecord]] = {}
    for each in promotions:
        moves.setdefault(each.lineage, []).append(each)
    promoted = {each.new_commit for each in promotions if each.kind is PromotionKind.PROMOTE}
    return frozenset(promoted.difference(*map(champion_line, moves.values())))
