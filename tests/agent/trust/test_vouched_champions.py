"""A champion below the floor that a person approved: later candidates are judged against it, not held for ever."""

import pytest

from rsi.agent.policy.vouched import has_passed_floor
from rsi.agent.run.contexts import open_campaign_context
from rsi.agent.run.steps.idea import open_round
from rsi.agent.store.records import (
    DecisionAction,
    DecisionRecord,
    PromotionRecord,
    RoundRecord,
    Step,
    utc_now,
)
from rsi.evals.judge.plausibility import FLOOR_SETTING
from rsi.evals.judge.score import score
from rsi.evals.types import Purpose

FLOOR_S = 2.0
PATCHES = ("02_row_sums_once", "03_count_with_counter", "05_one_pass")


@pytest.fixture
def promote(past):
    """One more champion on top of the last, approved by somebody, as fast as is said."""
    champion = [past.lineage.baseline()]

    def go(number, *, actor, seconds):
        round_id = f"{past.campaign.id}-{number:04d}"
        old = champion[-1]
        past.ledger.add_round(
            RoundRecord(
                id=round_id, campaign_id=past.campaign.id, number=number, champion_commit=old,
                created_at=utc_now(),
            )
        )  # fmt: skip
        past._step(round_id, Step.OPEN, "ok", floor_s=FLOOR_S)
        for pair in range(3):
            past._pair(round_id, Purpose.SCREEN, pair, 1.3, 0.003, seconds=seconds)
        tree = past.lineage.tree(old)
        commit = past.lineage.commit_candidate(round_id, old, tree, round_id, {}, at=utc_now())
        past.ledger.add_decision(
            DecisionRecord(
                round_id=round_id, action=DecisionAction.APPROVE, actor=actor, reason="plausible",
                commit=commit, score_digest="d", at=utc_now(),
            )
        )  # fmt: skip
        past.lineage.move_champion(old, commit, round_id)
        past.ledger.add_promotion(
            PromotionRecord(
                lineage="past", round_id=round_id, old_commit=old, new_commit=commit,
                score_digest="d", at=utc_now(), actor=actor,
            )
        )  # fmt: skip
        champion.append(commit)
        return commit

    return go


def passed(past, commit, floor_s=FLOOR_S):
    return has_passed_floor(past.ledger, "past", commit, floor_s)


def test_a_persons_approval_of_a_champion_below_the_floor_is_remembered_for_all_that_follow(
    past, promote
):
    slow = promote(1, actor="person:ada", seconds=3.0)
    fast = promote(2, actor="person:ada", seconds=1.0)
    later = promote(3, actor="policy:3", seconds=0.8)
    assert [passed(past, each) for each in (past.lineage.baseline(), slow, fast, later)] == [
        False, False, True, True,
    ]  # fmt: skip
    assert not passed(past, later, None)
    assert not passed(past, later, 0.5), "another machine's floor lies below it"


def test_policys_own_word_lowers_no_bound(past, promote):
    assert not passed(past, promote(1, actor="policy:3", seconds=1.0))


def test_a_chain_of_candidates_after_such_a_champion_is_not_held(past, promote, home, ledger):
    """Before, each was below 0.6 of the floor: policy was dead from there on."""
    promote(1, actor="person:ada", seconds=1.0)
    seconds = 1.0
    for number in range(2, 6):
        champion, seconds = past.lineage.champion(), seconds / 1.3
        promote(number, actor="policy:3", seconds=seconds)
        opened = reopened(past, home, ledger, 10 * number, champion)
        assert opened.floor_s == FLOOR_S, "what was measured stays in the record"
        assert opened.bound_s is None
        context = open_campaign_context(home, ledger, past.campaign).context(
            f"{past.campaign.id}-{10 * number:04d}"
        )
        past._step(context.round_id, Step.OPEN, "ok", floor_s=FLOOR_S, is_floor_passed=True)
        assert FLOOR_SETTING not in context.scoring_profile.settings
        for purpose in (Purpose.SCREEN, Purpose.BASELINE):
            for pair in range(3):
                past._pair(context.round_id, purpose, pair, 1.3, 0.003, seconds=seconds)
            said = score(
                past.task,
                context.scoring_profile,
                ledger.measurements(context.round_id),
                purpose=purpose,
            )
            assert said.is_plausible, said.plausibility


def reopened(past, home, ledger, number, champion):
    round_id = f"{past.campaign.id}-{number:04d}"
    ledger.add_round(
        RoundRecord(
            id=round_id, campaign_id=past.campaign.id, number=number, champion_commit=champion,
            created_at=utc_now(),
        )
    )  # fmt: skip
    return open_round(open_campaign_context(home, ledger, past.campaign).context(round_id))
