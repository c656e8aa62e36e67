"""`--parallel 3` for real: a worker, the engine, sandboxes, and a kill while agents think."""

import os
import signal
import time

import pytest

from rsi.agent.report.activity import activity_of
from rsi.agent.store.git.lineage import Lineage
from rsi.agent.store.records import CampaignState, ChargeRole, RequestKind, Step, utc_now
from rsi.agent.store.round_book import RoundBook

ROW_SUMS = '''
import math


def mean_loss(text, counts, letters, smoothing):
    """Mean bits per letter of the text under the model."""
    sums = {first: sum(counts[(first, second)] for second in letters) for first in letters}
    total = 0.0
    for position in range(len(text) - 1):
        first, second = text[position], text[position + 1]
        share = (counts[(first, second)] + smoothing) / (sums[first] + smoothing * len(letters))
        total += -math.log2(share)
    return total / (len(text) - 1)
'''
QUICK_COUNT = '''
from collections import Counter


def count_pairs(text, letters):
    """How often each pair of letters occurs in the text."""
    counts = {(first, second): 0 for first in letters for second in letters}
    counts.update(Counter(zip(text, text[1:])))
    return counts
'''


def entry(path, content, *, pause_s):
    return f"""[[round]]
[[round.turn]]
calls = [{{tool = "shell", arguments = {{command = "sleep {pause_s}"}}}}]
[[round.turn]]
calls = [{{tool = "write", arguments = {{path = "{path}", content = '''{content}'''}}}}]
[[round.turn]]
calls = [{{tool = "submit", arguments = {{hypothesis = "quicker {path}", predicted_ratio = 1.5, risk = "none"}}}}]
"""


def thinking(ledger, campaign_id):
    """Rounds whose agent has begun and handed nothing in."""
    return [
        each.id
        for each in ledger.rounds(campaign_id)
        if ledger.event_count(each.id) and ledger.step_record(each.id, Step.PROPOSE) is None
    ]


@pytest.mark.exhaustive
def test_a_kill_while_three_think_costs_the_calls_in_flight_alone(
    ledger, home, queue, start_worker, until, work
):
    ideas = [
        entry("bigram/loss.py", ROW_SUMS, pause_s=3),
        entry("bigram/count.py", QUICK_COUNT, pause_s=3),
        entry("bigram/loss.py", ROW_SUMS.replace("share", "part"), pause_s=25),
    ]
    campaign_id = queue(ideas, parallel=3)
    with start_worker() as worker:
        until(lambda: len(thinking(ledger, campaign_id)) == 3 or None, 60)
        first, second, third = (each.id for each in ledger.rounds(campaign_id))
        until(lambda: thinking(ledger, campaign_id) == [third] or None, 60)
        said = activity_of(ledger, campaign_id).text
        os.kill(worker.pid, signal.SIGKILL)
        worker.wait(30)
    assert "1 agent thinks ahead" in said
    assert thinking(ledger, campaign_id) == [third]
    handed_in = {each: ledger.step(each, Step.PROPOSE) for each in (first, second)}
    paid = {each: calls(ledger, each) for each in (first, second)}

    assert work()[0] == 0
    assert ledger.campaign_summary(campaign_id).state is CampaignState.FINISHED
    ended = RoundBook(ledger).of_campaign(campaign_id)
    assert [each.ended_as for each in ended][::2] == ["promoted", "stale"], ended
    assert {each: ledger.step(each, Step.PROPOSE) for each in (first, second)} == handed_in
    assert {each: calls(ledger, each) for each in (first, second)} == paid, "nothing is paid twice"
    # The second is measured on what the first left, whatever it is worth there.
    lineage = Lineage.open(home, ledger.campaign(campaign_id).lineage, create=False)
    assert ended[1].parent == ended[0].commit
    assert lineage.champion() in {ended[0].commit, ended[1].commit}


def calls(ledger, round_id):
    return [each for each in ledger.charges(round_id=round_id) if each.role is ChargeRole.PROPOSER]


@pytest.mark.exhaustive
def test_a_pause_holds_all_agents_and_a_resume_lets_them_go_on(ledger, queue, start_worker, until):
    ideas = [entry("bigram/loss.py", ROW_SUMS, pause_s=4)] * 3
    campaign_id = queue(ideas, parallel=3)

    def ask(kind):
        ledger.add_request(kind, actor="person:ada", at=utc_now(), campaign_id=campaign_id)

    with start_worker():
        until(lambda: len(thinking(ledger, campaign_id)) == 3 or None, 60)
        ask(RequestKind.PAUSE)
        until(lambda: _is_quiet(ledger, campaign_id) or None, 60)
        ids = [each.id for each in ledger.rounds(campaign_id)]
        before = [ledger.event_count(each) for each in ids]
        time.sleep(6)  # an agent that nobody holds takes its next turn at once
        assert [ledger.event_count(each) for each in ids] == before, "somebody went on"
        assert all(ledger.step_record(each, Step.PROPOSE) is None for each in ids)
        ask(RequestKind.RESUME)
        until(lambda: all(ledger.step_record(each, Step.REPORT) for each in ids) or None, 240)
    assert sorted(each.ended_as for each in RoundBook(ledger).of_campaign(campaign_id)) == [
        "promoted",
        "stale",
        "stale",
    ]


def _is_quiet(ledger, campaign_id):
    """Whether every agent has its first answer, after which the pause holds it."""
    return all(
        any(each.kind.value == "tool_result" for each in ledger.events(round_.id))
        for round_ in ledger.rounds(campaign_id)
    )
