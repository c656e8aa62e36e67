"""A person's words reach a running campaign: messages, pause, resume, stop and other limits, at each phase."""

import time

import pytest
from tests.round.scripted_server import GPT, playing

from rsi.agent.cli.entry import main
from rsi.agent.store.config import Autonomy
from rsi.agent.store.records import (
    AgentRole,
    Asked,
    CampaignEventKind,
    CampaignState,
    DecisionAction,
    RequestKind,
    Step,
    utc_now,
)
from rsi.agent.store.round_book import RoundBook

LOOKS = """[[round]]
[[round.turn]]
calls = [{tool = "view", arguments = {path = "."}}]
[[round.turn]]
calls = [{tool = "view", arguments = {path = "run.py"}}]
[[round.turn]]
calls = [{tool = "view", arguments = {path = "PUBLIC.md"}}]
[[round.turn]]
calls = [{tool = "give_up", arguments = {reason = "nothing to gain"}}]
"""
STILL_S = 4.0
"""Long enough for several turns of the local provider, so that stillness means a pause."""


@pytest.fixture
def provider(tmp_path, ledger, monkeypatch):
    with playing(tmp_path, ledger, monkeypatch) as server:
        yield server


@pytest.fixture
def ask(ledger):
    def go(kind, campaign_id, **said):
        ledger.add_request(
            kind, actor="person:ada", at=utc_now(), campaign_id=campaign_id, payload=Asked(**said)
        )

    return go


def asking_at(number, ask, *requests):
    """Trouble that writes requests while the provider thinks about request `number`."""

    def trouble(now, _request):
        if now == number:
            for kind, campaign_id, payload in requests:
                ask(kind, campaign_id, **payload)

    return trouble


@pytest.mark.slow
def test_a_message_reaches_the_agent_at_its_next_turn_and_only_once(
    ledger, queue, work, provider, ask
):
    campaign_id = provider.campaign_id = queue([LOOKS], proposer=GPT)
    words = {"text": "look at PUBLIC.md first"}
    provider.trouble = asking_at(2, ask, (RequestKind.MESSAGE, campaign_id, words))
    status, log = work()
    assert status == 0, log
    heard = [words["text"] in str(each.body["messages"]) for each in provider.seen]
    assert heard == [False, False, True, True]
    assert str(provider.seen[-1].body["messages"]).count(words["text"]) == 1
    events = ledger.events(ledger.rounds(campaign_id)[0].id, AgentRole.PROPOSER)
    assert [e.payload["source"] for e in events if words["text"] in str(e.payload)] == ["person"]


@pytest.mark.slow
def test_a_paused_agent_makes_no_call_until_it_is_resumed_and_a_stopped_one_none_at_all(
    ledger, queue, provider, ask, start_worker, until, gate
):
    campaign_id = provider.campaign_id = queue([LOOKS, LOOKS], proposer=GPT)
    provider.trouble = asking_at(2, ask, (RequestKind.PAUSE, campaign_id, {}))
    with start_worker():
        until(lambda: len(provider.seen) >= 2 or None)
        time.sleep(STILL_S)
        assert len(provider.seen) == 2, "paused in the middle of a proposal"
        provider.trouble = asking_at(6, ask, (RequestKind.STOP, campaign_id, {}))
        ask(RequestKind.RESUME, campaign_id)
        assert gate.wait_for_end(campaign_id) is CampaignState.STOPPED
    assert len(provider.seen) == 6
    ended = [each.ended_as for each in RoundBook(ledger).of_campaign(campaign_id)]
    assert ended == ["gave_up", "stopped"]
    last = ledger.campaign_events(campaign_id)[-1]
    assert (last.kind, bool(last.reason)) == (CampaignEventKind.STOPPED, True)


@pytest.mark.slow
def test_a_pause_between_rounds_is_told_and_a_paused_campaign_can_be_stopped(
    ledger, queue, provider, ask, start_worker, until, gate
):
    campaign_id = provider.campaign_id = queue([LOOKS, LOOKS, LOOKS], proposer=GPT)
    provider.trouble = asking_at(4, ask, (RequestKind.PAUSE, campaign_id, {}))

    def state(wanted):
        return lambda: ledger.campaign_summary(campaign_id).state is wanted or None

    with start_worker():
        until(state(CampaignState.PAUSED))
        time.sleep(STILL_S)
        assert [each.number for each in ledger.rounds(campaign_id)] == [1]
        provider.trouble = asking_at(8, ask, (RequestKind.PAUSE, campaign_id, {}))
        ask(RequestKind.RESUME, campaign_id)
        until(lambda: len(provider.seen) >= 8 or None)
        until(state(CampaignState.PAUSED))
        ask(RequestKind.STOP, campaign_id)
        assert gate.wait_for_end(campaign_id) is CampaignState.STOPPED
    kinds = [each.kind for each in ledger.campaign_events(campaign_id)]
    assert kinds.count(CampaignEventKind.PAUSED) == 2
    assert kinds.count(CampaignEventKind.RESUMED) >= 1
    assert len(ledger.rounds(campaign_id)) == 2
    assert not ledger.requests(campaign_id=campaign_id), "everything asked is marked as heard"


