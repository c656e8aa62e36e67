"""The ledger's campaigns and rounds: what was asked for, and how far it got."""

from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import ColumnElement, ScalarSelect, Select, case, exists, func, select
from sqlalchemy.engine import RowMapping

from rsi.agent.errors import UnknownRecordError
from rsi.agent.store.codec import decode, encode, time_text
from rsi.agent.store.config import MAX_PARALLEL
from rsi.agent.store.events import CampaignEvent
from rsi.agent.store.facts.inserting import FactStore, Key, checked_id, decode_kept, insert_once
from rsi.agent.store.facts.round_facts import counts
from rsi.agent.store.records import (
    CampaignEventKind,
    CampaignRecord,
    CampaignSummary,
    RoundRecord,
    Step,
)
from rsi.agent.store.sql.tables import (
    campaign_events,
    campaigns,
    charges,
    gate,
    rebases,
    rounds,
    settlements,
    steps,
)
from rsi.agent.store.state import ENDED_STATES, campaign_state_after
from rsi.agent.store.steps.record import outcome_of

ENDS = tuple(each.value for each in CampaignEventKind if campaign_state_after(each) in ENDED_STATES)
"""Last events of campaigns that are over."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rebase:
    """From here on a round is measured against another champion: the one that it began with has been replaced."""

    round_id: str
    number: int
    """1-based within the round."""
    attempt: int
    """The first attempt that it counts for."""
    champion_commit: str
    at: datetime


class CampaignFacts(FactStore):
    """Campaigns, their events and their rounds."""

    def add_campaign(self, record: CampaignRecord) -> bool:
        """Store what was asked for; False when the same campaign is there already.

        Raises:
            LedgerConflictError: Another campaign has this id.
        """
        checked_id(record.id, "campaign id")
        key = Key(columns={"id": record.id}, name=f"campaign {record.id!r}")
        return self._insert(campaigns, key, {"lineage": record.lineage, "body": encode(record)})

    def add_campaign_event(self, event: CampaignEvent) -> bool:
        """Store a change; False when the latest event already says the same.

        Raises:
            UnknownRecordError: No such campaign.
        """
        values = {"kind": event.kind.value, "at": time_text(event.at), "body": encode(event)}
        with self._database.write(campaign_events) as connection:
            latest = connection.scalar(
                select(campaign_events.c.body)
                .where(campaign_events.c.campaign_id == event.campaign_id)
                .order_by(campaign_events.c.seq.desc())
                .limit(1)
            )
            if latest is not None:
                stored = decode(CampaignEvent, latest)
                if replace(stored, at=event.at) == event:
                    return False
            key = Key(
                columns={"campaign_id": event.campaign_id},
                name=f"event {event.kind.value!r} of campaign {event.campaign_id!r}",
            )
            return insert_once(connection, campaign_events, key, values)

    def add_round(self, record: RoundRecord) -> bool:
        """Open a round; False when it is open already.

        Raises:
            LedgerConflictError: Another round has this id or number.
            UnknownRecordError: No such campaign.
        """
        checked_id(record.id, "round id")
        key = Key(columns={"id": record.id}, name=f"round {record.id!r}")
        return self._insert(
            rounds,
            key,
            {"campaign_id": record.campaign_id, "number": record.number, "body": encode(record)},
        )

    def campaigns(
        self,
        *,
        limit: int | None = None,
        offset: int = 0,
        lineage: str | None = None,
        has_ended: bool | None = None,
    ) -> tuple[CampaignSummary, ...]:
        """The campaign list, newest first, in one query."""
        query = _summaries().order_by(campaigns.c.seq.desc()).offset(offset)
        if limit is not None:
            query = query.limit(limit)
        if lineage is not None:
            query = query.where(campaigns.c.lineage == lineage)
        if has_ended is not None:
            ended = func.coalesce(campaign_events.c.kind, "").in_(ENDS)
            query = query.where(ended if has_ended else ~ended)
        with self._database.read() as connection:
            rows = connection.execute(query).mappings().all()
        return tuple(_summary(row) for row in rows)

    def campaign_cursor(self) -> str:
        """A short text that changes when any campaign was queued, or began, paused or ended; cheap enough to poll."""
        query = select(
            select(func.max(campaigns.c.seq)).scalar_subquery(),
            select(func.max(campaign_events.c.seq)).scalar_subquery(),
        )
        with self._database.read() as connection:
            return ".".join(str(value or 0) for value in connection.execute(query).one())

    def campaign_summary(self, campaign_id: str) -> CampaignSummary:
        """One line of the campaign list.

        Raises:
            UnknownRecordError: No such campaign.
        """
        query = _summaries().where(campaigns.c.id == campaign_id)
        with self._database.read() as connection:
            row = connection.execute(query).mappings().first()
        if row is None:
            raise _no_campaign(campaign_id)
        return _summary(row)

    def campaign(self, campaign_id: str) -> CampaignRecord:
        """What was asked for.

        Raises:
            UnknownRecordError: No such campaign.
        """
        with self._database.read() as connection:
            body = connection.scalar(select(campaigns.c.body).where(campaigns.c.id == campaign_id))
        if body is None:
            raise _no_campaign(campaign_id)
        record: CampaignRecord = decode_kept(CampaignRecord, body)
        return record

    def campaign_events(self, campaign_id: str) -> tuple[CampaignEvent, ...]:
        """What happened to a campaign, oldest first."""
        query = (
            select(campaign_events.c.body)
            .where(campaign_events.c.campaign_id == campaign_id)
            .order_by(campaign_events.c.seq)
        )
        with self._database.read() as connection:
            return tuple(decode(CampaignEvent, body) for body in connection.scalars(query))

    def rounds(self, campaign_id: str) -> tuple[RoundRecord, ...]:
        """A campaign's rounds by number, each with the champion that it is measured against now."""
        query = (
            select(rounds.c.body, _champion_of_round())
            .where(rounds.c.campaign_id == campaign_id)
            .order_by(rounds.c.number)
        )
        with self._database.read() as connection:
            return tuple(_rebased(*row) for row in connection.execute(query).all())

    def round(self, round_id: str, *, attempt: int | None = None) -> RoundRecord:
        """One round, with the champion that one of its attempts is measured against; None takes the last.

        Raises:
            UnknownRecordError: No such round.
        """
        query = select(rounds.c.body, _champion_of_round(attempt)).where(rounds.c.id == round_id)
        with self._database.read() as connection:
            row = connection.execute(query).first()
        if row is None:
            raise UnknownRecordError(f"no round {round_id!r}; `rsi rounds` lists them")
        return _rebased(*row)

    def add_rebase(
        self, round_id: str, *, attempt: int, champion_commit: str, at: datetime
    ) -> bool:
        """Measure a round against another champion, from one attempt on; False when it is so already.

        Raises:
            UnknownRecordError: No such round.
        """
        if self.round(round_id, attempt=attempt).champion_commit == champion_commit:
            return False
        with self._database.write(rebases) as connection:
            number = 1 + (
                connection.scalar(
                    select(func.count()).select_from(rebases).where(rebases.c.round_id == round_id)
                )
                or 0
            )
            record = Rebase(
                round_id=round_id,
                number=number,
                attempt=attempt,
                champion_commit=champion_commit,
                at=at,
            )
            key = Key(
                columns={"round_id": round_id, "number": number},
                name=f"rebase {number} of round {round_id!r}",
            )
            return insert_once(
                connection,
                rebases,
                key,
                {"attempt": attempt, "champion_commit": champion_commit, "body": encode(record)},
            )


