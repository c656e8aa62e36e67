"""Named schema migrations, applied in order, each once, all pending ones in one transaction.

A migration's SQL is frozen once released: `tables` may move on, a migration may not.
Invariant: after `migrate`, the database has the columns of `tables` (a test compares them).
"""

from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import Connection, inspect, select, text

from rsi.agent.errors import LedgerCorruptError, LedgerSchemaError
from rsi.agent.store.codec import time_text
from rsi.agent.store.records import utc_now
from rsi.agent.store.sql.tables import schema_migrations


@dataclass(frozen=True, slots=True, kw_only=True)
class Migration:
    """One named change of the schema."""

    name: str
    statements: Callable[[str], tuple[str, ...]]
    """SQL statements for a dialect name."""


def pending(connection: Connection) -> tuple[Migration, ...]:
    """Migrations that this database still lacks.

    Raises:
        LedgerSchemaError: The database has a migration that this version does not know.
        LedgerCorruptError: There are tables, but not a ledger's.
    """
    inspector = inspect(connection)
    names = set(inspector.get_table_names())
    if schema_migrations.name not in names:
        foreign = sorted(names & {"campaigns", "rounds", "steps", "gate"})
        is_foreign = bool(names) if connection.dialect.name == "sqlite" else bool(foreign)
        if is_foreign:
            raise LedgerCorruptError(
                f"this database holds other tables ({', '.join(sorted(names)[:5])}) and is no rsi ledger; "
                "give another path or URL"
            )
        return MIGRATIONS
    applied = set(connection.scalars(select(schema_migrations.c.name)))
    unknown = sorted(applied - {migration.name for migration in MIGRATIONS})
    if unknown:
        raise LedgerSchemaError(
            f"the ledger was written by a newer rsi (migration {unknown[-1]!r}); upgrade rsi to open it"
        )
    return tuple(migration for migration in MIGRATIONS if migration.name not in applied)


def migrate(connection: Connection) -> tuple[str, ...]:
    """Apply what is pending inside the caller's transaction; returns the names applied."""
    todo = pending(connection)
    for migration in todo:
        for statement in migration.statements(connection.dialect.name):
            connection.exec_driver_sql(statement)
        connection.execute(
            text("INSERT INTO schema_migrations (name, applied_at) VALUES (:name, :at)"),
            {"name": migration.name, "at": time_text(utc_now())},
        )
    return tuple(migration.name for migration in todo)


_FACTS_0001 = """
CREATE TABLE schema_migrations (name TEXT PRIMARY KEY, applied_at TEXT NOT NULL);
CREATE TABLE campaigns (seq {seq}, id TEXT NOT NULL UNIQUE, lineage TEXT NOT NULL,
  body TEXT NOT NULL);
CREATE INDEX campaigns_by_lineage ON campaigns (lineage, seq);
CREATE TABLE campaign_events (seq {seq}, campaign_id TEXT NOT NULL REFERENCES campaigns (id),
  kind TEXT NOT NULL, at TEXT NOT NULL, body TEXT NOT NULL);
CREATE INDEX campaign_events_by_campaign ON campaign_events (campaign_id, seq);
CREATE TABLE rounds (seq {seq}, id TEXT NOT NULL UNIQUE,
  campaign_id TEXT NOT NULL REFERENCES campaigns (id), number BIGINT NOT NULL, body TEXT NOT NULL,
  UNIQUE (campaign_id, number));
CREATE TABLE steps (seq {seq}, round_id TEXT NOT NULL REFERENCES rounds (id), step TEXT NOT NULL,
  attempt BIGINT NOT NULL, outcome TEXT NOT NULL, body TEXT NOT NULL,
  UNIQUE (round_id, step, attempt));
CREATE INDEX steps_by_round ON steps (round_id, seq);
CREATE TABLE measurements (seq {seq}, round_id TEXT NOT NULL REFERENCES rounds (id),
  attempt BIGINT NOT NULL, purpose TEXT NOT NULL, pair BIGINT NOT NULL, arm TEXT NOT NULL,
  body TEXT NOT NULL, UNIQUE (round_id, attempt, purpose, pair, arm));
CREATE TABLE trajectory (seq {seq}, round_id TEXT NOT NULL REFERENCES rounds (id),
  agent TEXT NOT NULL, number BIGINT NOT NULL, kind TEXT NOT NULL, body TEXT NOT NULL,
  UNIQUE (round_id, agent, number));
CREATE TABLE gate (seq {seq}, position BIGINT NOT NULL UNIQUE, kind TEXT NOT NULL,
  round_id TEXT NOT NULL REFERENCES rounds (id), lineage TEXT, action TEXT NOT NULL,
  body TEXT NOT NULL, prev_hash TEXT NOT NULL UNIQUE, hash TEXT NOT NULL UNIQUE);
CREATE INDEX gate_by_round ON gate (round_id, position);
CREATE INDEX gate_by_lineage ON gate (lineage, position);
CREATE TABLE requests (seq {seq}, key TEXT NOT NULL UNIQUE, kind TEXT NOT NULL, campaign_id TEXT,
  round_id TEXT, body TEXT NOT NULL);
CREATE INDEX requests_by_campaign ON requests (campaign_id, seq);
CREATE TABLE request_marks (seq {seq}, request_id BIGINT NOT NULL UNIQUE REFERENCES requests (seq),
  body TEXT NOT NULL);
CREATE TABLE charges (seq {seq}, id TEXT NOT NULL UNIQUE,
  campaign_id TEXT NOT NULL REFERENCES campaigns (id), round_id TEXT, role TEXT NOT NULL,
  reserved_usd DOUBLE PRECISION, body TEXT NOT NULL);
CREATE INDEX charges_by_campaign ON charges (campaign_id, seq);
CREATE TABLE settlements (seq {seq}, charge_id TEXT NOT NULL UNIQUE REFERENCES charges (id),
  actual_usd DOUBLE PRECISION, body TEXT NOT NULL);
CREATE TABLE log_chunks (seq {seq}, round_id TEXT NOT NULL REFERENCES rounds (id),
  stream TEXT NOT NULL, number BIGINT NOT NULL, at TEXT NOT NULL, content {blob} NOT NULL,
  UNIQUE (round_id, stream, number));
CREATE TABLE blobs (seq {seq}, sha256 TEXT NOT NULL UNIQUE, content {blob} NOT NULL);
CREATE TABLE workers (id TEXT PRIMARY KEY, beats BIGINT NOT NULL, heartbeat_at TEXT NOT NULL,
  body TEXT NOT NULL)
"""

