"""A hard start: a lineage of its own from the strongest solution, and controls that still fit the task's own repo."""

from dataclasses import replace

import pytest

from rsi.agent.cli.parser import build_parser
from rsi.agent.cli.verbs.running import config_from
from rsi.agent.policy.settings import CampaignConfigError, check_config, default_lineage
from rsi.agent.run.contexts import open_campaign_context
from rsi.agent.store.round_book import RoundBook
from rsi.evals.planted.controls import ControlKind
from rsi.tasks.choices import Start
from rsi.tasks.errors import TaskError
from rsi.tasks.files.trees import read_tree
from rsi.tasks.format.loader import load_task
from rsi.tasks.running.check import patched_tree
from rsi.tasks.running.starts import start_tree, strongest

NULL = "[[round]]\ngive_up = 'no'\n"


@pytest.mark.parametrize(
    ("name", "solution"),
    [("lm_training_c", "05_attention_as_products"), ("kernels", "05_lists_of_owners"), ("compiler", "04_complete")],
)  # fmt: skip
def test_the_strongest_solution_stands_on_all_its_parents(name, solution):
    task = load_task(name)
    product, found = strongest(task)
    assert found.name == solution
    assert product > 20
    assert start_tree(task, Start.HARD) == patched_tree(task, found) != read_tree(task.repo)
    assert start_tree(task, Start.EASY) == read_tree(task.repo)


def test_without_a_solution_there_is_no_hard_start():
    task = replace(load_task("toy"), solutions=())
    with pytest.raises(TaskError, match="no hard start"):
        start_tree(task, Start.HARD)
    config = config_from(build_parser().parse_args(["run", "toy", "--start", "hard"]), "x")
    assert config.start is Start.HARD
    with pytest.raises(CampaignConfigError, match="--start easy"):
        check_config(config, task, "smoke")


def test_starts_share_no_champion():
    task = load_task("toy")
    names = {default_lineage(task, "smoke", each) for each in Start}
    assert len(names) == 2
    assert default_lineage(task, "smoke") in names


@pytest.mark.slow
def test_a_hard_lineage_begins_at_the_solution_and_its_controls_at_the_repo(home, ledger, queue):
    campaign = ledger.campaign(queue([NULL], start=Start.HARD, control_every=4))
    assert campaign.lineage.endswith("-hard")
    for _ in range(2):  # a second worker finds what the first made
        context = open_campaign_context(home, ledger, campaign)
        lineage, task = context.lineage, context.task
        assert lineage.tree(lineage.baseline()) == start_tree(task, Start.HARD)
        assert lineage.champion() == lineage.baseline()
        assert lineage.tree(context.repo_commit()) == read_tree(task.repo)
        assert context.repo_commit() != lineage.baseline()
    easy = open_campaign_context(home, ledger, ledger.campaign(queue([NULL])))
    assert easy.repo_commit() == easy.lineage.baseline()


@pytest.mark.exhaustive
def test_on_a_hard_start_cheats_are_planted_and_caught(ledger, queue, work):
    campaign_id = queue([NULL], start=Start.HARD, control_every=4)
    status, log = work()
    assert status == 0, log
    lines = RoundBook(ledger).of_campaign(campaign_id)
    planted = {each.planted.kind: each for each in lines if each.planted}
    assert planted[ControlKind.CHEAT].ended_as != "does_not_apply"
    assert planted[ControlKind.CHEAT].is_caught
    assert planted[ControlKind.NULL].ended_as in {"refuted", "inconclusive"}
