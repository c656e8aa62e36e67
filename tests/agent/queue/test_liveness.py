"""A worker is judged by its process where that can be seen, and by its heartbeat elsewhere; names and clocks say nothing."""

import os
import subprocess
import sys
import time
from dataclasses import replace
from datetime import timedelta

import pytest

from rsi.agent.queue.liveness import (
    dead_workers,
    is_alive,
    live_workers,
    start_tick,
    this_place,
    this_worker,
)
from rsi.agent.store.records import utc_now

NOW = utc_now()
LONG_AGO = NOW - timedelta(hours=3)


@pytest.fixture
def here():
    return this_worker(NOW)


def test_a_process_that_is_seen_lives_however_long_it_was_silent(here):
    assert is_alive(replace(here, heartbeat_at=LONG_AGO), NOW)


def test_a_process_that_is_gone_is_dead_however_lately_it_beat(here):
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    gone = replace(here, pid=child.pid, start_tick=start_tick(child.pid))
    assert is_alive(gone, NOW)
    child.kill()
    deadline = time.monotonic() + 10
    while is_alive(gone, NOW):  # a zombie runs nothing
        assert time.monotonic() < deadline
    child.wait()
    assert not is_alive(gone, NOW)


def test_a_pid_that_another_process_has_by_now_is_not_the_worker(here):
    assert not is_alive(replace(here, start_tick=here.start_tick + 1), NOW)


@pytest.mark.parametrize(
    "elsewhere",
    [
        {"boot_id": "another kernel"},
        {"pid_namespace": "pid:[1]"},
        {"boot_id": "", "pid_namespace": "", "start_tick": None},
    ],
    ids=["another machine", "another container", "an older version"],
)
def test_elsewhere_the_heartbeat_counts_though_the_host_has_our_name(here, elsewhere):
    other = replace(here, pid=2**22 + 1, **elsewhere)
    for silent_s, is_there in ((1, True), (59, True), (61, False), (3600, False)):
        beat = replace(other, heartbeat_at=NOW - timedelta(seconds=silent_s))
        assert is_alive(beat, NOW) is is_there


@pytest.mark.parametrize("skew_s", [-86_400, -61, 61, 86_400])
def test_a_clock_that_is_wrong_kills_nobody_and_keeps_nobody_alive(ledger, here, skew_s):
    skewed = replace(
        here, boot_id="another kernel", heartbeat_at=utc_now() + timedelta(seconds=skew_s)
    )
    ledger.heartbeat(skewed)
    assert [each.id for each in live_workers(ledger)] == [here.id]
    ledger.heartbeat(skewed, at=ledger.now() - timedelta(seconds=61))
    assert not live_workers(ledger)
    assert [each.id for each in dead_workers(ledger)] == [here.id]


def test_no_two_workers_share_an_id(here):
    assert this_worker(NOW).id != here.id


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a PID namespace here")
def test_another_pid_namespace_is_another_place():
    program = "from rsi.agent.queue.liveness import this_place; print(this_place().pid_namespace)"
    done = subprocess.run(
        ["unshare", "-pf", "--mount-proc", sys.executable, "-c", program],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        pytest.skip(f"no namespaces here: {done.stderr.strip()}")
    assert done.stdout.strip() not in {"", this_place().pid_namespace}
