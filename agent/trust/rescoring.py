"""A stored score computed again from stored measurements; nothing is run."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

from rsi.agent.errors import UnknownRecordError
from rsi.agent.policy.error_rates import rate_of
from rsi.agent.policy.settings import task_of
from rsi.agent.store.git.lineage import Lineage
from rsi.agent.store.home import Home
from rsi.agent.store.ledger import Ledger
from rsi.agent.store.records import Step, StepRecord
from rsi.evals.judge.guards import source_facts
from rsi.evals.judge.judging import fresh_stages
from rsi.evals.judge.score import score
from rsi.evals.measure.floor import with_floor
from rsi.evals.types import Purpose


@dataclass(frozen=True, slots=True, kw_only=True)
class Rescored:
    """One stage of a round, scored again."""

    purpose: str
    stored_digest: str
    digest: str
    is_same: bool
    reason: str
    """The score's own sentence."""


def rescore_round(ledger: Ledger, round_id: str, home: Home | None = None) -> tuple[Rescored, ...]:
    """Score the screen of a round again and, where there were any, its stages on fresh runs.

    Args:
        ledger: Where the measurements are.
        round_id: A round that was scored.
        home: Where its lineage is; None takes the environment's.

    Raises:
        UnknownRecordError: No such round, or it was never scored.
        TaskChangedError: Its task is another version now, which would score otherwise.
        TaskError: Its task cannot be loaded any more.
    """
    record = ledger.round(round_id)
    campaign = ledger.campaign(record.campaign_id)
    task = task_of(campaign)
    lineage = Lineage.open(home or Home.find(), campaign.lineage, create=False)
    steps = ledger.steps(round_id)
    scored = [each for each in steps if each.step is Step.SCORE]
    if not scored:
        raise UnknownRecordError(f"round {round_id} was never scored; see `rsi show {round_id}`")
    attempt = scored[-1].attempt
    by_step = {each.step: each for each in steps if each.attempt == attempt}
    opened = next(each for each in steps if each.step is Step.OPEN)
    stored = {Purpose.SCREEN: _mapping(by_step[Step.SCORE], "score")}
    review = by_step.get(Step.REVIEW)
    if review is not None:
        stages = fresh_stages(is_first_step=False)
        stored |= {each: _mapping(review, each.value) for each in stages if each in review.payload}
    candidate = lineage.tree(str(by_step[Step.COMMIT].payload["commit"]))
    results = []
    for purpose, before in stored.items():
        reference = lineage.baseline() if purpose is Purpose.BASELINE else record.champion_commit
        again = score(
            task,
            with_floor(
                task.profiles[campaign.profile], cast(float | None, opened.payload.get("floor_s"))
            ),
            ledger.measurements(round_id, purpose, attempt=attempt),
            purpose=purpose,
            alpha=rate_of(opened.payload, attempt),
            source=source_facts(lineage.tree(reference), candidate),
        )
        results.append(
            Rescored(
                purpose=purpose.value,
                stored_digest=str(before["digest"]),
                digest=again.digest,
                is_same=again.digest == before["digest"],
                reason=again.reason,
            )
        )
    return tuple(results)


def _mapping(step: StepRecord, key: str) -> Mapping[str, object]:
    return cast(Mapping[str, object], step.payload[key])
