"""`rsi doctor` says what a run needs: each thing passes when it is whole and is named when it is not."""

from dataclasses import replace
from types import SimpleNamespace

import pytest
from tests.git_servers import git

from rsi.agent.cli.verbs import needs
from rsi.agent.queue.worker import engine_url
from rsi.agent.run.engine import EngineClient
from rsi.agent.store.git.lineage import Lineage
from rsi.sandboxes.types import FileEntry


def test_a_whole_home_lacks_nothing(home):
    lineage = Lineage.open(home, "toy")
    lineage.import_baseline((FileEntry(path="a", content=b"x" * 3000),), "baseline")
    EngineClient(engine_url(home)).close()
    for problems in (needs.home_problems, needs.lineage_problems, needs.engine_problems):
        assert not list(problems(home))
    assert not list(needs.network_problems({}))


def test_a_full_disk_is_named_with_its_bytes(home, monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=4096))
    (said,) = needs.home_problems(home)
    assert "4096 bytes are free" in said
    assert "RSI_HOME" in said


def test_a_damaged_lineage_is_named(home):
    lineage = Lineage.open(home, "toy")
    lineage.import_baseline((FileEntry(path="a", content=b"x" * 3000),), "baseline")
    victim = next(each for each in (home.lineages / "toy.git" / "objects").glob("??/*"))
    victim.chmod(0o600)
    victim.write_bytes(b"rubbish")
    (said,) = needs.lineage_problems(home)
    assert "lineage 'toy' is damaged" in said


def test_the_lineages_server_is_reached_read_and_written(home, tmp_path):
    folder = tmp_path / "srv"
    shared = replace(home, lineages_url=folder.as_uri())
    (said,) = needs.server_problems(shared)
    assert "make or mount the folder" in said
    folder.mkdir()
    assert not list(needs.server_problems(shared))
    assert not list(folder.iterdir()), "nothing is made to look"
    Lineage.open(shared, "empty")
    lineage = Lineage.open(home, "toy")
    lineage.import_baseline((FileEntry(path="a", content=b"x"),), "baseline")
    assert not list(needs.server_problems(shared))
    # It gave the server what it lacked, and left nothing else there.
    listed = git(folder / "toy.git", "for-each-ref", "--format=%(refname)").split()
    assert listed == ["refs/rsi/baseline", "refs/rsi/champion"]
    (folder / "toy.git" / "refs" / "rsi" / "doctor").write_text("in the way", encoding="utf-8")
    (said,) = needs.server_problems(shared)
    assert "cannot be used" in said


def test_a_damaged_engine_store_is_named(home):
    home.engine_path.write_bytes(b"these are my notes, not a database\n" * 50)
    (said,) = needs.engine_problems(home)
    assert "engine's store" in said


@pytest.mark.parametrize(
    ("variables", "named"),
    [
        (
            {"SSL_CERT_FILE": "/nowhere.pem"},
            "SSL_CERT_FILE names '/nowhere.pem', which does not exist",
        ),
        ({"https_proxy": "ftp://proxy:3128"}, "https_proxy has the scheme 'ftp'"),
    ],
)
def test_a_proxy_or_certificate_that_cannot_work_names_its_variable(variables, named):
    (said,) = needs.network_problems(variables)
    assert named in said
