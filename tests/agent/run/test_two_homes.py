"""Two homes on one ledger: a repository that lacks what the ledger has is refused before anything is spent."""

import shutil

import pytest
from tests.agent.run import scripted

from rsi.agent.run.campaign import run_campaign
from rsi.agent.run.contexts import open_campaign_context
from rsi.agent.store.home import Home
from rsi.agent.store.records import CampaignState
from rsi.tasks.format.loader import load_task


class Stop(BaseException):
    """A kill."""


@pytest.fixture
def other(tmp_path):
    return Home(root=tmp_path / "other").create()


class Unspent(scripted.ScriptedBackend):
    """Nothing is built and nothing runs."""

    def prepare(self, environment, progress=None):
        raise AssertionError("an environment was prepared")


def refused(home, ledger, campaign_id):
    """Run a campaign where it cannot run; why it failed."""
    backend = Unspent(load_task("toy"))

    def opened(home, ledger, record):
        return open_campaign_context(home, ledger, record, backend=backend)

    charges = ledger.charges()
    run_campaign(home, ledger, campaign_id, scripted.Memory(), open_context=opened)
    assert ledger.campaign_summary(campaign_id).state is CampaignState.FAILED
    assert ledger.charges() == charges
    return ledger.campaign_events(campaign_id)[-1].reason


def test_a_campaign_is_refused_where_the_ledgers_champion_is_not(home, ledger, other, tmp_path):
    script = tmp_path / "script.toml"
    first = scripted.queue(ledger, script, [scripted.idea("02_row_sums_once")])
    scripted.run(home, ledger, first)
    champion = ledger.moves("toy").champion
    second = scripted.queue(ledger, script, [scripted.idea("01_null")])
    reason = refused(other, ledger, second)
    assert f"lacks commit {champion}" in reason
    assert "copy that folder" in reason
    assert not ledger.rounds(second)
    assert not list(other.lineages.iterdir())
    # What the sentence says is what helps.
    third = scripted.queue(ledger, script, [scripted.idea("01_null")])
    shutil.copytree(home.lineages / "toy.git", other.lineages / "toy.git")
    scripted.run(other, ledger, third)
    assert ledger.campaign_summary(third).state is CampaignState.FINISHED
    assert ledger.rounds(third)[0].champion_commit == champion


def test_a_campaign_is_refused_where_its_own_candidates_are_not(home, ledger, other, tmp_path):
    campaign_id = scripted.queue(
        ledger, tmp_path / "script.toml", [scripted.idea("02_row_sums_once")]
    )

    def on_step(name):
        if name.endswith("/admit"):
            raise Stop

    with pytest.raises(Stop):
        scripted.run(home, ledger, campaign_id, on_step=on_step)
    (record,) = ledger.rounds(campaign_id)
    committed = next(each for each in ledger.steps(record.id) if each.step == "commit")
    assert f"lacks commit {committed.fact.commit}" in refused(other, ledger, campaign_id)
    assert [each.id for each in ledger.rounds(campaign_id)] == [record.id]
