"""Whole campaigns driven through each real SDK against a local provider that plays the script."""

from collections import Counter

import pytest
from tests.round.scripted_server import CANARY, CLAUDE, GPT, LITELLM, playing

from rsi.agent.store.git.lineage import Lineage
from rsi.agent.store.records import AgentRole, CampaignState, ChargeStatus
from rsi.agent.store.round_book import RoundBook
from rsi.agent.trajectory.recorded import last_recording

IDEAS = (("02_row_sums_once", 2.5), ("01_edits_the_entry", 3.0), ("07_wrong_name", 1.0))
SPECS = {"anthropic": CLAUDE, "openai": GPT, "litellm": LITELLM}


@pytest.fixture
def provider(tmp_path, ledger, monkeypatch):
    with playing(tmp_path, ledger, monkeypatch) as server:
        yield server


def outcomes(home, ledger, campaign_id):
    """How each round ended, the tree it handed in, and what the model said and was told on the way."""
    lineage = Lineage.open(home, ledger.campaign(campaign_id).lineage, create=False)
    found = []
    for line in RoundBook(ledger).of_campaign(campaign_id):
        recording = last_recording(ledger.events(line.record.id, AgentRole.PROPOSER))
        tools = Counter(call.name for turn in recording.turns for call in turn.reply.tool_calls)
        tree = lineage.tree(line.commit) if line.commit else None
        found.append((line.ended_as, tree, tools, line.hypothesis, line.predicted_ratio))
    return found


@pytest.fixture(scope="module")
def scripted_reference():
    """Outcomes of the scripted campaign; filled by the first test that needs it."""
    return []


@pytest.mark.slow
@pytest.mark.parametrize(
    "sdk",
    [
        each if each == "anthropic" else pytest.param(each, marks=pytest.mark.exhaustive)
        for each in SPECS
    ],
)
def test_a_campaign_through_a_real_sdk_promotes_what_the_script_itself_promotes(
    sdk, home, ledger, queue, work, idea, provider, scripted_reference
):
    entries = [idea(patch, predicted=ratio) for patch, ratio in IDEAS]
    if not scripted_reference:
        scripted_id = queue(entries, lineage="scripted")
        status, log = work(timeout_s=900)
        assert status == 0, log
        scripted_reference.extend(outcomes(home, ledger, scripted_id))
        assert [each[0] for each in scripted_reference] == ["promoted", "not_admitted", "crashed"]
    provider.campaign_id = queue(entries, proposer=SPECS[sdk], lineage=sdk)
    status, log = work(timeout_s=900)
    assert status == 0, log
    assert ledger.campaign_summary(provider.campaign_id).state is CampaignState.FINISHED
    assert outcomes(home, ledger, provider.campaign_id) == scripted_reference

    path = "/v1/messages" if sdk == "anthropic" else "/v1/chat/completions"
    assert {each.path.partition("?")[0] for each in provider.seen} == {path}
    assert all(any(CANARY in value for value in each.headers.values()) for each in provider.seen)
    charges = [
        each for each in ledger.charges(provider.campaign_id) if each.role == AgentRole.PROPOSER
    ]
    assert len(charges) == len(provider.seen) == len(provider.billed)
    assert all(each.status is ChargeStatus.SETTLED and each.actual_usd > 0 for each in charges)
    counted = [(each.tokens["input"], each.tokens["output"]) for each in charges]
    assert sorted(counted) == sorted(
        (each.input_uncached_tokens, each.output_tokens) for each in provider.billed
    )
