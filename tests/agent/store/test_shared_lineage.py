"""One lineage in two homes that share it through a git server, with real git: over a shared folder, ssh and http."""

import os
import re
import shutil
import socket
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest
from tests.git_servers import git, http_server, ssh_server

from rsi.agent.errors import LineageConflictError, LineageServerError, StaleChampionError
from rsi.agent.store.git import server as server_module
from rsi.agent.store.git.lineage import CHAMPION_REF, Lineage
from rsi.agent.store.git.server import ServerAddress
from rsi.agent.store.home import Home
from rsi.sandboxes.types import FileEntry

AT = datetime(2026, 11, 20, tzinfo=UTC)
START = (FileEntry(path="train.py", content=b"print(0)\n"),)


def faster(number):
    return (FileEntry(path="train.py", content=b"print(%d)\n" % number),)


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "srv"
    made.mkdir()
    return made


@pytest.fixture
def url(folder):
    return folder.as_uri()


@pytest.fixture
def homes(tmp_path, url):
    return tuple(
        Home(root=tmp_path / name, lineages_url=url).create() for name in ("home-a", "home-b")
    )


@pytest.fixture
def pair(homes):
    """The same lineage, open in both homes."""
    opened = tuple(Lineage.open(home, "toy") for home in homes)
    for each in opened:
        each.import_baseline(START, "baseline")
    return opened


def candidate(lineage, number, parent):
    return lineage.commit_candidate(f"c1-{number:04d}", parent, faster(number), "idea", at=AT)


class TestWhatIsShared:
    def test_what_one_commits_and_promotes_the_other_has(self, pair):
        a, b = pair
        assert a.baseline() == b.baseline()
        commit = candidate(a, 1, a.baseline())
        assert a.move_champion(a.baseline(), commit, "faster")
        b.synchronize()
        assert b.champion() == commit
        assert b.tree(commit) == faster(1)
        assert b.history() == a.history()

    def test_a_reader_without_a_cache_gets_one_and_a_name_that_nobody_knows_is_none(
        self, pair, tmp_path, url, folder
    ):
        third = Home(root=tmp_path / "home-c", lineages_url=url).create()
        assert Lineage.open(third, "toy", create=False).champion() == pair[0].champion()
        with pytest.raises(Exception, match="there is no lineage 'other'"):
            Lineage.open(third, "other", create=False)
        assert [each.name for each in third.lineages.iterdir()] == ["toy.git"]
        assert [each.name for each in folder.iterdir()] == ["toy.git"]

    def test_the_champion_moves_only_from_where_the_server_has_it(self, pair):
        a, b = pair
        first, second = candidate(a, 1, a.baseline()), candidate(b, 2, b.baseline())
        assert a.move_champion(a.baseline(), first, "faster")
        with pytest.raises(StaleChampionError, match=f"is {first[:12]} by now"):
            b.move_champion(b.baseline(), second, "faster")
        assert b.champion() == first, "who lost sees who won"
        assert not a.move_champion(a.baseline(), first, "the answer was lost, so it is asked again")
        assert b.move_champion(first, b.baseline(), "rolled back")
        a.synchronize()
        assert a.champion() == a.baseline()

    def test_of_many_moves_at_once_from_both_homes_one_wins(self, pair):
        commits = [candidate(pair[n % 2], n, pair[0].baseline()) for n in range(1, 7)]
        barrier = threading.Barrier(len(commits))

        def move(number):
            barrier.wait()
            try:
                home = pair[(number + 1) % 2]  # the one that made it
                return home.move_champion(home.baseline(), commits[number], "x")
            except StaleChampionError:
                return False
            except LineageServerError as error:
                return str(error)

        with ThreadPoolExecutor(len(commits)) as pool:
            won = list(pool.map(move, range(len(commits))))
        assert won.count(True) <= 1
        for each in pair:
            each.synchronize()
        moved_to = pair[0].champion()
        assert moved_to == pair[1].champion()
        assert moved_to in commits
        assert all(said in {True, False} or "asks it again" in said for said in won), won

    def test_the_same_candidate_of_both_is_one_and_another_of_that_name_is_refused(self, pair):
        a, b = pair
        commit = candidate(a, 1, a.baseline())
        assert candidate(b, 1, b.baseline()) == commit
        candidate(a, 2, a.baseline())
        with pytest.raises(LineageConflictError, match="never overwritten"):
            b.commit_candidate("c1-0002", b.baseline(), faster(9), "other", at=AT)

    def test_another_baseline_is_refused_and_nothing_is_overwritten(self, pair, tmp_path, url):
        other = Home(root=tmp_path / "home-c").create()
        lonely = Lineage.open(other, "toy")
        lonely.import_baseline(faster(7), "baseline")
        joined = Lineage.open(Home(root=other.root, lineages_url=url), "toy")
        with pytest.raises(LineageConflictError, match=r"refs/rsi/baseline of lineage 'toy' is"):
            joined.synchronize()
        assert lonely.tree(lonely.champion()) == faster(7)
        with pytest.raises(LineageConflictError, match="another baseline"):
            pair[0].import_baseline(faster(7), "baseline")

    def test_a_lineage_that_was_here_alone_is_shared_from_the_first_look_on(self, tmp_path, homes):
        alone = Home(root=homes[0].root)
        lineage = Lineage.open(alone, "toy")
        lineage.import_baseline(START, "baseline")
        commit = candidate(lineage, 1, lineage.baseline())
        lineage.move_champion(lineage.baseline(), commit, "faster")
        Lineage.open(homes[0], "toy").synchronize()
        assert Lineage.open(homes[1], "toy", create=False).champion() == commit

    def test_what_the_server_lost_it_gets_back(self, pair, folder):
        a, b = pair
        commit = candidate(a, 1, a.baseline())
        a.move_champion(a.baseline(), commit, "faster")
        b.synchronize()
        shutil.rmtree(folder / "toy.git")
        b.synchronize()
        a.synchronize()
        assert a.champion() == b.champion() == commit
        assert git(folder / "toy.git", "rev-parse", "refs/rsi/candidates/c1-0001") == commit

    def test_other_references_of_the_server_stay_out(self, pair, folder):
        a, b = pair
        for name in ("refs/heads/main", "refs/rsi/candidates/a/b", "refs/rsi/own"):
            git(folder / "toy.git", "update-ref", name, a.baseline())
        b.synchronize()
        found = git(b.git_dir.path, "for-each-ref", "--format=%(refname)").split()
        assert found == ["refs/rsi/baseline", "refs/rsi/champion"]


