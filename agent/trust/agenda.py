"""An agenda of next campaigns: expected gain per dollar on each task, from the notebook of all tasks.

The gain that the next idea brings is estimated by the mean log gain of the latest ideas of the same task, profile and model, shrunk
towards the mean over all; what it costs, by what those cost. A person queues what is worth it.
Does not: queue, or know what a task is good for beyond its ratio. Invariant: where control is locked nothing comes before what is
not, since more gain with less control is no progress.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cache

from rsi.agent.policy.controls import lock_reasons
from rsi.agent.report.reasons import deciding_score
from rsi.agent.store.config import CampaignConfig
from rsi.agent.store.ledger import Ledger
from rsi.agent.store.records import CampaignRecord
from rsi.agent.store.round_book import RoundBook
from rsi.agent.store.rounds import RoundView
from rsi.agent.store.state import RoundVerdict
from rsi.tasks.errors import TaskError
from rsi.tasks.format.loader import load_task

LATEST_IDEAS = 20
"""What older ideas found was found from other champions."""
PRIOR_IDEAS = 5
"""So many ideas' worth of evidence counts what all tasks and models have shown."""
HOUR_USD = 1.0
"""What an hour of a machine counts as, beside the models' bill; without it a model for nothing would be infinitely cheap."""
BUDGET_FACTOR = 1.5
"""Of the expected bill of the models, as the limit that is proposed."""
LEAST_USD = 0.001
NOT_IDEAS = frozenset({RoundVerdict.HARNESS_ERROR, RoundVerdict.STOPPED})
SCRIPTED = "scripted:"


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """One campaign that could be next."""

    task: str
    track: str
    profile: str
    model: str
    lineage: str
    rounds: int
    budget_usd: float | None
    """Limit on the models' bill; None where they cost nothing."""
    expected_log_gain: float
    """Of the whole campaign: the sum of what its ideas are expected to bring."""
    expected_usd: float
    """Models and machine hours of the whole campaign."""
    reasons: tuple[str, ...]
    is_locked: bool
    """Whether control forbids policy to promote there now."""
    config: CampaignConfig
    """With which it would be queued."""

    @property
    def gain_per_usd(self) -> float:
        """Expected log gain for a dollar."""
        return self.expected_log_gain / max(self.expected_usd, LEAST_USD)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Past:
    """What one task, profile and model have shown, the latest ideas first."""

    record: CampaignRecord
    """The latest campaign."""
    gains: tuple[float, ...]
    usd: tuple[float, ...]
    model_usd: tuple[float, ...]


def agenda(ledger: Ledger, *, hour_usd: float = HOUR_USD) -> tuple[Proposal, ...]:
    """Campaigns that could be next, the best expected gain per dollar first, those with a lock last.

    Args:
        ledger: All tasks' campaigns; only those that ended count.
        hour_usd: What an hour of a machine counts as.
    """
    past = _past(ledger, hour_usd)
    every = [gain for each in past for gain in each.gains]
    found = [_proposal(ledger, each, every) for each in past]
    return tuple(sorted(found, key=lambda each: (each.is_locked, -each.gain_per_usd)))


def _past(ledger: Ledger, hour_usd: float) -> list[_Past]:
    by_kind: dict[tuple[str, str, str, str], list[CampaignRecord]] = defaultdict(list)
    is_here = cache(_is_here)  # thousands of campaigns are of a handful of tasks
    for each in ledger.campaigns(has_ended=True):  # the latest first
        record = each.record
        where = record.config.task_root, record.track, record.profile
        if record.config.fork_of is None and is_here(*where):
            key = (record.task, record.track, record.profile, record.config.proposer)
            by_kind[key].append(record)
    book = RoundBook(ledger)
    found = []
    for records in by_kind.values():
        records.sort(key=lambda each: each.created_at, reverse=True)
        ideas = [
            view
            for record in records
            for view in reversed(book.of_campaign(record.id))
            if not view.record.is_control
            and view.state.verdict is not None
            and view.state.verdict not in NOT_IDEAS
        ][:LATEST_IDEAS]
        if ideas:
            hours = [sum(step.wall_s for step in each.steps) / 3600 for each in ideas]
            found.append(
                _Past(
                    record=records[0],
                    gains=tuple(_gain(each) for each in ideas),
                    usd=tuple(
                        each.spend_usd + hour_usd * spent
                        for each, spent in zip(ideas, hours, strict=True)
                    ),
                    model_usd=tuple(each.spend_usd for each in ideas),
                )
            )
    return found


def _is_here(task_root: str, track: str, profile: str) -> bool:
    """Whether a task is still there to be run, at the same size."""
    try:
        task = load_task(task_root, track=track)
    except TaskError:
        return False
    return profile in task.profiles


def _gain(view: RoundView) -> float:
    """Log gain that an idea brought: none unless it was promoted."""
    score = deciding_score(view)
    if view.state.verdict is not RoundVerdict.PROMOTED or score is None or score.effect is None:
        return 0.0
    return max(0.0, math.log(score.effect.estimate))


def _proposal(ledger: Ledger, past: _Past, every: Sequence[float]) -> Proposal:
    record, config = past.record, past.record.config
    prior = _mean(every)
    per_idea = (sum(past.gains) + PRIOR_IDEAS * prior) / (len(past.gains) + PRIOR_IDEAS)
    rounds = config.rounds
    bill = _mean(past.model_usd) * rounds
    budget = round(max(bill * BUDGET_FACTOR, 0.01), 2) if bill > 0 else None
    locked = lock_reasons(ledger, record)
    gained = sum(each > 0 for each in past.gains)
    reasons = [
        f"{gained} of the latest {len(past.gains)} ideas were promoted, {math.expm1(_mean(past.gains)):.1%} an idea",
        f"{math.expm1(prior):.1%} an idea over all {len(every)} of the notebook, which counts as {PRIOR_IDEAS} more",
        f"an idea took ${_mean(past.usd):.2f}, machine hours included",
        *(["a script proposes: it has no more than what is written in it"] if config.proposer.startswith(SCRIPTED) else []),
        *locked,
    ]  # fmt: skip
    return Proposal(
        task=record.task,
        track=record.track,
        profile=record.profile,
        model=config.proposer,
        lineage=record.lineage,
        rounds=rounds,
        budget_usd=budget,
        expected_log_gain=per_idea * rounds,
        expected_usd=_mean(past.usd) * rounds,
        reasons=tuple(reasons),
        is_locked=bool(locked),
        # The champions of scaffold and reviewer drive it, whatever drove the last one.
        config=replace(
            config,
            seed="",
            driver_digests={},
            scaffold=None,
            budget_usd=budget or config.budget_usd,
        ),
    )


def _mean(values: Iterable[float]) -> float:
    found = list(values)
    return math.fsum(found) / len(found)
