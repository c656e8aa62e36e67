"""A lineage's stack of promotions measured again, whole and without each of its parts; and a candidate's parts.

Every audit draws a master seed of its own, so that nothing it runs on was ever seen by the loop. What was measured is
kept in the ledger, in the log of the round that the audit is about, under a stream of its own.
Does not: demote anything; `rsi rollback` does, with its reason.
"""

import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

from rsi.agent.errors import AgentError, UnknownRecordError
from rsi.agent.policy.audits import STREAM, WHOLE, Compared
from rsi.agent.policy.settings import task_of
from rsi.agent.store.codec import encode
from rsi.agent.store.git.lineage import Lineage
from rsi.agent.store.home import Home
from rsi.agent.store.ledger import Ledger
from rsi.agent.store.records import CampaignRecord, LogChunk, utc_now
from rsi.agent.store.state import latest_attempt
from rsi.agent.store.steps.facts import Admitted, Committed
from rsi.agent.trust.ablation import (
    Ablated,
    Grain,
    Part,
    ablate,
    candidate_parts,
    stack_parts,
)
from rsi.evals.measure.measuring import Comparison, compare
from rsi.evals.types import Measurement, Purpose, Score
from rsi.sandboxes.select import select_backend
from rsi.sandboxes.types import Backend, FileTree
from rsi.tasks.types import Profile, Task

SESSION_GAP_S = 60.0
"""Between the sessions of an audit by hand: two minutes more, for a machine that is another one a minute later."""


class NothingToAuditError(AgentError, ValueError):
    """There is no stack, or no candidate, to be measured."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Audit:
    """What an audit found."""

    about: str
    """Name of the lineage, or id of the round."""
    begun_at: datetime
    reference: str
    """Commit that the ratio is against: the baseline, or the champion of the round."""
    subject: str
    profile: str
    """At which size it was measured."""
    score: Score
    """Of the subject against the reference."""
    parts: tuple[Ablated, ...]
    """Empty unless parts were asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Bench:
    """What the comparisons of one audit share."""

    ledger: Ledger
    task: Task
    profile: Profile
    backend: Backend
    lineage: str
    secret: bytes
    round_id: str
    ends: tuple[str, str]
    """Commits of the reference and of the subject as a whole."""
    begun_at: datetime
    progress: Callable[[str], None]
    session_gap_s: float = 0.0

    def compare(
        self,
        reference: FileTree,
        subject: FileTree,
        name: str,
        *,
        purpose: Purpose = Purpose.COMPARE,
    ) -> Comparison:
        """Measure and keep; samples of a comparison are stored as soon as it is done."""
        stamp = f"{self.begun_at:%Y%m%d-%H%M%S}"

        def tell(run: Measurement) -> None:
            self.progress(f"{name}: pair {run.pair + 1}, {run.arm.value} {run.outcome.value}")

        found = compare(
            self.task,
            self.profile,
            self.backend,
            reference,
            subject,
            campaign_secret=self.secret,
            lineage=self.lineage,
            round_id=f"audit-{stamp}-{name}",
            purpose=purpose,
            session_gap_s=self.session_gap_s,
            on_measurement=tell,
        )
        stream = f"{STREAM}{stamp}"
        kept = Compared(
            name=name,
            reference=self.ends[0],
            subject=self.ends[1],
            profile=self.profile.name,
            score=found.score,
            measurements=tuple(found.measurements),
        )
        self.ledger.add_log(
            LogChunk(
                round_id=self.round_id,
                stream=stream,
                seq=len(self.ledger.log(self.round_id, stream)),
                at=utc_now(),
                content=encode(kept).encode(),
            )
        )
        return found


