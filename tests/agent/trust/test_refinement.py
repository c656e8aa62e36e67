"""Refining against sampling: counted by attempt and token, with an interval, and called empty only where that is sure."""

import json
from dataclasses import replace

import pytest
from tests.facts import finished, left

from rsi.agent.cli.entry import main
from rsi.agent.llm.types import Usage
from rsi.agent.memory.refinement import Tried, compared, refinement_of
from rsi.agent.policy.settings import queue_campaign
from rsi.agent.store.records import RoundRecord, Step, round_id_of, utc_now
from rsi.agent.store.steps.values import Cost, Planted
from rsi.evals.planted.controls import ControlKind


@pytest.fixture
def tried(past):
    """Write down the attempts of one round: each a number of tokens and whether it came to the gate."""

    def go(*attempts, campaign=past.campaign, planted=None, model="scripted:demo"):
        number = len(past.ledger.rounds(campaign.id)) + 1
        round_id = round_id_of(campaign.id, number)
        past.ledger.add_round(
            RoundRecord(
                id=round_id, campaign_id=campaign.id, number=number, champion_commit=past.lineage.baseline(),
                created_at=utc_now(), is_control=planted is not None,
            )
        )  # fmt: skip
        past.ledger.add_step(finished(left(Step.OPEN, planted=planted), round_id=round_id))
        for attempt, (tokens, outcome) in enumerate(attempts):
            cost = Cost(usage=Usage(output_tokens=tokens))
            facts = [left(Step.PROPOSE, cost=cost, model=model)]
            facts += [left(Step.REVIEW, outcome)] if outcome else []
            for fact in facts:
                past.ledger.add_step(finished(fact, round_id=round_id, attempt=attempt))
        return round_id

    return go


def test_first_attempts_are_samples_and_later_ones_refine_them(past, tried):
    tried((1000, "ok"))
    tried((1000, None), (500, "held"))
    tried((2000, "refuted"), (500, None), (700, "rejected"))
    other = queue_campaign(
        past.ledger, past.task, profile="smoke", lineage="x",
        config=replace(past.campaign.config, proposer="anthropic:other", seed="ef" * 16),
    )  # fmt: skip
    tried((9000, "ok"), (9000, "ok"), campaign=other, model="anthropic:other")
    found = refinement_of(past.ledger, past.campaign)
    assert found.fresh == Tried(attempts=3, wins=1, tokens=4000)
    assert found.refined == Tried(attempts=3, wins=1, tokens=1700)
    assert found.ratio == pytest.approx(4000 / 1700)
    assert found.low < 1 < found.high
    assert not found.is_empty


def test_what_was_planted_is_no_idea_and_wins_nothing(past, tried):
    tried((1000, None))
    gain = Planted(kind=ControlKind.POSITIVE, name="02_row_sums_once", expect=(), after_round=0)
    tried((900, "ok"), planted=gain)
    assert refinement_of(past.ledger, past.campaign).fresh == Tried(attempts=1, wins=0, tokens=1000)


def test_a_change_that_was_put_onto_a_new_champion_was_not_refined(past, tried):
    round_id = tried((1000, "ok"), (0, "ok"), (700, "ok"))
    moved = left(Step.PROMOTE, "revise", old_commit="a", new_commit="b")
    past.ledger.add_step(finished(moved, round_id=round_id, attempt=0))
    found = refinement_of(past.ledger, past.campaign)
    assert found.fresh == Tried(attempts=1, wins=1, tokens=1000)
    assert found.refined == Tried(attempts=1, wins=1, tokens=700)


def test_each_models_attempts_are_its_own(past, tried):
    tried((1000, "ok"))
    tried((5000, "ok"), model="scripted:other")
    assert refinement_of(past.ledger, past.campaign).fresh == Tried(attempts=1, wins=1, tokens=1000)


def test_refining_is_empty_only_where_the_interval_says_so():
    few = compared(Tried(attempts=9, wins=3, tokens=9_000), Tried(attempts=9, wins=0, tokens=9_000))
    assert (few.ratio, few.is_empty) == (0.0, False)
    many = compared(
        Tried(attempts=99, wins=30, tokens=99_000), Tried(attempts=60, wins=4, tokens=99_000)
    )
    assert many.is_empty
    assert "EMPTY" in many.lines[-1]
    # The same counts for a tenth of the tokens are no worse than sampling.
    assert not compared(many.fresh, replace(many.refined, tokens=9_900)).is_empty
    # By hand: 4 of 34 wins, Clopper-Pearson 0.0330 to 0.2745 as odds.
    assert (many.low, many.high) == (
        pytest.approx(0.0341, abs=2e-4),
        pytest.approx(0.3784, abs=2e-3),
    )


@pytest.mark.parametrize(
    ("fresh", "refined", "said"),
    [
        ((3, 1, 100), (0, 0, 0), "no candidate was sent back"),
        ((3, 0, 100), (2, 0, 100), "nothing can be compared"),
        ((3, 1, 0), (2, 1, 0), "nothing can be compared"),
        ((3, 0, 100), (2, 2, 100), "nothing can be compared"),
    ],
)
def test_what_says_nothing_is_said_so(fresh, refined, said):
    names = ("attempts", "wins", "tokens")
    found = compared(*(Tried(**dict(zip(names, each, strict=True))) for each in (fresh, refined)))
    assert said in found.lines[-1]
    assert not found.is_empty


def test_the_verb_shows_it(past, tried, capsys):
    tried((1000, None), (500, "ok"))
    tried((1000, "ok"))
    main(["controls", past.campaign.id])
    assert "at equal tokens refining wins 4 times as often" in capsys.readouterr().out
    main(["controls", past.campaign.id, "--json"])
    assert json.loads(capsys.readouterr().out)["refinement"]["refined"]["wins"] == 1
