"""Simulate audits in sessions: how often the interval holds the truth, how wide it is, how many sessions it takes.

Pairs scatter within a session, sessions scatter between each other, and measuring stops as `decide_sessions` says.
Invariant: everything derives from one seed.
"""

import argparse
import math
from dataclasses import dataclass

import numpy as np

from rsi.evals.judge.sequential import fixed_interval
from rsi.evals.judge.sessions import decide_sessions, session_plan
from rsi.tasks.types import MeasurePlan

BASE = MeasurePlan(min_pairs=3, max_pairs=8, confirm_pairs=3, alpha=0.025)
TRUTH = math.log(2.4)
WITHIN = (0.004, 0.015)
"""Spread of a pair's log ratio within a session: in time slices, and one run after the other."""
BETWEEN = (0.0, 0.005, 0.01, 0.02, 0.03, 0.05, 0.08, 0.12, 0.2)
"""Spread between sessions; 39x and 42x for the same two commits eight minutes apart are 0.05."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Audits:
    """What many simulated audits came to."""

    coverage: float
    """Share whose interval held the truth."""
    one_session: float
    """The same had all pairs been measured in one session, with the textbook interval."""
    sessions: float
    """Mean number."""
    width: float
    """Median half width, relative."""
    is_narrow: float
    """Share within 10 % on either side."""


def run_audits(
    within: float, between: float, *, pairs: int, audits: int, rng: np.random.Generator
) -> Audits:
    """Simulate audits of one truth.

    Args:
        within: Standard deviation of a pair's log ratio within its session.
        between: Of a session's.
        pairs: Pairs of all three sessions together.
        audits: How many.
        rng: Source of all randomness.
    """
    plan = session_plan(BASE, pairs, BASE.alpha)
    each = plan.min_pairs // 3
    held, alone, counts, widths = 0, 0, [], []
    for _ in range(audits):
        shifts = between * rng.standard_normal(plan.max_pairs // each)
        logs = TRUTH + np.repeat(shifts, each) + within * rng.standard_normal(plan.max_pairs)
        for seen in range(each, plan.max_pairs + 1, each):
            state = decide_sessions(list(enumerate(logs[:seen].tolist())), plan, 0.03)
            if state.stop:
                break
        assert state.interval is not None
        held += state.interval.low <= math.exp(TRUTH) <= state.interval.high
        counts.append(seen / each)
        widths.append(state.interval.high / state.interval.estimate - 1)
        once = TRUTH + shifts[0] + within * rng.standard_normal(plan.min_pairs)
        plain = fixed_interval(once.tolist())
        alone += plain.low <= math.exp(TRUTH) <= plain.high
    return Audits(
        coverage=held / audits,
        one_session=alone / audits,
        sessions=float(np.mean(counts)),
        width=float(np.median(widths)),
        is_narrow=float(np.mean(np.array(widths) <= 0.10)),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--audits", type=int, default=4000, help="simulated audits a row")
    audits = parser.parse_args().audits
    rng = np.random.default_rng(20261130)
    print(
        "pairs | within | between | holds the truth | in one session | sessions | half width | within 10 %"
    )
    for pairs in (3, 6):
        for within in WITHIN:
            for between in BETWEEN:
                found = run_audits(within, between, pairs=pairs, audits=audits, rng=rng)
                print(
                    f"{pairs:5} | {within:6.3f} | {between:7.3f} | {found.coverage:15.1%} | "
                    f"{found.one_session:14.1%} | {found.sessions:8.1f} | {found.width:10.1%} | {found.is_narrow:.0%}"
                )


if __name__ == "__main__":
    main()
