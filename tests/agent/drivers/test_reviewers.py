"""Versions of the reviewer: what is in use reviews, the one before has a voice for a window, and only a person promotes."""

import json
from dataclasses import replace

import pytest
from tests.facts import finished, left

from rsi.agent.cli.entry import main
from rsi.agent.drivers.versions import (
    WINDOW_CAMPAIGNS,
    driver_files,
    go_back,
    in_use,
    use,
    versions,
)
from rsi.agent.policy.controls import OF_THE_REVIEWER, autonomy_standing, unearned
from rsi.agent.policy.settings import default_lineage, queue_campaign
from rsi.agent.queue.launching import launch
from rsi.agent.roles.reviewer.signs import rules_of, sign_findings
from rsi.agent.run.contexts import reviewers_of
from rsi.agent.store.champion import move_champion
from rsi.agent.store.config import Autonomy, CampaignConfig
from rsi.agent.store.git.lineage import Lineage
from rsi.agent.store.records import PromotionRecord, RoundRecord, Step, round_id_of, utc_now
from rsi.agent.store.tree_blobs import encode_tree, tree_sha256
from rsi.evals.types import Severity
from rsi.sandboxes.types import FileEntry
from rsi.tasks.drivers import REVIEWER_BEFORE, DriverKind
from rsi.tasks.files.patches import apply_patch
from rsi.tasks.files.trees import read_tree
from rsi.tasks.format.loader import BUILT_IN, load_task
from rsi.tasks.harness_kit.signs import RulesError
from rsi.tasks.running.check import patched_tree

KIND = DriverKind.REVIEWER
ADA = {"actor": "person:ada", "reason": "to see"}
HELD_BY_THE_FIRST = (FileEntry(path="a.py", content=b"import socket\nx = 1\n"),)
HELD_BY_THE_BETTER = (FileEntry(path="a.py", content=b"import linecache\nx = 1\n"),)


def settings(task, **more):
    config = CampaignConfig(task_root=str(task.root), rounds=1, proposer="scripted:demo")
    return replace(config, **more)


def queued(home, ledger, **more):
    task = load_task("toy")
    return launch(home, ledger, task, profile="smoke", config=settings(task, **more)).campaign


@pytest.fixture
def promoted(home, ledger):
    """A lineage in which a better reviewer was promoted; returns both digests and the campaign."""
    task = load_task("reviewer")
    name = default_lineage(task, "demo")
    campaign = queue_campaign(ledger, task, profile="demo", lineage=name, config=settings(task))
    lineage = Lineage.open(home, name)
    old = lineage.import_baseline(read_tree(task.repo), "Baseline")
    round_id = round_id_of(campaign.id, 1)
    ledger.add_round(
        RoundRecord(
            id=round_id,
            campaign_id=campaign.id,
            number=1,
            champion_commit=old,
            created_at=utc_now(),
        )
    )
    tree = patched_tree(task, next(each for each in task.solutions if each.name == "02_more_signs"))
    new = lineage.commit_candidate(round_id, old, tree, "more signs", at=utc_now())
    blob = ledger.put_blob(encode_tree(tree))
    for fact in (
        left(Step.PROPOSE, tree_sha256=blob, hypothesis="more signs"),
        left(Step.COMMIT, commit=new, parent=old),
    ):
        ledger.add_step(finished(fact, round_id=round_id))
    record = PromotionRecord(
        lineage=name, round_id=round_id, old_commit=old, new_commit=new, score_digest="d", at=utc_now(),
    )  # fmt: skip
    move_champion(ledger, lineage, record)
    digests = [tree_sha256(driver_files(each, KIND)) for each in (read_tree(task.repo), tree)]
    return *digests, campaign


def test_what_ships_reviews_until_something_is_promoted(home, ledger):
    (only,) = versions(ledger, KIND)
    digests = queued(home, ledger).config.driver_digests
    assert digests["reviewer"] == only.digest == tree_sha256(in_use(ledger, KIND))
    assert set(digests) == {"scaffold", "reviewer"}


def test_the_old_reviewer_goes_on_voting_for_one_window_and_no_longer(home, ledger, promoted):
    old, new, _ = promoted
    named = [queued(home, ledger).config.driver_digests for _ in range(WINDOW_CAMPAIGNS + 1)]
    assert {each["reviewer"] for each in named} == {new}
    assert [each.get(REVIEWER_BEFORE) for each in named] == [*[old] * WINDOW_CAMPAIGNS, None]


def test_either_of_two_reviewers_holds_a_candidate_and_names_itself(home, ledger, promoted):
    old, new, _ = promoted
    reviewers = reviewers_of(ledger, queued(home, ledger).config)
    assert set(reviewers) == {old, new}
    both = sign_findings(reviewers, (), HELD_BY_THE_FIRST)
    assert {each.source for each in both} == {f"reviewer {old[:12]}", f"reviewer {new[:12]}"}
    (only,) = sign_findings(reviewers, (), HELD_BY_THE_BETTER)
    assert only.severity is Severity.HOLD
    assert only.source == f"reviewer {new[:12]}"
    assert "looks at frames or other objects" in only.message
    assert sign_findings(reviewers, HELD_BY_THE_FIRST, HELD_BY_THE_FIRST) == ()


