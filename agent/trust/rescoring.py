"""A stored score computed again from stored measurements; nothing is run."""

from dataclasses import dataclass

from rsi.agent.errors import UnknownRecordError
from rsi.agent.policy.settings import task_of
from rsi.agent.store.git.lineage import Lineage
from rsi.agent.store.home import Home
from rsi.agent.store.ledger import Ledger
from rsi.agent.store.records import Step
from rsi.agent.store.steps.facts import Scored
from rsi.evals.judge.guards import source_facts
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
    """The same digest; of a score that other rules made, the same verdict."""
    is_of_these_rules: bool
    """False for a score of an older version, whose digest cannot be had any more."""
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
    opened = ledger.step(round_id, Step.OPEN)
    scored = [each for each in ledger.steps(round_id) if isinstance(each.fact, Scored)]
    attempt = scored[-1].attempt if scored else 0
    found = ledger.step(round_id, Step.SCORE, attempt)
    committed = ledger.step(round_id, Step.COMMIT, attempt)
    if opened is None or found is None or committed is None:
        raise UnknownRecordError(f"round {round_id} was never scored; see `rsi show {round_id}`")
    stored = {Purpose.SCREEN: found.score}
    review = ledger.step(round_id, Step.REVIEW, attempt)
    if review is not None:
        stored |= review.stages
    candidate = lineage.tree(committed.commit)
    record = ledger.round(round_id, attempt=attempt)  # a later one may have another champion
    results = []
    for purpose, before in stored.items():
        reference = lineage.baseline() if purpose is Purpose.BASELINE else record.champion_commit
        again = score(
            task,
            with_floor(task.profiles[campaign.profile], opened.bound_s),
            ledger.measurements(round_id, purpose, attempt=attempt),
            purpose=purpose,
            alpha=opened.alpha_of(attempt),
            source=source_facts(lineage.tree(reference), candidate),
        )
        results.append(
            Rescored(
                purpose=purpose.value,
                stored_digest=before.digest,
                digest=again.digest,
                is_same=again.digest == before.digest
                if before.schema == again.schema
                else again.verdict is before.verdict,
                is_of_these_rules=before.schema == again.schema,
                reason=again.reason,
            )
        )
    return tuple(results)
