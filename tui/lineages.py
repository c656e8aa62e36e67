"""A lineage as a tree and as a leaderboard, out of its rounds."""

from collections.abc import Sequence
from dataclasses import dataclass

from rsi.agent.store.records import PromotionKind, PromotionRecord
from rsi.tui.view import RoundView


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
    """The baseline, and below each champion the candidates that started from it; all oldest first."""
    with_code = [each for each in rounds if each.commit is not None and not each.planted]
    children: dict[str, list[RoundView]] = {}
    for each in with_code:
        children.setdefault(each.record.parent_commit or each.record.champion_commit, []).append(
            each
        )
    made = {each.commit for each in with_code}
    roots = [commit for commit in children if commit not in made]
    champion = champion_of(promotions)
    rows: list[TreeRow] = []
    seen: set[str] = set()

    def grow(commit: str, prefix: str) -> None:
        below = children.get(commit, ())
        for number, each in enumerate(below):
            is_last = number == len(below) - 1
            own = each.commit or ""
            rows.append(
                TreeRow(prefix=prefix + ("└─ " if is_last else "├─ "), view=each, commit=own,
                        is_champion=own == champion)
            )  # fmt: skip
            if own in seen:
                continue
            seen.add(own)
            grow(own, prefix + ("   " if is_last else "│  "))

    for root in roots:
        rows.append(
            TreeRow(prefix="", view=None, commit=root, is_champion=champion in {None, root})
        )
        grow(root, "")
    return tuple(rows)


def champion_of(promotions: Sequence[PromotionRecord]) -> str | None:
    """The champion's commit after these moves; None while it is the baseline."""
    return promotions[-1].new_commit if promotions else None


def leaderboard(rounds: Sequence[RoundView], *, minimum_effect: float | None) -> tuple[Place, ...]:
    """Measured candidates, best lower bound first; those that are not surely better have no place.

    Each effect is over the champion of its own round, so places compare steps, not totals.

    Args:
        rounds: Of one lineage.
        minimum_effect: 0.02 means that better begins at 1.02; None takes 0.
    """
    measured = [each for each in rounds if each.effect is not None and not each.planted]
    measured.sort(key=lambda each: -(each.effect.low if each.effect is not None else 0.0))
    least = 1.0 + (minimum_effect or 0.0)
    places: list[Place] = []
    for each in measured:
        is_better = each.effect is not None and each.effect.low > least
        places.append(Place(place=len(places) + 1 if is_better else None, view=each))
    return tuple(places)


def rolled_back(promotions: Sequence[PromotionRecord]) -> frozenset[str]:
    """Commits that were champion and were moved away from by a rollback."""
    return frozenset(each.old_commit for each in promotions if each.kind is PromotionKind.ROLLBACK)
