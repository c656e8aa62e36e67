"""How a fact gets into a table once: insert, or find the same one there, or refuse.

Times do not count when two facts are compared: a step that runs again after a crash says the same
thing at another moment, and the first record stands.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeVar

from sqlalchemy import ColumnElement, Connection, Table, and_, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import IntegrityError

from rsi.agent.errors import LedgerConflictError, LedgerValueError, UnknownRecordError
from rsi.agent.store.codec import decode, stored_text
from rsi.agent.store.sql.database import Database

T = TypeVar("T")

_TIMES = frozenset({"at", "created_at", "started_at", "reserved_at", "settled_at", "wall_s"})
"""Fields that say when or how long, not what."""

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,119}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """The natural key of a fact and how to name it to a person."""

    columns: Mapping[str, object]
    name: str


class FactStore:
    """What every part of the ledger shares: the database and the way to insert."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def _insert(self, table: Table, key: Key, values: Mapping[str, object]) -> bool:
        with self._database.write(table) as connection:
            return insert_once(connection, table, key, values)


def insert_once(
    connection: Connection, table: Table, key: Key, values: Mapping[str, object]
) -> bool:
    """Insert a fact; False when the same fact is there already.

    Raises:
        LedgerConflictError: There is another fact under this key.
        UnknownRecordError: The fact belongs to a campaign, round or request that is not there.
    """
    dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
    row = {**key.columns, **values}
    for name, value in row.items():
        if isinstance(value, str) and name != "body":
            stored_text(value, name)
    statement = dialect.insert(table).values(**row).on_conflict_do_nothing().returning(table.c.seq)
    try:
        inserted = connection.execute(statement).scalar()
    except IntegrityError as error:
        raise UnknownRecordError(
            f"{key.name} belongs to something that the ledger does not have; add that first"
        ) from error
    if inserted is not None:
        return True
    stored = connection.execute(select(table).where(_matches(table, key))).mappings().first()
    if stored is None or not _is_same(dict(stored), row):
        raise LedgerConflictError(
            f"{key.name} is in the ledger already and says something else; the first record stands"
        )
    return False


def checked_id(value: str, what: str) -> str:
    """The id itself, if it can be part of a git ref and of a command line.

    Raises:
        LedgerValueError: It has other characters than letters, digits, "-" and "_", or is too long.
    """
    if not _ID.fullmatch(value):
        raise LedgerValueError(
            f"{what} {value[:140]!r} is no id; use up to 120 letters, digits, '-' and '_'"
        )
    return value


@lru_cache(maxsize=50_000)
def decode_kept(cls: type[T], body: str) -> T:
    """`decode` with memory: facts never change, and lists show the same ones again and again."""
    return decode(cls, body)


def _matches(table: Table, key: Key) -> ColumnElement[bool]:
    return and_(*(table.c[name] == value for name, value in key.columns.items()))


def _is_same(stored: Mapping[str, object], given: Mapping[str, object]) -> bool:
    for name, value in given.items():
        if name in _TIMES:
            continue
        found = stored[name]
        if name == "body":
            if _timeless(str(found)) != _timeless(str(value)):
                return False
        elif found != value:
            return False
    return True


def _timeless(body: str) -> object:
    raw = json.loads(body)
    if isinstance(raw, dict):
        return {name: value for name, value in raw.items() if name not in _TIMES}
    return raw
