"""Audits of a lineage's champion against its round-0 baseline: which count, and what one that fails means.

A speedup over the baseline is claimed only where the newest audit is supported. One that is not locks promotions by
policy until the champion that it was about is taken back or a newer audit supports what is champion then.
Does not: measure, or move a champion. Invariant: a function of the ledger.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from rsi.agent.errors import LedgerError
from rsi.agent.store.codec import decode
from rsi.agent.store.events import CampaignEvent
from rsi.agent.store.ledger import Ledger
from rsi.agent.store.records import (
    CampaignEventKind,
    CampaignSummary,
    PromotionKind,
    PromotionRecord,
)
from rsi.evals.types import Interval, Measurement, Score, Verdict

STREAM = "audit/"
"""Log streams of a round that hold audits asked for by hand; the rest of the name is when one was begun."""
WHOLE = "whole"
"""Name of the comparison of the whole stack among those of one audit by hand."""
AUDITING = frozenset(
    {CampaignEventKind.AUDITED, CampaignEventKind.FINISHED, CampaignEventKind.STOPPED}
)
"""Events that tell how the champion stands against the baseline."""
SAME_CODE = Interval(estimate=1.0, low=1.0, high=1.0, confidence=1.0, pairs=0)
"""Champion and baseline are one commit, so the ratio is one by identity, not by measurement."""
SHORT = 12
"""Digits of a commit that people are shown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """One comparison of an audit by hand, as its log stream keeps it."""

    name: str
    """WHOLE, or the part that was left out."""
    reference: str
    subject: str
    """Commits of the reference and of the subject as a whole."""
    profile: str
    score: Score
    measurements: tuple[Measurement, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ChampionAudit:
    """A champion that was measured against the round-0 baseline, whole."""

    round_id: str | None
    """The round whose promotion was audited; None at the end of the campaign."""
    commit: str
    """The champion at that time."""
    at: datetime
    score: Score

    @property
    def effect(self) -> Interval | None:
        return self.score.effect

    @property
    def is_supported(self) -> bool:
        """Whether it may be quoted."""
        return self.score.verdict is Verdict.SUPPORTED


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedAudit:
    """The newest audit of what is still in the champion, and that audit is not supported."""

    lineage: str
    audit: ChampionAudit
    back_to: str
    """The newest champion before it that an audit supported, else the one right before it, or the baseline."""

    @property
    def text(self) -> str:
        """What was found, in one sentence without a full stop."""
        score, commit = self.audit.score, self.audit.commit[:SHORT]
        return f"the audit of champion {commit} against the baseline is {score.verdict.value}: {score.reason}"

    @property
    def offer(self) -> str:
        """How to take it back, or to look again."""
        return (
            f'`rsi rollback {self.lineage} --to {self.back_to[:SHORT]} --reason "..."` takes it back, '
            f"`rsi audit {self.lineage}` measures again"
        )


def audits_in(events: Sequence[CampaignEvent]) -> tuple[ChampionAudit, ...]:
    """Every audit among a campaign's events, oldest first."""
    return tuple(
        ChampionAudit(
            round_id=audit.round_id, commit=audit.champion_commit, at=event.at, score=audit.score
        )
        for event in events
        if event.kind in AUDITING and (audit := event.audit) is not None and audit.score is not None
    )


def newest_audit(events: Sequence[CampaignEvent]) -> ChampionAudit | None:
    """What was measured last; None where nothing was, or the champion has been the baseline since."""
    return next(iter(audits_in(_last_word(events))), None)


def claimed_speedup(events: Sequence[CampaignEvent]) -> Interval | None:
    """The speedup over the baseline that a campaign may quote: that of its newest audit, if it is supported."""
    audit = newest_audit(events)
    if audit is not None:
        return audit.effect if audit.is_supported else None
    return SAME_CODE if _last_word(events) else None


def _last_word(events: Sequence[CampaignEvent]) -> Sequence[CampaignEvent]:
    """The last event that says how the champion stands, measured or the baseline itself; none without one."""
    for event in reversed(events):
        audit = event.audit
        if event.kind in AUDITING and audit and (audit.is_same_code or audit.score is not None):
            return [event]
    return []


def failed_audit(ledger: Ledger, lineage: str) -> FailedAudit | None:
    """Why the champion of a lineage may not be trusted to be better than its baseline; None where nothing says so."""
    moves = ledger.promotions(lineage)
    line = champion_line(moves)
    events = [
        event
        for each in ledger.campaigns(lineage=lineage)
        for event in ledger.campaign_events(each.record.id)
    ]
    audits = [*audits_in(events), *(_by_hand(ledger, moves) if moves else ())]
    about = sorted((each for each in audits if each.commit in line), key=lambda each: each.at)
    if not about or about[-1].is_supported:
        return None
    supported = {each.commit for each in about if each.is_supported}
    before = line[: line.index(about[-1].commit)]
    trusted = [commit for commit in before if commit in supported]
    return FailedAudit(
        lineage=lineage, audit=about[-1], back_to=(trusted or before or [moves[0].old_commit])[-1]
    )


def failed_audits(ledger: Ledger, campaigns: Sequence[CampaignSummary]) -> tuple[FailedAudit, ...]:
    """Those of the lineages of some campaigns."""
    lineages = dict.fromkeys(each.record.lineage for each in campaigns if each.promoted)
    found = (failed_audit(ledger, lineage) for lineage in lineages)
    return tuple(each for each in found if each is not None)


def champion_line(moves: Sequence[PromotionRecord]) -> list[str]:
    """The promotions that are in the champion, oldest first, out of all moves of its lineage."""
    line: list[str] = []
    for move in moves:
        if move.kind is PromotionKind.PROMOTE:
            line.append(move.new_commit)
        else:
            kept = line.index(move.new_commit) + 1 if move.new_commit in line else 0
            del line[kept:]
    return line


def _by_hand(ledger: Ledger, moves: Sequence[PromotionRecord]) -> Iterator[ChampionAudit]:
    """What `rsi audit` found about the champion at the size of its campaign; it is kept with the round of the last move."""
    round_id, baseline = moves[-1].round_id, moves[0].old_commit
    if not round_id:
        return  # put back by hand: no round made it
    record = ledger.round(round_id)
    profile = ledger.campaign(record.campaign_id).profile
    for stream in ledger.log_streams(round_id):
        if not stream.startswith(STREAM):
            continue
        for chunk in ledger.log(round_id, stream):
            try:
                kept = decode(Compared, chunk.content.decode())
            except (UnicodeDecodeError, LedgerError):
                continue  # written by an older version
            if (kept.name, kept.profile, kept.reference) == (WHOLE, profile, baseline):
                yield ChampionAudit(
                    round_id=round_id, commit=kept.subject, at=chunk.at, score=kept.score
                )
