"""A champion moved back, for real: in git and in the ledger, and again after a kill between the two."""

from dataclasses import replace

import pytest

from rsi.agent.cli.entry import EXIT_BAD_INPUT, main
from rsi.agent.cli.verbs.checking import _ledger_facts
from rsi.agent.policy.rollbacks import RollbackError, Unseen, roll_back, unseen_window
from rsi.agent.store.records import PromotionKind, PromotionRecord, utc_now
from rsi.sandboxes.types import FileEntry

ADA = {"actor": "person:ada", "reason": "it broke the other profile"}


@pytest.fixture
def stack(past):
    """Three promotions on top of each other; returns the baseline and their commits, oldest first."""
    commits = [past.lineage.baseline()]
    past.rounds = []
    for number in range(3):
        round_id = past.round("01_null", "refuted")
        old = commits[-1]
        tree = (*past.lineage.tree(old), FileEntry(path=f"part{number}.txt", content=b"more\n"))
        new = past.lineage.commit_candidate(
            round_id, old, tree, f"part {number}", at=utc_now(), attempt=1
        )
        promote(past, round_id, old, new)
        past.rounds.append(round_id)
        commits.append(new)
    return commits


def promote(past, round_id, old, new, *, is_recorded=True):
    past.lineage.move_champion(old, new, round_id)
    if is_recorded:
        past.ledger.add_promotion(
            PromotionRecord(
                lineage="past", round_id=round_id, old_commit=old, new_commit=new,
                score_digest="d", at=utc_now(), actor="policy:3",
            )
        )  # fmt: skip


def moves(past):
    kept = [each for each in past.ledger.promotions("past") if each.kind is PromotionKind.ROLLBACK]
    return [(each.old_commit, each.new_commit) for each in kept]


def test_a_rollback_moves_git_and_is_recorded_once(past, stack):
    record = roll_back(past.ledger, past.lineage, stack[1], **ADA)
    assert past.lineage.champion() == stack[1] == record.new_commit
    assert moves(past) == [(stack[3], stack[1])]
    with pytest.raises(RollbackError, match="already"):
        roll_back(past.ledger, past.lineage, stack[1], **ADA)
    assert past.ledger.verify_chain().is_intact


def test_a_whole_window_that_nobody_saw_is_taken_back_at_once(past, stack, capsys):
    assert unseen_window(past.ledger.promotions("past")).commits == tuple(stack[1:])
    assert main(["rollback", "past", "--unseen", "--reason", "the night's work"]) == 0
    assert moves(past) == [(stack[3], stack[0])], "one move, over three promotions"
    assert "3 promotions" in capsys.readouterr().err
    assert main(["rollback", "past", "--unseen", "--reason", "again"]) == EXIT_BAD_INPUT
    assert "a person saw every promotion" in capsys.readouterr().err


def test_a_window_ends_at_what_a_person_promoted_or_put_back(past, stack):
    kept = past.ledger.promotions("past")
    by_ada = [*kept[:2], replace(kept[2], actor="person:ada")]
    assert unseen_window(by_ada) is None
    first = [replace(kept[0], actor="person:ada"), *kept[1:]]
    assert unseen_window(first) == Unseen(back_to=stack[1], commits=tuple(stack[2:]))
    roll_back(past.ledger, past.lineage, stack[2], **ADA)
    assert unseen_window(past.ledger.promotions("past")) is None, "ada put it back, so she saw it"
    assert unseen_window([]) is None


def announce(past, old, new):
    """What a rollback leaves that is killed right after it was announced."""
    record = PromotionRecord(
        lineage="past", round_id=past.rounds[-1], old_commit=old, new_commit=new, score_digest=None,
        at=utc_now(), kind=PromotionKind.ROLLBACK, **ADA,
    )  # fmt: skip
    past.ledger.add_intent(record)


@pytest.mark.parametrize("has_moved", [False, True])
def test_a_rollback_cut_short_is_completed_by_the_same_call(past, stack, has_moved):
    announce(past, stack[3], stack[1])
    if has_moved:
        past.lineage.move_champion(stack[3], stack[1], "killed after this")
    record = roll_back(past.ledger, past.lineage, stack[1], **ADA)
    assert (record.old_commit, record.new_commit) == (stack[3], stack[1])
    assert (record.actor, record.reason) == ("person:ada", ADA["reason"])
    assert moves(past) == [(stack[3], stack[1])]
    assert past.lineage.champion() == stack[1]
    with pytest.raises(RollbackError, match="already"):
        roll_back(past.ledger, past.lineage, stack[1], **ADA)


@pytest.mark.parametrize("has_moved", [False, True])
def test_a_rollback_further_back_first_completes_the_one_that_was_cut_short(past, stack, has_moved):
    announce(past, stack[3], stack[2])
    if has_moved:
        past.lineage.move_champion(stack[3], stack[2], "killed after this")
    roll_back(past.ledger, past.lineage, stack[0], **ADA)
    assert moves(past) == [(stack[3], stack[2]), (stack[2], stack[0])]
    assert past.lineage.champion() == stack[0]


def test_a_champion_that_nothing_accounts_for_is_put_back_and_never_recorded(past, stack, capsys):
    tree = (*past.lineage.tree(stack[3]), FileEntry(path="late.txt", content=b"late\n"))
    late = past.round("01_null", "refuted")
    new = past.lineage.commit_candidate(late, stack[3], tree, "late", at=utc_now(), attempt=1)
    promote(past, late, stack[3], new, is_recorded=False)
    assert main(["rollback", "past", "--to", new[:12], "--reason", "x"]) != 0
    assert past.lineage.champion() == new, "it is no champion to go back to"
    assert main(["rollback", "past", "--to", stack[3][:12], "--reason", "x"]) == 0
    assert f"champion of past is {stack[3][:12]} again" in capsys.readouterr().out
    assert past.lineage.champion() == stack[3]
    assert not moves(past)
    promote(past, late, stack[3], new, is_recorded=False)
    roll_back(past.ledger, past.lineage, stack[1], **ADA)
    assert moves(past) == [(stack[3], stack[1])]
    assert past.lineage.champion() == stack[1]


def test_a_round_names_the_commit_that_it_promoted_even_after_it_was_rolled_back(
    past, stack, capsys
):
    first, second, third = past.rounds
    command = ["rollback", "past", "--reason", "x", "--to"]
    assert main([*command, second]) == 0
    assert past.lineage.champion() == stack[2]
    # The record of that move names the third round, whose commit the champion's history no longer has.
    assert main([*command, third]) != 0
    assert past.lineage.champion() == stack[2]
    assert "names 0 commits" in capsys.readouterr().err
    assert main([*command, first]) == 0
    assert past.lineage.champion() == stack[1]


def test_the_doctor_sees_a_champion_that_no_record_accounts_for(past, stack):
    assert "moved" not in _ledger_facts()
    new = past.lineage.commit_candidate(
        past.rounds[0], stack[3], past.lineage.tree(stack[0]), "late", at=utc_now(), attempt=2
    )
    promote(past, past.rounds[0], stack[3], new, is_recorded=False)
    facts = _ledger_facts()
    assert f"the champion of past is {new[:12]}" in facts["moved"]
    assert "rsi rollback past" in facts["problem"], (
        "campaigns on it are refused until it is put back"
    )
