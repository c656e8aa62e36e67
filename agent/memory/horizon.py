"""The length of task that a model finishes half of the time: success against expert time, fitted by a logistic curve.

A rung is one step of a task's ladder of reference solutions, with the time that it takes an expert; a campaign has climbed
it when the audited speedup of its champion is at least that of the rung. Models, profiles and machines are never mixed.
Invariant: where the data do not determine the curve, no number is made up; the reason is said.
Source: Kwa et al., Measuring AI Ability to Complete Long Tasks (2025), for the form of the fit.
"""

import math
import random
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rsi.agent.policy.audits import newest_audit
from rsi.agent.store.ledger import Ledger
from rsi.agent.store.records import CampaignState, CampaignSummary, Step
from rsi.tasks.errors import TaskError
from rsi.tasks.format.loader import load_task
from rsi.tasks.types import Solution

RESAMPLES = 1_000
SEED = 20_261_130
"""Of the bootstrap: the same ledger gives the same interval."""
STEPS, TOLERANCE = 100, 1e-10
"""Of Newton's method."""
MAX_SLOPE = 50.0
"""Steeper in log odds per doubling means that successes and failures do not overlap."""
SCRIPTED = "scripted:"


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One rung in one campaign."""

    family: str
    """Name of the task: attempts at one ladder are not independent."""
    rung: str
    minutes: float
    """That it takes an expert."""
    source: str
    """Where that time comes from: "measured", "published" or "estimated"."""
    succeeded: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A horizon in minutes with its 95 % interval over families."""

    minutes: float
    low: float | None
    high: float | None
    """None where resampling the families does not determine the curve often enough."""

    @property
    def text(self) -> str:
        """As people read it, such as "42 min [30, 60]"."""
        if self.low is None or self.high is None:
            return f"{self.minutes:.3g} min (no interval: too few families of tasks)"
        return f"{self.minutes:.3g} min [{self.low:.3g}, {self.high:.3g}]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Horizon:
    """What one model reached, on one profile and one machine."""

    model: str
    profile: str
    machine: str
    is_scripted: bool
    """True when nobody thought: the script knew the solutions."""
    attempts: tuple[Attempt, ...]
    half: Span | None
    """Expert time at which half of the rungs are climbed; None with `reason`."""
    four_fifths: Span | None
    reason: str
    """Why there is no number; empty where there is one."""


def horizons(ledger: Ledger) -> tuple[Horizon, ...]:
    """A horizon for each model, profile and machine that finished a campaign on a task with expert times."""
    found: dict[tuple[str, str, str], list[Attempt]] = defaultdict(list)
    for summary in ledger.campaigns():
        if summary.state is not CampaignState.FINISHED:
            continue
        found[_key(ledger, summary)] += _attempts(ledger, summary)
    return tuple(
        _horizon(model, profile, machine, attempts)
        for (model, profile, machine), attempts in sorted(found.items())
        if attempts
    )


def horizon_of(ledger: Ledger, summary: CampaignSummary) -> Horizon | None:
    """That of one campaign's model, profile and machine over all finished campaigns; None where no rung says its time."""
    wanted = _key(ledger, summary)
    attempts = [
        attempt
        for each in ledger.campaigns()
        if each.state is CampaignState.FINISHED
        and (each.record.config.proposer, each.record.profile) == wanted[:2]
        and _key(ledger, each) == wanted
        for attempt in _attempts(ledger, each)
    ]
    return _horizon(*wanted, attempts) if attempts else None


def fit(attempts: Sequence[Attempt]) -> tuple[float, float] | None:
    """Intercept and slope of the log odds over log2(minutes), by maximum likelihood; None where they do not exist.

    They exist when successes and failures overlap, and longer rungs fail more often.
    """
    points = [(math.log2(each.minutes), float(each.succeeded)) for each in attempts]
    if len({x for x, _ in points}) < 2 or len({y for _, y in points}) < 2:
        return None
    a = b = 0.0
    for _ in range(STEPS):
        gradient_a = gradient_b = aa = ab = bb = 0.0
        for x, y in points:
            p = 1 / (1 + math.exp(-max(-500.0, min(500.0, a + b * x))))
            gradient_a, gradient_b = gradient_a + y - p, gradient_b + (y - p) * x
            weight = p * (1 - p)
            aa, ab, bb = aa + weight, ab + weight * x, bb + weight * x * x
        determinant = aa * bb - ab * ab
        if determinant < TOLERANCE:
            return None
        step_a = (bb * gradient_a - ab * gradient_b) / determinant
        step_b = (aa * gradient_b - ab * gradient_a) / determinant
        a, b = a + step_a, b + step_b
        if abs(b) > MAX_SLOPE:
            return None
        if abs(step_a) + abs(step_b) < TOLERANCE:
            return (a, b) if b < 0 else None
    return None


