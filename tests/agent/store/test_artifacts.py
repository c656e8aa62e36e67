"""Large contents lie in an object store by their digest: nothing is lost by it, and what was lost or forged there is said."""

import hashlib
import os
import socket
import subprocess
import sys
import time
import urllib.request

import pytest
from tests.agent.run import scripted

from rsi.agent.cli.entry import main
from rsi.agent.cli.verbs.needs import artifact_problems
from rsi.agent.errors import LedgerConflictError, LedgerCorruptError, LedgerUnavailableError
from rsi.agent.store.backup import back_up, restore_home
from rsi.agent.store.home import Home
from rsi.agent.store.ledger import Ledger
from rsi.agent.store.objects.artifacts import OVER_BYTES, ArtifactStore
from rsi.agent.store.objects.contents import MARK, content_of, stored
from rsi.agent.store.records import (
    AgentRole,
    LogChunk,
    RoundRecord,
    TrajectoryEvent,
    TrajectoryKind,
    utc_now,
)

LARGE = os.urandom(OVER_BYTES + 1)
SMALL = b"x" * OVER_BYTES


@pytest.fixture(params=["file", "memory"])
def url(request, tmp_path):
    if request.param == "file":
        return f"file://{tmp_path}/objects"
    return f"memory://{tmp_path.name}"


