"""Reads the ledger into views, with as little work as what changed asks for.

Runs on the feed's thread. Invariant: only reads; the same ledger state gives the same view.
"""

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from rsi.agent.budget import charged_usd
from rsi.agent.errors import LedgerError
from rsi.agent.requests import retry_refusal, urgencies
from rsi.agent.steering import asked_limits, is_pause_asked
from rsi.agent.store.ledger import Ledger
from rsi.agent.store.records import (
    AgentRole,
    CampaignEvent,
    CampaignState,
    CampaignSummary,
    ChargeRecord,
    DecisionRecord,
    PromotionKind,
    PromotionRecord,
    RoundRecord,
    Step,
    StepRecord,
    utc_now,
)
from rsi.agent.store.state import ENDED_STATES
from rsi.agent.store.tables import FACT_TABLES
from rsi.evals.types import Interval, Measurement, Score
from rsi.tui import payloads
from rsi.tui.code import Code
from rsi.tui.diffs import Diff, parse_diff
from rsi.tui.lineages import rolled_back
from rsi.tui.pace import Pace
from rsi.tui.pairs import PairPoint, pair_points
from rsi.tui.queueing import goes_before
from rsi.tui.rounds import round_view
from rsi.tui.task_facts import TaskFacts, load_task_facts
from rsi.tui.training import CurveReader
from rsi.tui.trajectory import Headline, headline
from rsi.tui.view import CampaignView, GateItem, RoundDetail, RoundView, View

SPEEDUPS_SHOWN = 200
"""Campaigns, from the newest, whose measured speedup is looked up for the list."""
TAIL_EVENTS = 60
"""Steps of agents shown live; the replay shows all."""

log = logging.getLogger(__name__)

_TABLES = tuple(table.name for table in FACT_TABLES)
_OF_CAMPAIGN = {"campaigns", "campaign_events", "rounds", "steps", "gate", "requests",
                "request_marks", "charges", "settlements"}  # fmt: skip
