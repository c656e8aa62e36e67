"""What models are told in a whole campaign: the same to all roles, true, and nothing of it three times."""

import json
import re
from collections import Counter

import pytest
from tests.round.scripted_server import GPT, playing

from rsi.agent.policy.settings import task_of
from rsi.agent.run.steps.briefing import machine_text
from rsi.agent.store.records import AgentRole, Step, TrajectoryKind
from rsi.agent.store.round_book import RoundBook
from rsi.evals.types import Arm, Purpose

WORDS_ALIKE = 9
"""Words in a row by which a text is known again."""
MOST_TIMES = 2


def told(ledger, round_id, role):
    """What a role was told at the beginning of each of its runs: system prompt, tools, brief."""
    runs = []
    for event in ledger.events(round_id, role):
        payload = event.payload
        if event.kind is TrajectoryKind.SYSTEM:
            runs.append(payload["system"] + "\n" + json.dumps(payload["tools"]))
        elif event.kind is TrajectoryKind.USER and payload["source"] == "brief":
            runs[-1] += "\n" + payload["text"]
    return runs


def repeated(text):
    """What is told more often than that; a diff says by its form what its file says."""
    text = re.sub(r'<(data-\w+) from="diff">.*?</\1>', "", text, flags=re.DOTALL)
    words = re.findall(r"\w+", text)
    runs = Counter(tuple(words[at : at + WORDS_ALIKE]) for at in range(len(words) - WORDS_ALIKE))
    return [
        " ".join(each)
        for each, times in runs.items()
        # Rows of figures are alike in form, not in what they say.
        if times > MOST_TIMES and sum(word.isalpha() for word in each) > WORDS_ALIKE / 2
    ]


@pytest.mark.slow
def test_author_critic_and_reviewer_are_told_the_same_truth_and_nothing_three_times(
    ledger, queue, work, idea, tmp_path, monkeypatch
):
    objection = '[round.critique]\nstance = "revise"\ntext = "Say which rows are summed."\n'
    entries = [idea("02_row_sums_once") + "measure = true\n" + objection, idea("07_wrong_name")]
    with playing(tmp_path, ledger, monkeypatch) as provider:
        campaign_id = queue(entries, proposer=GPT, critic=GPT, reviewer=GPT, budget_usd=500.0)
        provider.campaign_id = campaign_id
        status, log = work(timeout_s=900)
    assert status == 0, log
    first, second = RoundBook(ledger).of_campaign(campaign_id)
    assert (first.ended_as, second.ended_as) == ("promoted", "crashed")

    author, again = told(ledger, first.record.id, AgentRole.PROPOSER)
    critic, critic_again = told(ledger, first.record.id, AgentRole.CRITIC)
    (reviewer,) = told(ledger, first.record.id, AgentRole.REVIEWER)
    (later,) = told(ledger, second.record.id, AgentRole.PROPOSER)
    everything = (author, again, critic, critic_again, reviewer, later)
    assert [repeated(each) for each in everything] == [[]] * len(everything)

    brief = ledger.step(first.record.id, Step.BRIEF, 0)
    for text in (author, critic, reviewer):
        assert brief.decides in text
        assert brief.score_profile in text
        assert brief.machine in text
    assert brief.allowance in author
    assert brief.allowance in critic
    assert brief.machine == machine_text(task := task_of(ledger.campaign(campaign_id)))
    assert "own time" in brief.champion_run
    assert f"limit {task.profiles['smoke'].quality[0].limit:g}" in brief.champion_run
    assert (
        "Round 1 of at most 2 of this campaign.\nLeft of the campaign's dollars: $500.00 of $500."
        in author
    )
    measured = [
        each.payload["text"]
        for each in ledger.events(first.record.id, AgentRole.PROPOSER)
        if each.kind is TrajectoryKind.TOOL_RESULT and each.payload["tool"] == "measure"
    ]
    assert len(measured) == 2
    assert measured[0].splitlines()[1] in critic
    assert measured[1].splitlines()[1] in critic_again
    assert "Say which rows are summed." in critic_again
    assert "Say which rows are summed." not in critic

    promoted = ledger.measurements(first.record.id, Purpose.SCREEN, attempt=1)
    values = sorted(each.metric_value for each in promoted if each.arm is Arm.CANDIDATE)
    value = float(re.search(r"its fit_cpu was (\S+) s, the median", later)[1])
    assert values[0] * 0.999 <= value <= values[-1] * 1.001
    assert "result of 1 promoted change, commit " + first.commit[:12] in later
    assert "Round 2 of at most 2" in later
    spent = sum(each.actual_usd or 0.0 for each in ledger.charges(round_id=first.record.id))
    left = float(re.search(r"dollars: \$(\S+) of", later)[1])
    assert left == pytest.approx(500.0 - spent, abs=0.01)
    assert "- round 1 promoted" in later
