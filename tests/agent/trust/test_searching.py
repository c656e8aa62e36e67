"""The plan of a round, out of what the rounds before it left in the ledger."""

from dataclasses import replace
from types import SimpleNamespace

import pytest
from tests.facts import finished, halted, left, score

from rsi.agent.policy.rollbacks import roll_back
from rsi.agent.policy.settings import queue_campaign
from rsi.agent.run.steps.searching import plan_round
from rsi.agent.store.events import CampaignEvent
from rsi.agent.store.git.lineage import Lineage
from rsi.agent.store.home import Home
from rsi.agent.store.records import CampaignEventKind, RoundRecord, Step, round_id_of, utc_now
from rsi.tasks.files.trees import read_tree

DEAD, LIVING = "scripted:dead", "scripted:living"


def test_a_model_whose_first_proposal_failed_on_our_side_counts_as_tried(past):
    config = past.campaign.config
    campaign_context = SimpleNamespace(
        ledger=past.ledger,
        lineage=past.lineage,
        record=past.campaign,
        config=replace(config, proposer=DEAD, other_proposers=(LIVING,)),
    )
    baseline = past.lineage.baseline()
    first = plan_round(campaign_context, 1, baseline)
    assert first.model == DEAD
    round_id = round_id_of(past.campaign.id, 1)
    past.ledger.add_round(
        RoundRecord(
            id=round_id,
            campaign_id=past.campaign.id,
            number=1,
            champion_commit=baseline,
            created_at=utc_now(),
        )
    )
    for fact in (
        left(Step.OPEN, plan=first),
        halted(Step.PROPOSE, "harness_error", "401"),
        halted(Step.REPORT, "harness_error", "401"),
    ):
        past.ledger.add_step(finished(fact, round_id=round_id))
    assert plan_round(campaign_context, 2, baseline).model == LIVING


@pytest.fixture
def later(past):
    """What `plan_round` reads of a second campaign on the lineage, queued and begun now, under an open-ended search."""

    def begin(strategy="open_ended"):
        record = queue_campaign(
            past.ledger, past.task, profile="smoke", lineage="past",
            config=replace(past.campaign.config, strategy=strategy),
        )  # fmt: skip
        started = CampaignEvent(campaign_id=record.id, kind=CampaignEventKind.STARTED, at=utc_now())
        past.ledger.add_campaign_event(started)
        return record

    return begin


def planned(past, record, *, draws=40):
    """Parents that a campaign's first round may get, over many seeds."""
    plans = []
    for draw in range(draws):
        context = SimpleNamespace(
            ledger=past.ledger,
            lineage=past.lineage,
            record=record,
            config=replace(record.config, seed=f"{draw:08x}" + "0" * 24),
        )
        plans.append(plan_round(context, 1, past.lineage.champion()))
    return {each.parent for each in plans}


def measured(past, patch, *, ended="refuted"):
    """A finished round of the first campaign with an effect; the candidate's commit."""
    number = len(past.ledger.rounds(past.campaign.id)) + 1
    round_id = round_id_of(past.campaign.id, number)
    past.ledger.add_round(
        RoundRecord(
            id=round_id, campaign_id=past.campaign.id, number=number,
            champion_commit=past.lineage.baseline(), created_at=utc_now(),
        )
    )  # fmt: skip
    commit = past.commit(round_id, patch)
    for fact in (
        left(Step.OPEN),
        left(Step.COMMIT, commit=commit, parent=past.lineage.baseline()),
        left(Step.SCORE, ended, score=score()),
        left(Step.REPORT),
    ):
        past.ledger.add_step(finished(fact, round_id=round_id, started_at=utc_now()))
    return commit


def test_an_open_ended_search_may_build_on_what_an_earlier_campaign_left(past, later):
    tried = measured(past, "02_row_sums_once", ended="inconclusive")
    assert planned(past, later()) == {past.lineage.baseline(), tried}
    assert planned(past, later("greedy")) == {past.lineage.baseline()}
    assert planned(past, later("tree")) == {past.lineage.baseline()}, "a tree is one campaign's"


def test_what_ends_after_a_campaign_began_changes_none_of_its_plans(past, later):
    record = later()
    measured(past, "02_row_sums_once")
    assert planned(past, record) == {past.lineage.baseline()}


def test_nothing_is_built_on_what_an_earlier_campaign_rolled_back(past, later):
    tried = measured(past, "02_row_sums_once")
    (opened,) = past.ledger.rounds(past.campaign.id)
    base = past.lineage.baseline()
    past._promote(opened.id, base, tried)
    assert planned(past, later()) == {base, tried}
    roll_back(past.ledger, past.lineage, base, actor="person:ada", reason="it cheats")
    assert planned(past, later()) == {base}


def test_a_candidate_that_only_another_home_holds_is_no_parent_here(past, later, tmp_path):
    measured(past, "02_row_sums_once")
    record = later()
    (tmp_path / "elsewhere" / "lineages").mkdir(parents=True)
    elsewhere = Lineage.open(Home(root=tmp_path / "elsewhere"), "past")
    elsewhere.import_baseline(read_tree(past.task.repo), "Baseline")
    past.lineage = elsewhere
    assert planned(past, record) == {elsewhere.baseline()}
