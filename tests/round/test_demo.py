"""`rsi demo` as a person without a terminal meets it: its last line, its report, and Ctrl-C."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from rsi.agent.store.config import Autonomy
from rsi.agent.store.records import DecisionAction
from rsi.agent.store.round_book import RoundBook
from rsi.tasks.format.loader import load_task

pytestmark = pytest.mark.slow

RATIO = r"\d+\.\d\dx \[\d+\.\d\d, \d+\.\d\d\]"
LAST_LINE = re.compile(
    r"promoted: \d+  refuted: \d+  inconclusive: \d+  invalid: \d+  cheats caught: (\d+)/(\d+)"
    rf"  speedup vs baseline: {RATIO}"
)


def start(home, backend_name):
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "rsi.agent.cli", "demo", "--task", "toy", "--profile", "smoke", "--plain",
         "--sandbox", backend_name],
        env=os.environ | {"RSI_HOME": str(home.root)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # A test run in the background of a shell has it ignored, and children inherit that.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )  # fmt: skip


def test_the_demo_ends_with_a_leaderboard_a_report_and_exactly_one_line(home, backend_name):
    process = start(home, backend_name)
    out, log = process.communicate(timeout=500)
    assert process.returncode == 0, log
    lines = out.splitlines()
    tally = LAST_LINE.fullmatch(lines[-1])
    assert tally, lines[-1]
    caught, planted = map(int, tally.groups())
    assert caught == planted >= 1
    (report,) = [line.removeprefix("report: ") for line in lines if line.startswith("report: ")]
    assert Path(report).read_text(encoding="utf-8").startswith("<!doctype html>")
    assert any("promoted" in line for line in lines[:-1])


def test_ctrl_c_keeps_the_campaign_and_leaves_no_worker(home, ledger, backend_name):
    process = start(home, backend_name)
    deadline = time.monotonic() + 100
    while not (workers := [each.pid for each in ledger.workers()]):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    time.sleep(1.0)  # it follows by now
    process.send_signal(signal.SIGINT)
    _, log = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "is kept and goes on with `rsi worker`" in log
    for pid in workers:
        assert not Path(f"/proc/{pid}").exists()
    (campaign,) = ledger.campaigns()
    assert campaign.state.value in {"queued", "running"}


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (DecisionAction.APPROVE, DecisionAction.REJECT),
        (DecisionAction.REJECT, DecisionAction.APPROVE),
        pytest.param(DecisionAction.APPROVE, DecisionAction.APPROVE, marks=pytest.mark.exhaustive),
        pytest.param(DecisionAction.REJECT, DecisionAction.REJECT, marks=pytest.mark.exhaustive),
    ],
)
def test_a_demo_goes_on_from_whatever_a_person_rejects(
    ledger, queue, start_worker, gate, until, first, second
):
    """The two gains of the toy's demo, decided in every way; with the first rejected another stands in."""
    text = (load_task("toy").root / "solutions" / "demo.toml").read_text(encoding="utf-8")
    entries = [f"[[round]]\n{each}" for each in text.split("[[round]]\n")[1:]]
    gains = [each for each in entries if "02_row_sums" in each or "03_score" in each]
    campaign_id = queue(gains, autonomy=Autonomy.PERSON)
    with start_worker():
        for number, action in enumerate((first, second)):

            def waiting(number=number):
                records = ledger.rounds(campaign_id)
                return gate.case_of(records[number]) if len(records) > number else None

            case = until(waiting)
            gate.say(case, action, reason="because")
        gate.wait_for_end(campaign_id)
    lines = RoundBook(ledger).of_campaign(campaign_id)
    words = {DecisionAction.APPROVE: "promoted", DecisionAction.REJECT: "rejected"}
    assert [each.ended_as for each in lines] == [words[first], words[second]]
    stands_in = lines[1].hypothesis.startswith("Without the sums")
    assert stands_in is (first is DecisionAction.REJECT)