_OF_LINEAGE = {"campaigns", "rounds", "steps", "gate", "charges", "settlements"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Interest:
    """What the visible screen needs besides the campaign list."""

    campaign_id: str | None = None
    round_id: str | None = None
    lineage: str | None = None
    """A lineage of which all rounds are wanted."""


class Reader:
    """Turns one ledger into views; keeps what has not changed."""

    def __init__(self, ledger: Ledger, code: Code) -> None:
        self._ledger = ledger
        self._code = code
        self._seen: dict[str, str] = {}
        self._campaigns: tuple[CampaignSummary, ...] = ()
        self._gate: tuple[GateItem, ...] = ()
        self._list_pace = Pace()
        self._campaign: CampaignView | None = None
        self._campaign_pace = Pace()
        self._round: RoundDetail | None = None
        self._curves: CurveReader | None = None
        self._tail_round = ""
        self._tail_kept: tuple[Headline, ...] = ()
        self._decisions: dict[str, tuple[DecisionRecord, ...]] = {}
        self._promotions: tuple[PromotionRecord, ...] = ()
        self._promotions_of: dict[str, tuple[PromotionRecord, ...]] = {}
        self._tasks: dict[str, TaskFacts] = {}
        self._interest: Interest | None = None
        self._heard_at: datetime | None = None
        self._by_id: dict[str, CampaignSummary] = {}
        self._states: Counter[CampaignState] = Counter()
        self._spend_usd = 0.0
        self._speedups: dict[str, Interval] = {}
        self._changed: dict[str, datetime] = {}
        """When a campaign last changed as its speedup was looked up."""
        self._gains: Mapping[str, Interval] = {}
        self._gain_of: dict[str, Interval | None] = {}
        """By round; what was promoted does not change any more."""
        self._waits_for: Mapping[str, str] = {}
        self._lineage: tuple[RoundView, ...] = ()
        self._lineage_name: str | None = None
        self._lineage_pace = Pace()

    def read(self, interest: Interest) -> View | None:
        """A new view, or None when nothing changed since the last one.

        Raises:
            LedgerError: The ledger cannot be read now.
        """
        now = dict(zip((*_TABLES, "beats"), self._ledger.cursor().split("."), strict=True))
        changed = {name for name, value in now.items() if self._seen.get(name) != value}
        if self._seen and changed - {"beats"}:
            self._heard_at = utc_now()
        self._list_pace.is_stale |= bool(
            changed - {"trajectory", "log_chunks", "blobs", "beats", "measurements"}
        )
        self._campaign_pace.is_stale |= bool(changed & _OF_CAMPAIGN)
        self._lineage_pace.is_stale |= bool(changed & _OF_LINEAGE)
        is_something_due = (
            self._list_pace.is_due
            or (interest.campaign_id is not None and self._campaign_pace.is_due)
            or (interest.lineage is not None and self._lineage_pace.is_due)
        )
        if not changed and interest == self._interest and not is_something_due:
            return None
        if "gate" in changed:
            self._read_gate_rows()
        if self._list_pace.is_due:
            with self._list_pace.reading():
                self._read_list()
        self._read_campaign(interest)
        self._read_round(interest, changed)
        self._read_lineage(interest)
        self._seen, self._interest = now, interest
        return View(
            at=utc_now(),
            source=self._ledger.label,
            campaigns=self._campaigns,
            gate=self._gate,
            workers=self._ledger.workers(),
            campaign=self._campaign,
            round=self._round,
            lineage=self._lineage,
            speedups=self._speedups,
            gains=self._gains,
            waits_for=self._waits_for,
            by_id=self._by_id,
            running=self._states[CampaignState.RUNNING],
            queued=self._states[CampaignState.QUEUED],
            spend_usd=self._spend_usd,
            read_at=utc_now(),
            heard_at=self._heard_at,
        )

    # --- the list ---

    def _read_list(self) -> None:
        self._campaigns = self._ledger.campaigns()
        self._by_id = {each.record.id: each for each in self._campaigns}
        self._states = Counter(each.state for each in self._campaigns)
        self._spend_usd = sum(each.spend_usd for each in self._campaigns)
        self._gate = self._waiting()
        self._read_speedups()
        self._gains = self._read_gains()
        self._waits_for = self._read_waits()

    def _read_speedups(self) -> None:
        """How far campaigns have come against the baseline; looked up again when something happened to one."""
        found = dict(self._speedups)
        for each in self._campaigns[:SPEEDUPS_SHOWN]:
            campaign_id = each.record.id
            if self._changed.get(campaign_id) == each.changed_at:
                continue
            self._changed[campaign_id] = each.changed_at
            speedup = _cumulative(self._ledger.campaign_events(campaign_id))
            if speedup is not None:
                found[campaign_id] = speedup
        self._speedups = found

    def _read_gains(self) -> Mapping[str, Interval]:
        """The effect of the last promotion that still stands, for each campaign that has not ended."""
        undone = rolled_back(self._promotions)
        latest = {
            move.round_id.rpartition("-")[0]: move.round_id
            for move in self._promotions
            if move.kind is PromotionKind.PROMOTE and move.new_commit not in undone
        }
        found = {}
        for each in self._campaigns[:SPEEDUPS_SHOWN]:
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

    def _read_waits(self) -> Mapping[str, str]:
        if not self._states[CampaignState.QUEUED]:
            return {}
        return goes_before(self._campaigns, urgencies(self._ledger.requests(unhandled_only=False)))

    def _waiting(self) -> tuple[GateItem, ...]:
        items = []
        for summary in self._campaigns:
            if summary.latest_step is not Step.REVIEW or summary.latest_round_id is None:
                continue
            view = self._one_round(summary.latest_round_id)
            if view.is_waiting:
                items.append(GateItem(campaign=summary, round=view, since=_review_end(view)))
        return tuple(sorted(items, key=lambda each: (each.risk, -each.gain, each.since)))

    def _read_gate_rows(self) -> None:
        grouped: dict[str, list[DecisionRecord]] = {}
        for decision in self._ledger.decisions():
            grouped.setdefault(decision.round_id, []).append(decision)
        self._decisions = {key: tuple(rows) for key, rows in grouped.items()}
        self._promotions = self._ledger.promotions()
        moves: dict[str, list[PromotionRecord]] = {}
        for move in self._promotions:
            moves.setdefault(move.round_id, []).append(move)
        self._promotions_of = {key: tuple(rows) for key, rows in moves.items()}

    # --- one campaign ---

    def _read_campaign(self, interest: Interest) -> None:
        wanted = interest.campaign_id
        if wanted is None:
            self._campaign = None
            return
        is_other = self._campaign is None or self._campaign.id != wanted
        if is_other or self._campaign_pace.is_due:
            with self._campaign_pace.reading():
                self._campaign = self._campaign_view(wanted)

    def _campaign_view(self, wanted: str) -> CampaignView:
        summary = self._ledger.campaign_summary(wanted)
        facts = self._task_facts(summary)
        steps: dict[str, list[StepRecord]] = {}
        for each in self._ledger.steps_of(campaign_id=wanted):
            steps.setdefault(each.round_id, []).append(each)
        spent = self._spent(self._ledger.charges(wanted))
        # Controls have numbers below 0; what people follow is the round that was opened last.
        opened = sorted(self._ledger.rounds(wanted), key=lambda each: each.created_at)
        rounds = tuple(
            self._round_view(
                record, tuple(steps.get(record.id, ())), spend_usd=spent.get(record.id, 0.0)
            )
            for record in opened
        )
        events = self._ledger.campaign_events(wanted)
        asked = self._ledger.requests(unhandled_only=False, campaign_id=wanted)
        return CampaignView(
            summary=summary,
            rounds=rounds,
            spend=self._ledger.spend(wanted),
            events=events,
            cumulative=_cumulative(events),
            requests=tuple(each for each in asked if each.handled is None),
            promotions=tuple(p for p in self._promotions if p.lineage == summary.record.lineage),
            metric=facts.metric,
            is_lower_better=facts.is_lower_better,
            minimum_effect=facts.minimum_effect,
            plausible_ratio=facts.plausible_ratio,
            budget_usd=payloads.number_of(
                {**summary.record.config, **asked_limits(asked)}, "budget_usd"
            ),
            is_pause_asked=is_pause_asked(asked),
            retry_refusal=retry_refusal(self._ledger, wanted),
        )

    def _spent(self, charges: Sequence[ChargeRecord]) -> Mapping[str, float]:
        """Dollars of each round, open reservations in full."""
        spent: dict[str, float] = {}
        for charge in charges:
            usd = charged_usd(charge)
            if charge.round_id is not None and usd is not None:
                spent[charge.round_id] = spent.get(charge.round_id, 0.0) + usd
        return spent

    def _task_facts(self, summary: CampaignSummary) -> TaskFacts:
        root = payloads.text_of(summary.record.config, "task_root")
        key = f"{root}:{summary.record.track}"
        if key not in self._tasks:
            self._tasks[key] = load_task_facts(root, summary.record.track)
        return self._tasks[key]

    def _round_view(
        self, record: RoundRecord, steps: Sequence[StepRecord], *, spend_usd: float
    ) -> RoundView:
        return round_view(
            record,
            steps,
            self._decisions.get(record.id, ()),
            self._promotions_of.get(record.id, ()),
            spend_usd=spend_usd,
        )

    def _one_round(self, round_id: str) -> RoundView:
        """One round as it is now, whatever campaign it is of."""
        spent = self._spent(self._ledger.charges(round_id=round_id))
        return self._round_view(
            self._ledger.round(round_id),
            self._ledger.steps(round_id),
            spend_usd=spent.get(round_id, 0.0),
        )

    def _read_lineage(self, interest: Interest) -> None:
        """All rounds of all campaigns on a lineage; a long history is read less often."""
        wanted = interest.lineage
        if wanted is None:
            self._lineage, self._lineage_name = (), None
        elif wanted != self._lineage_name or self._lineage_pace.is_due:
            with self._lineage_pace.reading():
                self._lineage, self._lineage_name = self._rounds_on(wanted), wanted

    def _rounds_on(self, lineage: str) -> tuple[RoundView, ...]:
        steps: dict[str, list[StepRecord]] = {}
        for each in self._ledger.steps_of(lineage=lineage):
            steps.setdefault(each.round_id, []).append(each)
        found = []
        for campaign in reversed(self._ledger.campaigns(lineage=lineage)):
            spent = self._spent(self._ledger.charges(campaign.record.id))
            found += [
                self._round_view(
                    record, tuple(steps.get(record.id, ())), spend_usd=spent.get(record.id, 0.0)
                )
                for record in self._ledger.rounds(campaign.record.id)
            ]
        return tuple(sorted(found, key=lambda each: each.record.created_at))

    # --- one round ---

    def _read_round(self, interest: Interest, changed: set[str]) -> None:
        wanted = interest.round_id
        if wanted is None:
            self._round = None
            return
        is_other = self._round is None or self._round.view.id != wanted
        if not is_other and not changed & {
            "steps",
            "measurements",
            "gate",
            "log_chunks",
            "charges",
            "settlements",
            "trajectory",
        }:
            return
        view = None
        if self._campaign is not None and not self._campaign_pace.is_stale:
            view = self._campaign.round_by_id(wanted)
        if view is None:
            view = self._one_round(wanted)
        old = None if is_other else self._round
        text, diff = self._diff(view, changed, old)
        measured, points = self._runs(view, changed, old)
        streams = (
            old.streams if old and "log_chunks" not in changed else self._ledger.log_streams(wanted)
        )
        if old is None or self._curves is None:
            self._curves = CurveReader(self._ledger, wanted)
        name, curves = self._curves.read(streams, measured)
        has_spoken = old is None or "trajectory" in changed
        self._round = RoundDetail(
            view=view,
            diff=diff,
            diff_text=text,
            measurements=measured,
            points=points,
            curves=curves,
            curve_name=name,
            critique=payloads.text_of(view.payload(Step.CRITIQUE), "text"),
            streams=streams,
            tail=self._tail(wanted) if has_spoken or old is None else old.tail,
            agents=self._agents(wanted) if has_spoken or old is None else old.agents,
        )

    def _diff(
        self, view: RoundView, changed: set[str], old: RoundDetail | None
    ) -> tuple[str, Diff]:
        """The candidate's diff, parsed again only when it is another text."""
        if old is not None and "steps" not in changed:
            return old.diff_text, old.diff
        text = self._diff_text(view)
        is_same = old is not None and old.diff_text == text
        return text, old.diff if is_same and old is not None else parse_diff(text)

    def _runs(
        self, view: RoundView, changed: set[str], old: RoundDetail | None
    ) -> tuple[tuple[Measurement, ...], tuple[PairPoint, ...]]:
        """The attempt's measurements and its pairs, read again only when there are new ones."""
        attempt = view.state.attempt
        is_same = old is not None and old.view.state.attempt == attempt
        if old is not None and is_same and "measurements" not in changed:
            return old.measurements, old.points
        measured = self._ledger.measurements(view.id, attempt=attempt)
        facts = TaskFacts() if self._campaign is None else self._task_facts(self._campaign.summary)
        points = pair_points(
            measured,
            is_lower_better=facts.is_lower_better,
            is_spoiled_by_load=facts.is_spoiled_by_load,
        )
        return measured, points

    def _agents(self, round_id: str) -> tuple[AgentRole, ...]:
        return tuple(each for each in AgentRole if self._ledger.next_event_seq(round_id, each))

    def _tail(self, round_id: str) -> tuple[Headline, ...]:
        """The latest steps of all agents; each event is read once, though the pane shows it many times."""
        if self._tail_round != round_id:
            self._tail_round, self._tail_kept = round_id, ()
        kept = list(self._tail_kept)
        for agent in AgentRole:
            own = [each.seq for each in kept if each.agent is agent]
            following = self._ledger.next_event_seq(round_id, agent)
            after = max(own[-1] if own else -1, following - TAIL_EVENTS - 1)
            if following - 1 > after:
                kept += [headline(each) for each in self._ledger.events(round_id, agent, after)]
        kept.sort(key=lambda each: each.at)
        self._tail_kept = tuple(kept[-TAIL_EVENTS:])
        return self._tail_kept

    def _diff_text(self, view: RoundView) -> str:
        """The candidate's diff: from the ledger where it is kept there, else from the lineage's repository."""
        payload = view.payload(Step.COMMIT)
        digest = payloads.text_of(payload, "diff_sha256")
        if digest:
            try:
                return self._ledger.blob(digest).decode(errors="replace")
            except LedgerError:
                log.warning("round=%s step=diff outcome=missing_blob", view.id)
        parent = payloads.text_of(payload, "parent") or view.record.champion_commit
        if view.commit is not None:
            lineage = self._ledger.campaign(view.record.campaign_id).lineage
            found = self._code.diff(lineage, parent, view.commit)
            if found is not None:
                return found
        report = payloads.mapping_of(view.payload(Step.REPORT), "report")
        return payloads.text_of(report, "diff")


def _cumulative(events: Sequence[CampaignEvent]) -> Interval | None:
    """The speedup over the baseline as the campaign's last measuring event has it."""
    for event in reversed(events):
        score = payloads.value_of(Score, event.payload.get("score"))
        if score is not None:
            return score.effect
    return None


def _review_end(view: RoundView) -> datetime:
    reviews = [each for each in view.steps if each.step is Step.REVIEW]
    if not reviews:
        return view.record.created_at
    return reviews[-1].started_at + timedelta(seconds=reviews[-1].wall_s)
