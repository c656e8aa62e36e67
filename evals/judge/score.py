"""From measurements to a verdict with a digest that anyone can recompute.

Does not: run, read or store anything. Invariant: same measurements, task values, purpose, alpha and source facts
give the same score, to the last bit of its digest.
"""

import dataclasses
import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from enum import Enum

from rsi.evals.errors import EvidenceError, MeasurementError
from rsi.evals.judge.judging import AGAINST_BASELINE, Judgement, judge
from rsi.evals.judge.pairing import Pair
from rsi.evals.judge.plausibility import FLOOR_SETTING, check_plausibility
from rsi.evals.judge.sequential import MIN_PAIRS, fixed_interval
from rsi.evals.types import Interval, Measurement, Purpose, Score
from rsi.tasks.choices import Clock
from rsi.tasks.guards import SourceFacts
from rsi.tasks.types import Profile, Task

SCORE_SCHEMA = 4
"""Raised whenever a rule changes, so that an old digest is never compared with a new rule's."""


def score(
    task: Task,
    profile: Profile,
    measurements: Sequence[Measurement],
    *,
    purpose: Purpose,
    alpha: float | None = None,
    source: SourceFacts | None = None,
) -> Score:
    """Score one candidate against the reference arm of its measurements.

    Args:
        task: Metric with its minimum effect and plausible ratio.
        profile: Plan, quality rules, guards and settings.
        measurements: All stored measurements; those of other purposes are left out.
        purpose: What the pairs were measured for.
        alpha: One-sided error rate of this stage; None takes the plan's.
        source: Facts about both trees, needed when a guard speaks of source.

    Raises:
        MeasurementError: Nothing can be concluded because the champion's runs failed.
        EvidenceError: A guard needs `source`.
    """
    judgement = judge(task, profile, measurements, purpose=purpose, alpha=alpha, source=source)
    _require_champion(judgement, purpose)
    state = judgement.state
    effect = None if state is None else state.size
    plausible = check_plausibility(
        task.metric,
        profile.settings,
        effect,
        judgement.runs.valid,
        is_one_step=purpose not in AGAINST_BASELINE,
    )
    unsigned = Score(
        verdict=judgement.verdict,
        reason=judgement.reason,
        effect=effect,
        wall_effect=_other_clock(task.metric.clock, judgement.runs.valid),
        quality=tuple(check.result for check in judgement.quality),
        guards=judgement.guards,
        pairs_used=len(judgement.runs.valid),
        pairs_invalid=judgement.runs.invalid_pairs,
        outcomes=judgement.runs.outcomes,
        is_plausible=plausible.is_plausible,
        plausibility=plausible.text,
        digest="",
        schema=SCORE_SCHEMA,
        decision=None if state is None else state.interval,
    )
    used = sorted(
        (run for run in measurements if run.purpose is purpose),
        key=lambda run: (run.pair, run.position, run.arm),
    )
    record = {
        "schema": SCORE_SCHEMA,
        "task": task.name,
        "track": task.track,
        "profile": profile.name,
        "metric": task.metric,
        "plan": judgement.plan,
        "quality_rules": profile.quality,
        "guard_rules": profile.guards,
        "floor": profile.settings.get(FLOOR_SETTING),
        "purpose": purpose,
        "source": source,
        "measurements": used,
        "score": unsigned,
    }
    return dataclasses.replace(unsigned, digest=canonical_digest(record))


def canonical_digest(value: object) -> str:
    """sha256 over canonical JSON: sorted keys, no spaces, floats by their shortest exact form."""
    text = json.dumps(
        _plain(value), sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False
    )
    return hashlib.sha256(text.encode("ascii")).hexdigest()


def _plain(value: object) -> object:
    """Values as JSON; a number that JSON cannot hold becomes a named text."""
    if isinstance(value, Enum):
        return value.value
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else f"float:{value}"
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {
            entry.name: _plain(getattr(value, entry.name)) for entry in dataclasses.fields(value)
        }
    if isinstance(value, Mapping):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(inner) for inner in value]
    raise EvidenceError(f"a score cannot hold a value of type {type(value).__name__}")


def _require_champion(judgement: Judgement, purpose: Purpose) -> None:
    runs = judgement.runs
    if runs.valid or runs.failures or not runs.champion_failures:
        return
    raise MeasurementError(
        f"{purpose}: the champion itself {runs.champion_trouble}, {len(runs.champion_failures)} times in all; "
        "nothing can be said about a candidate"
    )


def _other_clock(clock: Clock, pairs: Sequence[Pair]) -> Interval | None:
    """The ratio on the clock that does not decide: CPU where wall decides, else wall."""
    ratios = []
    for champion, candidate in pairs:
        if clock is Clock.WALL_S:
            left, right = champion.cpu_s, candidate.cpu_s
        else:
            left, right = champion.wall_s, candidate.wall_s
        if left is not None and right is not None and left > 0 and right > 0:
            ratios.append(math.log(left / right))
    if len(ratios) < MIN_PAIRS:
        return None
    return fixed_interval(ratios)