@pytest.fixture
def home(url, tmp_path, monkeypatch):
    for name in ("RSI_DATABASE_URL", "RSI_LINEAGES_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("RSI_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("RSI_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("RSI_ARTIFACTS_URL", url)
    return Home.find().create()


@pytest.fixture
def ledger(home):
    with Ledger.open(home) as opened:
        yield opened


@pytest.fixture
def round_id(ledger, tmp_path):
    return opened(ledger, tmp_path)


def opened(ledger, tmp_path):
    campaign_id = scripted.queue(ledger, tmp_path / "s.toml", [scripted.idea("01_null")])
    record = RoundRecord(
        id=f"{campaign_id}-0001", campaign_id=campaign_id, number=1, champion_commit="a" * 40,
        created_at=utc_now(),
    )  # fmt: skip
    ledger.add_round(record)
    return record.id


def chunk(round_id, content, seq=0):
    return LogChunk(round_id=round_id, stream="s", seq=seq, at=utc_now(), content=content)


def event(round_id, text, seq=0):
    return TrajectoryEvent(
        round_id=round_id, agent=AgentRole.PROPOSER, seq=seq, at=utc_now(), kind=TrajectoryKind.MODEL,
        payload={"texts": [text]},
    )  # fmt: skip


def fill(ledger, round_id):
    """A large and a small content of each kind; returns what is to be read again."""
    text = LARGE.hex()
    events = [event(round_id, text), event(round_id, "small", seq=1)]
    digests = [ledger.put_blob(LARGE), ledger.put_blob(SMALL)]
    ledger.add_events(events)
    for seq, content in enumerate((LARGE, SMALL, MARK + b"@forged 1", MARK)):
        ledger.add_log(chunk(round_id, content, seq))
    return digests, events


def check(ledger, round_id, digests, events):
    assert [ledger.blob(each) for each in digests] == [LARGE, SMALL]
    assert list(ledger.events(round_id)) == events
    contents = [each.content for each in ledger.log(round_id, "s")]
    assert contents == [LARGE, SMALL, MARK + b"@forged 1", MARK]
    assert ledger.last_said_at(ledger.round(round_id).campaign_id) is not None


def objects(home):
    """The files of the object store, in this test's URL."""
    files, root = ArtifactStore.of(home)._opened()
    return files, list(files.find(root)) if files.exists(root) else []


def forget_copies(home):
    for path in (home.cache / "artifacts").rglob("*"):
        if path.is_file():
            path.unlink()


def test_only_what_is_large_leaves_the_database_and_all_is_read_again(home, ledger, round_id):
    digests, events = fill(ledger, round_id)
    check(ledger, round_id, digests, events)
    forget_copies(home)
    check(ledger, round_id, digests, events)
    _, found = objects(home)
    # The blob and the log are the same bytes, so one object; the event is another.
    named = {each.sha256 for each in ledger.artifacts()}
    assert {each.rpartition("/")[2] for each in found} == named
    assert hashlib.sha256(LARGE).hexdigest() in named
    assert len(named) == 2
    assert home.ledger_path.stat().st_size < 8 * len(LARGE) + (1 << 20)
    with pytest.raises(LedgerConflictError):
        ledger.add_log(chunk(round_id, b"other"))


def test_the_same_on_postgresql(home, postgres_url, tmp_path):
    there = Home(root=home.root, database_url=postgres_url, artifacts_url=home.artifacts_url)
    with Ledger.open(there) as ledger:
        round_id = opened(ledger, tmp_path)
        digests, events = fill(ledger, round_id)
        forget_copies(there)
        check(ledger, round_id, digests, events)
        assert len(list(ledger.artifacts())) == 2


def test_a_step_that_runs_again_with_another_setting_says_the_same(home, ledger, round_id):
    with Ledger.open(home.ledger_path) as without:
        assert without.put_blob(LARGE) == hashlib.sha256(LARGE).hexdigest()
        assert without.add_log(chunk(round_id, LARGE))
    assert ledger.put_blob(LARGE) == hashlib.sha256(LARGE).hexdigest()
    assert not ledger.add_log(chunk(round_id, LARGE))
    assert ledger.blob(hashlib.sha256(LARGE).hexdigest()) == LARGE
    assert list(ledger.artifacts()) == []


def test_without_the_variable_what_is_elsewhere_says_how_to_reach_it(home, ledger, round_id):
    digests, _ = fill(ledger, round_id)
    with Ledger.open(home.ledger_path) as without:
        assert without.blob(digests[1]) == SMALL
        with pytest.raises(LedgerUnavailableError, match="set RSI_ARTIFACTS_URL to the URL"):
            without.blob(digests[0])


def test_what_is_lost_or_forged_is_said_and_a_good_copy_here_goes_on_serving(
    home, ledger, round_id
):
    digests, _ = fill(ledger, round_id)
    files, found = objects(home)
    (path,) = [each for each in found if each.endswith(digests[0])]
    forged = bytes([LARGE[0] ^ 1]) + LARGE[1:]
    for content in (forged, LARGE[:-1], LARGE + b"x" * (64 << 20), b""):
        files.pipe_file(path, content)
        assert ledger.blob(digests[0]) == LARGE, "the copy here is as it was"
        forget_copies(home)
        with pytest.raises(LedgerCorruptError, match="is not what the ledger stored there"):
            ledger.blob(digests[0])
        files.pipe_file(path, LARGE)
        assert ledger.blob(digests[0]) == LARGE
    files.rm_file(path)
    forget_copies(home)
    with pytest.raises(LedgerCorruptError, match="has lost the content"):
        ledger.blob(digests[0])
    # A copy here that was changed is not believed either.
    files.pipe_file(path, LARGE)
    ledger.blob(digests[0])
    (copy,) = (home.cache / "artifacts").rglob(digests[0])
    copy.write_bytes(forged)
    assert ledger.blob(digests[0]) == LARGE


def test_a_store_that_refuses_is_one_sentence_for_whoever_waits(tmp_path, home):
    """As a campaign's ledger: it waits and asks again, and nothing was written."""
    (tmp_path / "file").write_bytes(b"")
    refusing = Home(root=home.root, artifacts_url=f"file://{tmp_path}/file/below")
    with Ledger.open(refusing) as ledger:
        with pytest.raises(LedgerUnavailableError, match="cannot be written"):
            ledger.put_blob(LARGE)
        assert ledger.put_blob(SMALL), "what stays in the database needs no store"
    (problem,) = artifact_problems(refusing)
    assert "cannot be used" in problem
    assert list(artifact_problems(home)) == []
    assert not [each for each in objects(home)[1] if "probe" in each]


@pytest.mark.parametrize("scheme", ["nowhere", "s3", "gs"])
def test_a_store_that_nothing_here_speaks_to_is_refused_when_the_ledger_is_opened(
    home, scheme, monkeypatch
):
    driver = {"s3": "s3fs", "gs": "gcsfs"}.get(scheme)
    if driver is not None:
        monkeypatch.setitem(sys.modules, driver, None)
    there = Home(root=home.root, artifacts_url=f"{scheme}://ada:hunter2@bucket/x")
    with pytest.raises(LedgerUnavailableError) as told:
        Ledger.open(there)
    assert f"RSI_ARTIFACTS_URL is '{scheme}://bucket/x'" in str(told.value)
    assert (
        "hunter2"
        not in f"{told.value}{there!r}{ArtifactStore(url='s3://a:hunter2@b', cache=home.cache)!r}"
    )
    assert (f"rsi-lab[{scheme}]" if driver else "file, s3 and gs are known") in str(told.value)


def test_a_backup_holds_large_contents_and_restores_them_elsewhere(
    home, ledger, round_id, tmp_path, url
):
    digests, events = fill(ledger, round_id)
    forget_copies(home)
    file = tmp_path / "saved.tar"
    assert f"artifacts/{digests[0]}" in back_up(home, file)
    with pytest.raises(Exception, match="set RSI_ARTIFACTS_URL to where they are to be"):
        restore_home(Home(root=tmp_path / "bare"), file)
    elsewhere = Home(root=tmp_path / "new", artifacts_url=f"{url}-restored")
    restore_home(elsewhere, file)
    with Ledger.open(elsewhere) as restored:
        check(restored, round_id, digests, events)


def test_prune_lets_copies_go_and_never_the_store(home, ledger, round_id, capsys):
    digests, events = fill(ledger, round_id)
    _, before = objects(home)
    for path in (home.cache / "artifacts").rglob("*"):
        if path.is_file():
            os.utime(path, (1, 1))
    assert main(["prune", "--yes"]) == 0
    assert "artifact copy" in capsys.readouterr().out
    assert not [each for each in (home.cache / "artifacts").rglob("*") if each.is_file()]
    assert objects(home)[1] == before
    check(ledger, round_id, digests, events)


def test_a_campaign_runs_the_same_with_a_store(home, ledger, tmp_path, monkeypatch):
    monkeypatch.setattr("rsi.agent.store.objects.contents.OVER_BYTES", 200)
    campaign_id = scripted.queue(ledger, tmp_path / "s.toml", [scripted.idea("02_row_sums_once")])
    scripted.run(home, ledger, campaign_id)
    forget_copies(home)
    (record,) = ledger.rounds(campaign_id)
    assert len(list(ledger.artifacts())) > 5
    assert main(["show", record.id]) == 0
    assert ledger.promotions("toy")


def test_what_begins_like_a_mark_is_stored_behind_one():
    for content in (MARK, MARK + b"@" + b"0" * 64 + b" 1", MARK + b"=" + MARK, b"", b"x"):
        assert content_of(stored(content, None), None) == content


def test_a_real_s3_server(tmp_path, monkeypatch):
    """The protocol itself: written, read, lost, away; with a server of its own that speaks it."""
    pytest.importorskip("s3fs")
    pytest.importorskip("moto.server")
    home = Home(root=tmp_path / "home").create()
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    variables = {
        "AWS_ACCESS_KEY_ID": "ada", "AWS_SECRET_ACCESS_KEY": "hunter2", "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
    }  # fmt: skip
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    server = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-p", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5).close()
                break
            except OSError:
                time.sleep(0.2)
        import s3fs

        s3fs.S3FileSystem().mkdir("rsi-test")
        there = Home(root=home.root, artifacts_url="s3://rsi-test/ledger")
        assert list(artifact_problems(there)) == []
        with Ledger.open(there) as ledger:
            round_id = opened(ledger, tmp_path)
            digests, events = fill(ledger, round_id)
            forget_copies(there)
            check(ledger, round_id, digests, events)
            files, found = objects(there)
            assert len(found) == 2
            (path,) = [each for each in found if each.endswith(digests[0])]
            files.pipe_file(path, LARGE[:-1])
            forget_copies(there)
            with pytest.raises(LedgerCorruptError, match="is not what the ledger stored"):
                ledger.blob(digests[0])
            files.rm_file(path)
            with pytest.raises(LedgerCorruptError, match="has lost the content"):
                ledger.blob(digests[0])
            (wrong,) = artifact_problems(
                Home(root=home.root, artifacts_url="s3://no-such-bucket/x")
            )
            assert "cannot be used" in wrong
            server.terminate()
            server.wait(30)
            with pytest.raises(LedgerUnavailableError, match="cannot be read") as told:
                ledger.blob(digests[0])
            assert "hunter2" not in str(told.value)
    finally:
        server.kill()
        server.wait(30)
