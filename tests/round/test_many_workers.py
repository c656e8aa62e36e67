"""Twenty campaigns over four workers of two classes, on one PostgreSQL: no measurement crosses a class, all end.

The two classes are real ones on one machine: workers that may use one core are another class of machine than those that may use
two. Each class has a folder of locks of its own, as two machines have, so that both measure at once.
"""

import os
import re
import shutil
import subprocess
import sys
import time
from collections import defaultdict
from contextlib import ExitStack, contextmanager

import pytest
from tests.postgres import postgres_binaries, postgres_cluster

from rsi.agent.store.home import Home
from rsi.agent.store.records import CampaignState
from rsi.agent.store.round_book import RoundBook

pytestmark = [
    pytest.mark.exhaustive,
    pytest.mark.skipif(
        shutil.which("taskset") is None or len(os.sched_getaffinity(0)) < 2,
        reason="two classes on one machine need taskset and two cores",
    ),
]
CORES = {"one": "0", "two": "0,1"}
WANTED = [("label=one",)] * 8 + [("label=two",)] * 8 + [()] * 4
ALONE = 5
"""Campaigns for one worker alone, to compare the pace with."""


@pytest.fixture(scope="module")
def server():
    binaries = postgres_binaries()
    if binaries is None:
        pytest.skip("PostgreSQL's initdb and pg_ctl are not here")
    with postgres_cluster(binaries) as running:
        yield running


@pytest.fixture
def home(tmp_path, monkeypatch, cache, server):
    monkeypatch.setenv("RSI_CACHE", str(cache))
    monkeypatch.setenv("RSI_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("RSI_DATABASE_URL", server.create_database("many_workers"))
    monkeypatch.delenv("RSI_LINEAGES_URL", raising=False)
    return Home.find().create()


@pytest.fixture
def worker(home, tmp_path):
    """Starts a worker of a class; its words go to a log of its own."""

    @contextmanager
    def go(kind, number=0):
        locks = tmp_path / f"locks-{kind}"
        locks.mkdir(exist_ok=True)
        log = tmp_path / f"{kind}-{number}.log"
        words = ["taskset", "-c", CORES[kind], sys.executable, "-P", "-m", "rsi.agent.cli"]
        words += ["--verbose", "worker", "--exit-when-idle", "--label", kind]
        environ = os.environ | {"RSI_HOME": str(home.root), "RSI_LEASE_DIR": str(locks)}
        with log.open("ab") as stream:
            process = subprocess.Popen(words, env=environ, stdout=subprocess.DEVNULL, stderr=stream)
        try:
            yield process
        finally:
            process.kill()
            process.wait(30)

    return go


def measured_by(tmp_path):
    """The classes whose workers ran a timed step of each campaign."""
    found = defaultdict(set)
    for log in tmp_path.glob("*-?.log"):
        text = log.read_text(encoding="utf-8", errors="replace")
        for campaign_id in re.findall(r"round=(\S+)-\d{4} step=(?:measure|review)\b", text):
            found[campaign_id].add(log.name.partition("-")[0])
    return found


def finished(ledger, campaigns):
    return [
        each for each in campaigns if ledger.campaign_summary(each).state is CampaignState.FINISHED
    ]


def test_twenty_campaigns_over_four_workers_of_two_classes(
    home, ledger, queue, idea, worker, until, tmp_path, capsys
):
    alone = [queue([idea("01_null")], lineage=f"alone-{n}") for n in range(ALONE)]
    begun_s = time.monotonic()
    with worker("two", 9) as process:
        assert process.wait(280) == 0
    alone_s = time.monotonic() - begun_s
    assert finished(ledger, alone) == alone

    campaigns = [
        queue([idea("01_null")], lineage=f"many-{n}", on=wanted) for n, wanted in enumerate(WANTED)
    ]
    begun_s = time.monotonic()
    with ExitStack() as stack:
        running = {
            (kind, number): stack.enter_context(worker(kind, number))
            for kind in CORES
            for number in (1, 2)
        }
        # One of four dies on the way; its class goes on with what it had.
        until(lambda: len(finished(ledger, campaigns)) >= 3 or None, 200)
        running["one", 1].kill()
        until(lambda: len(finished(ledger, campaigns)) == len(campaigns) or None, 280)
        many_s = time.monotonic() - begun_s
        for key, process in running.items():
            if key != ("one", 1):
                assert process.wait(60) == 0

    classes = {}
    for each in ledger.workers():
        assert each.hardware is not None
        classes.setdefault(each.labels[0], set()).add(each.hardware.class_id)
    assert all(len(each) == 1 for each in classes.values())
    assert classes["one"] != classes["two"]
    by = measured_by(tmp_path)
    for campaign_id, wanted in zip(campaigns, WANTED, strict=True):
        (kind,) = by[campaign_id]
        assert wanted in {(), (f"label={kind}",)}
        assert {ledger.machine_class(campaign_id)} == classes[kind]
        (line,) = RoundBook(ledger).of_campaign(campaign_id)
        assert line.ended_as in {"refuted", "inconclusive"}, "a null patch gains nothing"
    with capsys.disabled():
        print(
            f"\none worker: {60 * ALONE / alone_s:.1f} campaigns a minute; four workers of two classes, one of them killed: "
            f"{60 * len(campaigns) / many_s:.1f} ({len(campaigns)} in {many_s:.0f} s)"
        )
