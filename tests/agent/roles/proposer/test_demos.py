"""The demo of each task survives every decision that a person may take, and goes on being worth a look."""

from itertools import product

import pytest
from tests.agent.roles.proposer.conftest import FolderSandbox, Lab

from rsi.agent.llm.scripted.model import ScriptedModel
from rsi.agent.llm.scripted.script import load_script
from rsi.agent.types import ProposalOutcome
from rsi.tasks.files.trees import read_tree
from rsi.tasks.format.loader import load_task

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    ("name", "skipped"),
    [
        ("toy", set()),
        ("lm_training", {"04_fewer_better_steps"}),
        pytest.param(
            "compiler", {"03_truth_and_logic", "04_complete"}, marks=pytest.mark.exhaustive
        ),
        ("scaffold", {"03_tree"}),
        ("reviewer", set()),
    ],
)
def test_whatever_is_rejected_each_round_is_played_whole_or_skipped_with_its_sentence(
    tmp_path, name, skipped
):
    task = load_task(name)
    script = load_script("demo", task)
    faster = {each.name for each in task.solutions if each.expect == "faster"}
    gains = [
        number
        for number, entry in enumerate(script.rounds, start=1)
        if faster.issuperset(entry.label.split(", "))
    ]
    assert len(gains) >= 2
    seen, played = set(), {}
    for accepted in product([True, False], repeat=len(gains)):
        promotes = dict(zip(gains, accepted, strict=True))
        champion, offered = read_tree(task.repo), 0
        for number, entry in enumerate(script.rounds, start=1):
            here = number, tuple(champion)
            if here not in played:  # many histories lead to one champion
                folder = tmp_path / str(len(played))
                folder.mkdir()
                lab = Lab(task, FolderSandbox(folder))
                lab.tree = champion
                played[here] = lab.run(ScriptedModel(script, round_number=number))
            proposal = played[here]
            if proposal.outcome is ProposalOutcome.GAVE_UP:
                assert proposal.reason.startswith(f"skipped: {entry.label} builds on "), (accepted, proposal.reason)  # fmt: skip
                assert "which this champion does not have" in proposal.reason
                seen.add(entry.label)
                continue
            assert proposal.outcome is ProposalOutcome.SUBMITTED
            assert proposal.tree != champion
            offered += number in gains
            if promotes.get(number):
                champion = proposal.tree
        assert offered >= 2, f"{accepted}: too little is left to look at"
    assert seen == skipped
