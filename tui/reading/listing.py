"""The list of campaigns: what waits at the gate, how far each has come, what a queued one waits for.

Invariant: only reads; what was looked up for one campaign is looked up again only when something happened to it.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from rsi.agent.policy.audits import FailedAudit, claimed_speedup, failed_audit
from rsi.agent.policy.queueing import urgencies
from rsi.agent.report.champions import ChampionBook
from rsi.agent.store.ledger import Ledger
from rsi.agent.store.records import (
    CampaignState,
    CampaignSummary,
    PromotionKind,
    Step,
)
from rsi.agent.store.round_book import RoundBook
from rsi.agent.store.rounds import RoundView, round_view
from rsi.agent.store.state import ENDED_STATES
from rsi.evals.types import Interval
from rsi.tui.model.lineages import rolled_back
from rsi.tui.model.view import GateItem
from rsi.tui.reading.queueing import goes_before

SPEEDUPS_SHOWN = 200
"""Campaigns, from the newest, whose measured speedup is looked up for the list."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """What is known of all campaigns; `View` has the same fields and says what they mean."""

    campaigns: tuple[CampaignSummary, ...] = ()
    by_id: Mapping[str, CampaignSummary] = field(default_factory=dict)
    gate: tuple[GateItem, ...] = ()
    speedups: Mapping[str, Interval] = field(default_factory=dict)
    failed_audits: Mapping[str, FailedAudit] = field(default_factory=dict)
    gains: Mapping[str, Interval] = field(default_factory=dict)
    totals: Mapping[str, tuple[Interval, ...]] = field(default_factory=dict)
    waits_for: Mapping[str, str] = field(default_factory=dict)
    running: int = 0
    queued: int = 0
    spend_usd: float = 0.0
    reserved_usd: float = 0.0


_Known = tuple[object, ...]


class ListReader:
    """Reads the list; remembers what has not changed."""

    def __init__(self, ledger: Ledger, book: RoundBook, champions: ChampionBook) -> None:
        self._ledger = ledger
        self._book = book
        self._champions = champions
        self._speedups: dict[str, Interval] = {}
        self._failed: dict[str, tuple[_Known, FailedAudit | None]] = {}
        """By lineage: what was known of it, and what its audits came to then."""
        self._totals: dict[str, tuple[_Known, tuple[Interval, ...]]] = {}
        """By lineage: what was known of it, and where its champion stood then."""
        self._changed: dict[str, datetime] = {}
        """When a campaign last changed as its speedup was looked up."""
        self._gain_of: dict[str, Interval | None] = {}
        """By round; what was promoted does not change any more."""

    def read(self) -> Listing:
        """The list as it is now."""
        campaigns = self._ledger.campaigns()
        states = Counter(each.state for each in campaigns)
        queued = states[CampaignState.QUEUED]
        lineages = self._promoting(campaigns)
        return Listing(
            campaigns=campaigns,
            by_id={each.record.id: each for each in campaigns},
            gate=self._waiting(campaigns),
            speedups=self._read_speedups(campaigns),
            failed_audits=self._read_failed_audits(lineages),
            gains=self._read_gains(campaigns),
            totals=self._read_totals(lineages),
            waits_for=self._read_waits(campaigns) if queued else {},
            running=states[CampaignState.RUNNING],
            queued=queued,
            spend_usd=sum(each.spend_usd for each in campaigns),
            reserved_usd=sum(each.reserved_usd for each in campaigns),
        )

    def _waiting(self, campaigns: Sequence[CampaignSummary]) -> tuple[GateItem, ...]:
        items = []
        for summary in campaigns:
            if summary.latest_step is not Step.REVIEW or summary.latest_round_id is None:
                continue
            view = self._book.one(summary.latest_round_id)
            if view.is_waiting:
                items.append(GateItem(campaign=summary, round=view, since=_review_end(view)))
        return tuple(sorted(items, key=lambda each: (each.risk, -each.gain, each.since)))

    def _read_speedups(self, campaigns: Sequence[CampaignSummary]) -> Mapping[str, Interval]:
        """How far campaigns have come against the baseline; looked up again when something happened to one."""
        found = dict(self._speedups)
        for each in campaigns[:SPEEDUPS_SHOWN]:
            campaign_id = each.record.id
            if self._changed.get(campaign_id) == each.changed_at:
                continue
            self._changed[campaign_id] = each.changed_at
            found.pop(campaign_id, None)
            speedup = claimed_speedup(self._ledger.campaign_events(campaign_id))
            if speedup is not None:
                found[campaign_id] = speedup
        self._speedups = found
        return found

    def _promoting(self, campaigns: Sequence[CampaignSummary]) -> Mapping[str, _Known]:
        """Lineages on which something was promoted, with all that what they came to depends on."""
        moves = Counter(each.lineage for each in self._book.promotions)
        found: dict[str, _Known] = {}
        for each in campaigns[:SPEEDUPS_SHOWN]:
            lineage = each.record.lineage
            if moves[lineage]:
                before = found.get(lineage, (moves[lineage],))
                found[lineage] = (*before, each.record.id, each.changed_at)
        return found

    def _read_failed_audits(self, lineages: Mapping[str, _Known]) -> Mapping[str, FailedAudit]:
        """Lineages whose champion failed its newest audit; looked up again when something happened to one of them."""
        for lineage, known in lineages.items():
            if self._failed.get(lineage, ((), None))[0] != known:
                self._failed[lineage] = (known, failed_audit(self._ledger, lineage))
        return {
            lineage: found
            for lineage, (_, found) in self._failed.items()
            if lineage in lineages and found is not None
        }

    def _read_totals(self, lineages: Mapping[str, _Known]) -> Mapping[str, tuple[Interval, ...]]:
        """Where the champion of each lineage stood, move by move; looked up again when something happened to one."""
        for lineage, known in lineages.items():
            if self._totals.get(lineage, ((), ()))[0] != known:
                self._totals[lineage] = (known, self._champions.totals(lineage))
        return {lineage: self._totals[lineage][1] for lineage in lineages}

    def _read_gains(self, campaigns: Sequence[CampaignSummary]) -> Mapping[str, Interval]:
        """The effect of the last promotion that still stands, for each campaign that has not ended."""
        promotions = self._book.promotions
        undone = rolled_back(promotions)
        latest = {
            move.round_id.rpartition("-")[0]: move.round_id
            for move in promotions
            if move.kind is PromotionKind.PROMOTE and move.new_commit not in undone
        }
        found = {}
        for each in campaigns[:SPEEDUPS_SHOWN]:
            round_id = latest.get(each.record.id)
            if round_id is None or each.state in ENDED_STATES:
                continue
            if round_id not in self._gain_of:
                record, steps = self._ledger.round(round_id), self._ledger.steps(round_id)
                self._gain_of[round_id] = round_view(record, steps).effect
            gain = self._gain_of[round_id]
            if gain is not None:
                found[each.record.id] = gain
        return found

    def _read_waits(self, campaigns: Sequence[CampaignSummary]) -> Mapping[str, str]:
        return goes_before(campaigns, urgencies(self._ledger.requests(unhandled_only=False)))


def _review_end(view: RoundView) -> datetime:
    reviews = [each for each in view.steps if each.step is Step.REVIEW]
    if not reviews:
        return view.record.created_at
    return reviews[-1].started_at + timedelta(seconds=reviews[-1].wall_s)
