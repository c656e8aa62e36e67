"""Ledgers for the tests: SQLite files, and databases of a real PostgreSQL server started here."""

import itertools
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest

from rsi.agent.store.config import CampaignConfig
from rsi.agent.store.git.lineage import Lineage
from rsi.agent.store.home import Home
from rsi.agent.store.ledger import Ledger
from rsi.agent.store.records import CampaignRecord, RoundRecord, round_id_of

AT = datetime(2026, 11, 20, 12, 0, 0, 123456, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class PostgresServer:
    """A throw-away cluster that listens on a unix socket only."""

    binaries: Path
    folder: Path
    user: str | None

    def call(self, *arguments: str) -> None:
        subprocess.run(
            [str(self.binaries / arguments[0]), *arguments[1:]],
            user=self.user,
            group=None if self.user is None else self.user,
            extra_groups=None if self.user is None else [],
            cwd="/",
            check=True,
            timeout=60,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def url(self, database: str) -> str:
        return f"postgresql://rsi@/{database}?host={self.folder}"


def _postgres_binaries() -> Path | None:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), reverse=True)
    on_path = shutil.which("initdb")
    candidates = [*found, *([Path(on_path).resolve()] if on_path else [])]
    return next((path.parent for path in candidates if (path.parent / "pg_ctl").exists()), None)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    binaries = _postgres_binaries()
    if binaries is None:
        pytest.skip("PostgreSQL's initdb and pg_ctl are not here, so the ledger ran on SQLite only")
    user = "postgres" if os.geteuid() == 0 else None
    folder = Path(tempfile.mkdtemp(prefix="rsi-pg-", dir=_quick_folder()))
    if user is not None:
        shutil.chown(folder, user)
    server = PostgresServer(binaries=binaries, folder=folder, user=user)
    cluster = str(folder / "cluster")
    try:
        server.call(
            "initdb", "-D", cluster, "-A", "trust", "-N", "-U", "rsi", "--no-locale", "-E", "UTF8"
        )
        options = (
            f"-c listen_addresses='' -c unix_socket_directories={folder} -c max_connections=60"
        )
        server.call(
            "pg_ctl", "-D", cluster, "-w", "-l", str(folder / "log"), "-o", options, "start"
        )
        try:
            yield server
        finally:
            server.call("pg_ctl", "-D", cluster, "-m", "immediate", "-w", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


_NUMBERS = itertools.count()


def _create_database(server: PostgresServer, template: str) -> str:
    """A fresh database; nobody drops it, the whole cluster is thrown away."""
    name = f"t{next(_NUMBERS)}"
    admin = f"user=rsi host={server.folder} dbname=postgres"
    with psycopg.connect(admin, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
    return name


@pytest.fixture(scope="session")
def postgres_template(postgres_server: PostgresServer) -> str:
    """A database with an empty ledger in it: copying it is quicker than migrating each time."""
    name = _create_database(postgres_server, "template1")
    Ledger.open(postgres_server.url(name)).close()
    return name


@pytest.fixture
def postgres_url(postgres_server: PostgresServer, postgres_template: str) -> str:
    """A database that holds an empty ledger."""
    return postgres_server.url(_create_database(postgres_server, postgres_template))


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where there is nothing yet, not even tables."""
    if request.param == "sqlite":
        return str(tmp_path / "empty.sqlite3")
    server: PostgresServer = request.getfixturevalue("postgres_server")
    return server.url(_create_database(server, "template1"))


def _quick_folder() -> str:
    """Memory instead of a disk where there is one: these tests commit thousands of times."""
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else tempfile.gettempdir()


@pytest.fixture(params=["sqlite", "postgresql"])
def place(request: pytest.FixtureRequest) -> Iterator[str]:
    """Where a new ledger goes, once per kind of database."""
    if request.param == "sqlite":
        with tempfile.TemporaryDirectory(prefix="rsi-test-", dir=_quick_folder()) as folder:
            yield str(Path(folder) / "ledger.sqlite3")
    else:
        yield request.getfixturevalue("postgres_url")


@pytest.fixture
def ledger(place: str) -> Iterator[Ledger]:
    with Ledger.open(place) as opened:
        yield opened


def make_campaign(campaign_id: str = "c1", **changes: object) -> CampaignRecord:
    values: dict = {
        "id": campaign_id,
        "created_at": AT,
        "task": "toy",
        "task_digest": "d" * 64,
        "track": "main",
        "profile": "smoke",
        "lineage": "toy-main",
        "seed_commitment": "s" * 64,
        "config": CampaignConfig(rounds=3, proposer="scripted:x", budget_usd=1.5),
    }
    return CampaignRecord(**{**values, **changes})


def make_round(campaign_id: str = "c1", number: int = 1, **changes: object) -> RoundRecord:
    values: dict = {
        "id": round_id_of(campaign_id, number),
        "campaign_id": campaign_id,
        "number": number,
        "champion_commit": "a" * 40,
        "created_at": AT,
    }
    return RoundRecord(**{**values, **changes})


@pytest.fixture
def started(ledger: Ledger) -> Ledger:
    """A ledger with one campaign `c1` and its round `c1-0001`."""
    ledger.add_campaign(make_campaign())
    ledger.add_round(make_round())
    return ledger


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(root=tmp_path / "home").create()


@pytest.fixture
def new_campaign() -> Callable[..., CampaignRecord]:
    return make_campaign


@pytest.fixture
def new_round() -> Callable[..., RoundRecord]:
    return make_round


@pytest.fixture
def lineage(home: Home) -> Lineage:
    return Lineage.open(home, "toy-main")