def _champion_of_round(attempt: int | None = None) -> ScalarSelect[str]:
    """The champion that a round was moved to last; nothing where it never was."""
    query = select(rebases.c.champion_commit).where(rebases.c.round_id == rounds.c.id)
    if attempt is not None:
        query = query.where(rebases.c.attempt <= attempt)
    return query.order_by(rebases.c.number.desc()).limit(1).correlate(rounds).scalar_subquery()


def _rebased(body: str, champion: str | None) -> RoundRecord:
    record: RoundRecord = decode_kept(RoundRecord, body)
    return record if champion is None else replace(record, champion_commit=champion)


def _no_campaign(campaign_id: str) -> UnknownRecordError:
    return UnknownRecordError(f"no campaign {campaign_id!r}; `rsi queue` lists them")


def _summaries() -> Select[tuple[object, ...]]:
    """One row per campaign; every part is looked up by index, so a page costs what a page shows."""
    is_ours = rounds.c.campaign_id == campaigns.c.id
    events, inner = campaign_events.alias(), steps.alias()
    last_event = (
        select(func.max(events.c.seq))
        .where(events.c.campaign_id == campaigns.c.id)
        .correlate(campaigns)
        .scalar_subquery()
    )
    last_step = (
        select(func.max(inner.c.seq))
        .where(inner.c.round_id == rounds.c.id, counts(inner))
        .correlate(rounds)
        .scalar_subquery()
    )
    return (
        select(
            campaigns.c.body,
            campaign_events.c.kind,
            campaign_events.c.at,
            _round_count(),
            _promotion_count(),
            _sum_usd(counted_usd(), "spend_usd"),
            _sum_usd(reserved_usd(), "reserved_usd"),
            rounds.c.id.label("round_id"),
            steps.c.step,
            steps.c.outcome,
        )
        .select_from(campaigns)
        .outerjoin(campaign_events, campaign_events.c.seq == last_event)
        .outerjoin(rounds, is_ours & (rounds.c.number == _front_number()))
        .outerjoin(steps, steps.c.seq == last_step)
    )


