"""The ledger's workers: who is there, by the database's clock, and which of them runs which campaign.

Invariant: a campaign has one holder; each change of it raises its epoch, and a write that names an older one is refused.
Does not: say who is dead (`rsi.agent.queue.liveness` does).
"""

from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import Connection, exists, select, text
from sqlalchemy.dialects import postgresql, sqlite

from rsi.agent.errors import CampaignLostError
from rsi.agent.store.codec import decode, encode, stored_text, time_text
from rsi.agent.store.facts.inserting import FactStore
from rsi.agent.store.records import WorkerRecord
from rsi.agent.store.sql.tables import holders, workers


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """Who runs a campaign, or ran it last."""

    worker_id: str | None
    """None while nobody ever did."""
    epoch: int
    """How often it changed hands."""


class WorkerFacts(FactStore):
    """Signs of life, and who holds what; the two kinds of row that are overwritten."""

    def now(self) -> datetime:
        """The database's clock: the one that all workers share."""
        with self._database.read() as connection:
            return _now(connection)

    def heartbeat(self, record: WorkerRecord, *, at: datetime | None = None) -> None:
        """Say that a worker lives.

        Args:
            record: The worker; its `heartbeat_at` is replaced.
            at: When; None takes the database's clock.
        """
        with self._database.write(workers) as connection:
            beaten = replace(record, heartbeat_at=at or _now(connection))
            values = {"heartbeat_at": time_text(beaten.heartbeat_at), "body": encode(beaten)}
            dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
            statement = dialect.insert(workers).values(
                id=stored_text(record.id, "worker id"), beats=1, **values
            )
            connection.execute(
                statement.on_conflict_do_update(
                    index_elements=["id"], set_={**values, "beats": workers.c.beats + 1}
                )
            )

    def workers(self) -> tuple[WorkerRecord, ...]:
        """Every worker that ever beat, latest sign of life first."""
        query = select(workers.c.body).order_by(workers.c.heartbeat_at.desc(), workers.c.id)
        with self._database.read() as connection:
            return tuple(decode(WorkerRecord, body) for body in connection.scalars(query))

    def holder(self, campaign_id: str) -> Holder:
        """Who runs a campaign."""
        query = select(holders.c.worker_id, holders.c.epoch)
        with self._database.read() as connection:
            row = connection.execute(query.where(holders.c.campaign_id == campaign_id)).first()
        return Holder(worker_id=row[0], epoch=row[1]) if row else Holder(worker_id=None, epoch=0)

    def machine_class(self, campaign_id: str) -> str | None:
        """The class of machines that a campaign is run on; None while nobody began it, or an older version did."""
        query = select(workers.c.body).join(holders, holders.c.worker_id == workers.c.id)
        with self._database.read() as connection:
            body = connection.scalar(query.where(holders.c.campaign_id == campaign_id))
        hardware = None if body is None else decode(WorkerRecord, body).hardware
        return None if hardware is None else hardware.class_id

    def take_campaign(
        self,
        campaign_id: str,
        worker_id: str,
        *,
        after_epoch: int,
        from_dead: WorkerRecord | None = None,
    ) -> int | None:
        """Make a worker the holder of a campaign, in one conditional write; what the one before writes is refused from then on.

        Args:
            campaign_id: The campaign.
            worker_id: Who takes it.
            after_epoch: The epoch that was seen; when another took it since, nothing changes.
            from_dead: The worker that it is taken from because it was silent; when it beat since, nothing changes.

        Returns:
            The new epoch, None when nothing changed.
        """
        condition = holders.c.epoch == after_epoch
        if from_dead is not None:
            seen = time_text(from_dead.heartbeat_at)
            condition &= exists().where(
                workers.c.id == from_dead.id, workers.c.heartbeat_at == seen
            )
        with self._database.write(holders) as connection:
            dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
            values = {"worker_id": stored_text(worker_id, "worker id"), "epoch": after_epoch + 1}
            statement = dialect.insert(holders).values(campaign_id=campaign_id, **values)
            taken = statement.on_conflict_do_update(
                index_elements=["campaign_id"], set_=values, where=condition
            )
            return connection.execute(taken.returning(holders.c.epoch)).scalar()


def require_epoch(connection: Connection, campaign_id: str, epoch: int) -> None:
    """Refuse a write for a campaign that another took; until it is committed, nobody can take it.

    Raises:
        CampaignLostError: Its epoch is another one by now.
    """
    query = select(holders.c.epoch, holders.c.worker_id).where(holders.c.campaign_id == campaign_id)
    row = connection.execute(query.with_for_update(read=True)).first()
    if row is None or row[0] != epoch:
        raise CampaignLostError(
            f"campaign {campaign_id} is run by {row[1] if row else 'nobody'} by now; this worker writes nothing more about it"
        )


def _now(connection: Connection) -> datetime:
    if connection.dialect.name == "sqlite":
        found = connection.scalar(text("SELECT strftime('%Y-%m-%dT%H:%M:%f+00:00', 'now')"))
        return datetime.fromisoformat(str(found))
    moment = connection.scalar(text("SELECT clock_timestamp()"))
    if not isinstance(moment, datetime):
        raise TypeError(f"the database says that it is {moment!r}")
    return moment
