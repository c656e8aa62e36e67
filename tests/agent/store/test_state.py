"""States are derived from facts alone."""

from datetime import UTC, datetime
from itertools import permutations

import pytest
from tests.facts import finished, left

from rsi.agent.store.records import (
    CampaignEventKind,
    CampaignState,
    DecisionAction,
    DecisionRecord,
    PromotionRecord,
    Step,
    StepOutcome,
)
from rsi.agent.store.state import RoundPhase, RoundVerdict, campaign_state_after, round_state
from rsi.agent.store.steps.record import StepRecord

AT = datetime(2026, 11, 20, tzinfo=UTC)
ORDER = tuple(Step)


def record(step: Step, outcome: str = "ok", attempt: int = 0) -> StepRecord:
    changes = {"score_digest": "d"} if step is Step.REVIEW and attempt == 0 else {}
    return finished(left(step, outcome, **changes), round_id="r", attempt=attempt)


def until(step: Step, outcome: str = "ok", attempt: int = 0) -> list[StepRecord]:
    """Every step up to one went well; that one ended as said."""
    before = ORDER[: ORDER.index(step)]
    return [*(record(name, attempt=attempt) for name in before), record(step, outcome, attempt)]


def decision(action: DecisionAction, *, is_override: bool = False) -> DecisionRecord:
    return DecisionRecord(
        round_id="r",
        action=action,
        actor="person:a",
        reason="",
        commit="c",
        score_digest="d",
        at=AT,
        is_override=is_override,
    )


PROMOTION = PromotionRecord(
    lineage="l", round_id="r", old_commit="a", new_commit="b", score_digest="d", at=AT
)


def test_a_round_runs_its_steps_in_order():
    assert round_state([]).step is Step.OPEN
    for number, step in enumerate(ORDER[:-1]):
        state = round_state(until(step))
        assert state.step is ORDER[number + 1]
        assert state.finished == ORDER[: number + 1]
        assert state.verdict is None


def test_the_order_in_which_facts_are_read_does_not_matter():
    records = until(Step.COMMIT)
    assert {round_state(list(order)) for order in permutations(records)} == {round_state(records)}


def test_a_round_waits_for_a_decision_until_somebody_speaks():
    steps = until(Step.REVIEW)
    assert round_state(steps).phase is RoundPhase.WAITING
    assert round_state(steps).step is Step.DECIDE
    decided = round_state(steps, [decision(DecisionAction.APPROVE)])
    assert (decided.phase, decided.step) == (RoundPhase.RUNNING, Step.DECIDE)


@pytest.mark.parametrize(
    ("step", "outcome", "verdict"),
    [
        (Step.PROPOSE, "no_patch", RoundVerdict.NO_PATCH),
        (Step.PROPOSE, "gave_up", RoundVerdict.GAVE_UP),
        (Step.PROPOSE, "out_of_budget", RoundVerdict.OUT_OF_BUDGET),
        (Step.COMMIT, "empty", RoundVerdict.EMPTY),
        (Step.COMMIT, "does_not_apply", RoundVerdict.DOES_NOT_APPLY),
        (Step.CRITIQUE, "withdrawn", RoundVerdict.WITHDRAWN),
        (Step.ADMIT, "not_admitted", RoundVerdict.NOT_ADMITTED),
        (Step.MEASURE, "tampered", RoundVerdict.TAMPERED),
        (Step.MEASURE, "oom", RoundVerdict.OOM),
        (Step.SCORE, "refuted", RoundVerdict.REFUTED),
        (Step.SCORE, "inconclusive", RoundVerdict.INCONCLUSIVE),
        (Step.SCORE, "invalid", RoundVerdict.INVALID),
        (Step.REVIEW, "rejected", RoundVerdict.REJECTED),
        (Step.DECIDE, "reject", RoundVerdict.REJECTED),
        (Step.PROMOTE, "stale", RoundVerdict.STALE),
        (Step.MEASURE, "harness_error", RoundVerdict.HARNESS_ERROR),
    ],
)
def test_the_first_bad_end_is_the_verdict_and_the_round_still_reports(
    step: Step, outcome: str, verdict: RoundVerdict
):
    steps = until(step, outcome)
    state = round_state(steps)
    assert (state.verdict, state.ended_at) == (verdict, step)
    assert (state.phase, state.step) == (RoundPhase.RUNNING, Step.REPORT)
    done = round_state([*steps, record(Step.REPORT)])
    assert (done.phase, done.step, done.verdict) == (RoundPhase.DONE, None, verdict)


def test_a_promotion_is_the_verdict_of_a_round():
    state = round_state(until(Step.REPORT), [decision(DecisionAction.APPROVE)], [PROMOTION])
    assert (state.phase, state.verdict) == (RoundPhase.DONE, RoundVerdict.PROMOTED)
    assert state.ended_at is Step.PROMOTE


def test_a_candidate_sent_back_starts_a_new_attempt():
    state = round_state(until(Step.CRITIQUE, "revise"))
    assert (state.attempt, state.step, state.finished) == (1, Step.BRIEF, (Step.OPEN,))
    again = round_state([*until(Step.CRITIQUE, "revise"), record(Step.PROPOSE, attempt=1)])
    assert (again.attempt, again.step) == (1, Step.COMMIT)
    ended = round_state(
        [*until(Step.CRITIQUE, "revise"), record(Step.CRITIQUE, "withdrawn", attempt=1)]
    )
    assert ended.verdict is RoundVerdict.WITHDRAWN


def test_a_candidate_sent_back_that_nobody_tried_again_has_failed():
    for step, verdict in (
        (Step.CRITIQUE, RoundVerdict.WITHDRAWN),
        (Step.DECIDE, RoundVerdict.REJECTED),
    ):
        state = round_state([*until(step, "revise"), record(Step.REPORT)])
        assert (state.phase, state.attempt, state.verdict) == (RoundPhase.DONE, 0, verdict)


def test_a_candidate_held_for_a_person_waits_at_the_gate():
    assert round_state(until(Step.REVIEW, "held")).phase is RoundPhase.WAITING


def test_a_decision_on_an_earlier_attempt_leaves_the_next_one_waiting():
    steps = [*until(Step.DECIDE, "revise"), *until(Step.REVIEW, attempt=1)]
    state = round_state(steps, [decision(DecisionAction.REVISE)])
    assert (state.attempt, state.phase, state.step) == (1, RoundPhase.WAITING, Step.DECIDE)


def test_an_override_goes_on_past_the_score_but_never_past_admission():
    override = decision(DecisionAction.APPROVE, is_override=True)
    scored = round_state(until(Step.SCORE, "inconclusive"), [override])
    assert scored.verdict is None
    assert scored.step is Step.REVIEW
    refused = round_state(until(Step.ADMIT, "not_admitted"), [override])
    assert refused.verdict is RoundVerdict.NOT_ADMITTED


def test_every_campaign_event_gives_a_state():
    assert campaign_state_after(None) is CampaignState.QUEUED
    states = {campaign_state_after(kind) for kind in CampaignEventKind}
    assert states == set(CampaignState)
    assert campaign_state_after(CampaignEventKind.RESUMED) is CampaignState.RUNNING


@pytest.mark.parametrize("outcome", StepOutcome)
def test_every_outcome_lets_the_round_go_on_or_gives_it_a_verdict(outcome: StepOutcome):
    state = round_state([record(Step.OPEN), record(Step.ADMIT, outcome), record(Step.REPORT)])
    assert (state.verdict is None) == outcome.goes_on
    assert state.phase is RoundPhase.DONE
