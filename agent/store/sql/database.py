"""One SQL database, SQLite or PostgreSQL, opened so that the same promises hold on both.

A read is one snapshot; a write is one transaction in which the writers of one table take turns.
Does not: know what is stored. Every driver error leaves here as a `LedgerError` with one sentence.
"""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import copy
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import URL, Connection, Engine, Table, create_engine, event, make_url, text
from sqlalchemy.exc import ArgumentError, DBAPIError, IntegrityError, NoSuchModuleError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.pool import QueuePool

from rsi.agent.errors import (
    LedgerCorruptError,
    LedgerError,
    LedgerFullError,
    LedgerUnavailableError,
)
from rsi.agent.store.objects.artifacts import ArtifactStore
from rsi.agent.store.sql.tables import metadata

if TYPE_CHECKING:
    import psycopg

BUSY_TIMEOUT_S = 30
"""How long a writer waits for its turn; far above any transaction here (milliseconds)."""

CONNECT_TIMEOUT_S = 10
"""How long to wait for a PostgreSQL server before saying that it is not there."""

_REFUSAL = "insert-only"
"""What the triggers of every migration say."""

_LOCK_CLASS = 0x525349
"""First half of our PostgreSQL advisory lock keys ("RSI"), so that other users' keys do not meet ours."""


def has_safe_wal(version: tuple[int, int, int]) -> bool:
    """Whether this SQLite has the WAL-reset fix (sqlite.org/wal.html#walresetbug).

    Without it, two connections that write and checkpoint at once may lose commits, so the rollback
    journal is used instead: the same durability, and readers wait out a commit.
    """
    if version[:2] == (3, 44):
        return version >= (3, 44, 6)
    if version[:2] == (3, 50):
        return version >= (3, 50, 7)
    return version >= (3, 51, 3) and version != (3, 52, 0)


def ledger_url(place: str | Path) -> URL:
    """The SQLAlchemy URL of a place: a file path, or a sqlite or postgresql URL.

    Raises:
        LedgerUnavailableError: The URL cannot be read or names another kind of database.
    """
    if isinstance(place, Path) or "://" not in place:
        return URL.create("sqlite", database=str(place))
    try:
        url = make_url(place)
    except (ArgumentError, ValueError) as error:
        raise LedgerUnavailableError(
            f"the database URL cannot be read ({error}); expected postgresql://user@host/name or a file path"
        ) from error
    if url.drivername in {"postgresql", "postgres", "postgresql+psycopg"}:
        return url.set(drivername="postgresql+psycopg")
    if url.drivername == "sqlite" and url.database:
        return url
    raise LedgerUnavailableError(
        f"{url.render_as_string()!r} is neither a PostgreSQL URL nor a SQLite file; "
        "use postgresql://user@host/name or a file path"
    )


