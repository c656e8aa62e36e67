"""Audits in sessions: one value a session, three at least, more while it is too wide, and an interval that holds the truth."""

import math

import numpy as np
import pytest
from benchmarks.sessions import BASE, run_audits

from rsi.evals.judge.judging import judge, plan_for
from rsi.evals.judge.sequential import fixed_interval
from rsi.evals.judge.sessions import MAX_SESSIONS, SESSIONS, decide_sessions, session_plan
from rsi.evals.types import Purpose, Verdict

PLAN = session_plan(BASE, 6, 0.025)


def sessions(*means, each=2, scatter=0.004):
    """Pairs of sessions with these mean log ratios."""
    values = [mean + scatter * (-1) ** i for mean in means for i in range(each)]
    return list(enumerate(values))


def test_as_many_pairs_as_before_are_shared_out_over_three_sessions():
    assert (PLAN.min_pairs, PLAN.max_pairs) == (6, 12)
    assert session_plan(BASE, 4, 0.025).min_pairs == 6
    assert session_plan(BASE, 3, 0.025).min_pairs == 3


def test_one_session_however_many_pairs_it_has_is_no_audit():
    state = decide_sessions([(0, 0.9), (1, 0.9)], PLAN, 0.03)
    assert not state.stop
    assert state.interval is None
    two = decide_sessions(sessions(0.9, 0.9), PLAN, 0.03)
    assert not two.stop
    assert two.verdict is Verdict.INCONCLUSIVE


def test_three_sessions_that_agree_are_enough():
    state = decide_sessions(sessions(0.90, 0.905, 0.895), PLAN, 0.03)
    assert state.stop
    assert state.verdict is Verdict.SUPPORTED
    assert state.interval == state.size
    assert state.interval.confidence == pytest.approx(0.95)
    assert "3 sessions" in state.reason


def test_the_interval_holds_the_spread_between_sessions():
    """38.9 [38.0, 39.9] and 42.0 [38.2, 46.3], eight minutes apart: neither told that the other was possible."""
    apart = sessions(math.log(38.9), math.log(42.0), math.log(40.1))
    state = decide_sessions(apart, PLAN, 0.03)
    assert state.interval.low < 38.9 < 42.0 < state.interval.high
    one = fixed_interval([value for _, value in apart[:2]] * 3)
    assert one.high < 42.0, "the pairs of one session know nothing of the next"


def test_it_runs_on_until_the_headline_is_narrow_and_no_further_than_twice_the_cost():
    wide = sessions(0.8, 0.9, 1.0)
    assert not decide_sessions(wide, PLAN, 0.03).stop
    more = sessions(0.8, 0.9, 1.0, 0.9, 0.9, 0.9)
    state = decide_sessions(more, PLAN, 0.03)
    assert state.stop
    assert len(more) == MAX_SESSIONS * 2
    narrow = sessions(0.88, 0.9, 0.92)
    assert len(narrow) == SESSIONS * 2
    assert decide_sessions(narrow, PLAN, 0.03).stop


def test_it_does_not_stop_in_the_middle_of_a_session_and_one_that_was_cut_off_says_so():
    cut_off = decide_sessions(sessions(0.9, 0.9, 0.9)[:-1], PLAN, 0.03)
    assert not cut_off.stop
    assert cut_off.verdict is Verdict.INCONCLUSIVE
    assert cut_off.reason.startswith("not at its end; so far the lower bound")


def test_a_slower_champion_is_refuted_and_a_wide_one_is_neither():
    assert decide_sessions(sessions(-0.1, -0.11, -0.1), PLAN, 0.03).verdict is Verdict.REFUTED
    spread = sessions(-0.3, 0.3, 0.1, -0.2, 0.2, 0.1)
    assert decide_sessions(spread, PLAN, 0.03).verdict is Verdict.INCONCLUSIVE


@pytest.mark.parametrize("within", [0.004, 0.015])
@pytest.mark.parametrize("between", [0.0, 0.01, 0.05, 0.12])
def test_the_interval_holds_the_truth_in_95_of_100(within, between):
    found = run_audits(within, between, pairs=6, audits=1500, rng=np.random.default_rng(7))
    # 1500 audits: three standard errors are 1.7 points.
    assert found.coverage > 0.933, found
    if between >= 0.05:
        assert found.one_session < 0.5, "the control: one session misses most of the time"


def test_judging_an_audit_looks_at_sessions_and_at_quality_when_they_are_over(
    task, profile, pairs_of
):
    plan = plan_for(profile.plan, Purpose.AUDIT, 0.025)
    assert (plan.min_pairs, plan.max_pairs) == (3, 6)
    steady = pairs_of([3.0] * 3, [2.0, 2.01, 1.99], purpose=Purpose.AUDIT)
    said = judge(task, profile, steady, purpose=Purpose.AUDIT, alpha=0.025)
    assert said.stop
    assert said.verdict is Verdict.SUPPORTED
    worse = (
        *pairs_of([3.0] * 3, [2.0, 2.01, 1.99], purpose=Purpose.AUDIT, bpb=1.9)[::2],
        *pairs_of([3.0] * 3, [2.0, 2.01, 1.99], purpose=Purpose.AUDIT, bpb=1.95)[1::2],
    )
    found = judge(task, profile, worse, purpose=Purpose.AUDIT, alpha=0.025)
    assert found.verdict is Verdict.REFUTED
    assert "quality" in found.reason
    early = judge(task, profile, worse[:2] + worse[3:5], purpose=Purpose.AUDIT, alpha=0.025)
    assert not early.stop
