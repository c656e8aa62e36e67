"""A small task in memory, and measurements made to order."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from rsi.evals.types import Arm, Disturbance, Measurement, Outcome, Purpose
from rsi.sandboxes.types import Environment, Limits
from rsi.tasks.choices import Clock, Device, Direction, MetricKind, Pattern
from rsi.tasks.types import CandidateRules, MeasurePlan, Metric, Profile, QualityRule, Task

QUIET = Disturbance(load_1m=0.1, steal_s=0.0, others_cpu_s=0.0, is_disturbed=False)
LIMITS = Limits(wall_s=10, memory_bytes=1 << 28)


@pytest.fixture
def profile() -> Profile:
    return Profile(
        name="demo",
        limits=LIMITS,
        grade_limits=LIMITS,
        plan=MeasurePlan(min_pairs=3, max_pairs=6, confirm_pairs=3, alpha=0.01),
        quality=(
            QualityRule(name="bpb", unit="bits", direction=Direction.LOWER, limit=2.0, margin=0.02),
        ),
        guards=(),
        settings={},
        claim="screen",
    )


@pytest.fixture
def task(profile: Profile) -> Task:
    return Task(
        name="rsi/made_up",
        description="A task of nothing.",
        root=Path("nowhere"),
        digest="0" * 64,
        pattern=Pattern.ARTIFACT,
        track="default",
        tracks=("default",),
        metric=Metric(
            name="cpu",
            kind=MetricKind.FIXED_WORK,
            unit="s",
            direction=Direction.LOWER,
            clock=Clock.CPU_S,
            minimum_effect=0.02,
            plausible_ratio=20.0,
        ),
        device=Device.CPU,
        environment=Environment(name="rsi-python"),
        candidate=CandidateRules(
            entry=("python", "run.py"),
            editable=("trainer/**",),
            protected=("run.py",),
            max_source_bytes=64_000,
            max_literal_bytes=1_000,
            max_files_added=4,
        ),
        profiles={"demo": profile},
        default_profile="demo",
    )


@pytest.fixture
def run_of() -> Callable[..., Measurement]:
    """One measurement; everything but arm, pair and value has a quiet default."""

    def make(
        arm: Arm,
        pair: int,
        value: float | None,
        *,
        outcome: Outcome = Outcome.OK,
        bpb: float | None = 1.9,
        purpose: Purpose = Purpose.SCREEN,
        is_disturbed: bool = False,
        rss: int = 1 << 20,
        wall_s: float | None = None,
    ) -> Measurement:
        return Measurement(
            arm=arm,
            purpose=purpose,
            pair=pair,
            position=(pair + (arm is Arm.CANDIDATE)) % 2,
            outcome=outcome,
            cpu_s=value,
            wall_s=value if wall_s is None else wall_s,
            max_rss_bytes=rss,
            metric_value=value if outcome is Outcome.OK else None,
            quality={} if bpb is None else {"bpb": bpb},
            result={},
            detail="" if outcome is Outcome.OK else "exit status 1: NameError",
            backend="process",
            assurance="none",
            seed_commitment="ab" * 32,
            disturbance=replace(QUIET, is_disturbed=is_disturbed),
        )

    return make


@pytest.fixture
def pairs_of(run_of: Callable[..., Measurement]) -> Callable[..., tuple[Measurement, ...]]:
    """Both arms of several pairs, from their values."""

    def make(
        champion: Sequence[float], candidate: Sequence[float], **options: object
    ) -> tuple[Measurement, ...]:
        runs = []
        for pair, (left, right) in enumerate(zip(champion, candidate, strict=True)):
            runs.append(run_of(Arm.CHAMPION, pair, left, **options))
            runs.append(run_of(Arm.CANDIDATE, pair, right, **options))
        return tuple(runs)

    return make