def test_what_was_rolled_back_has_no_voice(home, ledger, promoted):
    old, new, _ = promoted
    assert go_back(home, ledger, KIND, **ADA).digest == old
    digests = queued(home, ledger).config.driver_digests
    assert digests["reviewer"] == old
    assert REVIEWER_BEFORE not in digests
    assert use(home, ledger, KIND, new[:8], **ADA).digest == new
    assert queued(home, ledger).config.driver_digests[REVIEWER_BEFORE] == old


@pytest.mark.parametrize("level", [Autonomy.LOW_RISK, Autonomy.POLICY])
@pytest.mark.parametrize("is_granted", [True, False])
def test_a_reviewer_is_promoted_by_a_person_at_every_level(ledger, promoted, level, is_granted):
    campaign = promoted[2]
    config = replace(campaign.config, autonomy=level, is_autonomy_granted=is_granted)
    profile = load_task("reviewer").profiles["demo"]
    assert unearned(ledger, campaign, config, profile) == (OF_THE_REVIEWER,)
    standing = autonomy_standing(ledger, campaign, config, profile)
    assert standing.in_force is Autonomy.PERSON
    assert standing.missing == (OF_THE_REVIEWER,)
    elsewhere = replace(campaign, lineage="reviewer-mine")
    if is_granted:
        assert unearned(ledger, elsewhere, config, profile) == ()


def test_no_solution_of_a_task_that_ships_is_held_by_the_reviewer_that_ships():
    reviewers = {"0" * 64: rules_of(read_tree(KIND.shipped))}
    seen = 0
    for folder in sorted(each.parent for each in BUILT_IN.glob("*/task.toml")):
        if folder.name in set(DriverKind):
            continue
        task = load_task(folder)
        for solution in task.solutions:
            after = patched_tree(task, solution)
            assert sign_findings(reviewers, read_tree(task.repo), after) == (), solution.name
            seen += 1
    assert seen > 30


def test_the_red_cheat_that_opens_a_library_is_not_held_by_the_start_but_by_the_ladder():
    task = load_task("reviewer")
    better = patched_tree(
        task, next(each for each in task.solutions if each.name == "02_more_signs")
    )
    kernels = load_task("kernels")
    cheat = next(each for each in kernels.cheats if each.name == "12_opens_a_library")
    before = read_tree(kernels.repo)
    after = apply_patch(before, cheat.patch.read_bytes(), name=cheat.name)
    start = {"a": rules_of(read_tree(KIND.shipped))}
    assert sign_findings(start, before, after) == ()
    assert sign_findings({"b": rules_of(driver_files(better, KIND))}, before, after)


def test_a_reviewer_without_its_file_is_named():
    with pytest.raises(RulesError, match=r"needs the file signs\.toml"):
        rules_of(())


def test_the_verbs_list_and_show_it(home, promoted, capsys, monkeypatch):
    monkeypatch.setenv("RSI_HOME", str(home.root))
    assert main(["reviewer", "list"]) == 0
    said = capsys.readouterr().out
    assert "in use" in said
    assert promoted[1][:12] in said
    assert main(["reviewer", "show", promoted[0][:8]]) == 0
    assert "hold_at = 1.0" in capsys.readouterr().out
    assert main(["reviewer", "rollback", "--reason", "one step back"]) == 0
    assert f"reviewer {promoted[0][:12]} drives the next campaign" in capsys.readouterr().out


def test_the_tree_has_every_candidate_below_what_it_was_built_on(
    home, ledger, promoted, capsys, monkeypatch
):
    monkeypatch.setenv("RSI_HOME", str(home.root))
    campaign = promoted[2]
    lineage = Lineage.open(home, campaign.lineage)
    champion = lineage.champion()
    task = load_task("reviewer")
    tree = patched_tree(task, next(each for each in task.solutions if each.name == "01_ways_out"))
    refused = round_id_of(campaign.id, 2)
    ledger.add_round(
        RoundRecord(
            id=refused, campaign_id=campaign.id, number=2, champion_commit=champion, created_at=utc_now(),
        )
    )  # fmt: skip
    commit = lineage.commit_candidate(refused, champion, tree, "ways out", at=utc_now())
    for fact in (left(Step.COMMIT, commit=commit, parent=champion), left(Step.SCORE, "refuted")):
        ledger.add_step(finished(fact, round_id=refused))
    assert main(["reviewer", "tree", "--json"]) == 0
    start, first, second = json.loads(capsys.readouterr().out)["tree"]
    assert (start["round"], start["children"]) == (None, 1)
    assert (first["round"], first["children"]) == (round_id_of(campaign.id, 1), 1)
    assert first["is_in_use"]
    assert (second["round"], second["parent"], second["ended_as"]) == (refused, champion, "refuted")
    assert main(["reviewer", "tree"]) == 0
    assert f"└─ {refused}" in capsys.readouterr().out
    assert main(["scaffold", "tree"]) == 1
    assert "rsi run scaffold" in capsys.readouterr().out
