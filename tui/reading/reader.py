"""Reads the ledger into views, with as little work as what changed asks for.

Runs on the feed's thread. Invariant: only reads; the same ledger state gives the same view.
Does not: read the list of campaigns (`listing` does) or the details of a round (`round_reader` does) itself.
"""

import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from rsi.agent.policy.audits import claimed_speedup
from rsi.agent.policy.limits import budget_of
from rsi.agent.policy.queueing import retry_refusal
from rsi.agent.policy.steering import asked_limits, is_pause_asked
from rsi.agent.queue.liveness import is_gone
from rsi.agent.report.champions import ChampionBook
from rsi.agent.report.task_facts import KnownTasks, TaskFacts
from rsi.agent.store.ledger import Ledger
from rsi.agent.store.records import WorkerRecord, utc_now
from rsi.agent.store.round_book import RoundBook, by_round
from rsi.agent.store.rounds import RoundView
from rsi.agent.store.sql.tables import FACT_TABLES
from rsi.agent.store.stages import StageTime, stage_times, together
from rsi.sandboxes.machine.leases import Holder, machine_holder
from rsi.tasks.choices import Start
from rsi.tui.model.code import Code
from rsi.tui.model.view import CampaignView, RoundDetail, View
from rsi.tui.reading.listing import Listing, ListReader
from rsi.tui.reading.pace import Pace
from rsi.tui.reading.round_reader import RoundReader
from rsi.tui.reading.silence import Listener

_TABLES = tuple(table.name for table in FACT_TABLES)
_OF_CAMPAIGN = {"campaigns", "campaign_events", "rounds", "steps", "gate", "requests",
                "request_marks", "charges", "settlements"}  # fmt: skip
