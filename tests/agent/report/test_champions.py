"""The curve of a lineage's champion: totals are measured whole, and steps are never multiplied up."""

from dataclasses import replace
from datetime import timedelta

from tests.agent.report.rounds import AT, BEFORE, interval, score, view

from rsi.agent.policy.audits import ChampionAudit
from rsi.agent.report.champions import (
    Move,
    PlacedAudit,
    Promoted,
    absolute_of,
    champion_points,
)
from rsi.agent.store.records import PromotionKind, PromotionRecord, StepOutcome
from rsi.agent.store.steps.facts import Scored
from rsi.evals.types import Arm, Purpose, Verdict

ZERO, ONE, TWO = "0" * 40, "1" * 40, "2" * 40
FIRST, SECOND = interval(1.79, 1.86, 1.94), interval(1.1, 1.2, 1.3)
WHOLE = interval(2.0, 2.2, 2.4)


def move(number, old, new, kind=PromotionKind.PROMOTE):
    return PromotionRecord(
        lineage="toy", round_id=f"r{number}", old_commit=old, new_commit=new, score_digest=None,
        at=AT + timedelta(hours=number), kind=kind,
    )  # fmt: skip


def promoted(place, effect, *, over):
    found = view(*BEFORE, Scored(outcome=StepOutcome.SUPPORTED, score=score(effect=effect)))
    found = replace(found, record=replace(found.record, champion_commit=over))
    return Promoted(place=place, view=found, absolute=(0.21, 0.09))


def audit(commit, effect, hours, verdict=Verdict.SUPPORTED):
    return PlacedAudit(
        place=3,
        audit=ChampionAudit(
            round_id=None, commit=commit, at=AT + timedelta(hours=hours), score=score(verdict, effect)
        ),
    )  # fmt: skip


MOVES = (move(1, ZERO, ONE), move(2, ONE, TWO))
ROUNDS = {"r1": promoted(2, FIRST, over=ZERO), "r2": promoted(3, SECOND, over=ONE)}


def test_a_first_step_is_the_whole_and_a_second_is_none_until_it_is_measured_whole():
    points = champion_points(MOVES, ROUNDS, [])
    assert [(each.move, each.place) for each in points] == [
        (Move.BASELINE, 0), (Move.PROMOTION, 2), (Move.PROMOTION, 3),
    ]  # fmt: skip
    assert [each.total for each in points[1:]] == [FIRST, None]
    assert points[2].step == SECOND
    assert points[2].absolute == (0.21, 0.09)
    audited = champion_points(MOVES, ROUNDS, [audit(TWO, WHOLE, 3)])
    assert (audited[-1].move, audited[-1].total, audited[-1].is_supported) == (
        Move.AUDIT, WHOLE, True,
    )  # fmt: skip


def test_a_rollback_is_back_at_what_was_measured_there():
    back = move(4, TWO, ONE, PromotionKind.ROLLBACK)
    points = champion_points((*MOVES, back), ROUNDS, [audit(TWO, WHOLE, 3)])
    assert (points[-1].move, points[-1].total) == (Move.ROLLBACK, FIRST)


def test_an_audit_that_does_not_bear_the_claim_out_is_marked_and_gives_no_total_to_go_back_to():
    doubted = audit(TWO, WHOLE, 3, Verdict.INCONCLUSIVE)
    back = move(4, TWO, ZERO, PromotionKind.ROLLBACK)
    again = move(5, ZERO, TWO, PromotionKind.ROLLBACK)
    points = champion_points((*MOVES, back, again), ROUNDS, [doubted])
    assert not points[3].is_supported
    assert points[-2].total is not None
    assert points[-2].total.estimate == 1.0
    assert points[-1].total is None


def test_nothing_promoted_is_no_curve():
    assert champion_points((), {}, [audit(ZERO, WHOLE, 1)]) == ()


def test_absolute_numbers_are_of_the_confirming_runs_where_there_are_any():
    from tests.agent.store.test_ledger import measurement

    def run(purpose, arm, value):
        return replace(measurement(), purpose=purpose, arm=arm, metric_value=value)

    screened = [
        run(Purpose.SCREEN, Arm.CHAMPION, 4.0), run(Purpose.SCREEN, Arm.CANDIDATE, 3.0),
    ]  # fmt: skip
    confirmed = [
        run(Purpose.CONFIRM, Arm.CHAMPION, 5.0), run(Purpose.CONFIRM, Arm.CANDIDATE, 2.0),
        run(Purpose.CONFIRM, Arm.CANDIDATE, None),
    ]  # fmt: skip
    assert absolute_of(screened) == (4.0, 3.0)
    assert absolute_of([*screened, *confirmed]) == (5.0, 2.0)
    assert absolute_of(confirmed[:1]) is None
