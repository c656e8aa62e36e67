"""The agenda: what comes next is ranked by gain per dollar, says why, yields to a lock, and is queued by its number."""

import json
import math
from collections import defaultdict

import pytest
from tests.facts import finished as done
from tests.facts import interval, left, score

from rsi.agent.cli.entry import EXIT_BAD_INPUT, main
from rsi.agent.policy.settings import queue_campaign
from rsi.agent.queue.launching import launch
from rsi.agent.roles.scaffold.loading import load_scaffold
from rsi.agent.store.config import Autonomy, CampaignConfig
from rsi.agent.store.events import CampaignEvent
from rsi.agent.store.records import (
    CampaignEventKind,
    DecisionAction,
    PromotionRecord,
    RoundRecord,
    Step,
    round_id_of,
    utc_now,
)
from rsi.agent.store.steps.values import Planted
from rsi.agent.trust.agenda import PRIOR_IDEAS, agenda
from rsi.evals.planted.controls import ControlKind
from rsi.tasks.format.loader import load_task


@pytest.fixture
def campaign(ledger):
    """A campaign that ended, with one idea for each speedup; None is an idea that was refuted."""

    tips = defaultdict(lambda: "a" * 40)

    def go(task, speedups, *, model="anthropic:m", wall_s=3600.0, ended=True, **settings):
        loaded = load_task(task)
        config = CampaignConfig(
            task_root=str(loaded.root),
            rounds=4,
            proposer=model,
            autonomy=Autonomy.POLICY,
            **settings,
        )
        record = queue_campaign(ledger, loaded, profile="smoke", lineage=f"{task}-x", config=config)
        for number, speedup in enumerate(speedups, start=1):
            idea(record, number, speedup, wall_s)
        if ended:
            ledger.add_campaign_event(
                CampaignEvent(campaign_id=record.id, kind=CampaignEventKind.FINISHED, at=utc_now())
            )
        return record

    def idea(record, number, speedup, wall_s):
        round_id = round_id_of(record.id, number)
        ledger.add_round(
            RoundRecord(
                id=round_id,
                campaign_id=record.id,
                number=number,
                champion_commit="a" * 40,
                created_at=utc_now(),
            )
        )
        verdict = "refuted" if speedup is None else "supported"
        effect = interval(0.9 if speedup is None else speedup)
        facts = [
            left(Step.OPEN),
            left(Step.COMMIT),
            left(Step.SCORE, verdict, score=score(effect=effect)),
        ]
        if speedup is not None:
            facts += [
                left(Step.DECIDE, DecisionAction.APPROVE, action=DecisionAction.APPROVE),
                left(Step.PROMOTE, "promoted"),
            ]
        for at, fact in enumerate([*facts, left(Step.REPORT)]):
            ledger.add_step(done(fact, round_id=round_id, wall_s=wall_s if at == 0 else 0.0))
        if speedup is not None:
            ledger.add_promotion(
                PromotionRecord(
                    lineage=record.lineage, round_id=round_id, old_commit=tips[record.lineage], new_commit=round_id.ljust(40, "0"),
                    score_digest="d", at=utc_now(), actor="policy:3",
                )
            )  # fmt: skip
            tips[record.lineage] = round_id.ljust(40, "0")

    return go


def test_the_expected_gain_is_the_mean_shrunk_towards_what_all_showed(ledger, campaign):
    campaign("toy", [2.0, None, None, 2.0])
    campaign("compiler", [None, None])
    by_task = {each.task: each for each in agenda(ledger)}
    toy, other = by_task["toy"], by_task["compiler"]
    gained = 2 * math.log(2)
    assert toy.expected_log_gain == pytest.approx(
        4 * (gained + PRIOR_IDEAS * gained / 6) / (4 + PRIOR_IDEAS)
    )
    assert other.expected_log_gain == pytest.approx(
        4 * (0 + PRIOR_IDEAS * gained / 6) / (2 + PRIOR_IDEAS)
    )
    assert toy.expected_usd == pytest.approx(4.0), "an hour an idea, a dollar an hour"
    assert "2 of the latest 4 ideas were promoted" in toy.reasons[0]


def test_what_gains_more_for_a_dollar_comes_first(ledger, campaign):
    campaign("toy", [2.0, None], wall_s=36_000.0)
    campaign("compiler", [1.5, None], wall_s=36.0)
    first, second = agenda(ledger)
    assert (first.task, second.task) == ("compiler", "toy")
    assert first.gain_per_usd > second.gain_per_usd
    cheap_hours = agenda(ledger, hour_usd=0.0)
    assert cheap_hours[0].task == "toy"


def test_a_lock_comes_last_whatever_it_gains_and_is_among_the_reasons(ledger, campaign):
    record = campaign("toy", [4.0, 4.0])
    campaign("compiler", [1.01, None])
    assert agenda(ledger)[0].task == "toy"
    round_id = f"{record.id}-c001"
    ledger.add_round(
        RoundRecord(
            id=round_id, campaign_id=record.id, number=-1, champion_commit="a" * 40, created_at=utc_now(),
            is_control=True,
        )
    )  # fmt: skip
    planted = Planted(kind=ControlKind.CHEAT, name="08_ships", expect=(), after_round=0)
    for fact in (
        left(Step.OPEN, planted=planted),
        left(Step.COMMIT),
        left(Step.REVIEW, score_digest="d"),
        left(Step.DECIDE, DecisionAction.REJECT, action=DecisionAction.REJECT),
        left(Step.REPORT),
    ):
        ledger.add_step(done(fact, round_id=round_id))
    *_, last = agenda(ledger)
    assert (last.task, last.is_locked) == ("toy", True)
    assert "locked" in last.reasons[-1]


def test_models_are_not_mixed_and_what_still_runs_does_not_count(ledger, campaign):
    campaign("toy", [2.0])
    campaign("toy", [None], model="scripted:demo")
    campaign("compiler", [3.0], ended=False)
    found = agenda(ledger)
    assert {each.model for each in found} == {"anthropic:m", "scripted:demo"}
    script = next(each for each in found if each.model == "scripted:demo")
    assert any("a script proposes" in each for each in script.reasons)


def test_the_verb_says_it_and_queues_what_a_person_chooses(home, ledger, campaign, capsys):
    old = campaign("toy", [2.0, None], model="scripted:demo", driver_digests={"scaffold": "0" * 64})
    assert main(["agenda", "--json"]) == 0
    (line,) = json.loads(capsys.readouterr().out)["agenda"]
    assert (line["number"], line["task"], line["rounds"]) == (1, "toy", 4)
    assert main(["agenda"]) == 0
    assert "rsi agenda --queue N" in capsys.readouterr().out
    assert main(["agenda", "--queue", "2"]) == EXIT_BAD_INPUT
    assert "no line of the agenda is 2, the last is 1" in capsys.readouterr().err
    assert {each.record.id for each in ledger.campaigns()} == {old.id}
    (chosen,) = agenda(ledger)
    queued = launch(
        home, ledger, load_task("toy"), profile=chosen.profile, config=chosen.config, lineage=chosen.lineage
    )  # fmt: skip
    again = queued.campaign.config
    assert again.driver_digests["scaffold"] == load_scaffold().digest, "the champion drives it"
    assert again.seed != old.config.seed
    assert (again.rounds, again.proposer) == (4, "scripted:demo")


def test_an_empty_notebook_proposes_nothing(ledger, capsys):
    assert main(["agenda"]) == 1
    assert "nothing is known" in capsys.readouterr().out
