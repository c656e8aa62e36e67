"""Campaigns side by side on one lineage: agents think at once, runs are timed alone, one champion results."""

import os
import subprocess
import sys
from datetime import timedelta
from itertools import combinations

import pytest

from rsi.agent.store.git.lineage import Lineage
from rsi.agent.store.records import CampaignState, Step
from rsi.agent.store.round_book import RoundBook

FASTER = """
import math


def mean_loss(text, counts, letters, smoothing):
    print("fitting", flush=True)
    sums = {first: sum(counts[(first, second)] for second in letters) for first in letters}
    total = 0.0
    for position in range(len(text) - 1):
        first, second = text[position], text[position + 1]
        share = (counts[(first, second)] + smoothing) / (sums[first] + smoothing * len(letters))
        total += -math.log2(share)
    return total / (len(text) - 1)
"""
"""What it prints is kept in the ledger with the time, which shows when it ran."""
ENTRY = f"""[[round]]
[[round.turn]]
calls = [{{tool = "shell", arguments = {{command = "sleep 6"}}}}]
[[round.turn]]
calls = [{{tool = "write", arguments = {{path = "bigram/loss.py", content = '''{FASTER}'''}}}}]
[[round.turn]]
calls = [{{tool = "submit", arguments = {{hypothesis = "sum each row once", predicted_ratio = 2.5, risk = "none"}}}}]
"""


def span(ledger, round_id, step):
    """When a step was under way."""
    found = ledger.step_record(round_id, step)
    return found.started_at, found.started_at + timedelta(seconds=found.wall_s)


def run_spans(ledger, round_id):
    """From the first to the last word of each timed run of the candidate."""
    spans = []
    for stream in ledger.log_streams(round_id):
        times = [each.at for each in ledger.log(round_id, stream)]
        if "/candidate/" in stream and times:
            spans.append((min(times), max(times)))
    return spans


def meet(one, other):
    return one[0] < other[1] and other[0] < one[1]


@pytest.mark.slow
def test_two_campaigns_on_one_lineage_propose_at_once_are_timed_in_turn_and_promote_one(
    home, ledger, queue
):
    campaigns = [queue([ENTRY]) for _ in range(2)]
    (lineage_name,) = {ledger.campaign(each).lineage for each in campaigns}
    words = ["worker", "--exit-when-idle", "--concurrency", "2"]
    done = subprocess.run(
        [sys.executable, "-P", "-m", "rsi.agent.cli", *words],
        env=os.environ | {"RSI_HOME": str(home.root)},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    states = {ledger.campaign_summary(each).state for each in campaigns}
    assert states == {CampaignState.FINISHED}, done.stderr

    lines = [line for each in campaigns for line in RoundBook(ledger).of_campaign(each)]
    ids = [each.record.id for each in lines]
    assert meet(*(span(ledger, each, Step.PROPOSE) for each in ids)), "they proposed in turn"
    assert meet(*(span(ledger, each, Step.MEASURE) for each in ids)), "nothing was contended"
    timed = [run_spans(ledger, each) for each in ids]
    assert all(len(each) >= 2 and all(begun < ended for begun, ended in each) for each in timed)
    everything = [each for spans in timed for each in spans]
    assert not any(meet(one, other) for one, other in combinations(everything, 2))

    # Both were measured against the champion that they found; the second finds another one at its promotion.
    assert sorted(each.ended_as for each in lines) == ["promoted", "stale"], lines
    promoted, stale = sorted(lines, key=lambda each: each.ended_as)
    (promotion,) = ledger.promotions()
    assert promotion.round_id == promoted.record.id
    assert Lineage.open(home, lineage_name, create=False).champion() == promoted.commit
    report = ledger.step(stale.record.id, Step.REPORT).report
    assert (report.outcome, report.is_promoted) == ("stale", False)
    assert "champion" in stale.reason
