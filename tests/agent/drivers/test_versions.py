"""Versions of a scaffold: what drives a campaign is kept whole, moves are recorded, and nothing is lost on the way back."""

import json
import shutil
from dataclasses import replace

import pytest
from tests.facts import finished, left

from rsi.agent.cli.entry import EXIT_BAD_INPUT, EXIT_NOT_FOUND, main
from rsi.agent.drivers.versions import (
    DriverError,
    driver_files,
    go_back,
    in_use,
    use,
    versions,
)
from rsi.agent.errors import LineageBehindError, UnknownRecordError
from rsi.agent.policy.rollbacks import RollbackError, rolled_back
from rsi.agent.policy.settings import default_lineage, queue_campaign
from rsi.agent.queue.launching import launch
from rsi.agent.roles.scaffold.loading import DEFAULT, load_scaffold
from rsi.agent.run.contexts import scaffold_of
from rsi.agent.store.champion import move_champion
from rsi.agent.store.config import CampaignConfig
from rsi.agent.store.git.lineage import Lineage
from rsi.agent.store.records import PromotionRecord, RoundRecord, Step, round_id_of, utc_now
from rsi.agent.store.tree_blobs import encode_tree, tree_sha256
from rsi.tasks.drivers import DriverKind, driver_of
from rsi.tasks.files.trees import read_tree
from rsi.tasks.format.loader import load_task
from rsi.tasks.running.check import patched_tree

KIND = DriverKind.SCAFFOLD
ADA = {"actor": "person:ada", "reason": "to see"}
STEPS = ("01_no_repeats", "02_screen", "03_tree")


@pytest.fixture
def promoted(home, ledger):
    """A lineage of scaffolds with three promotions; returns their digests, the start's first."""
    task = load_task("scaffold")
    config = CampaignConfig(task_root=str(task.root), rounds=3, proposer="scripted:demo")
    name = default_lineage(task, "demo")
    campaign = queue_campaign(ledger, task, profile="demo", lineage=name, config=config)
    lineage = Lineage.open(home, name)
    old = lineage.import_baseline(read_tree(task.repo), "Baseline")
    digests = [tree_sha256(driver_files(lineage.tree(old), KIND))]
    for number, step in enumerate(STEPS, start=1):
        round_id = round_id_of(campaign.id, number)
        ledger.add_round(
            RoundRecord(
                id=round_id,
                campaign_id=campaign.id,
                number=number,
                champion_commit=old,
                created_at=utc_now(),
            )
        )
        solution = next(each for each in task.solutions if each.name == step)
        tree = patched_tree(task, solution)
        new = lineage.commit_candidate(round_id, old, tree, step, at=utc_now())
        blob = ledger.put_blob(encode_tree(tree))
        for fact in (
            left(Step.PROPOSE, tree_sha256=blob, hypothesis=step),
            left(Step.COMMIT, commit=new, parent=old),
        ):
            ledger.add_step(finished(fact, round_id=round_id))
        record = PromotionRecord(
            lineage=name, round_id=round_id, old_commit=old, new_commit=new, score_digest="d", at=utc_now(),
        )  # fmt: skip
        move_champion(ledger, lineage, record)
        digests.append(tree_sha256(driver_files(tree, KIND)))
        old = new
    return digests


def queued(home, ledger, **settings):
    task = load_task("toy")
    config = CampaignConfig(task_root=str(task.root), rounds=1, proposer="scripted:demo")
    config = replace(config, **settings)
    return launch(home, ledger, task, profile="smoke", config=config).campaign


def used(home, ledger):
    return [each.digest for each in versions(ledger, KIND) if each.is_in_use]


def test_what_ships_is_in_use_until_something_is_promoted(home, ledger):
    (only,) = versions(ledger, KIND)
    assert only.is_in_use
    assert only.digest == load_scaffold().digest == tree_sha256(in_use(ledger, KIND))
    with pytest.raises(DriverError, match="nothing to go back to"):
        go_back(home, ledger, KIND, **ADA)


def test_a_campaign_names_the_champion_and_is_driven_by_it_whatever_becomes_of_it(
    home, ledger, promoted
):
    campaign = queued(home, ledger, strategy="")
    assert campaign.config.driver_digests["scaffold"] == promoted[3]
    assert campaign.config.strategy == "tree:temperature=0.01"
    go_back(home, ledger, KIND, **ADA)
    shutil.rmtree(home.lineages / f"{KIND.lineage}.git")
    scaffold = scaffold_of(ledger, ledger.campaign(campaign.id).config)
    assert scaffold.digest == promoted[3]
    assert scaffold.is_repeat_withdrawn
    assert scaffold.screening.pairs == 1


def test_another_machine_that_shares_the_ledger_is_driven_by_the_same_version(
    home, ledger, promoted
):
    shutil.rmtree(home.lineages / f"{KIND.lineage}.git")
    assert queued(home, ledger).config.driver_digests["scaffold"] == promoted[3]
    assert [each.digest for each in versions(ledger, KIND)] == promoted
    with pytest.raises(LineageBehindError, match="another machine"):
        go_back(home, ledger, KIND, **ADA)


