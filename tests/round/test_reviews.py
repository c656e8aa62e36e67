"""Critic and reviewer inside whole campaigns: what they say binds, and is kept."""

import math
import time

import pytest
from tests.agent.llm.servers import Say
from tests.round.scripted_server import GPT, playing

from rsi.agent.llm.types import ToolCall, Usage
from rsi.agent.policy.gate import GateError
from rsi.agent.store.config import Autonomy
from rsi.agent.store.records import ChargeRole, DecisionAction, Step
from rsi.agent.store.round_book import RoundBook
from rsi.agent.store.steps.facts import Critiqued, Proposed
from rsi.evals.types import Purpose
from rsi.tui.lines.evidence import vote_lines

GAIN = "02_row_sums_once"


def with_critique(entry, stance, text):
    return entry + f'[round.critique]\nstance = "{stance}"\ntext = "{text}"\n'


def with_finding(entry, severity):
    return entry + (
        f'[[round.finding]]\nrule = "doubtful"\nseverity = "{severity}"\nfile = "bigram/fit.py"\n'
        'line = 3\nmessage = "It may read what it should not."\n'
    )


@pytest.mark.slow
def test_the_critic_sends_a_candidate_back_once_and_withdraws_another_before_it_is_measured(
    ledger, queue, work, idea, tmp_path
):
    entries = [
        with_critique(idea("07_wrong_name"), "revise", "The name it calls does not exist."),
        with_critique(idea(GAIN), "withdraw", "Tried twice."),
    ]
    campaign_id = queue(entries, critic=f"scripted:{tmp_path / 'script.toml'}")
    status, log = work(timeout_s=900)
    assert status == 0, log
    first, second = RoundBook(ledger).of_campaign(campaign_id)
    assert [first.ended_as, second.ended_as] == ["crashed", "withdrawn"]
    steps = ledger.steps(first.record.id)
    said = [each for each in steps if each.step is Step.CRITIQUE]
    assert [(each.attempt, each.outcome) for each in said] == [(0, "revise"), (1, "ok")]
    assert all("does not exist" in each.fact.text for each in said)
    brief = ledger.step(first.record.id, Step.BRIEF, 1)
    assert "does not exist" in brief.critique
    assert [e.attempt for e in steps if e.step is Step.MEASURE] == [1]
    assert not ledger.measurements(second.record.id)
    costs = [each.fact.cost for each in steps if isinstance(each.fact, (Proposed, Critiqued))]
    assert len(costs) == 4, "two attempts, each proposed and criticised"
    assert first.report.cost.calls == sum(each.calls for each in costs)
    assert first.report.cost.usage == sum((each.usage for each in costs), start=Usage())
    kept = ledger.step(second.record.id, Step.CRITIQUE, 0)
    assert kept.text == "Tried twice."


@pytest.mark.slow
def test_a_block_rejects_a_hold_waits_for_a_person_and_silence_promotes(
    ledger, queue, idea, tmp_path, start_worker, gate
):
    entries = [with_finding(idea(GAIN), "block"), with_finding(idea(GAIN), "hold"), idea(GAIN)]
    campaign_id = queue(
        entries,
        reviewer=f"scripted:{tmp_path / 'script.toml'}",
        autonomy=Autonomy.LOW_RISK,
    )
    with start_worker():
        case = gate.case(campaign_id)
        blocked, held = RoundBook(ledger).of_campaign(campaign_id)
        assert blocked.ended_as == "rejected"
        assert not ledger.decisions(blocked.record.id), "a block needs nobody's decision"
        assert case.round_id == held.record.id
        assert any("doubtful" in each for each in case.held_by)
        assert not ledger.promotions()
        with pytest.raises(GateError, match="reason"):
            gate.say(case, DecisionAction.APPROVE)
        gate.say(case, DecisionAction.REJECT, "the doubt stands")
        gate.wait_for_end(campaign_id)
    ended = [each.ended_as for each in RoundBook(ledger).of_campaign(campaign_id)]
    assert ended == ["rejected", "rejected", "promoted"]
    (finding,) = ledger.step(blocked.record.id, Step.REVIEW, 0).findings
    assert (finding.severity, finding.file, finding.line) == ("block", "bigram/fit.py", 3)


