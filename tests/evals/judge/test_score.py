"""Scores: every way a candidate can end, and a digest that cannot drift."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rsi.evals.errors import EvidenceError, MeasurementError
from rsi.evals.judge.plausibility import FLOOR_SETTING
from rsi.evals.judge.score import SCORE_SCHEMA, canonical_digest, score
from rsi.evals.types import Arm, Outcome, Purpose, Verdict
from rsi.tasks.choices import Clock, Direction
from rsi.tasks.types import GuardRule, MeasurePlan

SCREEN = Purpose.SCREEN
FASTER = ([3.0, 3.03, 2.98], [2.0, 2.01, 2.0])


def test_a_faster_candidate_of_equal_quality_is_supported(task, profile, pairs_of) -> None:
    result = score(task, profile, pairs_of(*FASTER), purpose=SCREEN)
    assert result.verdict is Verdict.SUPPORTED
    assert result.effect is not None
    assert result.effect.low > 1.02
    assert result.wall_effect is not None
    assert result.pairs_used == 3
    assert result.outcomes == {"ok": 3}
    assert result.is_plausible


def test_a_slower_candidate_is_refuted(task, profile, pairs_of) -> None:
    result = score(task, profile, pairs_of(*reversed(FASTER)), purpose=SCREEN)
    assert result.verdict is Verdict.REFUTED


def test_a_broken_limit_is_refuted_and_says_quality(task, profile, run_of) -> None:
    runs = [run_of(Arm.CHAMPION, 0, 3.0), run_of(Arm.CANDIDATE, 0, 1.0, bpb=2.4)]
    result = score(task, profile, runs, purpose=SCREEN)
    assert result.verdict is Verdict.REFUTED
    assert result.reason.startswith("quality:")


def test_faster_but_unsettled_quality_is_inconclusive(task, profile, run_of) -> None:
    runs = []
    for pair, (a, b) in enumerate([(1.90, 1.97), (1.92, 1.86), (1.91, 1.93)]):
        runs += [run_of(Arm.CHAMPION, pair, 3.0, bpb=a), run_of(Arm.CANDIDATE, pair, 2.0, bpb=b)]
    result = score(task, profile, runs, purpose=SCREEN)
    assert result.verdict is Verdict.INCONCLUSIVE
    assert "quality" in result.reason


@pytest.mark.parametrize(
    "outcome",
    [Outcome.CRASHED, Outcome.TIMEOUT, Outcome.OOM, Outcome.INVALID_OUTPUT, Outcome.TAMPERED],
)
def test_a_candidate_that_fails_is_invalid_by_name(task, profile, run_of, outcome) -> None:
    runs = [run_of(Arm.CANDIDATE, pair, None, outcome=outcome) for pair in (0, 1)]
    result = score(task, profile, runs, purpose=SCREEN)
    assert result.verdict is Verdict.INVALID
    assert str(outcome) in result.reason
    assert result.effect is None
    assert result.outcomes == {str(outcome): 2}


def test_one_failure_among_good_runs_is_still_invalid(task, profile, pairs_of, run_of) -> None:
    runs = (*pairs_of(*FASTER), run_of(Arm.CANDIDATE, 3, None, outcome=Outcome.CRASHED))
    result = score(task, profile, runs, purpose=SCREEN)
    assert result.verdict is Verdict.INVALID
    assert "1 of 4 runs" in result.reason


def test_tampering_outranks_other_failures(task, profile, run_of) -> None:
    runs = [
        run_of(Arm.CANDIDATE, 0, None, outcome=Outcome.CRASHED),
        run_of(Arm.CANDIDATE, 1, None, outcome=Outcome.TAMPERED),
    ]
    assert "tampered" in score(task, profile, runs, purpose=SCREEN).reason


def test_a_failed_champion_is_our_error_not_the_candidates(task, profile, run_of) -> None:
    runs = [
        run_of(Arm.CHAMPION, 0, None, outcome=Outcome.CRASHED),
        run_of(Arm.CANDIDATE, 0, 2.0),
    ]
    with pytest.raises(MeasurementError, match="champion"):
        score(task, profile, runs, purpose=SCREEN)


def test_a_pair_with_a_failed_champion_is_invalid_and_the_rest_count(
    task, profile, pairs_of, run_of
) -> None:
    runs = (
        *pairs_of(*FASTER),
        run_of(Arm.CHAMPION, 3, None, outcome=Outcome.TIMEOUT),
        run_of(Arm.CANDIDATE, 3, 2.0),
    )
    result = score(task, profile, runs, purpose=SCREEN)
    assert result.verdict is Verdict.SUPPORTED
    assert (result.pairs_used, result.pairs_invalid) == (3, 1)


def test_a_disturbed_pair_counts_on_a_cpu_clock_and_not_on_a_wall_clock(
    task, profile, pairs_of, run_of
) -> None:
    runs = (
        *pairs_of(*FASTER),
        run_of(Arm.CHAMPION, 3, 9.0, is_disturbed=True),
        run_of(Arm.CANDIDATE, 3, 2.0),
    )
    wall = replace(task, metric=replace(task.metric, clock=Clock.WALL_S))
    assert score(task, profile, runs, purpose=SCREEN).pairs_used == 4
    result = score(wall, profile, runs, purpose=SCREEN)
    assert (result.pairs_used, result.pairs_invalid) == (3, 1)


def test_a_timeout_on_a_disturbed_machine_is_not_held_against_anyone(
    task, profile, pairs_of, run_of
) -> None:
    late = run_of(Arm.CANDIDATE, 3, None, outcome=Outcome.TIMEOUT, is_disturbed=True)
    result = score(task, profile, (*pairs_of(*FASTER), late), purpose=SCREEN)
    assert result.verdict is Verdict.SUPPORTED
    assert result.pairs_invalid == 1


def test_running_out_of_time_again_while_the_champion_ends_is_the_candidates_own(
    task, profile, run_of
) -> None:
    late = [
        run_of(Arm.CANDIDATE, p, None, outcome=Outcome.TIMEOUT, is_disturbed=True) for p in (0, 1)
    ]
    ended = [run_of(Arm.CHAMPION, pair, 3.0) for pair in (0, 1)]
    assert score(task, profile, (*late, ended[0]), purpose=SCREEN).verdict is Verdict.INCONCLUSIVE
    assert score(task, profile, (*late, *ended), purpose=SCREEN).verdict is Verdict.INVALID


def test_a_pair_in_which_both_failed_is_no_evidence(task, profile, pairs_of, run_of) -> None:
    both = [run_of(arm, 3, None, outcome=Outcome.CRASHED) for arm in Arm]
    result = score(task, profile, (*pairs_of(*FASTER), *both), purpose=SCREEN)
    assert (result.verdict, result.pairs_invalid) == (Verdict.SUPPORTED, 1)
    tampered = run_of(Arm.CANDIDATE, 3, None, outcome=Outcome.TAMPERED)
    result = score(task, profile, (*pairs_of(*FASTER), tampered, both[0]), purpose=SCREEN)
    assert result.verdict is Verdict.INVALID


@pytest.mark.parametrize("value", [0.0, -1.0, float("inf")])
def test_a_champion_of_no_value_makes_its_pair_invalid(task, profile, pairs_of, value) -> None:
    measured = replace(task, metric=replace(task.metric, clock=Clock.RESULT))
    runs = pairs_of([value, *FASTER[0]], [2.0, *FASTER[1]])
    result = score(measured, profile, runs, purpose=SCREEN)
    assert (result.verdict, result.pairs_invalid) == (Verdict.SUPPORTED, 1)


def test_other_purposes_are_left_out(task, profile, pairs_of) -> None:
    screen = pairs_of(*FASTER)
    confirm = pairs_of([2.0] * 3, [3.0] * 3, purpose=Purpose.CONFIRM)
    alone = score(task, profile, screen, purpose=SCREEN)
    together = score(task, profile, (*screen, *confirm), purpose=SCREEN)
    assert alone == together


def test_a_broken_guard_refutes_a_faster_candidate(task, profile, pairs_of) -> None:
    strict = replace(profile, guards=(GuardRule(name="wall_s", max_ratio=0.1, max_value=None),))
    result = score(task, strict, pairs_of(*FASTER), purpose=SCREEN)
    assert result.verdict is Verdict.REFUTED
    assert result.reason.startswith("guard:")


def test_a_source_guard_insists_on_the_trees(task, profile, pairs_of) -> None:
    strict = replace(profile, guards=(GuardRule(name="lines_added", max_ratio=None, max_value=9),))
    with pytest.raises(EvidenceError, match="source"):
        score(task, strict, pairs_of(*FASTER), purpose=SCREEN)


def test_too_far_in_one_step_is_supported_but_held(task, profile, pairs_of) -> None:
    result = score(task, profile, pairs_of([30.0, 30.1, 30.2], [1.0, 1.0, 1.0]), purpose=SCREEN)
    assert result.verdict is Verdict.SUPPORTED
    assert not result.is_plausible
    assert "person" in result.plausibility


def test_faster_than_doing_nothing_is_implausible(task, profile, pairs_of) -> None:
    floored = replace(profile, settings={FLOOR_SETTING: 4.0})
    result = score(task, floored, pairs_of(*FASTER), purpose=SCREEN)
    assert not result.is_plausible
    assert "the least that a run must do" in result.plausibility


def test_a_floor_that_was_measured_in_a_noisier_minute_holds_nothing_up(
    task, profile, pairs_of
) -> None:
    floored = replace(profile, settings={FLOOR_SETTING: 2.5})
    assert score(task, floored, pairs_of(*FASTER), purpose=SCREEN).is_plausible


@pytest.mark.parametrize(("floor", "said"), [(0.9, "would reach 4.2x"), (1.09, ""), (1.6, "")])
def test_a_bound_that_a_measurement_has_passed_is_not_told(
    task, profile, pairs_of, floor, said
) -> None:
    """3.82x was shown beside "the least that a run must do would reach 3.5x"."""
    floored = replace(profile, settings={FLOOR_SETTING: floor})
    runs = pairs_of([3.82, 3.81, 3.83], [1.0, 1.0, 1.0])
    result = score(task, floored, runs, purpose=SCREEN)
    assert result.is_plausible
    assert said in result.plausibility
    assert ("would reach" in result.plausibility) is bool(said)


def test_one_run_of_either_arm_below_the_floor_is_enough_to_tell_no_bound(
    task, profile, pairs_of
) -> None:
    floored = replace(profile, settings={FLOOR_SETTING: 0.95})
    runs = pairs_of([3.82, 3.81, 3.83], [1.0, 0.94, 1.0])
    assert "would reach" not in score(task, floored, runs, purpose=SCREEN).plausibility


def test_a_higher_is_better_metric_turns_the_ratio(task, profile, pairs_of) -> None:
    higher = replace(
        task, metric=replace(task.metric, direction=Direction.HIGHER, clock=Clock.RESULT)
    )
    assert score(higher, profile, pairs_of(*FASTER), purpose=SCREEN).verdict is Verdict.REFUTED
    turned = score(higher, profile, pairs_of(*reversed(FASTER)), purpose=SCREEN)
    assert turned.verdict is Verdict.SUPPORTED


def test_a_metric_of_zero_gives_no_ratio_and_no_crash(task, profile, pairs_of) -> None:
    result = score(
        replace(task, metric=replace(task.metric, clock=Clock.RESULT)),
        profile,
        pairs_of([1.0] * 3, [0.0] * 3),
        purpose=SCREEN,
    )
    assert result.verdict is Verdict.REFUTED
    assert result.effect is None


def test_no_measurements_are_inconclusive(task, profile) -> None:
    assert score(task, profile, (), purpose=SCREEN).verdict is Verdict.INCONCLUSIVE


def test_a_run_stored_twice_is_refused(task, profile, run_of) -> None:
    with pytest.raises(MeasurementError, match="two runs"):
        score(task, profile, [run_of(Arm.CHAMPION, 0, 1.0)] * 2, purpose=SCREEN)


# --- the digest ------------------------------------------------------------------------


def test_the_order_of_stored_rows_does_not_change_the_digest(task, profile, pairs_of) -> None:
    runs = pairs_of(*FASTER)
    forward = score(task, profile, runs, purpose=SCREEN)
    backward = score(task, profile, tuple(reversed(runs)), purpose=SCREEN)
    assert forward == backward


def test_the_digest_covers_every_measurement(task, profile, pairs_of) -> None:
    runs = pairs_of(*FASTER)
    stored = score(task, profile, runs, purpose=SCREEN).digest
    assert score(task, profile, runs, purpose=SCREEN).digest == stored
    touched = (replace(runs[0], cpu_s=9.99), *runs[1:])
    assert score(task, profile, touched, purpose=SCREEN).digest != stored


@pytest.mark.parametrize("change", ["plan", "effect", "margin", "alpha"])
def test_the_digest_covers_plan_and_rules(task, profile, pairs_of, change) -> None:
    runs = pairs_of(*FASTER)
    stored = score(task, profile, runs, purpose=SCREEN).digest
    alpha = None
    if change == "plan":
        profile = replace(profile, plan=replace(profile.plan, max_pairs=7))
    elif change == "effect":
        task = replace(task, metric=replace(task.metric, minimum_effect=0.03))
    elif change == "margin":
        profile = replace(profile, quality=(replace(profile.quality[0], margin=0.03),))
    else:
        alpha = 0.009
    assert score(task, profile, runs, purpose=SCREEN, alpha=alpha).digest != stored


@given(st.floats(allow_nan=True, allow_infinity=True))
def test_a_digest_exists_for_every_float(value: float) -> None:
    assert canonical_digest({"value": value}) == canonical_digest({"value": value})


def test_a_digest_tells_lists_apart() -> None:
    assert canonical_digest({"a": [1, 2]}) != canonical_digest({"a": [12]})
    assert canonical_digest({"a": (1, 2)}) == canonical_digest({"a": [1, 2]})


def test_the_size_has_its_plain_interval_and_the_decision_its_own_level(
    task, profile, pairs_of
) -> None:
    """Four pairs from 8.7 to 11.5 were shown as 10.07 [4.34, 23.36]: the boundary's bounds in the column of sizes."""
    four = replace(
        profile, plan=MeasurePlan(min_pairs=4, max_pairs=8, confirm_pairs=4, alpha=0.0042)
    )
    ratios = [8.7, 9.8, 10.4, 11.5]
    found = score(
        task,
        four,
        pairs_of([10.0] * 4, [10.0 / each for each in ratios]),
        purpose=Purpose.SCREEN,
        alpha=0.0042,
    )
    assert found.effect.confidence == pytest.approx(0.95)
    assert 8.0 < found.effect.low < 8.7
    assert 11.5 < found.effect.high < 12.6
    assert found.decision.estimate == found.effect.estimate
    assert found.decision.confidence == pytest.approx(1 - 2 * 0.0042)
    assert found.decision.low < 6.5
    assert (
        f"the lower bound {found.decision.low:.3f} at 99.6% over all looks is above" in found.reason
    )


PINNED = {
    Purpose.SCREEN: (1.442443, 1.488321, 1.535658, 1.41139, 1.488321, 1.569445),
    Purpose.AUDIT: (1.434623, 1.485197, 1.537554, 1.434623, 1.485197, 1.537554),
}


@pytest.mark.parametrize("purpose", PINNED)
def test_what_runs_come_to_is_bound_to_the_version_of_the_rules(task, profile, pairs_of, purpose):
    runs = pairs_of(
        [3.0, 3.1, 2.9, 3.05, 3.0, 2.95] * 2, [2.0, 2.05, 2.1, 1.95, 2.0, 2.02] * 2, purpose=purpose
    )
    found = score(task, profile, runs, purpose=purpose)
    bounds = tuple(
        round(x, 6)
        for each in (found.effect, found.decision)
        for x in (each.low, each.estimate, each.high)
    )
    assert found.verdict is Verdict.SUPPORTED
    assert (SCORE_SCHEMA, bounds) == (4, PINNED[purpose]), "another rule: raise SCORE_SCHEMA"
