"""Ledgers for the tests: SQLite files, and databases of a real PostgreSQL server started here."""

import itertools
import tempfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.postgres import PostgresServer, postgres_binaries, postgres_cluster, quick_folder

from rsi.agent.store.config import CampaignConfig
from rsi.agent.store.git.lineage import Lineage
from rsi.agent.store.home import Home
from rsi.agent.store.ledger import Ledger
from rsi.agent.store.records import CampaignRecord, RoundRecord, round_id_of

AT = datetime(2026, 11, 20, 12, 0, 0, 123456, tzinfo=UTC)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    binaries = postgres_binaries()
    if binaries is None:
        pytest.skip("PostgreSQL's initdb and pg_ctl are not here, so the ledger ran on SQLite only")
    with postgres_cluster(binaries) as server:
        yield server


_NUMBERS = itertools.count()


def _create_database(server: PostgresServer, template: str) -> str:
    name = f"t{next(_NUMBERS)}"
    server.create_database(name, template)
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


@pytest.fixture(params=["sqlite", "postgresql"])
def place(request: pytest.FixtureRequest) -> Iterator[str]:
    """Where a new ledger goes, once per kind of database."""
    if request.param == "sqlite":
        with tempfile.TemporaryDirectory(prefix="rsi-test-", dir=quick_folder()) as folder:
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