def test_going_back_takes_one_step_each_time_and_use_goes_anywhere(home, ledger, promoted):
    assert used(home, ledger) == [promoted[3]]
    assert go_back(home, ledger, KIND, **ADA).digest == promoted[2]
    assert go_back(home, ledger, KIND, **ADA).digest == promoted[1]
    assert use(home, ledger, KIND, promoted[3][:8], **ADA).digest == promoted[3]
    assert used(home, ledger) == [promoted[3]]
    assert use(home, ledger, KIND, promoted[0], **ADA).digest == promoted[0]
    assert used(home, ledger) == [promoted[0]]
    found = versions(ledger, KIND)
    assert [each.digest for each in found] == promoted
    assert [each.parent for each in found] == [None, *promoted[:3]]
    assert ledger.verify_chain().is_intact


def test_what_is_used_again_counts_as_rolled_back_no_more(home, ledger, promoted):
    lineage = Lineage.open(home, KIND.lineage, create=False)
    use(home, ledger, KIND, promoted[1], **ADA)
    assert len(rolled_back(lineage, ledger.promotions(KIND.lineage))) == 2
    use(home, ledger, KIND, promoted[3], **ADA)
    assert rolled_back(lineage, ledger.promotions(KIND.lineage)) == {}


def test_a_move_needs_a_reason_and_a_version_that_there_is(home, ledger, promoted):
    with pytest.raises(DriverError, match="in use already"):
        use(home, ledger, KIND, promoted[3], **ADA)
    with pytest.raises(DriverError, match="needs a reason"):
        use(home, ledger, KIND, promoted[1], actor="person:ada", reason=" ")
    with pytest.raises(RollbackError, match="needs a reason"):
        go_back(home, ledger, KIND, actor="person:ada", reason="")
    for word in ("", "abc", "ffffffff"):
        with pytest.raises(UnknownRecordError, match="of 4 versions"):
            use(home, ledger, KIND, word, **ADA)
    assert used(home, ledger) == [promoted[3]]


def test_a_folder_drives_one_campaign_and_its_strategy_holds_unless_one_is_named(
    home, ledger, tmp_path
):
    folder = tmp_path / "mine"
    shutil.copytree(DEFAULT, folder)
    settings = folder / "search.toml"
    told = settings.read_text().replace(
        'strategy = "greedy"', 'strategy = "archive"\nislands = 2\ntemperature = 0.3'
    )
    settings.write_text(told)
    first = queued(home, ledger, scaffold=str(folder), strategy="")
    named = queued(home, ledger, scaffold=str(folder), strategy="tree")
    shutil.rmtree(folder)
    assert first.config.strategy == "archive:islands=2,temperature=0.3"
    assert named.config.strategy == "tree"
    assert scaffold_of(ledger, first.config).digest != load_scaffold().digest
    assert queued(home, ledger).config.driver_digests["scaffold"] == load_scaffold().digest


def test_only_the_tasks_that_ship_drive_and_sizes_that_claim_nothing_do_not(tmp_path):
    task = load_task("scaffold")
    assert driver_of(task) is KIND
    assert driver_of(load_task("toy")) is None
    assert [default_lineage(task, each) for each in ("smoke", "demo", "full")] == [
        "scaffold-main-smoke", KIND.lineage, KIND.lineage,
    ]  # fmt: skip
    folder = tmp_path / "scaffold"
    shutil.copytree(task.root, folder, ignore=shutil.ignore_patterns("__pycache__"))
    foreign = load_task(folder)
    assert driver_of(foreign) is None
    assert default_lineage(foreign, "demo") == "scaffold-main-demo"


def test_the_verbs_list_show_use_and_roll_back(home, ledger, promoted, capsys):
    assert main(["scaffold", "list", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)["versions"]
    assert [each["digest"] for each in told] == promoted
    assert main(["scaffold"]) == 0
    assert "in use" in capsys.readouterr().out
    assert main(["scaffold", "show", promoted[1][:12]]) == 0
    assert 'repeats = "withdraw"' in capsys.readouterr().out
    assert main(["scaffold", "rollback"]) == EXIT_BAD_INPUT
    assert "--reason" in capsys.readouterr().err
    assert main(["scaffold", "rollback", "--reason", "worse"]) == 0
    assert promoted[2][:12] in capsys.readouterr().out
    assert main(["scaffold", "use", promoted[3][:12], "--reason", "better after all"]) == 0
    assert main(["scaffold", "show", "123456"]) == EXIT_NOT_FOUND
    assert main(["scaffold", "compare", promoted[0][:12]]) == EXIT_BAD_INPUT
    assert "both are scaffold" in capsys.readouterr().err


@pytest.mark.slow
def test_a_comparison_on_fresh_worlds_tells_better_from_worse(home, ledger, promoted, capsys):
    words = ["scaffold", "compare", "--pairs", "4", "--sandbox", "process"]
    assert main(words) == 0
    assert capsys.readouterr().out.startswith("simulated: scaffold ")
    assert main([*words, promoted[0][:12], "--against", promoted[3][:12]]) == 1


def test_a_version_that_is_used_again_is_no_further_promotion(home, ledger, promoted):
    (made_by,) = {each.campaign_id for each in ledger.rounds(ledger.campaigns()[-1].record.id)}
    before = ledger.campaign_summary(made_by).promoted
    use(home, ledger, KIND, promoted[0], **ADA)
    use(home, ledger, KIND, promoted[3], **ADA)
    assert ledger.campaign_summary(made_by).promoted == before == 3