def minutes_at(curve: tuple[float, float], share: float) -> float:
    """Expert time at which a share of the rungs is climbed."""
    a, b = curve
    return math.pow(2.0, max(-64.0, min(64.0, (math.log(share / (1 - share)) - a) / b)))


def _horizon(model: str, profile: str, machine: str, attempts: Sequence[Attempt]) -> Horizon:
    curve = fit(attempts)
    drawn = [] if curve is None else _resampled(attempts)
    return Horizon(
        model=model,
        profile=profile,
        machine=machine,
        is_scripted=model.startswith(SCRIPTED),
        attempts=tuple(attempts),
        half=None if curve is None else _span(curve, drawn, 0.5),
        four_fifths=None if curve is None else _span(curve, drawn, 0.8),
        reason="" if curve is not None else _why_not(attempts),
    )


def _resampled(attempts: Sequence[Attempt]) -> list[tuple[float, float]]:
    """Curves of families drawn with replacement; those that are not determined are left out."""
    by_family: dict[str, list[Attempt]] = defaultdict(list)
    for each in attempts:
        by_family[each.family].append(each)
    families = sorted(by_family)
    draw = random.Random(SEED)  # noqa: S311 - a bootstrap, not secrecy
    if len(families) < 2:
        return []
    drawn = (
        fit([each for name in draw.choices(families, k=len(families)) for each in by_family[name]])
        for _ in range(RESAMPLES)
    )
    return [each for each in drawn if each is not None]


def _span(curve: tuple[float, float], drawn: Sequence[tuple[float, float]], share: float) -> Span:
    low = high = None
    if 2 * len(drawn) >= RESAMPLES:
        values = sorted(minutes_at(each, share) for each in drawn)
        low = values[round(0.025 * (len(values) - 1))]
        high = values[round(0.975 * (len(values) - 1))]
    return Span(minutes=minutes_at(curve, share), low=low, high=high)


def _why_not(attempts: Sequence[Attempt]) -> str:
    won = [each.minutes for each in attempts if each.succeeded]
    lost = [each.minutes for each in attempts if not each.succeeded]
    if not lost:
        return f"every rung was climbed, up to {max(won):g} min: the horizon is beyond that"
    if not won:
        return f"no rung was climbed, from {min(lost):g} min on: the horizon is below that"
    return (
        f"{len(won)} rungs were climbed (up to {max(won):g} min) and {len(lost)} were not (from {min(lost):g} min on), "
        "which does not determine a curve that falls with the length"
    )


def _attempts(ledger: Ledger, summary: CampaignSummary) -> Iterable[Attempt]:
    record = summary.record
    try:
        task = load_task(Path(record.config.task_root), track=record.track)
    except TaskError:
        return  # its ladder is gone, and nothing can be said about its rungs
    if task.digest != record.task_digest:
        return
    audit = newest_audit(ledger.campaign_events(record.id))
    is_claimed = audit is not None and audit.is_supported and audit.effect is not None
    reached = audit.effect.estimate if is_claimed and audit and audit.effect else 1.0
    by_name = {each.name: each for each in task.solutions}
    for each in task.solutions:
        ratio = _ratio(each, by_name)
        if each.expert_min is None or each.expect != "faster" or ratio is None:
            continue
        yield Attempt(
            family=task.name,
            rung=each.name,
            minutes=each.expert_min,
            source=each.expert_source,
            succeeded=reached >= ratio,
        )


def _ratio(solution: Solution, by_name: Mapping[str, Solution]) -> float | None:
    """How many times better than the baseline a rung is; None where one of its steps says nothing."""
    steps = [*(by_name[each] for each in solution.needs), solution]
    ratios = [each.predicted_ratio for each in steps]
    known = [each for each in ratios if each is not None]
    return math.prod(known) if len(known) == len(ratios) else None


def _key(ledger: Ledger, summary: CampaignSummary) -> tuple[str, str, str]:
    """Model, profile and machine, which are never mixed."""
    record = summary.record
    return record.config.proposer, record.profile, _machine(ledger, summary)


def _machine(ledger: Ledger, summary: CampaignSummary) -> str:
    """What its runs happened on, as its first brief said; empty where no round got so far."""
    for step in ledger.steps_of(campaign_id=summary.record.id, step=Step.BRIEF):
        return getattr(step.fact, "machine", "")
    return ""