class Database:
    """Connections to one database; threads may share it, forked children may not."""

    def __init__(self, url: URL, *, read_only: bool = False) -> None:
        self.url = url
        self.is_read_only = read_only
        self.is_sqlite = url.get_backend_name() == "sqlite"
        self.label = url.database if self.is_sqlite else url.render_as_string(hide_password=True)
        self._engine = self._sqlite() if self.is_sqlite else self._postgresql()
        self._guard: Callable[[Connection], None] | None = None
        self.artifacts: ArtifactStore | None = None
        """Where large contents of its rows are; None keeps them in the rows."""

    def guarded(self, guard: Callable[[Connection], None]) -> "Database":
        """The same database for a writer who may lose the right to write: `guard` refuses, inside each transaction."""
        made = copy(self)
        made._guard = guard
        return made

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A read transaction: one snapshot for as long as it is open."""
        with self.clear_errors(), self._engine.connect() as connection:
            yield connection

    @contextmanager
    def write(self, *tables: Table) -> Iterator[Connection]:
        """A write transaction; writers that name the same table take turns.

        SQLite lets one writer in at a time anyway. On PostgreSQL an advisory lock per table does it,
        so that row numbers become visible in order and the hash chain cannot fork.
        """
        with self.clear_errors(), self._engine.connect() as plain:
            connection = plain.execution_options(rsi_write=True)
            with connection.begin():
                if not self.is_sqlite:
                    for number in sorted(_TABLE_NUMBERS[table.name] for table in tables):
                        connection.execute(
                            text("SELECT pg_advisory_xact_lock(:area, :number)"),
                            {"area": _LOCK_CLASS, "number": number},
                        )
                if self._guard is not None:
                    self._guard(connection)
                yield connection

    def close(self) -> None:
        """Give every connection back."""
        self._engine.dispose()

    @contextmanager
    def clear_errors(self) -> Iterator[None]:
        """Turn driver errors into one sentence of ours; integrity errors pass, callers read them."""
        try:
            yield
        except IntegrityError as error:
            if _REFUSAL not in str(error.orig):
                raise
            raise self._translated(error) from error
        except DBAPIError as error:
            raise self._translated(error) from error
        except NoSuchModuleError as error:
            raise LedgerUnavailableError(f"no driver for {self.label!r}: {error}") from error
        except PoolTimeoutError as error:
            raise LedgerUnavailableError(
                f"ledger {self.label!r} has too many readers at once; try again"
            ) from error

    def _sqlite(self) -> Engine:
        mode = "rw" if self.is_read_only else "rwc"
        path = Path(str(self.url.database)).absolute()
        if self.is_read_only and path.exists() and not _is_writable(path):
            mode = "ro"
        uri = f"{path.as_uri()}?mode={mode}"

        def connect() -> sqlite3.Connection:
            connection = sqlite3.connect(
                uri,
                uri=True,
                timeout=BUSY_TIMEOUT_S,
                isolation_level=None,
                check_same_thread=False,
            )
            try:
                self._prepare_sqlite(connection, mode)
            except sqlite3.Error:
                connection.close()
                raise
            return connection

        engine = create_engine("sqlite://", creator=connect, poolclass=QueuePool)
        event.listen(engine, "begin", _begin_sqlite)
        return engine

    def _prepare_sqlite(self, connection: sqlite3.Connection, mode: str) -> None:
        connection.execute("PRAGMA foreign_keys=ON")
        connection.execute("PRAGMA recursive_triggers=ON")  # INSERT OR REPLACE must meet them too
        connection.execute("PRAGMA synchronous=FULL")
        if self.is_read_only:
            connection.execute("PRAGMA query_only=ON")
        current = connection.execute("PRAGMA journal_mode").fetchone()[0]
        wanted = "wal" if has_safe_wal(sqlite3.sqlite_version_info) else "truncate"
        if mode == "rwc" and current != wanted:
            connection.execute(f"PRAGMA journal_mode={wanted}")

    def _postgresql(self) -> Engine:
        options = "-c default_transaction_read_only=on" if self.is_read_only else ""
        arguments: dict[str, Any] = {"connect_timeout": CONNECT_TIMEOUT_S}
        if options:
            given = self.url.query.get("options", "")
            arguments["options"] = f"{given} {options}".strip()
        engine = create_engine(
            self.url,
            connect_args=arguments,
            pool_pre_ping=True,
            pool_size=4,
            max_overflow=12,
            isolation_level="READ COMMITTED",
        )
        event.listen(engine, "connect", _without_jit)
        return engine

    def _translated(self, error: DBAPIError) -> LedgerError:
        """One sentence of ours for a driver's error, by kind."""
        said = str(error.orig).strip().splitlines()[0] if str(error.orig).strip() else "no reason"
        state = getattr(error.orig, "sqlstate", None) or ""
        place = f"ledger {self.label!r}"
        if "is full" in said or "No space left" in said or state == "53100":
            return LedgerFullError(
                f"the disk of {place} is full; free some space and run it again: nothing was half-written"
            )
        if "malformed" in said or "not a database" in said or state.startswith("XX"):
            return LedgerCorruptError(
                f"{place} is damaged ({said}); move it away and restore a copy, or run sqlite3's "
                "`.recover` on it; rsi has not touched it"
            )
        if _REFUSAL in said:
            return LedgerError(f"{place} refused to change a stored fact; add a new one instead")
        if "readonly" in said or "read-only" in said or state == "25006":
            return LedgerUnavailableError(f"{place} is open read-only and cannot be written")
        if "locked" in said or "busy" in said:
            return LedgerUnavailableError(
                f"{place} was busy for {BUSY_TIMEOUT_S} s; another program holds it, close that one"
            )
        return LedgerUnavailableError(f"{place} cannot be used ({said}); check the path or the URL")


_TABLE_NUMBERS = {table.name: number for number, table in enumerate(metadata.sorted_tables)}


def _without_jit(connection: "psycopg.Connection[Any]", _: object) -> None:
    # Our queries look up a few rows by index in many sub-selects: the planner thinks them dear, and compiling
    # one took 0.8 s of CPU where running it took 20 ms.
    connection.execute("SELECT set_config('jit', 'off', false) FROM pg_settings WHERE name = 'jit'")
    connection.commit()


def _begin_sqlite(connection: Connection) -> None:
    """Take the write lock at the start, so that no transaction fails half-way for want of it."""
    is_write = connection.get_execution_options().get("rsi_write", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if is_write else "BEGIN")


def _is_writable(path: Path) -> bool:
    try:
        with path.open("r+b"):
            return True
    except OSError:
        return False