class TestNothingOfTheServersRunsHere:
    HOOKS = ("pre-receive", "update", "post-receive", "post-update", "reference-transaction")

    def test_no_hook_and_no_setting_of_a_shared_folder(self, pair, folder, tmp_path):
        a, _ = pair
        mark = tmp_path / "ran"
        repository = folder / "toy.git"
        (repository / "hooks").mkdir(exist_ok=True)
        for name in self.HOOKS:
            hook = repository / "hooks" / name
            hook.write_text(f"#!/bin/sh\necho {name} >> {mark}\n", encoding="utf-8")
            hook.chmod(0o755)
        other = tmp_path / "other.git"
        git(None, "init", "-q", "--bare", str(other))
        (repository / "objects" / "info").mkdir(exist_ok=True)
        (repository / "objects/info/alternates").write_text(f"{other}/objects\n", encoding="utf-8")
        git(repository, "config", "core.alternateRefsCommand", f"echo alternate >> {mark}; true")
        git(repository, "config", "uploadpack.packObjectsHook", f"echo pack >> {mark}; exit 1")
        commit = candidate(a, 1, a.baseline())
        a.move_champion(a.baseline(), commit, "faster")
        pair[1].synchronize()
        assert pair[1].champion() == commit
        assert not mark.exists(), mark.read_text(encoding="utf-8")
        # The same repository does run them for whoever takes no care.
        git(a.git_dir.path, "push", "-q", str(repository), f"{commit}:refs/heads/careless")
        assert {"alternate", "post-receive"} <= set(mark.read_text(encoding="utf-8").split())

    def test_a_damaged_object_does_not_get_in(self, pair, folder):
        a, b = pair
        raw = f"tree {git(folder / 'toy.git', 'rev-parse', a.baseline() + '^{tree}')}\nauthor x\n\nbad\n"
        bad = git(
            folder / "toy.git", "hash-object", "-t", "commit", "-w", "--literally", "--stdin",
            stdin=raw,
        )  # fmt: skip
        git(folder / "toy.git", "update-ref", "refs/rsi/candidates/c1-0009", bad)
        with pytest.raises(LineageServerError, match=r"fsck|missing"):
            b.synchronize()
        assert "c1-0009" not in git(b.git_dir.path, "for-each-ref")

    def test_a_candidate_changed_on_the_server_is_refused(self, pair, folder):
        a, b = pair
        candidate(a, 1, a.baseline())
        b.synchronize()
        git(folder / "toy.git", "update-ref", "refs/rsi/candidates/c1-0001", a.baseline())
        with pytest.raises(LineageConflictError, match=r"candidates/c1-0001.*changed by hand"):
            b.synchronize()


