"""The ledger's tables, as SQLAlchemy Core sees them; `migrations` creates them.

Every fact has `body`, its record as canonical JSON; the other columns repeat what is searched by.
Invariant: insert-only, enforced by triggers in both databases, except `workers` and `holders`: a sign of life, and who
runs a campaign now, have no history worth keeping, and a row per beat would bury the facts.
"""

from sqlalchemy import (
    BigInteger,
    Column,
    Double,
    ForeignKey,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
)

metadata = MetaData()


def _seq() -> Column[int]:
    """Row number in order of commit: writers of one table take turns in both databases."""
    return Column("seq", BigInteger().with_variant(Integer(), "sqlite"), primary_key=True)


def _body() -> Column[str]:
    return Column("body", Text, nullable=False)


def _campaign() -> Column[str]:
    return Column("campaign_id", Text, ForeignKey("campaigns.id"), nullable=False)


def _round() -> Column[str]:
    return Column("round_id", Text, ForeignKey("rounds.id"), nullable=False)


def _text(name: str, *, nullable: bool = False, unique: bool = False) -> Column[str]:
    return Column(name, Text, nullable=nullable, unique=unique)


def _int(name: str) -> Column[int]:
    return Column(name, BigInteger, nullable=False)


campaigns = Table(
    "campaigns", metadata, _seq(), _text("id", unique=True), _text("lineage"), _body()
)

campaign_events = Table(
    "campaign_events", metadata, _seq(), _campaign(), _text("kind"), _text("at"), _body()
)

rounds = Table(
    "rounds",
    metadata,
    _seq(),
    _text("id", unique=True),
    _campaign(),
    _int("number"),
    _body(),
    UniqueConstraint("campaign_id", "number"),
)

steps = Table(
    "steps",
    metadata,
    _seq(),
    _round(),
    _text("step"),
    _int("attempt"),
    _int("retry"),
    _text("outcome"),
    _body(),
    UniqueConstraint("round_id", "step", "attempt", "retry"),
)

reopenings = Table(
    "reopenings",
    metadata,
    _seq(),
    _round(),
    _int("number"),
    _body(),
    UniqueConstraint("round_id", "number"),
)

rebases = Table(
    "rebases",
    metadata,
    _seq(),
    _round(),
    _int("number"),
    _int("attempt"),
    _text("champion_commit"),
    _body(),
    UniqueConstraint("round_id", "number"),
)

measurements = Table(
    "measurements",
    metadata,
    _seq(),
    _round(),
    _int("attempt"),
    _text("purpose"),
    _int("pair"),
    _text("arm"),
    _body(),
    UniqueConstraint("round_id", "attempt", "purpose", "pair", "arm"),
)

trajectory = Table(
    "trajectory",
    metadata,
    _seq(),
    _round(),
    _text("agent"),
    _int("number"),
    _text("kind"),
    _body(),
    UniqueConstraint("round_id", "agent", "number"),
)

gate = Table(
    "gate",
    metadata,
    _seq(),
    Column("position", BigInteger, nullable=False, unique=True),
    _text("kind"),
    _round(),
    _text("lineage", nullable=True),
    _text("action"),
    _body(),
    _text("prev_hash", unique=True),
    _text("hash", unique=True),
)

requests = Table(
    "requests",
    metadata,
    _seq(),
    _text("key", unique=True),
    _text("kind"),
    _text("campaign_id", nullable=True),
    _text("round_id", nullable=True),
    _body(),
)

request_marks = Table(
    "request_marks",
    metadata,
    _seq(),
    Column("request_id", BigInteger, ForeignKey("requests.seq"), nullable=False, unique=True),
    _body(),
)

charges = Table(
    "charges",
    metadata,
    _seq(),
    _text("id", unique=True),
    _campaign(),
    _text("round_id", nullable=True),
    _text("role"),
    Column("reserved_usd", Double, nullable=True),
    _body(),
)

settlements = Table(
    "settlements",
    metadata,
    _seq(),
    Column("charge_id", Text, ForeignKey("charges.id"), nullable=False, unique=True),
    Column("actual_usd", Double, nullable=True),
    _body(),
)

log_chunks = Table(
    "log_chunks",
    metadata,
    _seq(),
    _round(),
    _text("stream"),
    _int("number"),
    _text("at"),
    Column("content", LargeBinary, nullable=False),
    UniqueConstraint("round_id", "stream", "number"),
)

blobs = Table(
    "blobs",
    metadata,
    _seq(),
    _text("sha256", unique=True),
    Column("content", LargeBinary, nullable=False),
)

workers = Table(
    "workers",
    metadata,
    Column("id", Text, primary_key=True),
    _int("beats"),
    _text("heartbeat_at"),
    _body(),
)

holders = Table(
    "holders",
    metadata,
    Column("campaign_id", Text, primary_key=True),
    _text("worker_id"),
    _int("epoch"),
)

schema_migrations = Table(
    "schema_migrations",
    metadata,
    Column("name", Text, primary_key=True),
    _text("applied_at"),
)

FACT_TABLES = tuple(table for table in metadata.sorted_tables if "seq" in table.columns)
"""Everything that triggers protect and the cursor watches, parents before children."""