_PROTECTED_0001 = (
    "campaigns",
    "campaign_events",
    "rounds",
    "steps",
    "measurements",
    "trajectory",
    "gate",
    "requests",
    "request_marks",
    "charges",
    "settlements",
    "log_chunks",
    "blobs",
)

_REFUSAL = "rsi: facts are insert-only"


def _facts(dialect: str) -> tuple[str, ...]:
    tables = _FACTS_0001.format(**_types(dialect)).strip().split(";\n")
    protect = _protect_sqlite if dialect == "sqlite" else _protect_postgresql
    return (*tables, *protect(_PROTECTED_0001))


def _types(dialect: str) -> dict[str, str]:
    return {
        "sqlite": {"seq": "INTEGER PRIMARY KEY AUTOINCREMENT", "blob": "BLOB"},
        "postgresql": {
            "seq": "BIGINT GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY",
            "blob": "BYTEA",
        },
    }[dialect]


def _protect_sqlite(names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(
        f"CREATE TRIGGER {name}_no_{verb.lower()} BEFORE {verb} ON {name} "
        f"BEGIN SELECT RAISE(ABORT, '{_REFUSAL}'); END"
        for name in names
        for verb in ("UPDATE", "DELETE")
    )


def _protect_postgresql(names: tuple[str, ...]) -> tuple[str, ...]:
    refuse = (
        "CREATE FUNCTION rsi_refuse_change() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$ BEGIN RAISE EXCEPTION '{_REFUSAL}'; END $$"
    )
    return (
        refuse,
        *(
            f"CREATE TRIGGER {name}_insert_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {name} "
            "FOR EACH STATEMENT EXECUTE FUNCTION rsi_refuse_change()"
            for name in names
        ),
    )


def _holders(_: str) -> tuple[str, ...]:
    return (
        "CREATE TABLE holders (campaign_id TEXT PRIMARY KEY, worker_id TEXT NOT NULL, epoch BIGINT NOT NULL)",
    )


_STEPS_0003 = """
CREATE TABLE steps_again (seq {seq}, round_id TEXT NOT NULL REFERENCES rounds (id), step TEXT NOT NULL,
  attempt BIGINT NOT NULL, retry BIGINT NOT NULL, outcome TEXT NOT NULL, body TEXT NOT NULL,
  UNIQUE (round_id, step, attempt, retry));
INSERT INTO steps_again SELECT seq, round_id, step, attempt, 0, outcome, body FROM steps ORDER BY seq;
DROP TABLE steps;
ALTER TABLE steps_again RENAME TO steps;
CREATE INDEX steps_by_round ON steps (round_id, seq)
"""
"""SQLite cannot change a table's constraints, so the table is made anew; triggers and indexes go with the old one."""

_STEPS_0003_POSTGRESQL = """
ALTER TABLE steps ADD COLUMN retry BIGINT NOT NULL DEFAULT 0;
ALTER TABLE steps ALTER COLUMN retry DROP DEFAULT;
ALTER TABLE steps DROP CONSTRAINT steps_round_id_step_attempt_key;
ALTER TABLE steps ADD UNIQUE (round_id, step, attempt, retry)
"""

_REOPENINGS_0003 = """
CREATE TABLE reopenings (seq {seq}, round_id TEXT NOT NULL REFERENCES rounds (id),
  number BIGINT NOT NULL, body TEXT NOT NULL, UNIQUE (round_id, number))
"""


def _reopenings(dialect: str) -> tuple[str, ...]:
    table = _REOPENINGS_0003.format(**_types(dialect)).strip()
    if dialect == "sqlite":
        steps = _STEPS_0003.format(**_types(dialect)).strip().split(";\n")
        return (*steps, table, *_protect_sqlite(("steps", "reopenings")))
    protect = _protect_postgresql(("reopenings",))[1:]  # the function is there already
    return (*_STEPS_0003_POSTGRESQL.strip().split(";\n"), table, *protect)


_REBASES_0004 = """
CREATE TABLE rebases (seq {seq}, round_id TEXT NOT NULL REFERENCES rounds (id), number BIGINT NOT NULL,
  attempt BIGINT NOT NULL, champion_commit TEXT NOT NULL, body TEXT NOT NULL, UNIQUE (round_id, number))
"""


def _rebases(dialect: str) -> tuple[str, ...]:
    table = _REBASES_0004.format(**_types(dialect)).strip()
    if dialect == "sqlite":
        return (table, *_protect_sqlite(("rebases",)))
    return (table, *_protect_postgresql(("rebases",))[1:])  # the function is there already


MIGRATIONS = (
    Migration(name="0001_facts", statements=_facts),
    Migration(name="0002_holders", statements=_holders),
    Migration(name="0003_reopenings", statements=_reopenings),
    Migration(name="0004_rebases", statements=_rebases),
)