def audit_lineage(
    home: Home,
    ledger: Ledger,
    name: str,
    *,
    backend: str | None = None,
    pairs: int | None = None,
    is_leave_one_out: bool = False,
    is_transfer: bool = False,
    session_gap_s: float = SESSION_GAP_S,
    progress: Callable[[str], None] = lambda _: None,
) -> Audit:
    """Measure a lineage's champion against its baseline, and on request without each promotion.

    Args:
        home: Where the lineage is.
        ledger: Where its campaigns are and where the audit goes.
        name: The lineage.
        backend: Sandbox to run in; None takes that of its latest campaign.
        pairs: Pairs of each comparison, at least; None takes what the task's plan gives an audit.
        is_leave_one_out: Also take each promotion out alone.
        is_transfer: Measure at the larger profile that the task names, instead of the campaign's.
        session_gap_s: Seconds between the sessions in which the whole is measured.
        progress: Called with one line a run.

    Raises:
        UnknownRecordError: No campaign worked on this lineage.
        NothingToAuditError: Its champion is still the baseline, or the profile names none to transfer to.
        TaskChangedError: The task is no longer what the lineage was made with.
        MeasurementError: The host, the harness or the baseline failed.
    """
    campaign = _latest(ledger, name)
    lineage = Lineage.open(home, name, create=False)
    baseline, champion = lineage.baseline(), lineage.champion()
    if baseline == champion:
        raise NothingToAuditError(
            f"the champion of {name!r} is its baseline: there is no stack yet"
        )
    promoted = [each.round_id for each in ledger.promotions(name)]
    bench = _bench(
        ledger,
        campaign,
        promoted[-1],
        (baseline, champion),
        backend,
        pairs,
        progress,
        is_transfer=is_transfer,
        session_gap_s=session_gap_s,
    )
    parts = stack_parts(lineage) if is_leave_one_out else ()
    return _audit(bench, name, lineage, parts, purpose=Purpose.AUDIT)


def audit_candidate(
    home: Home,
    ledger: Ledger,
    round_id: str,
    *,
    grain: Grain = Grain.FILE,
    backend: str | None = None,
    pairs: int | None = None,
    progress: Callable[[str], None] = lambda _: None,
) -> Audit:
    """Measure a round's candidate against its champion, and without each of its files or hunks.

    Arguments and errors are those of `audit_lineage`; a candidate that was not admitted is not run.
    """
    record = ledger.round(round_id)
    campaign = ledger.campaign(record.campaign_id)
    lineage = Lineage.open(home, campaign.lineage, create=False)
    latest = latest_attempt(ledger.steps(round_id))
    admitted, committed = latest.left(Admitted), latest.left(Committed)
    if admitted is None or committed is None or not admitted.outcome.goes_on:
        raise NothingToAuditError(f"round {round_id} has no admitted candidate to take apart")
    commit = committed.commit
    parts = candidate_parts(lineage.tree(record.champion_commit), lineage.tree(commit), grain)
    if len(parts) < 2:
        raise NothingToAuditError(f"round {round_id} changes one {grain.value}: it has no parts")
    ends = (record.champion_commit, commit)
    bench = _bench(ledger, campaign, round_id, ends, backend, pairs, progress)
    return _audit(bench, round_id, lineage, parts)


def _audit(
    bench: _Bench,
    about: str,
    lineage: Lineage,
    parts: tuple[Part, ...],
    *,
    purpose: Purpose = Purpose.COMPARE,
) -> Audit:
    reference, subject = bench.ends
    whole = lineage.tree(subject)
    found = bench.compare(lineage.tree(reference), whole, WHOLE, purpose=purpose)
    effect = bench.task.metric.minimum_effect
    return Audit(
        about=about,
        begun_at=bench.begun_at,
        reference=reference,
        subject=subject,
        profile=bench.profile.name,
        score=found.score,
        parts=ablate(whole, parts, bench.compare, effect),
    )


def _latest(ledger: Ledger, name: str) -> CampaignRecord:
    found = ledger.campaigns(limit=1, lineage=name)
    if not found:
        raise UnknownRecordError(f"no campaign worked on lineage {name!r}; `rsi queue` lists them")
    return found[0].record


def _bench(
    ledger: Ledger,
    campaign: CampaignRecord,
    round_id: str,
    ends: tuple[str, str],
    backend: str | None,
    pairs: int | None,
    progress: Callable[[str], None],
    *,
    is_transfer: bool = False,
    session_gap_s: float = 0.0,
) -> _Bench:
    config = campaign.config
    task = task_of(campaign)
    profile = task.profiles[campaign.profile]
    if is_transfer:
        if profile.transfer is None:
            raise NothingToAuditError(
                f"profile {profile.name!r} of {task.name!r} names no `transfer` profile in its task.toml"
            )
        profile = task.profiles[profile.transfer]
    if pairs is not None:
        plan = replace(profile.plan, min_pairs=pairs, max_pairs=max(pairs, profile.plan.max_pairs))
        profile = replace(profile, plan=plan)
    chosen = select_backend(backend or config.backend)
    chosen.prepare(task.environment, progress=progress)
    return _Bench(
        ledger=ledger,
        task=task,
        profile=profile,
        backend=chosen,
        lineage=campaign.lineage,
        secret=secrets.token_bytes(16),
        round_id=round_id,
        ends=ends,
        begun_at=utc_now(),
        progress=progress,
        session_gap_s=session_gap_s,
    )
