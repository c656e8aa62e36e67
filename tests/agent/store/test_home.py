"""Where things live."""

import stat
from pathlib import Path

import pytest

from rsi.agent.errors import HomeError
from rsi.agent.store.home import Home
from rsi.agent.store.ledger import Ledger


def test_the_home_is_what_the_environment_says(tmp_path: Path):
    home = Home.find({"RSI_HOME": str(tmp_path / "here")})
    assert home.root == tmp_path / "here"
    assert home.ledger_place == str(tmp_path / "here" / "ledger.sqlite3")
    assert not home.root.exists(), "finding creates nothing"


def test_without_a_variable_the_platform_says_where(tmp_path: Path):
    home = Home.find({})
    assert home.root.is_absolute()
    assert home.root.name == "rsi"


def test_a_database_url_takes_the_place_of_the_files(tmp_path: Path):
    url = "postgresql://u@h/d"
    home = Home.find({"RSI_HOME": str(tmp_path), "RSI_DATABASE_URL": url})
    assert home.ledger_place == url


def test_a_relative_home_is_refused():
    with pytest.raises(HomeError, match="relative path"):
        Home.find({"RSI_HOME": "here"})


def test_folders_are_made_for_their_owner_only_and_a_ledger_opens_in_them(tmp_path: Path):
    home = Home(root=tmp_path / "a" / "b").create().create()
    for folder in (home.root, home.lineages, home.logs, home.cache, home.reports):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    Ledger.open(home).close()
    assert home.ledger_path.exists()
