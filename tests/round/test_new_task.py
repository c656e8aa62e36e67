"""A campaign on a task that `rsi task new` made: a real gain goes through every step."""

from dataclasses import replace

import pytest

from rsi.agent.store.round_book import RoundBook
from rsi.tasks.choices import Clock
from rsi.tasks.files.patches import diff_trees
from rsi.tasks.files.trees import read_tree
from rsi.tasks.making.new_task import create_task
from rsi.tasks.making.wanted import Wanted

pytestmark = pytest.mark.slow

SLOW = "def fit():\n    return sum(n % 7 for n in range(1_000_000)) / 1e7\n"
FAST = "def fit():\n    return (3 * (1_000_000 // 7 * 7) + 6) / 1e7\n"
TRAIN = 'import json\nimport fit\njson.dump({"loss": fit.fit()}, open("out.json", "w"))\n'


def test_a_gain_on_a_new_task_is_promoted(tmp_path, ledger, queue, work, idea):
    repo = tmp_path / "repo"
    repo.mkdir()
    (repo / "train.py").write_text(TRAIN, encoding="utf-8")
    (repo / "fit.py").write_text(SLOW, encoding="utf-8")
    wanted = Wanted(
        name="sums",
        repo=str(repo),
        entry=("python", "train.py"),
        editable=("fit.py",),
        clock=Clock.CPU_S,
        quality="loss",
        limit=1.0,
    )
    task = create_task(wanted, tmp_path / "tasks").task
    base = read_tree(task.repo)
    faster = tuple(
        replace(each, content=FAST.encode()) if each.path == "fit.py" else each for each in base
    )
    (tmp_path / "gain.patch").write_text(diff_trees(base, faster), encoding="utf-8")
    campaign_id = queue([idea("gain.patch")], task=task.root, profile="demo")
    status, log = work()
    assert status == 0, log
    assert [each.ended_as for each in RoundBook(ledger).of_campaign(campaign_id)] == ["promoted"]
