"""The ledger: every fact of every campaign, insert-only, in SQLite or PostgreSQL.

Does not: hold code (git does), decide what runs next (the engine does), derive states (`state` does).
Invariant: what a call acknowledged survives a kill at any later moment; nothing is ever changed.
"""

from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self

from sqlalchemy import func, select, text

from rsi.agent.errors import LedgerSchemaError, LedgerUnavailableError
from rsi.agent.store.facts.campaign_facts import CampaignFacts
from rsi.agent.store.facts.charge_facts import ChargeFacts
from rsi.agent.store.facts.gate_facts import GateFacts
from rsi.agent.store.facts.request_facts import RequestFacts
from rsi.agent.store.facts.round_facts import RoundFacts
from rsi.agent.store.facts.worker_facts import WorkerFacts, require_epoch
from rsi.agent.store.home import Home
from rsi.agent.store.objects.artifacts import ArtifactStore
from rsi.agent.store.sql.database import Database, ledger_url
from rsi.agent.store.sql.migrations import migrate, pending
from rsi.agent.store.sql.tables import FACT_TABLES, schema_migrations, workers


class Ledger(CampaignFacts, RoundFacts, GateFacts, RequestFacts, ChargeFacts, WorkerFacts):
    """One open ledger; threads may share it, every process opens its own."""

    @classmethod
    def open(cls, place: Home | Path | str, *, read_only: bool = False) -> "Ledger":
        """Open a ledger, creating or migrating it unless it is read-only.

        Args:
            place: A home, a SQLite file, or a postgresql:// URL.
            read_only: Refuse every write, and leave the schema alone.

        Raises:
            LedgerUnavailableError: Wrong URL, unwritable folder, no server, or nothing there to read.
            LedgerCorruptError: The file is damaged or holds something else.
            LedgerSchemaError: It is newer than this version, or read-only and not yet migrated.
            LedgerFullError: No room to create it.
        """
        url = ledger_url(place.ledger_place if isinstance(place, Home) else place)
        if url.get_backend_name() == "sqlite":
            _check_path(Path(str(url.database)), read_only=read_only)
        artifacts = ArtifactStore.of(place) if isinstance(place, Home) else None
        database = Database(url, read_only=read_only)
        database.artifacts = artifacts
        try:
            _bring_up_to_date(database)
        except BaseException:
            database.close()
            raise
        return cls(database)

    @property
    def label(self) -> str:
        """Where it is, without a password."""
        return str(self._database.label)

    @property
    def is_read_only(self) -> bool:
        return self._database.is_read_only

    def fenced(self, campaign_id: str, epoch: int) -> Self:
        """The same ledger for who runs a campaign: every write is refused once another took it (`CampaignLostError`)."""
        return type(self)(self._fenced(campaign_id, epoch))

    def _fenced(self, campaign_id: str, epoch: int) -> Database:
        guard = partial(require_epoch, campaign_id=campaign_id, epoch=epoch)
        return self._database.guarded(guard)

    def close(self) -> None:
        """Give the connections back; using the ledger again opens new ones."""
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def cursor(self) -> str:
        """A short text that changes when anything was written, by anyone; cheap enough to poll."""
        query = select(
            *(select(func.max(table.c.seq)).scalar_subquery() for table in FACT_TABLES),
            select(func.sum(workers.c.beats)).scalar_subquery(),
        )
        with self._database.read() as connection:
            return ".".join(str(value or 0) for value in connection.execute(query).one())

    def storage_problems(self) -> tuple[str, ...]:
        """What the database itself finds wrong with its pages and keys; empty when nothing."""
        if not self._database.is_sqlite:
            return ()
        with self._database.read() as connection:
            found = [str(row[0]) for row in connection.execute(text("PRAGMA integrity_check"))]
            broken = connection.execute(text("PRAGMA foreign_key_check")).all()
        found = [line for line in found if line != "ok"]
        return (*found, *(f"row {row[1]} of {row[0]} has no {row[2]}" for row in broken))


def _check_path(path: Path, *, read_only: bool) -> None:
    """Say what is wrong with a SQLite path before the driver says "unable to open database file"."""
    if path.is_dir():
        raise LedgerUnavailableError(f"{str(path)!r} is a folder; give the path of a ledger file")
    if read_only:
        if not path.exists():
            raise LedgerUnavailableError(
                f"there is no ledger at {str(path)!r} yet; start a campaign first"
            )
        return
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with path.open("ab"):
            pass
    except OSError as error:
        raise LedgerUnavailableError(
            f"the ledger {str(path)!r} cannot be written ({error.strerror}); "
            "set RSI_HOME to a folder you may write"
        ) from error


def _bring_up_to_date(database: Database) -> None:
    with database.read() as connection:
        todo = pending(connection)
    if not todo:
        return
    if database.is_read_only:
        raise LedgerSchemaError(
            f"the ledger {database.label!r} lacks {todo[0].name!r} and is open read-only; "
            "open it once for writing, for example with `rsi worker`"
        )
    with database.write(schema_migrations) as connection:
        migrate(connection)
