"""The inbox: doubts order what waits, the most different of a batch is on top, and a decision's time is a person's own."""

import json
from dataclasses import replace
from datetime import timedelta

import pytest
from tests.agent.report.rounds import AT, BEFORE, interval, score, view
from tests.facts import left
from tests.tui.ledgers import IDEAS, Idea, Sample

from rsi.agent.cli.entry import main
from rsi.agent.memory.inbox import decision_times, doubts, low_risk
from rsi.agent.store.records import DecisionAction, DecisionRecord, Step, StepOutcome
from rsi.agent.store.steps.facts import Scored
from rsi.evals.types import Finding, Severity


def waiting(name, hypothesis, *, held_by=(), findings=()):
    found = view(
        *BEFORE,
        left(Step.PROPOSE, hypothesis=hypothesis),
        Scored(outcome=StepOutcome.SUPPORTED, score=score(effect=interval(1.1, 1.2, 1.3))),
        left(Step.REVIEW, "held" if held_by else "ok", held_by=held_by, findings=findings, score_digest="d"),
    )  # fmt: skip
    return replace(found, record=replace(found.record, id=name))


DOUBT = Finding(rule="x", severity=Severity.NOTE, file=None, line=None, message="m", source="rules")


def test_the_most_different_of_the_low_risk_comes_first_and_doubts_are_left_out():
    alike = [waiting(f"r{n}", f"draw the batch with {word} gather") for n, word in enumerate(("one", "a single", "some"))]  # fmt: skip
    other = waiting("odd", "fuse the optimizer step")
    doubtful = waiting("held", "forge the clock", held_by=("a finding",))
    noted = waiting("noted", "sleep", findings=(DOUBT,))
    batch = low_risk([*alike, doubtful, other, noted])
    assert batch[0].view.id == "odd"
    assert {each.view.id for each in batch} == {"r0", "r1", "r2", "odd"}
    assert batch[0].difference > batch[1].difference
    assert (doubts(doubtful), doubts(noted), doubts(other)) == (2, 1, 0)


def test_one_alone_differs_from_nothing():
    (only,) = low_risk([waiting("r", "x")])
    assert only.difference is None
    assert low_risk([]) == ()


def said(round_id, minutes, actor="person:ada"):
    return DecisionRecord(
        round_id=round_id, action=DecisionAction.REJECT, actor=actor, reason="no", commit="c", score_digest="d",
        at=AT + timedelta(minutes=minutes),
    )  # fmt: skip


def at(round_id, minutes):
    return round_id, AT + timedelta(minutes=minutes)


def test_a_decision_is_timed_from_when_candidate_and_person_were_free():
    came = [at("a", 0), at("b", 0), at("c", 0)]
    found = decision_times([said("a", 10), said("b", 12), said("c", 15)], came)
    assert (found.decisions, found.median_s, found.total_s) == (3, 180.0, 900.0)
    two = decision_times([said("a", 10), said("b", 12, "person:bob")], came)
    assert two.total_s == pytest.approx((10 + 12) * 60), "bob was free from the start"


def test_what_policy_decided_or_nobody_saw_come_takes_nobody_time():
    found = decision_times([said("a", 10, "policy:3"), said("b", 5)], [at("a", 0)])
    assert (found.decisions, found.median_s) == (0, None)


def test_what_was_sent_back_is_timed_from_when_it_came_again():
    found = decision_times([said("a", 5), said("a", 65)], [at("a", 0), at("a", 60)])
    assert found.total_s == pytest.approx((5 + 5) * 60)


def test_the_verb_lists_what_waits_as_the_gate_does_and_says_what_a_decision_took(
    tmp_path, capsys, monkeypatch
):
    made = Sample(tmp_path / "home")
    made.play(made.campaign())  # ada approved one after 90 s; one with a finding waits
    for number, ratio in enumerate((1.1, 1.4)):
        idea = Idea(title="x", ends="gate", ratio=ratio, files=IDEAS[1].files)
        made.play(made.campaign(f"c1121-000{number}"), (idea,))
    made.ledger.close()
    monkeypatch.setenv("RSI_HOME", str(tmp_path / "home"))
    assert main(["queue", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["waiting"] == ["c1121-0001-0001", "c1121-0000-0001", "c1120-4f2a-0005"]
    assert told["decision_times"]["decisions"] == 1
    assert main(["queue"]) == 0
    assert "a decision took a person 90 s (median of 1)" in capsys.readouterr().out