@pytest.mark.slow
def test_a_stop_while_measuring_ends_the_round_without_a_verdict(
    ledger, queue, idea, ask, start_worker, until, gate
):
    campaign_id = queue([idea("02_row_sums_once", predicted=2.5)] * 2)

    def has_runs():
        rounds = ledger.rounds(campaign_id)
        return bool(rounds and ledger.measurements(rounds[0].id)) or None

    with start_worker():
        until(has_runs, timeout_s=180)
        ask(RequestKind.STOP, campaign_id)
        assert gate.wait_for_end(campaign_id) is CampaignState.STOPPED
    (line,) = RoundBook(ledger).of_campaign(campaign_id)
    assert line.ended_as == "stopped"
    assert ledger.step(line.record.id, Step.SCORE, 0) is None
    assert not ledger.promotions()


@pytest.mark.slow
def test_a_pause_while_measuring_holds_before_the_review_and_no_review_is_paid_after_a_stop(
    ledger, queue, idea, ask, start_worker, until, gate, provider
):
    campaign_id = queue([idea("02_row_sums_once", predicted=2.5)], reviewer=GPT)
    provider.campaign_id = campaign_id

    def has_runs():
        rounds = ledger.rounds(campaign_id)
        return bool(rounds and ledger.measurements(rounds[0].id)) or None

    with start_worker():
        until(has_runs)
        ask(RequestKind.PAUSE, campaign_id)
        until(lambda: ledger.campaign_summary(campaign_id).state is CampaignState.PAUSED or None)
        (record,) = ledger.rounds(campaign_id)
        assert ledger.step(record.id, Step.SCORE, 0).outcome == "supported"
        assert ledger.step(record.id, Step.REVIEW, 0) is None
        ask(RequestKind.STOP, campaign_id)
        assert gate.wait_for_end(campaign_id) is CampaignState.STOPPED
    (line,) = RoundBook(ledger).of_campaign(campaign_id)
    assert line.ended_as == "stopped"
    assert not provider.seen


@pytest.mark.slow
def test_a_decision_at_the_gate_of_a_paused_campaign_counts_and_no_round_follows(
    ledger, queue, idea, ask, start_worker, until, gate
):
    campaign_id = queue([idea("02_row_sums_once", predicted=2.5)] * 2, autonomy=Autonomy.PERSON)
    with start_worker():
        case = gate.case(campaign_id)
        ask(RequestKind.PAUSE, campaign_id)
        gate.say(case, DecisionAction.APPROVE)
        until(lambda: ledger.campaign_summary(campaign_id).state is CampaignState.PAUSED or None)
        assert ledger.promotions(round_id=case.round_id)
        assert len(ledger.rounds(campaign_id)) == 1
        ask(RequestKind.STOP, campaign_id)
        gate.wait_for_end(campaign_id)


@pytest.mark.slow
def test_a_changed_budget_binds_at_the_next_call_and_a_raised_one_lets_the_campaign_go_on(
    ledger, queue, work, provider, ask
):
    campaign_id = provider.campaign_id = queue([LOOKS] * 3, proposer=GPT, budget_usd=5.0)

    def trouble(number, _request):
        if number == 2:
            ask(RequestKind.BUDGET, campaign_id, limits={"budget_usd": 0.02})

    provider.trouble = trouble
    status, log = work()
    assert status == 0, log
    assert len(provider.seen) == 2
    ended = [each.ended_as for each in RoundBook(ledger).of_campaign(campaign_id)]
    assert ended == ["out_of_budget"]
    assert "usd" in str(ledger.campaign_events(campaign_id)[-1].reason)

    again = queue([LOOKS] * 2, proposer=GPT, budget_usd=0.02)
    provider.campaign_id, provider.trouble = again, lambda _number, _request: None
    assert main(["budget", again, "--usd", "0"]) != 0
    assert main(["budget", again, "--usd", "5"]) == 0
    status, log = work()
    assert status == 0, log
    assert [each.ended_as for each in RoundBook(ledger).of_campaign(again)] == [
        "gave_up",
        "gave_up",
    ]
    for each in (campaign_id, again):
        assert not ledger.requests(campaign_id=each), "a limit in force is not asked for any more"


@pytest.mark.slow
def test_at_level_0_each_candidate_is_measured_on_a_word_of_its_own_and_promoted_by_a_person(
    ledger, queue, idea, ask, start_worker, until, gate
):
    campaign_id = queue([idea("02_row_sums_once", predicted=2.5)] * 2, autonomy=Autonomy.EACH_RUN)

    def waiting(number):
        last = ledger.campaign_events(campaign_id)[-1]
        rounds = ledger.rounds(campaign_id)
        is_it = len(rounds) == number and last.kind is CampaignEventKind.PAUSED
        return rounds[-1].id if is_it else None

    with start_worker():
        first = until(lambda: waiting(1), timeout_s=60)
        last = ledger.campaign_events(campaign_id)[-1]
        assert f"round {first} waits for your word" in last.reason
        assert not ledger.measurements(first)
        ask(RequestKind.RESUME, campaign_id)
        gate.say(gate.case(campaign_id), DecisionAction.REJECT, "not now")
        second = until(lambda: waiting(2), timeout_s=60)
        assert ledger.measurements(first)
        assert not ledger.measurements(second)
        ask(RequestKind.STOP, campaign_id)
        assert gate.wait_for_end(campaign_id) is CampaignState.STOPPED
    assert not ledger.measurements(second)
    (decision,) = ledger.decisions(first)
    assert decision.actor.startswith("person:")
