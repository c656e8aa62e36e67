"""A home is saved in one file while others write, and made again of it; what is damaged is refused before anything is put in place."""

import io
import os
import shutil
import tarfile
import threading
from pathlib import Path

import pytest
from tests.agent.run import scripted

from rsi.agent.cli.entry import main
from rsi.agent.errors import BackupError
from rsi.agent.queue.worker import engine_url
from rsi.agent.run.engine import EngineClient
from rsi.agent.store.backup import back_up, restore_home
from rsi.agent.store.champion import Standing, look_at_champion
from rsi.agent.store.git.lineage import Lineage
from rsi.agent.store.home import Home
from rsi.agent.store.ledger import Ledger


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A home with a campaign that promoted, a queue and an empty lineage."""
    folder = tmp_path_factory.mktemp("whole")
    made = Home(root=folder / "home").create()
    EngineClient(engine_url(made)).close()
    Lineage.open(made, "empty")
    with Ledger.open(made) as ledger:
        run_one(made, ledger, folder)
    return made


@pytest.fixture
def home(whole, tmp_path):
    shutil.copytree(whole.root, tmp_path / "home")
    return Home(root=tmp_path / "home")


def run_one(home, ledger, tmp_path, patch="02_row_sums_once"):
    campaign_id = scripted.queue(ledger, tmp_path / "script.toml", [scripted.idea(patch)])
    scripted.run(home, ledger, campaign_id)
    return campaign_id


@pytest.fixture
def file(tmp_path):
    return tmp_path / "saved.tar"


@pytest.fixture
def other(tmp_path):
    return Home(root=tmp_path / "other")


def content(home):
    with Ledger.open(home, read_only=True) as ledger:
        lineage = Lineage.open(home, "toy", create=False)
        return ledger.campaigns(), ledger.promotions(), ledger.charges(), lineage.history()


def check(home):
    with Ledger.open(home) as ledger:
        lineage = Lineage.open(home, "toy", create=False)
        assert look_at_champion(ledger, lineage).standing is Standing.AGREED
        assert ledger.verify_chain().is_intact
        assert not ledger.storage_problems()


def test_what_was_saved_is_there_again_and_goes_on(home, other, file, tmp_path):
    names = back_up(home, file)
    assert names == ("engine.sqlite3", "ledger.sqlite3", "lineages/toy.bundle")
    assert file.stat().st_mode & 0o777 == 0o600
    assert sorted(each.name for each in tmp_path.iterdir() if each.name.startswith(".")) == []
    assert restore_home(other, file) == ("toy",)
    assert content(other) == content(home)
    check(other)
    assert sorted(each.name for each in other.root.iterdir()) == [
        "cache", "engine.sqlite3", "ledger.sqlite3", "lineages", "logs", "reports",
    ]  # fmt: skip
    with Ledger.open(other) as ledger:
        champion = ledger.moves("toy").champion
        later = run_one(other, ledger, tmp_path, "01_null")
        assert ledger.rounds(later)[0].champion_commit == champion


def test_a_backup_in_the_middle_of_a_campaign_holds_together(tmp_path):
    """At each step a copy is taken, and every copy is a home whose git and ledger agree."""
    home, files = Home(root=tmp_path / "fresh").create(), []

    def on_step(name):
        if "/" in name:  # from then on there is a lineage
            files.append(tmp_path / f"{len(files)}.tar")
            back_up(home, files[-1])

    with Ledger.open(home) as ledger:
        campaign_id = scripted.queue(
            ledger, tmp_path / "script.toml", [scripted.idea("02_row_sums_once")]
        )
        scripted.run(home, ledger, campaign_id, on_step=on_step)
        assert ledger.promotions()
    assert len(files) > 12
    promoted = set()
    for number, saved in enumerate(files[::3]):
        copy = Home(root=tmp_path / f"copy-{number}")
        restore_home(copy, saved)
        check(copy)
        with Ledger.open(copy) as ledger:
            promoted.add(len(ledger.promotions()))
    assert promoted == {0, 1}


def test_the_champion_is_the_snapshots_whatever_git_has_become(home, other, file):
    lineage = Lineage.open(home, "toy", create=False)
    # As if it were promoted between the ledger's copy and git's.
    lineage.move_champion(lineage.champion(), lineage.baseline(), "later")
    back_up(home, file)
    restore_home(other, file)
    check(other)


def test_others_write_meanwhile(home, other, file):
    is_over = threading.Event()

    def write():
        with Ledger.open(home) as ledger:
            while not is_over.is_set():
                ledger.put_blob(os.urandom(2000))

    thread = threading.Thread(target=write)
    thread.start()
    try:
        back_up(home, file)
    finally:
        is_over.set()
        thread.join(30)
    restore_home(other, file)
    check(other)


def test_nothing_is_overwritten(home, other, file):
    back_up(home, file)
    before = file.read_bytes()
    with pytest.raises(BackupError, match="is there already"):
        back_up(home, file)
    assert file.read_bytes() == before
    with pytest.raises(BackupError, match="is not empty"):
        restore_home(home, file)
    Lineage.open(other, "mine")
    with pytest.raises(BackupError, match="is not empty"):
        restore_home(other, file)


def repacked(file, change):
    """The backup with one thing about it changed."""
    with tarfile.open(file) as archive:
        parts = {each.name: archive.extractfile(each).read() for each in archive}
    change(parts)
    with tarfile.open(file, "w") as archive:
        for name, raw in parts.items():
            member = tarfile.TarInfo(name)
            member.size = len(raw)
            archive.addfile(member, io.BytesIO(raw))


DAMAGES = {
    "a byte changed": lambda parts: parts.update({"ledger.sqlite3": parts["ledger.sqlite3"][:-1] + b"x"}),
    "a file lost": lambda parts: parts.pop("lineages/toy.bundle"),
    "a file more": lambda parts: parts.update({"lineages/evil.bundle": b"x"}),
    "a path that leads out": lambda parts: parts.update({"../evil": b"x"}),
    "no sums": lambda parts: parts.pop("SHA256SUMS"),
    "no ledger": lambda parts: parts.clear() or parts.update({"SHA256SUMS": b""}),
}  # fmt: skip


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_backup_is_refused_and_nothing_is_put_in_place(home, other, file, damage):
    back_up(home, file)
    repacked(file, DAMAGES[damage])
    with pytest.raises(BackupError, match="no whole backup"):
        restore_home(other, file)
    assert not other.ledger_path.exists()
    assert not list(other.lineages.iterdir())
    assert not (other.root.parent / "evil").exists()


@pytest.mark.parametrize("cut", [0, 100, 20_000])
def test_a_backup_that_was_cut_off_is_refused(home, other, file, cut):
    back_up(home, file)
    file.write_bytes(file.read_bytes()[:cut])
    with pytest.raises(BackupError, match="no whole backup"):
        restore_home(other, file)


def test_mistakes_are_told_in_one_sentence(home, file, monkeypatch, capsys, tmp_path):
    monkeypatch.setenv("RSI_HOME", str(tmp_path / "nothing"))
    assert main(["backup", str(file)]) == 6
    assert "there is no ledger" in capsys.readouterr().err
    monkeypatch.setenv("RSI_HOME", str(home.root))
    assert main(["backup", str(tmp_path / "no" / "such.tar")]) == 6
    assert "cannot be written" in capsys.readouterr().err
    assert main(["backup", str(file)]) == 0
    monkeypatch.setenv("RSI_HOME", str(tmp_path / "new"))
    assert main(["restore", str(Path("/nowhere.tar"))]) == 6
    assert "no whole backup" in capsys.readouterr().err
    assert main(["restore", str(file)]) == 0
    assert "lineages toy" in capsys.readouterr().out
    monkeypatch.setenv("RSI_DATABASE_URL", "postgresql://localhost/x")
    assert main(["backup", str(tmp_path / "pg.tar")]) == 6
    assert "pg_dump" in capsys.readouterr().err
