"""A lineage as a tree: every candidate below what it was built on, drawn with the same branches in cockpit and command line."""

from collections.abc import Sequence
from dataclasses import dataclass

from rsi.agent.store.records import PromotionRecord
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
