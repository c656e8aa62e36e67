"""What goes wrong around a ledger is said in one clear sentence, and nothing is lost by it."""

import hashlib
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import inspect, text

from rsi.agent.errors import (
    HomeError,
    LedgerCorruptError,
    LedgerFullError,
    LedgerSchemaError,
    LedgerUnavailableError,
)
from rsi.agent.store.home import Home
from rsi.agent.store.ledger import Ledger
from rsi.agent.store.sql.database import Database, has_safe_wal, ledger_url
from rsi.agent.store.sql.migrations import MIGRATIONS
from rsi.agent.store.sql.tables import FACT_TABLES, metadata


def test_migrating_makes_the_columns_that_the_code_knows(empty_place: str):
    Ledger.open(empty_place).close()
    database = Database(ledger_url(empty_place))
    with database.read() as connection:
        inspector = inspect(connection)
        for table in metadata.sorted_tables:
            columns = {item["name"]: item for item in inspector.get_columns(table.name)}
            assert columns.keys() == set(table.columns.keys()), table.name
            for column in table.columns:
                if not column.primary_key:
                    assert columns[column.name]["nullable"] == column.nullable, column
            unique = {
                tuple(item["column_names"]) for item in inspector.get_unique_constraints(table.name)
            }
            single = {(column.name,) for column in table.columns if column.unique}
            assert single <= unique, table.name
        names = connection.scalars(text("SELECT name FROM schema_migrations")).all()
    assert names == [migration.name for migration in MIGRATIONS]
    database.close()


def test_every_fact_table_is_protected_by_the_migrations():
    for dialect in ("sqlite", "postgresql"):
        sql = "\n".join(line for m in MIGRATIONS for line in m.statements(dialect))
        for table in FACT_TABLES:
            assert f"ON {table.name} " in sql, (dialect, table.name)


def test_a_ledger_of_a_newer_version_is_left_alone(place: str):
    Ledger.open(place).close()
    database = Database(ledger_url(place))
    with database.write() as connection:
        connection.execute(text("INSERT INTO schema_migrations VALUES ('9999_future', 'later')"))
    for read_only in (False, True):
        with pytest.raises(LedgerSchemaError, match=r"newer rsi .*'9999_future'.*upgrade"):
            Ledger.open(place, read_only=read_only)
    database.close()


def test_read_only_never_creates_or_migrates(tmp_path: Path):
    path = tmp_path / "none" / "ledger.sqlite3"
    with pytest.raises(LedgerUnavailableError, match=r"no ledger at .* yet"):
        Ledger.open(path, read_only=True)
    assert not path.parent.exists()
    empty = tmp_path / "empty.sqlite3"
    empty.touch()
    with pytest.raises(LedgerSchemaError, match="open it once for writing"):
        Ledger.open(empty, read_only=True)
    assert empty.read_bytes() == b""


def test_a_file_that_is_no_database_is_left_as_it_is(tmp_path: Path):
    path = tmp_path / "ledger.sqlite3"
    path.write_bytes(b"these are my notes, not a database\n" * 50)
    before = path.read_bytes()
    for read_only in (False, True):
        with pytest.raises(LedgerCorruptError, match=r"is damaged .*move it away"):
            Ledger.open(path, read_only=read_only)
    assert path.read_bytes() == before


def test_somebody_elses_database_is_left_as_it_is(tmp_path: Path):
    path = tmp_path / "other.sqlite3"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE recipes (name TEXT)")
    with pytest.raises(LedgerCorruptError, match=r"recipes.* no rsi ledger"):
        Ledger.open(path)


def test_damaged_pages_are_named_not_guessed_over(tmp_path: Path, new_campaign):
    path = tmp_path / "ledger.sqlite3"
    with Ledger.open(path) as ledger:
        for number in range(200):
            ledger.put_blob(os.urandom(2000) + bytes([number]))
        ledger.add_campaign(new_campaign())
    damaged = bytearray(path.read_bytes())
    damaged[40_000:200_000] = b"\xde\xad" * 80_000
    path.write_bytes(bytes(damaged))
    try:
        with Ledger.open(path) as ledger:
            assert ledger.storage_problems() != ()
    except LedgerCorruptError as error:
        assert "is damaged" in str(error)  # noqa: PT017


def test_a_folder_and_an_unwritable_folder_are_named(tmp_path: Path):
    with pytest.raises(LedgerUnavailableError, match="is a folder"):
        Ledger.open(tmp_path)
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(LedgerUnavailableError, match=r"cannot be written .*RSI_HOME"):
        Ledger.open(file / "ledger.sqlite3")


def test_an_unwritable_home_is_named(tmp_path: Path):
    (tmp_path / "file").touch()
    with pytest.raises(HomeError, match=r"cannot be made .*RSI_HOME"):
        Home(root=tmp_path / "file" / "home").create()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become nobody")
