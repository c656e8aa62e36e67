"""What the screens show, as plain values; built by `reader`, drawn by `screens`.

Does not: know Textual or the database.
Invariant: a view is never changed; a newer one takes its place.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from rsi.agent.memory.inbox import doubts, sure_gain
from rsi.agent.policy.audits import FailedAudit
from rsi.agent.report.champions import ChampionPoint
from rsi.agent.store.events import CampaignEvent
from rsi.agent.store.records import (
    AgentRole,
    CampaignState,
    CampaignSummary,
    ChargeRole,
    PromotionRecord,
    RequestRecord,
    Spend,
    WorkerRecord,
)
from rsi.agent.store.rounds import RoundView
from rsi.agent.store.stages import StageTime
from rsi.evals.types import Interval, Measurement
from rsi.sandboxes.machine.leases import Holder
from rsi.tui.model.curves import Series
from rsi.tui.model.diffs import Diff
from rsi.tui.model.pairs import PairPoint
from rsi.tui.model.trajectory import Headline


@dataclass(frozen=True, slots=True, kw_only=True)
class GateItem:
    """One candidate that waits for a decision."""

    campaign: CampaignSummary
    round: RoundView
    since: datetime

    @property
    def gain(self) -> float:
        """Lower end of the effect's interval; 0 when there is none: for sorting only."""
        return sure_gain(self.round)

    @property
    def is_held_up(self) -> bool:
        """Whether its campaign does nothing else until it is decided."""
        is_running = self.campaign.state is CampaignState.RUNNING
        return is_running and self.campaign.record.config.parallel == 1

    @property
    def risk(self) -> int:
        """Doubts: what holds it, findings, no support; for sorting only."""
        return doubts(self.round)


@dataclass(frozen=True, slots=True, kw_only=True)
class CampaignView:
    """One campaign with its rounds."""

    summary: CampaignSummary
    rounds: tuple[RoundView, ...]
    """In the order they were opened, controls among them."""
    spend: Mapping[ChargeRole, Spend]
    events: tuple[CampaignEvent, ...]
    requests: tuple[RequestRecord, ...]
    """Those not handled yet."""
    promotions: tuple[PromotionRecord, ...]
    """Of the whole lineage, oldest first."""
    cumulative: Interval | None
    """Champion against the round-0 baseline, as the campaign's last audit supports it; None without one."""
    champions: tuple[ChampionPoint, ...]
    """How the champion of the lineage stood against its baseline, move by move; empty while nothing was promoted."""
    metric: str
    is_lower_better: bool
    minimum_effect: float | None
    plausible_ratio: float | None
    thresholds: tuple[float, ...]
    """Gains over the start that a reference elsewhere names; drawn with the leaderboard, and nothing else."""
    gain: str
    """What a candidate is whose number is better: "faster" or "better"."""
    is_claim_free: bool
    """Its profile claims nothing, so that autonomy need not be earned."""
    honesty: str
    """Whose word its task's quality is; empty where the task does not say."""
    budget_usd: float | None
    """Dollars that its models may cost, as a person last wanted it; None for no limit."""
    is_pause_asked: bool
    """A person asked for a pause and not since for going on, whether or not a worker has heard it."""
    retry_refusal: str
    """Why it cannot go on; empty when it can."""

    @property
    def id(self) -> str:
        return self.summary.record.id

    def round_by_id(self, round_id: str | None) -> RoundView | None:
        """One round, None when it is not here."""
        return next((each for each in self.rounds if each.id == round_id), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundDetail:
    """Everything about the round that is looked at."""

    view: RoundView
    diff: Diff
    diff_text: str
    measurements: tuple[Measurement, ...]
    points: tuple[PairPoint, ...]
    curves: tuple[Series, ...]
    curve_name: str
    critique: str
    streams: tuple[str, ...]
    tail: tuple[Headline, ...]
    """The latest steps of all agents, oldest first."""
    agents: tuple[AgentRole, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """One look at the ledger."""

    at: datetime
    source: str
    """Where the ledger is, without a password."""
    campaigns: tuple[CampaignSummary, ...] = ()
    gate: tuple[GateItem, ...] = ()
    """Sorted: most to gain at least risk first."""
    workers: tuple[WorkerRecord, ...] = ()
    campaign: CampaignView | None = None
    round: RoundDetail | None = None
    lineage: tuple[RoundView, ...] = ()
    """All rounds of the lineage that was asked for, oldest first."""
    lineage_time: tuple[StageTime, ...] = ()
    """Wall seconds of its campaigns by stage, audits and waiting for a decision included, by falling share; empty when
    nothing ran."""
    speedups: Mapping[str, Interval] = field(default_factory=dict)
    """Champion against baseline by campaign, as the last audit supports it, for the newest campaigns."""
    failed_audits: Mapping[str, FailedAudit] = field(default_factory=dict)
    """Audits that do not support what is champion of a lineage now, by lineage."""
    gains: Mapping[str, Interval] = field(default_factory=dict)
    """What the last promotion was measured to gain over the champion before it, by campaign under way: all that is
    known before its end."""
    totals: Mapping[str, tuple[Interval, ...]] = field(default_factory=dict)
    """What the champion was measured to be over the baseline, move by move, by lineage, for the newest campaigns."""
    waits_for: Mapping[str, str] = field(default_factory=dict)
    """The campaign before it by queued campaign; "" when it waits for a worker alone."""
    machine_holder: Holder | None = None
    """Who keeps this machine from being measured on, while a worker of this machine serves; None when nobody does."""
    problem: str = ""
    """Why the ledger cannot be read; what is shown is older then."""
    read_at: datetime | None = None
    """When the ledger was last read without a problem."""
    heard: Mapping[str, datetime] = field(default_factory=dict)
    """When each campaign under way last gave a sign of life, besides its worker's heartbeat; only those that did."""
    by_id: Mapping[str, CampaignSummary] = field(default_factory=dict)
    """The same campaigns by id."""
    running: int = 0
    """Campaigns under way."""
    queued: int = 0
    """Campaigns that wait for a worker."""
    spend_usd: float = 0.0
    """Dollars of all campaigns listed."""
    reserved_usd: float = 0.0
    """The part of them that is only reserved."""

    def summary(self, campaign_id: str | None) -> CampaignSummary | None:
        """One campaign's line, None when it is not there."""
        return None if campaign_id is None else self.by_id.get(campaign_id)
