"""What `rsi prune` lets go and what it never touches."""

import json
import os
import time

import pytest
from tests.git_servers import git

from rsi.agent.cli.entry import main
from rsi.agent.store.git.plumbing import create_bare
from rsi.agent.store.home import Home
from rsi.sandboxes.machine.environments import DONE_MARK

DAY_S = 86_400


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.setenv("RSI_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("RSI_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("RSI_DATABASE_URL", raising=False)
    return Home.find().create()


def aged(path, days, content=b"x" * 2048):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    at_s = time.time() - days * DAY_S
    os.utime(path, (at_s, at_s))
    return path


def hashed(repo, text):
    return git(repo, "hash-object", "-w", "--stdin", stdin=text)


def told(capsys, *words):
    assert main(["prune", "--json", *words]) == 0
    return json.loads(capsys.readouterr().out)


def test_what_is_old_is_listed_and_goes_when_told_to(here, tmp_path, capsys):
    environments = tmp_path / "cache" / "environments"
    old, young = environments / "old", environments / "young"
    aged(old / "big", 1)
    aged(old / DONE_MARK, 40)
    aged(young / DONE_MARK, 2)
    report, fresh = aged(here.reports / "a.html", 40), aged(here.reports / "b.html", 1)
    log = aged(here.logs / "slurm" / "1.log", 40)
    before = told(capsys)
    assert not before["is_done"]
    listed = {(each["what"], each["path"]) for each in before["found"]}
    assert listed == {("environment", str(old)), ("report", str(report)), ("log", str(log))}
    assert before["size_bytes"] >= 3 * 2048
    assert old.exists()
    assert report.exists()
    assert told(capsys, "--yes")["is_done"]
    assert [each.exists() for each in (old, report, log)] == [False, False, False]
    assert [each.exists() for each in (young, fresh)] == [True, True]
    assert main(["prune"]) == 0
    assert capsys.readouterr().out == "nothing to prune\n"


def test_the_age_is_the_persons(here, capsys):
    aged(here.reports / "a.html", 3)
    assert not told(capsys)["found"]
    assert [each["what"] for each in told(capsys, "--older-than", "2")["found"]] == ["report"]


@pytest.mark.parametrize("word", ["0", "0.5", "-3", "nan", "soon"])
def test_an_age_that_may_be_in_use_is_refused(here, capsys, word):
    with pytest.raises(SystemExit) as ended:
        main(["prune", "--yes", f"--older-than={word}"])
    assert ended.value.code == 2
    assert f"{word}: a number of days, at least 1" in capsys.readouterr().err


def test_a_link_is_left_where_it_points(here, tmp_path, capsys):
    outside = aged(tmp_path / "outside", 90)
    (here.reports / "link").symlink_to(outside)
    assert not told(capsys, "--yes")["found"]
    assert outside.exists()


def test_a_lineages_loose_objects_are_packed_and_all_is_there_afterwards(here, capsys):
    repo = here.lineages / "a.git"
    create_bare(repo)
    made = [hashed(repo, os.urandom(1 << 17).hex()) for _ in range(12)]
    entries = "".join(f"100644 blob {each}\t{number}\n" for number, each in enumerate(made))
    tree = git(repo, "mktree", stdin=entries)
    commit = git(repo, "-c", "user.name=a", "-c", "user.email=a@b", "commit-tree", tree, "-m", "x")
    git(repo, "update-ref", "refs/heads/main", commit)
    unnamed = hashed(repo, "about to be named")
    (found,) = told(capsys)["found"]
    assert found["what"] == "loose objects"
    told(capsys, "--yes")
    assert not told(capsys)["found"]
    for each in (*made, unnamed):
        assert git(repo, "cat-file", "-t", each) == "blob"
    assert "missing" not in git(repo, "fsck", "--full")