def _front_number() -> ColumnElement[int]:
    """The idea that is not reported and was opened first, with others behind it that are only thought of; else the newest."""
    numbers, opened, done = rounds.alias(), rounds.alias(), steps.alias()
    newest = (
        select(func.max(numbers.c.number))
        .where(numbers.c.campaign_id == campaigns.c.id)
        .correlate(campaigns)
        .scalar_subquery()
    )
    is_reported = exists().where(
        done.c.round_id == opened.c.id, done.c.step == Step.REPORT.value, counts(done)
    )
    front = (
        select(func.min(opened.c.number))
        .where(
            opened.c.campaign_id == campaigns.c.id,
            opened.c.number > 0,
            opened.c.number >= newest - MAX_PARALLEL,
            ~is_reported,
        )
        .correlate(campaigns)
        .scalar_subquery()
    )
    return func.coalesce(front, newest)


def _round_count() -> ColumnElement[int]:
    counted = rounds.alias()
    # Controls have numbers below 1 and are no ideas.
    query = select(func.count()).where(
        counted.c.campaign_id == campaigns.c.id, counted.c.number > 0
    )
    return query.correlate(campaigns).scalar_subquery().label("rounds")


def _promotion_count() -> ColumnElement[int]:
    own = rounds.alias()
    # A version of what drives campaigns may be used again after a rollback: one promotion, two moves.
    query = (
        select(func.count(own.c.id.distinct()))
        .select_from(own)
        .join(gate, gate.c.round_id == own.c.id)
        .where(
            own.c.campaign_id == campaigns.c.id,
            gate.c.kind == "promotion",
            gate.c.action == "promote",
        )
    )
    return query.correlate(campaigns).scalar_subquery().label("promoted")


def _sum_usd(of: ColumnElement[float], name: str) -> ColumnElement[float]:
    query = (
        select(func.sum(of))
        .select_from(charges)
        .outerjoin(settlements, settlements.c.charge_id == charges.c.id)
        .where(charges.c.campaign_id == campaigns.c.id)
    )
    return query.correlate(campaigns).scalar_subquery().label(name)


def counted_usd() -> ColumnElement[float]:
    """Dollars that one charge counts: what it cost, or the whole reservation until that is known."""
    return case(
        (settlements.c.actual_usd.is_not(None), settlements.c.actual_usd),
        else_=func.coalesce(charges.c.reserved_usd, 0.0),
    )


def reserved_usd() -> ColumnElement[float]:
    """Dollars of one charge that are only reserved."""
    return case(
        (settlements.c.actual_usd.is_not(None), 0.0),
        else_=func.coalesce(charges.c.reserved_usd, 0.0),
    )


def _summary(row: RowMapping) -> CampaignSummary:
    record = decode_kept(CampaignRecord, row["body"])
    kind = row["kind"]
    event = None if kind is None else CampaignEventKind(kind)
    changed_at = (
        record.created_at if event is None else type(record.created_at).fromisoformat(row["at"])
    )
    return CampaignSummary(
        record=record,
        state=campaign_state_after(event),
        changed_at=changed_at,
        rounds=row["rounds"] or 0,
        promoted=row["promoted"] or 0,
        spend_usd=float(row["spend_usd"] or 0.0),
        reserved_usd=float(row["reserved_usd"] or 0.0),
        latest_round_id=row["round_id"],
        latest_step=None if row["step"] is None else Step(row["step"]),
        latest_outcome=None
        if row["outcome"] is None
        else outcome_of(row["outcome"], row["round_id"], row["step"]),
    )