@pytest.mark.slow
def test_three_votes_that_disagree_are_shown_and_every_role_pays_from_one_budget_guard(
    ledger, queue, work, idea, tmp_path, monkeypatch
):
    votes = ["block", "hold", None]

    def vote(_number, request):
        if "report" not in {tool.name for tool in request.tools}:
            return None
        severity = votes.pop(0)
        finding = {"rule": "doubtful", "severity": severity, "message": f"A {severity}."}
        call = ToolCall(
            id="v", name="report", arguments={"findings": [finding] if severity else []}
        )
        return Say(blocks=(call,))

    with playing(tmp_path, ledger, monkeypatch) as provider:
        provider.trouble = vote
        campaign_id = queue(
            [idea(GAIN)], proposer=GPT, critic=GPT, reviewer=GPT, review_votes=3, budget_usd=5.0
        )
        provider.campaign_id = campaign_id
        status, log = work(timeout_s=900)
    assert status == 0, log
    (line,) = RoundBook(ledger).of_campaign(campaign_id)
    assert line.ended_as == "rejected"
    review = ledger.step(line.record.id, Step.REVIEW, 0)
    assert review.outcome == "held", "one block of three is a hold, not a verdict"
    shown = review.votes
    assert [each.worst for each in shown] == ["block", "hold", None]
    assert len({each.voter for each in shown}) == 3
    assert review.agreement == pytest.approx(1 / 3)
    assert "1 of 3 votes block" in review.panel
    at_the_gate = ["".join(text for text, _ in each) for each in vote_lines(review)]
    assert "1 of 3 votes block" in at_the_gate[0]
    assert [each.split()[-2:] for each in at_the_gate[1:3]] == [
        ["block", "doubtful"],
        ["hold", "doubtful"],
    ]

    charges = ledger.charges(campaign_id)
    by_role = {role: each.spent_usd for role, each in ledger.spend(campaign_id).items()}
    roles = (ChargeRole.PROPOSER, ChargeRole.CRITIC, ChargeRole.REVIEWER)
    assert all(by_role[role] > 0 for role in roles)
    total = math.fsum(each.actual_usd for each in charges)
    assert math.fsum(by_role.values()) == pytest.approx(total)
    calls = [each for each in charges if each.role is not ChargeRole.DEVICE]
    assert len(calls) == len(provider.seen)
    assert sum(each.role is ChargeRole.REVIEWER for each in calls) == 3
    recorded = math.fsum(each.cost_usd or 0.0 for each in ledger.events(line.record.id))
    assert recorded == pytest.approx(total), "the trajectories tell the same sum"
    cost = line.report.cost
    assert (cost.usd, cost.calls) == (pytest.approx(total), len(calls))
    assert cost.wall_s > 0


@pytest.mark.slow
def test_the_reviewer_is_asked_while_the_gain_is_confirmed_and_its_block_ends_the_runs(
    ledger, queue, work, idea, tmp_path, monkeypatch
):
    """The reviewer answers only when it has seen a fresh run, which nobody made before it had answered."""
    seen_runs = []

    def vote(_number, request):
        if "report" not in {tool.name for tool in request.tools}:
            return None
        deadline = time.monotonic() + 60
        round_id = ledger.rounds(provider.campaign_id)[-1].id
        while time.monotonic() < deadline and not ledger.measurements(round_id, Purpose.CONFIRM):
            time.sleep(0.05)
        seen_runs.append(len(ledger.measurements(round_id, Purpose.CONFIRM)))
        severity = "block" if len(seen_runs) == 1 else "note"
        finding = {"rule": "doubtful", "severity": severity, "message": "It may cheat."}
        return Say(blocks=(ToolCall(id="v", name="report", arguments={"findings": [finding]}),))

    with playing(tmp_path, ledger, monkeypatch) as provider:
        provider.trouble = vote
        campaign_id = queue([idea(GAIN)] * 2, reviewer=GPT, budget_usd=50.0)
        provider.campaign_id = campaign_id
        status, log = work(timeout_s=300)
    assert status == 0, log
    assert len(seen_runs) == 2
    assert min(seen_runs) > 0
    first, second = RoundBook(ledger).of_campaign(campaign_id)
    assert [first.ended_as, second.ended_as] == ["rejected", "promoted"]
    blocked = ledger.step(first.record.id, Step.REVIEW, 0)
    assert (blocked.outcome, blocked.confirm) == ("rejected", None)
    whole = len(ledger.measurements(second.record.id, Purpose.CONFIRM))
    assert 0 < len(ledger.measurements(first.record.id, Purpose.CONFIRM)) <= whole
