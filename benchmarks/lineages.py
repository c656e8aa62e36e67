"""Simulate lineages: chains of candidates that each lose a little quality, and what binding them to round 0 costs.

Every stage is judged by the real `judge` from made-up measurements; nothing is run. Invariant: all derives from one seed.
"""

import argparse
import math
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np

from rsi.evals.judge.judging import fresh_stages, judge
from rsi.evals.types import Arm, Disturbance, Measurement, Outcome, Purpose, Verdict
from rsi.tasks.choices import Direction
from rsi.tasks.format.loader import load_task
from rsi.tasks.guards import TESTS
from rsi.tasks.types import Profile, QualityRule, Task

QUIET = Disturbance(load_1m=0.1, steal_s=0.0, others_cpu_s=0.0, is_disturbed=False)
GAIN = 1.2
"""How much faster each candidate is than the champion before it, so that its speed never decides."""
TIME_SPREAD = 0.004
"""Of one run's seconds: a pair in time slices."""
BASELINE_S = 10.0
BASELINE_BYTES = 1 << 27


@dataclass(slots=True, kw_only=True)
class State:
    """What one commit of a lineage is in truth."""

    seconds: float = BASELINE_S
    loss: float = 0.0
    """How much worse than the baseline, in margins of each rule."""
    memory: float = 1.0
    """Over the baseline's."""


@dataclass(slots=True, kw_only=True)
class Chain:
    """What came of a lineage."""

    champion: State
    promoted: int = 0
    refused: int = 0
    baseline_runs: int = 0
    """Runs of the baseline that the last stage took, over the whole lineage."""
    reasons: list[str] = field(default_factory=list)
    """Why candidates were refused."""


def run_chain(
    task: Task,
    profile: Profile,
    rng: np.random.Generator,
    *,
    loss: float = 0.0,
    spread: float = 0.0,
    memory: float = 1.0,
    steps: int = 10,
    is_bound: bool = True,
) -> Chain:
    """Let candidates of the same kind come one after the other, each built on what was promoted before.

    Args:
        task: Its metric and the profile's rules judge.
        profile: Plan, quality rules and guards.
        rng: Source of all randomness.
        loss: True loss of each step, in margins of every quality rule.
        spread: Standard deviation of a pair's difference in quality, in margins.
        memory: Each step's peak memory over that of the champion before it.
        steps: Candidates.
        is_bound: False leaves out the stage against the baseline, to see what it costs and what it is for.
    """
    baseline, chain = State(), Chain(champion=State())
    for _ in range(steps):
        champion = chain.champion
        candidate = State(
            seconds=champion.seconds / GAIN,
            loss=champion.loss + loss,
            memory=champion.memory * memory,
        )
        is_first = chain.promoted == 0 or not is_bound
        for purpose in (Purpose.SCREEN, *fresh_stages(is_first_step=is_first)):
            reference = baseline if purpose is Purpose.BASELINE else champion
            verdict, reason, pairs = _stage(
                task, profile, purpose, reference, candidate, spread, rng
            )
            if purpose is Purpose.BASELINE:
                chain.baseline_runs += pairs
            if verdict is not Verdict.SUPPORTED:
                chain.refused += 1
                chain.reasons.append(f"{purpose}: {reason}")
                break
        else:
            chain.champion, chain.promoted = candidate, chain.promoted + 1
    return chain


def cases() -> Iterator[tuple[Task, Profile]]:
    """Every task that ships, in every track and profile."""
    for name in ("toy", "lm_training"):
        for track in load_task(name).tracks:
            task = load_task(name, track=track)
            for profile in task.profiles.values():
                yield task, profile


def _stage(
    task: Task,
    profile: Profile,
    purpose: Purpose,
    reference: State,
    candidate: State,
    spread: float,
    rng: np.random.Generator,
) -> tuple[Verdict, str, int]:
    runs: list[Measurement] = []
    while True:
        said = judge(task, profile, runs, purpose=purpose, source=None)
        if said.stop:
            return said.verdict, said.reason, len(said.runs.valid)
        pair = len(runs) // len(Arm)
        for arm, state in ((Arm.CHAMPION, reference), (Arm.CANDIDATE, candidate)):
            runs.append(_measurement(task, profile, purpose, arm, pair, state, spread, rng))


def _measurement(
    task: Task,
    profile: Profile,
    purpose: Purpose,
    arm: Arm,
    pair: int,
    state: State,
    spread: float,
    rng: np.random.Generator,
) -> Measurement:
    seconds = state.seconds * math.exp(TIME_SPREAD * rng.standard_normal())
    noise = spread * rng.standard_normal() if arm is Arm.CANDIDATE else 0.0
    return Measurement(
        arm=arm,
        purpose=purpose,
        pair=pair,
        position=int(arm is Arm.CANDIDATE),
        outcome=Outcome.OK,
        cpu_s=seconds,
        wall_s=seconds,
        max_rss_bytes=int(BASELINE_BYTES * state.memory),
        metric_value=seconds,
        quality={rule.name: _quality(rule, state.loss + noise) for rule in profile.quality},
        result={TESTS: {"is_passed": True, "cpu_s": 1.0}},
        detail="",
        backend="made up",
        assurance="none",
        seed_commitment=f"{pair:064x}",
        disturbance=QUIET,
    )


def _quality(rule: QualityRule, loss: float) -> float:
    """A value that many margins part from the rule's absolute limit, which binds by itself."""
    worse = rule.margin * loss if rule.direction is Direction.LOWER else -rule.margin * loss
    room = -100 * rule.margin if rule.direction is Direction.LOWER else 100 * rule.margin
    return (rule.limit or 0.0) + room + worse


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--chains", type=int, default=200, help="lineages simulated for each row")
    chains = parser.parse_args().chains
    task, profile = next(
        each for each in cases() if each[0].name.endswith("lm_training") and each[1].name == "demo"
    )
    profile = replace(profile, guards=())
    rng = np.random.default_rng(20261129)
    print(f"{task.name}, {profile.name}: ten candidates a lineage, {chains} lineages a row")
    print(
        "spread | loss | bound | promoted of 10 | end beyond the margin | furthest | baseline runs"
    )
    for spread in (0.05, 0.17, 0.4, 0.67):
        for loss in (0.0, 0.15, 0.3, 0.9):
            for is_bound in (False, True):
                found = [
                    run_chain(task, profile, rng, loss=loss, spread=spread, is_bound=is_bound)
                    for _ in range(chains)
                ]
                ends = [each.champion.loss for each in found]
                print(
                    f"{spread:6.2f} | {loss:4.2f} | {is_bound!s:5} | "
                    f"{np.mean([each.promoted for each in found]):14.1f} | "
                    f"{np.mean([end > 1 + 1e-9 for end in ends]):21.1%} | {max(ends):8.2f} | "
                    f"{np.mean([each.baseline_runs for each in found]):.0f}"
                )


if __name__ == "__main__":
    main()