def test_a_home_of_another_user_gives_a_sentence_and_no_trace(tmp_path: Path):
    os.chmod(tmp_path, 0o755)  # noqa: PTH101
    for parent in list(tmp_path.parents)[:3]:
        os.chmod(parent, 0o755)  # noqa: PTH101
    program = (
        "import os, sys\n"
        "from pathlib import Path\n"
        "from rsi.agent.store.home import Home\n"
        "from rsi.agent.store.ledger import Ledger\n"
        "os.setuid(65534)\n"
        "for act in (lambda: Home(root=Path(sys.argv[1])).create(),\n"
        "            lambda: Ledger.open(Path(sys.argv[1]) / 'ledger.sqlite3')):\n"
        "    try:\n"
        "        act()\n"
        "    except Exception as error:\n"
        "        print(type(error).__name__, error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        check=True,
    )
    first, second = done.stdout.splitlines()
    assert first.startswith("HomeError")
    assert second.startswith("LedgerUnavailableError")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("mysql://u:secret@host/db", "neither a PostgreSQL URL nor a SQLite file"),
        ("postgresql://u:secret@127.0.0.1:1/db", "cannot be used"),
        ("postgresql://u:secret@/db?host=/nowhere", "cannot be used"),
        ("postgresql://u:secret@h:port/d", "cannot be read"),
        ("sqlite://", "neither"),
    ],
)
def test_a_wrong_url_is_named_without_its_password(url: str, says: str):
    with pytest.raises(LedgerUnavailableError, match=says) as caught:
        Ledger.open(url)
    assert "secret" not in str(caught.value)


def test_a_database_that_does_not_exist_on_the_server_is_named(postgres_server):
    with pytest.raises(LedgerUnavailableError, match='database "nothing" does not exist'):
        Ledger.open(postgres_server.url("nothing"))


def test_every_spelling_of_a_postgresql_url_is_understood():
    for scheme in ("postgresql", "postgres", "postgresql+psycopg"):
        assert ledger_url(f"{scheme}://u@h/d").drivername == "postgresql+psycopg"


def test_wal_is_used_only_where_sqlite_is_fixed():
    fixed = [(3, 44, 6), (3, 50, 7), (3, 51, 3), (3, 51, 9), (3, 52, 1), (3, 53, 0), (4, 0, 0)]
    broken = [(3, 7, 0), (3, 40, 1), (3, 44, 5), (3, 45, 9), (3, 50, 6), (3, 51, 2), (3, 52, 0)]
    assert all(has_safe_wal(version) for version in fixed)
    assert not any(has_safe_wal(version) for version in broken)


def test_the_journal_of_this_machine_is_the_safe_one(tmp_path: Path):
    path = tmp_path / "ledger.sqlite3"
    Ledger.open(path).close()
    with sqlite3.connect(path) as connection:
        mode = connection.execute("PRAGMA journal_mode").fetchone()[0]
    assert (mode == "wal") == has_safe_wal(sqlite3.sqlite_version_info)


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of half a megabyte."""
    folder = tmp_path / "tiny"
    folder.mkdir()
    mount = shutil.which("mount")
    command = [str(mount), "-t", "tmpfs", "-o", "size=512k", "tmpfs", str(folder)]
    is_mounted = os.geteuid() == 0 and mount is not None
    is_mounted = is_mounted and subprocess.run(command, capture_output=True).returncode == 0
    if not is_mounted:
        pytest.skip("no tmpfs can be mounted here, so the full disk was not tried")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def fill(ledger: Ledger, kept: list[bytes]) -> None:
    for number in range(1000):
        content = os.urandom(20_000) + bytes([number % 256])
        ledger.put_blob(content)
        kept.append(content)


def test_a_full_disk_is_named_and_loses_nothing_acknowledged(tiny_disk: Path, new_campaign):
    path = tiny_disk / "ledger.sqlite3"
    kept: list[bytes] = []
    with Ledger.open(path) as ledger:
        ledger.add_campaign(new_campaign())
        with pytest.raises(LedgerFullError, match=r"disk of .* is full; free some space"):
            fill(ledger, kept)
        assert ledger.campaign("c1") == new_campaign(), "reading goes on"
    with Ledger.open(path, read_only=True) as ledger:
        assert ledger.storage_problems() == ()
        for content in kept:
            assert ledger.blob(hashlib.sha256(content).hexdigest()) == content
    assert len(kept) > 3


def test_a_disk_with_no_room_for_a_new_ledger_is_named(tiny_disk: Path):
    subprocess.run(
        ["dd", "if=/dev/zero", f"of={tiny_disk / 'ballast'}"], check=False, capture_output=True
    )
    with pytest.raises((LedgerFullError, LedgerUnavailableError), match=r"is full|No space"):
        Ledger.open(tiny_disk / "ledger.sqlite3")
