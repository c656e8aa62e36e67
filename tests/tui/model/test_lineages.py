"""A lineage of any length is a tree that fits, and a rollback takes away all that it went back over."""

from dataclasses import replace

from tests.facts import finished, left
from tests.tui.ledgers import LINEAGE, START

from rsi.agent.memory.tree import champion_of, tree_rows
from rsi.agent.store.records import PromotionKind, PromotionRecord, Step
from rsi.agent.store.rounds import RoundView, round_view
from rsi.tui.model.lineages import rolled_back


def move(old: str, new: str, kind: PromotionKind = PromotionKind.PROMOTE) -> PromotionRecord:
    return PromotionRecord(
        lineage=LINEAGE, round_id=f"c-{new}", old_commit=old, new_commit=new, score_digest=None,
        at=START, kind=kind,
    )  # fmt: skip


def candidate(sample, parent: str, commit: str) -> RoundView:
    record = sample.ledger.round("c1120-4f2a-0005")
    view = round_view(replace(record, champion_commit=parent), sample.ledger.steps(record.id))
    return with_commit(view, commit)


def with_commit(view: RoundView, commit: str, **changes) -> RoundView:
    made = finished(left(Step.COMMIT, commit=commit))
    latest = replace(view.latest, steps={**view.latest.steps, Step.COMMIT: made})
    return replace(view, latest=latest, **changes)


def test_thousands_of_promotions_are_drawn_flat(sample):
    first = candidate(sample, "base", "k0")
    rounds, moves = [first], [move("base", "k0")]
    for number in range(1, 3_000):
        record = replace(first.record, champion_commit=f"k{number - 1}")
        rounds.append(with_commit(first, f"x{number}", record=record))
        rounds.append(with_commit(first, f"k{number}", record=record))
        moves.append(move(f"k{number - 1}", f"k{number}"))
    rows = tree_rows(rounds, moves)
    assert len(rows) == 1 + len(rounds)
    assert max(len(each.prefix) for each in rows) == 3
    assert [each.commit for each in rows[:6]] == ["base", "k0", "x1", "k1", "x2", "k2"]
    assert [each.commit for each in rows if each.is_champion] == ["k2999"]


def test_a_long_chain_of_unpromoted_candidates_needs_no_recursion(sample):
    first = candidate(sample, "base", "k0")
    rounds = [
        with_commit(first, f"k{n}", record=replace(first.record, parent_commit=f"k{n - 1}"))
        for n in range(1, 1_500)
    ]
    assert len(tree_rows([first, *rounds], ())) == 1_501


def test_a_rollback_over_several_champions_marks_them_all():
    up = [move("base", "a"), move("a", "b"), move("b", "c")]
    back = move("c", "a", PromotionKind.ROLLBACK)
    assert rolled_back([*up, back]) == {"b", "c"}
    assert rolled_back([*up, move("c", "base", PromotionKind.ROLLBACK)]) == {"a", "b", "c"}
    again = [*up, back, move("a", "c")]
    assert (rolled_back(again), champion_of(again)) == ({"b"}, "c")
    elsewhere = replace(move("base", "z"), lineage="other")
    assert rolled_back([elsewhere, *up, back]) == {"b", "c"}, "lineages do not touch each other"
