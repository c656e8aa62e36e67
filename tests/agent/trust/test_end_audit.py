"""The audit at a campaign's end: its samples are about one commit, whatever the champion became since."""

from dataclasses import replace
from types import SimpleNamespace

from tests.facts import score

from rsi.agent.policy.settings import queue_campaign
from rsi.agent.report.tally import tally
from rsi.agent.run.contexts import open_campaign_context
from rsi.agent.run.steps.audit import _audited_before, audit_champion, end_audit
from rsi.agent.store.events import Audit, CampaignEvent
from rsi.agent.store.records import CampaignEventKind, RoundRecord, utc_now
from rsi.evals.types import Purpose
from rsi.sandboxes.types import FileEntry


def test_an_end_that_was_audited_says_nothing_of_a_champion_that_came_later(past):
    round_id = past.round("02_row_sums_once", "promoted", ratios=(1.5, 1.5))
    baseline, audited = past.lineage.baseline(), past.lineage.champion()
    past._pair(round_id, Purpose.AUDIT, 0, 1.5, 0.003)
    past.ledger.add_campaign_event(
        CampaignEvent(
            campaign_id=past.campaign.id,
            kind=CampaignEventKind.FINISHED,
            at=utc_now(),
            audit=Audit(
                word="measured", baseline_commit=baseline, champion_commit=audited, score=None
            ),
        )
    )
    tree = (*past.lineage.tree(audited), FileEntry(path="part.txt", content=b"more\n"))
    later = past.lineage.commit_candidate("other-0001", audited, tree, "part", at=utc_now())
    past.lineage.move_champion(audited, later, "another campaign")
    campaign_context = SimpleNamespace(
        ledger=past.ledger, lineage=past.lineage, record=past.campaign
    )
    assert audit_champion(campaign_context).startswith("not measured: the champion moved")


def test_a_campaign_that_promoted_nothing_does_not_audit_again_what_another_audited(
    home, ledger, past
):
    past.round("02_row_sums_once", "promoted", ratios=(1.5, 1.5))
    baseline, champion = past.lineage.baseline(), past.lineage.champion()
    second = queue_campaign(
        ledger,
        past.task,
        profile="smoke",
        lineage="past",
        config=replace(past.campaign.config, rounds=1),
    )
    ledger.add_round(
        RoundRecord(
            id=f"{second.id}-0001", campaign_id=second.id, number=1, champion_commit=champion, created_at=utc_now()
        )
    )  # fmt: skip
    measured = []
    context = open_campaign_context(home, ledger, second)
    context = replace(context, backend=SimpleNamespace(open=measured.append))

    def end_of_the_first(commit, found):
        ledger.add_campaign_event(
            CampaignEvent(
                campaign_id=past.campaign.id, kind=CampaignEventKind.FINISHED, at=utc_now(),
                audit=Audit(word="measured", baseline_commit=baseline, champion_commit=commit, score=found),
            )
        )  # fmt: skip

    assert _audited_before(context, champion) is None
    end_of_the_first(baseline, None)
    assert _audited_before(context, champion) is None, "that one measured nothing"
    ledger.add_campaign_event(
        CampaignEvent(campaign_id=past.campaign.id, kind=CampaignEventKind.STARTED, at=utc_now())
    )
    end_of_the_first(champion, score())
    word = audit_champion(context)
    assert word == f"audited before, by campaign {past.campaign.id}: nothing was promoted since"
    assert not measured
    ledger.add_campaign_event(
        CampaignEvent(
            campaign_id=second.id, kind=CampaignEventKind.FINISHED, at=utc_now(), audit=end_audit(context, word)
        )
    )  # fmt: skip
    assert f"speedup vs baseline: {word}" in tally(ledger, second.id).line
    own = open_campaign_context(home, ledger, past.campaign)
    assert _audited_before(own, champion) is None, "its own promotion is its own to audit"
