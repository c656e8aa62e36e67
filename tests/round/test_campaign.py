"""Whole campaigns on the toy task, through the real engine, ledger, git, sandbox and scripted model."""

import pytest

from rsi.agent.cli.entry import main
from rsi.agent.report.follow import Follower
from rsi.agent.report.tally import tally
from rsi.agent.store.config import Autonomy
from rsi.agent.store.git.lineage import Lineage
from rsi.agent.store.records import (
    CampaignEventKind,
    CampaignState,
    DecisionAction,
    RequestKind,
    Step,
    utc_now,
)
from rsi.agent.store.round_book import RoundBook
from rsi.agent.trust.rescoring import rescore_round

pytestmark = pytest.mark.slow


def test_a_campaign_promotes_gains_builds_on_them_and_stops_the_rest(
    home, ledger, queue, work, idea
):
    campaign_id = queue(
        [
            idea("01_null", predicted=1.0),
            idea("02_row_sums_once", predicted=2.5),
            idea("05_twice_the_grid", predicted=1.2),
            idea("03_score_pairs_not_positions", "04_count_in_c", predicted=1.7),
            idea("06_a_fortieth_of_the_text", predicted=5.0),
            idea("01_edits_the_entry", predicted=3.0),
            idea("04_not_a_number", predicted=3.0),
            idea("07_wrong_name", predicted=1.0),
        ]
    )
    status, log = work()
    assert status == 0, log
    assert ledger.campaign_summary(campaign_id).state is CampaignState.FINISHED
    lines = RoundBook(ledger).of_campaign(campaign_id)
    ended = [each.ended_as for each in lines]
    assert ended[0] in {"refuted", "inconclusive"}
    assert ended[1:] == [
        "promoted", "refuted", "promoted", "refuted", "not_admitted", "invalid_output", "crashed",
    ]  # fmt: skip
    found = tally(ledger, campaign_id)
    assert (found.promoted, found.cheats, found.cheats_caught) == (2, 2, 2)
    assert found.speedup is not None
    assert found.speedup.low > 1.0

    lineage = Lineage.open(home, ledger.campaign(campaign_id).lineage, create=False)
    history = [each.commit for each in lineage.history()]
    assert history == [lines[3].commit, lines[1].commit, lineage.baseline()]
    assert ledger.verify_chain().is_intact
    for each in lines:
        assert lineage.diff(each.record.champion_commit, each.commit)
        assert ledger.events(each.record.id)
    for each in rescore_round(ledger, lines[1].record.id, home):
        assert each.is_same


def test_a_person_decides_and_silence_never_approves(home, ledger, queue, start_worker, idea, gate):
    campaign_id = queue([idea("02_row_sums_once", predicted=2.5)], autonomy=Autonomy.PERSON)
    lineage_name = ledger.campaign(campaign_id).lineage
    with start_worker():
        case = gate.case(campaign_id)
        lineage = Lineage.open(home, lineage_name, create=False)
        assert lineage.champion() == lineage.baseline()
        gate.say(case, DecisionAction.APPROVE)
        assert gate.wait_for_end(campaign_id) is CampaignState.FINISHED
    assert lineage.champion() == case.commit
    (promotion,) = ledger.promotions(round_id=case.round_id)
    assert (promotion.actor, promotion.score_digest) == ("person:ada", case.score_digest)


def test_an_idea_that_failed_before_is_pointed_out_without_any_critic(
    ledger, queue, start_worker, idea, gate, capsys
):
    entry = idea("02_row_sums_once", predicted=2.5)
    campaign_id = queue([entry, entry], autonomy=Autonomy.PERSON)
    follower = Follower(ledger, campaign_id)
    with start_worker():
        first = gate.case(campaign_id)
        assert first.alike == ()
        gate.say(first, DecisionAction.REJECT, "not worth it")
        second = gate.case(campaign_id)
        (sentence,) = second.alike
        assert sentence.startswith(f"{first.round_id} tried nearly this (100% of words, 100% of")
        assert "ended rejected: not worth it" in sentence
        (told,) = [each for each in follower.news() if "tried nearly this" in each]
        assert told.startswith("round 2   critique  ok")
        assert main(["show", second.round_id]) == 0
        assert f"  tried before: {sentence}\n" in capsys.readouterr().out
        gate.say(second, DecisionAction.REJECT, "as before")
        assert gate.wait_for_end(campaign_id) is CampaignState.FINISHED


def test_a_candidate_sent_back_is_proposed_and_measured_again(
    home, ledger, queue, start_worker, idea, gate
):
    campaign_id = queue([idea("02_row_sums_once", predicted=2.5)], autonomy=Autonomy.PERSON)
    with start_worker():
        gate.say(gate.case(campaign_id), DecisionAction.REVISE, "say why the sums cannot change")
        again = gate.case(campaign_id, attempt=1)
        gate.say(again, DecisionAction.REJECT, "not worth it")
        gate.wait_for_end(campaign_id)
    (line,) = RoundBook(ledger).of_campaign(campaign_id)
    assert line.ended_as == "rejected"
    brief = ledger.step(again.round_id, Step.BRIEF, 1)
    assert brief.feedback == "say why the sums cannot change"
    assert len(ledger.measurements(again.round_id, attempt=1)) >= 6
    opened = ledger.step(again.round_id, Step.OPEN)
    assert opened.alpha_of(1) < opened.alpha_of(0)
    # The digest covers the error rate: scored with the first attempt's, the second would not come out the same.
    rescored = rescore_round(ledger, again.round_id, home)
    assert [each.purpose for each in rescored] == ["screen", "confirm"]
    assert all(each.is_same for each in rescored)


def test_a_stopped_campaign_ends_without_a_decision(ledger, queue, start_worker, idea, gate):
    campaign_id = queue([idea("02_row_sums_once", predicted=2.5)] * 2, autonomy=Autonomy.PERSON)
    with start_worker():
        gate.case(campaign_id)
        ledger.add_request(
            RequestKind.STOP, actor="person:ada", at=utc_now(), campaign_id=campaign_id
        )
        assert gate.wait_for_end(campaign_id) is CampaignState.STOPPED
    (line,) = RoundBook(ledger).of_campaign(campaign_id)
    assert line.ended_as == "stopped"
    assert not ledger.promotions()


def test_a_script_that_is_over_ends_its_campaign_in_a_plain_sentence(ledger, queue, work):
    campaign_id = queue(["[[round]]\ngive_up = 'nothing to gain'\n"], rounds=8)
    status, log = work()
    assert status == 0, log
    assert [each.number for each in ledger.rounds(campaign_id) if not each.is_control] == [1]
    last = ledger.campaign_events(campaign_id)[-1]
    assert (last.kind, last.reason) == (
        CampaignEventKind.FINISHED,
        "all rounds of the script are played",
    )
