"""A lineage as a tree and as a leaderboard, out of its rounds."""

from collections.abc import Sequence
from dataclasses import dataclass

from rsi.agent.policy.audits import champion_line
from rsi.agent.report.reasons import why_ended
from rsi.agent.store.records import PromotionKind, PromotionRecord
from rsi.agent.store.rounds import RoundView


@dataclass(frozen=True, slots=True, kw_only=True)
class TreeRow:
    """One line of the tree."""

    prefix: str
    """Branches drawn before it."""
    view: RoundView | None
    """None for the baseline."""
    commit: str
    is_champion: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """One line of the leaderboard."""

    place: int | None
    """1-based; None below the line of significance."""
    view: RoundView


def tree_rows(
    rounds: Sequence[RoundView], promotions: Sequence[PromotionRecord]
) -> tuple[TreeRow, ...]:
    """The baseline, and below each champion the candidates that started from it, oldest first.

    A candidate that was promoted comes after the others of its champion and stands as far left: a line of a thousand
    champions is no deeper than one of two.
    """
    with_code = [each for each in rounds if each.commit is not None and not each.planted]
    children: dict[str, list[RoundView]] = {}
    for each in with_code:
        children.setdefault(each.record.parent_commit or each.record.champion_commit, []).append(
            each
        )
    made = {each.commit for each in with_code}
    champion = champion_of(promotions)
    promoted = {each.new_commit for each in promotions}
    rows: list[TreeRow] = []
    grown: set[str] = set()
    # Rows still to write, the next one last: commit, candidate, branches before it, branches before what is below it.
    waiting: list[tuple[str, RoundView | None, str, str]] = [
        (commit, None, "", "") for commit in reversed(children) if commit not in made
    ]
    while waiting:
        own, view, prefix, below = waiting.pop()
        is_champion = own == champion or (view is None and champion is None)
        rows.append(TreeRow(prefix=prefix, view=view, commit=own, is_champion=is_champion))
        if own in grown:
            continue
        grown.add(own)
        found = sorted(children.get(own, ()), key=lambda each: each.commit in promoted)
        next_rows: list[tuple[str, RoundView | None, str, str]] = []
        for number, each in enumerate(found):
            commit, is_last = each.commit or "", number == len(found) - 1
            if is_last and commit in promoted:
                next_rows.append((commit, each, below, below))
            else:
                branch, deeper = ("└─ ", "   ") if is_last else ("├─ ", "│  ")
                next_rows.append((commit, each, below + branch, below + deeper))
        waiting += reversed(next_rows)
    return tuple(rows)


def champion_of(promotions: Sequence[PromotionRecord]) -> str | None:
    """The champion's commit after these moves; None while it is the baseline."""
    return promotions[-1].new_commit if promotions else None


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