class TestTroubleInOneSentence:
    def test_a_folder_that_is_not_mounted(self, homes, folder):
        folder.rmdir()
        with pytest.raises(LineageServerError, match="make or mount the folder"):
            Lineage.open(homes[0], "toy").synchronize()

    def test_a_server_that_is_away(self, tmp_path):
        with socket.create_server(("127.0.0.1", 0)) as closed:
            port = closed.getsockname()[1]
        for url in (f"ssh://127.0.0.1:{port}/srv", f"http://127.0.0.1:{port}/team"):
            home = Home(root=tmp_path / "h", lineages_url=url).create()
            with pytest.raises(LineageServerError, match=r"cannot be reached \(.*asks it again"):
                Lineage.open(home, "toy").synchronize()

    def test_a_server_that_never_answers_costs_its_time_limit(self, tmp_path, monkeypatch):
        monkeypatch.setattr(server_module, "LIST_TIMEOUT_S", 1)
        with socket.create_server(("127.0.0.1", 0)) as silent:
            url = f"http://127.0.0.1:{silent.getsockname()[1]}/team"
            home = Home(root=tmp_path / "h", lineages_url=url).create()
            lineage = Lineage.open(home, "toy")
            with pytest.raises(LineageServerError, match="gave no answer in 1 s"):
                lineage.server._git(["ls-remote", lineage.server.url], timeout_s=1)
        listed = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True)
        assert url not in listed.stdout, "what git had started is gone with it"

    @pytest.mark.parametrize(
        ("url", "said"),
        [
            ("git@host:team/rsi", "no ssh://"),
            ("http://example.org/x", "anybody may read"),
            ("file://srv/x", "three slashes"),
            ("file:relative", "three slashes"),
            ("ssh:///srv", "names no host"),
            ("ssh://-oProxyCommand=x/srv", "names no host"),
            ("ssh://me:hunter22@host/srv", "takes keys only"),
            ("https://me:hunter22@host:port/x", "is no URL"),
            ("https://me:hunter22@host/x?y=1", "a query"),
            ("https://me:hunter22@host/a b", "a blank"),
            ("ext::sh -c id", "a blank"),
            ("ext::id", "no ssh://"),
        ],
    )
    def test_a_url_that_cannot_be(self, tmp_path, url, said):
        with pytest.raises(LineageServerError, match=said) as caught:
            Lineage.open(Home(root=tmp_path, lineages_url=url), "toy")
        assert "RSI_LINEAGES_URL" in str(caught.value)
        assert "hunter22" not in str(caught.value)


def test_a_credential_stays_out_of_sight(tmp_path):
    home = Home.find(
        {"RSI_HOME": str(tmp_path), "RSI_LINEAGES_URL": "https://ada:hunter%3A22@[::1]:1/team"}
    )
    assert home.lineages_url is not None
    address = ServerAddress.parse(home.lineages_url)
    assert address.url == "https://[::1]:1/team"
    with pytest.raises(LineageServerError) as caught:
        Lineage.open(home.create(), "toy").synchronize()
    for text in (repr(home), repr(address), str(caught.value), repr(Lineage.open(home, "toy"))):
        assert not re.search("hunter|aHVudGVy|YWRhOmh1bnRlcjoyMg", text), text
    assert address.authorization == "Authorization: Basic YWRhOmh1bnRlcjoyMg=="


