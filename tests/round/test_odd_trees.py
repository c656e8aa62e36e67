"""Candidates that leave files which git must not keep: the round ends by a word of its own, never by our failure."""

import pytest
from tests.facts import finished, left

from rsi.agent.run.contexts import open_campaign_context
from rsi.agent.run.steps.idea import commit
from rsi.agent.store.git.lineage import Lineage
from rsi.agent.store.records import RoundRecord, Step, utc_now
from rsi.agent.store.round_book import RoundBook
from rsi.agent.store.state import round_state
from rsi.agent.store.tree_blobs import encode_tree
from rsi.sandboxes.types import FileEntry

GITS = """[[round]]
[[round.turn]]
calls = [{tool = "write", arguments = {path = ".GIT/config", content = "[core]\\n"}},
  {tool = "write", arguments = {path = "bigram/.Git/hooks/x", content = "true\\n"}},
  {tool = "shell", arguments = {command = "git init -q . 2>/dev/null || mkdir -p .git; echo x > .git/y"}}]
[[round.turn]]
calls = [{tool = "measure"}]
[[round.turn]]
calls = [{tool = "submit", arguments = {hypothesis = "h", predicted_ratio = 1.1, risk = "r"}}]
"""
SUBMIT = GITS[GITS.rindex("[[round.turn]]") :]
# By the shell, since an editing tool refuses a protected file at once; handed in twice, since the first time is answered
# with what admission will say.
GITS_AND_MORE = GITS.replace("echo x > .git/y", "echo x > .git/y; echo 1 > run.py") + SUBMIT


@pytest.mark.slow
def test_every_spelling_of_git_is_left_behind_and_the_rest_is_judged(home, ledger, queue, work):
    campaign_id = queue([GITS, GITS_AND_MORE])
    status, log = work()
    assert status == 0, log
    lines = RoundBook(ledger).of_campaign(campaign_id)
    assert [each.ended_as for each in lines] == ["empty", "not_admitted"], log
    lineage = Lineage.open(home, ledger.campaign(campaign_id).lineage, create=False)
    kept = {each.path for each in lineage.tree(lines[1].commit)}
    assert kept == {each.path for each in lineage.tree(lineage.baseline())}


def test_a_tree_that_git_cannot_take_ends_the_round_and_says_which_path(home, ledger, queue):
    campaign = ledger.campaign(queue(["[[round]]\ngive_up = 'no'\n"]))
    campaign_context = open_campaign_context(home, ledger, campaign)
    base, now = campaign_context.lineage.baseline(), utc_now()
    tree = (*campaign_context.lineage.tree(base), FileEntry(path=".git/config", content=b""))
    round_id = f"{campaign.id}-0001"
    ledger.add_round(
        RoundRecord(
            id=round_id, campaign_id=campaign.id, number=1, champion_commit=base, created_at=now
        )
    )
    handed_in = left(Step.PROPOSE, tree_sha256=ledger.put_blob(encode_tree(tree)))
    for fact in (left(Step.BRIEF, base_commit=base), handed_in):
        ledger.add_step(finished(fact, round_id=round_id))
    result = commit(campaign_context.context(round_id))
    assert result.outcome == "not_admitted"
    assert "'.git/config' cannot be kept" in result.reason
    ended = finished(result, round_id=round_id)
    assert round_state([*ledger.steps(round_id), ended]).verdict == "not_admitted"
