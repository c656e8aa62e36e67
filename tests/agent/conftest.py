"""A home and a ledger of its own for every test that asks."""

import pytest

from rsi.agent.store.home import Home
from rsi.agent.store.ledger import Ledger


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("RSI_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("RSI_CACHE", str(tmp_path / "cache"))
    for name in ("RSI_DATABASE_URL", "RSI_LINEAGES_URL"):
        monkeypatch.delenv(name, raising=False)
    return Home.find().create()


@pytest.fixture
def ledger(home):
    with Ledger.open(home) as opened:
        yield opened
