"""The audit at a campaign's end: its samples are about one commit, whatever the champion became since."""

from types import SimpleNamespace

from rsi.agent.run.steps.audit import audit_champion
from rsi.agent.store.events import Audit, CampaignEvent
from rsi.agent.store.records import CampaignEventKind, utc_now
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