_OF_LINEAGE = {"campaigns", "campaign_events", "rounds", "steps", "gate", "charges", "settlements"}


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
        self._seen: dict[str, str] = {}
        self._interest: Interest | None = None
        self._book = RoundBook(ledger)
        self._champions = ChampionBook(ledger, self._book)
        self._tasks = KnownTasks()
        self._list = ListReader(ledger, self._book, self._champions)
        self._listing = Listing()
        self._list_pace = Pace()
        self._listener = Listener(ledger)
        self._heard: Mapping[str, datetime] = {}
        self._listener_pace = Pace()
        self._campaign: CampaignView | None = None
        self._campaign_pace = Pace()
        self._round = RoundReader(ledger, code)
        self._lineage: tuple[RoundView, ...] = ()
        self._lineage_time: tuple[StageTime, ...] = ()
        self._lineage_name: str | None = None
        self._lineage_pace = Pace()

    def read(self, interest: Interest) -> View | None:
        """A new view, or None when nothing changed since the last one.

        Raises:
            LedgerError: The ledger cannot be read now.
        """
        now = dict(zip((*_TABLES, "beats"), self._ledger.cursor().split("."), strict=True))
        changed = {name for name, value in now.items() if self._seen.get(name) != value}
        self._list_pace.is_stale |= bool(
            changed - {"trajectory", "log_chunks", "blobs", "beats", "measurements"}
        )
        self._listener_pace.is_stale |= bool(changed - {"beats"})
        self._campaign_pace.is_stale |= bool(changed & _OF_CAMPAIGN)
        self._lineage_pace.is_stale |= bool(changed & _OF_LINEAGE)
        is_something_due = (
            self._list_pace.is_due
            or self._listener_pace.is_due
            or (interest.campaign_id is not None and self._campaign_pace.is_due)
            or (interest.lineage is not None and self._lineage_pace.is_due)
        )
        if not changed and interest == self._interest and not is_something_due:
            return None
        if "gate" in changed:
            self._book.read_gate()
        if self._list_pace.is_due:
            with self._list_pace.reading():
                self._listing = self._list.read()
        if self._listener_pace.is_due:
            with self._listener_pace.reading():
                self._heard = self._listener.listen(self._listing.campaigns)
        self._read_campaign(interest)
        detail = self._read_round(interest, changed)
        self._read_lineage(interest)
        self._seen, self._interest = now, interest
        return self._view(detail)

    def _view(self, detail: RoundDetail | None) -> View:
        listing = self._listing
        workers = tuple(each for each in self._ledger.workers() if not is_gone(each))
        return View(
            at=utc_now(),
            source=self._ledger.label,
            campaigns=listing.campaigns,
            gate=listing.gate,
            workers=workers,
            campaign=self._campaign,
            round=detail,
            lineage=self._lineage,
            lineage_time=self._lineage_time,
            speedups=listing.speedups,
            failed_audits=listing.failed_audits,
            gains=listing.gains,
            totals=listing.totals,
            waits_for=listing.waits_for,
            by_id=listing.by_id,
            running=listing.running,
            queued=listing.queued,
            spend_usd=listing.spend_usd,
            reserved_usd=listing.reserved_usd,
            heard=self._heard,
            machine_holder=_machine_holder(workers) if listing.running else None,
            read_at=utc_now(),
        )

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
        facts = self._tasks.of(summary.record)
        events = self._ledger.campaign_events(wanted)
        asked = self._ledger.requests(unhandled_only=False, campaign_id=wanted)
        return CampaignView(
            summary=summary,
            rounds=self._book.of_campaign(wanted),
            spend=self._ledger.spend(wanted),
            events=events,
            cumulative=claimed_speedup(events),
            requests=tuple(each for each in asked if each.handled is None),
            promotions=tuple(
                each for each in self._book.promotions if each.lineage == summary.record.lineage
            ),
            champions=self._champions.curve(summary.record.lineage),
            metric=facts.metric,
            is_lower_better=facts.is_lower_better,
            minimum_effect=facts.minimum_effect,
            plausible_ratio=facts.plausible_ratio,
            # They are over the task's own start.
            thresholds=facts.thresholds if summary.record.config.start is Start.EASY else (),
            gain=facts.gain,
            is_claim_free=summary.record.profile in facts.free_profiles,
            honesty=facts.honesty,
            budget_usd=budget_of(summary.record.config, asked_limits(asked)).usd,
            is_pause_asked=is_pause_asked(asked),
            retry_refusal=retry_refusal(self._ledger, wanted),
        )

    # --- one round ---

    def _read_round(self, interest: Interest, changed: set[str]) -> RoundDetail | None:
        wanted = interest.round_id
        if wanted is None:
            self._round.forget()
            return None
        if not self._round.needs(wanted, changed):
            return self._round.latest
        view = None
        if self._campaign is not None and not self._campaign_pace.is_stale:
            view = self._campaign.round_by_id(wanted)
        if view is None:
            view = self._book.one(wanted)
        campaign = self._campaign
        facts = TaskFacts() if campaign is None else self._tasks.of(campaign.summary.record)
        return self._round.read(view, changed, facts)

    # --- one lineage ---

    def _read_lineage(self, interest: Interest) -> None:
        """All rounds of all campaigns on a lineage; a long history is read less often."""
        wanted = interest.lineage
        if wanted is None:
            self._lineage, self._lineage_time, self._lineage_name = (), (), None
        elif wanted != self._lineage_name or self._lineage_pace.is_due:
            with self._lineage_pace.reading():
                self._lineage, self._lineage_time = self._rounds_on(wanted)
                self._lineage_name = wanted

    def _rounds_on(self, lineage: str) -> tuple[tuple[RoundView, ...], tuple[StageTime, ...]]:
        steps = by_round(self._ledger.steps_of(lineage=lineage))
        found: list[RoundView] = []
        times: list[tuple[StageTime, ...]] = []
        for campaign in reversed(self._ledger.campaigns(lineage=lineage)):
            rounds = self._book.of_campaign(campaign.record.id, steps)
            events = self._ledger.campaign_events(campaign.record.id)
            times.append(stage_times([each.steps for each in rounds], events))
            found += rounds
        return tuple(sorted(found, key=lambda each: each.record.created_at)), together(times)


def _machine_holder(workers: Sequence[WorkerRecord]) -> Holder | None:
    """Who holds this machine, where one of the workers is on it."""
    host = socket.gethostname()
    return machine_holder() if any(each.host == host for each in workers) else None