@pytest.fixture(params=[pytest.param("ssh", marks=pytest.mark.slow), "http"])
def remote(request, folder, tmp_path, monkeypatch):
    """A real server, and the folder that it serves."""
    serving = ssh_server if request.param == "ssh" else http_server
    with serving(folder, tmp_path, monkeypatch) as url:
        yield url


class TestOverTheNetwork:
    def test_two_homes_share_a_lineage(self, remote, folder, tmp_path):
        homes = [Home(root=tmp_path / n, lineages_url=remote).create() for n in ("a", "b")]
        a, b = (Lineage.open(home, "toy") for home in homes)
        with pytest.raises(LineageServerError, match="is not there; make it on the server"):
            a.synchronize()
        git(None, "init", "-q", "--bare", str(folder / "toy.git"))
        git(folder / "toy.git", "config", "http.receivepack", "true")
        for each in (a, b):
            each.import_baseline(START, "baseline")
        commit = candidate(a, 1, a.baseline())
        assert a.move_champion(a.baseline(), commit, "faster")
        assert not a.move_champion(a.baseline(), commit, "again")
        with pytest.raises(StaleChampionError):
            b.move_champion(b.baseline(), candidate(b, 2, b.baseline()), "faster")
        b.synchronize()
        assert b.champion() == commit
        assert b.move_champion(commit, b.baseline(), "rolled back")
        lineage = Lineage.open(homes[0], "toy")
        lineage.server.try_writing(lineage.baseline())
        assert "doctor" not in git(folder / "toy.git", "for-each-ref")

    def test_a_server_that_refuses_says_why(self, remote, folder, tmp_path):
        repository = folder / "toy.git"
        git(None, "init", "-q", "--bare", str(repository))
        git(repository, "config", "http.receivepack", "true")
        lineage = Lineage.open(Home(root=tmp_path / "a", lineages_url=remote).create(), "toy")
        lineage.import_baseline(START, "baseline")
        first, second = (candidate(lineage, n, lineage.baseline()) for n in (1, 2))
        lineage.move_champion(lineage.baseline(), first, "faster")
        hook = repository / "hooks" / "update"
        hook.parent.mkdir(exist_ok=True)
        hook.write_text("#!/bin/sh\necho 'non-fast-forward: only forwards' >&2; exit 1\n")
        hook.chmod(0o755)
        with pytest.raises(LineageServerError, match=r"refuses what we send \(.*hook declined"):
            lineage.move_champion(first, second, "sideways")
        assert lineage.champion() == first
        hook.unlink()
        hook = repository / "hooks" / "pre-receive"
        for said, expected in (
            ("echo 'Disk quota exceeded' >&2; exit 1", "no room left.*quota"),
            ("echo 'only the lead may push' >&2; exit 1", "refuses what we send.*declined"),
        ):
            hook.write_text(f"#!/bin/sh\n{said}\n", encoding="utf-8")
            hook.chmod(0o755)
            with pytest.raises(LineageServerError, match=expected):
                candidate(lineage, 3, lineage.baseline())
            assert git(repository, "rev-parse", CHAMPION_REF) == first
        hook.unlink()
        assert candidate(lineage, 3, lineage.baseline())


@pytest.mark.slow
def test_a_key_that_ssh_does_not_take_is_named(folder, tmp_path, monkeypatch):
    git(None, "init", "-q", "--bare", str(folder / "toy.git"))
    with ssh_server(folder, tmp_path, monkeypatch) as url:
        monkeypatch.setenv("GIT_SSH_COMMAND", os.environ["GIT_SSH_COMMAND"] + " -i /dev/null")
        (tmp_path / "ssh" / "key").unlink()
        lineage = Lineage.open(Home(root=tmp_path / "a", lineages_url=url).create(), "toy")
        with pytest.raises(LineageServerError, match="does not let us in"):
            lineage.synchronize()
        monkeypatch.setenv("GIT_SSH_COMMAND", "ssh -oUserKnownHostsFile=/dev/null -F none")
        with pytest.raises(LineageServerError, match="host key is not known"):
            lineage.synchronize()
