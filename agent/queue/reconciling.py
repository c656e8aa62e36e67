"""Campaigns that the ledger has under way and the engine does not: queued again, or closed with a word.

A campaign is written in the ledger first and put into the engine's queue second, and ends in the ledger first and in the
engine second. Invariant: whatever was killed in between is noticed by the next worker that looks.
"""

import logging

from rsi.agent.policy.queueing import urgency
from rsi.agent.policy.steering import CampaignSteering
from rsi.agent.run.engine import EngineClient
from rsi.agent.store.events import CampaignEvent
from rsi.agent.store.ledger import Ledger
from rsi.agent.store.records import CampaignEventKind, CampaignState, utc_now

LOST = "its run broke off on our side and left no word; the worker's log may have more"

log = logging.getLogger(__name__)


class Reconciler:
    """Reconciles again and again, at no cost while no campaign has begun or ended and the engine has all that are under way."""

    def __init__(self, ledger: Ledger, client: EngineClient) -> None:
        self._ledger, self._client = ledger, client
        self._cursor = ""
        self._open: frozenset[str] = frozenset()

    def look(self) -> None:
        cursor = self._ledger.campaign_cursor()
        if cursor != self._cursor:
            seen = self._ledger.campaigns(has_ended=False)
            # Read before the list: what was written meanwhile is news at the next look.
            self._cursor, self._open = cursor, frozenset(each.record.id for each in seen)
        if self._open and self._open - self._client.under_way():
            reconcile(self._ledger, self._client)


def reconcile(ledger: Ledger, client: EngineClient) -> None:
    """Queue what waits and was never queued, and close as failed what nobody runs any more; the same again is no change."""
    seen = ledger.campaigns(has_ended=False)
    under_way = client.under_way() if seen else frozenset()
    for each in seen:
        campaign_id = each.record.id
        if campaign_id in under_way:
            continue
        now = ledger.campaign_summary(campaign_id)
        if (now.state, now.changed_at) != (each.state, each.changed_at):
            continue  # it moved on while we looked
        if each.state is CampaignState.QUEUED:
            log.info("campaign=%s was in no queue; queued", campaign_id)
            client.requeue(campaign_id, urgency(ledger, campaign_id))
        else:
            log.warning("campaign=%s %s", campaign_id, LOST)
            CampaignSteering(ledger, campaign_id).close(CampaignEventKind.FAILED.value)
            ledger.add_campaign_event(
                CampaignEvent(
                    campaign_id=campaign_id,
                    kind=CampaignEventKind.FAILED,
                    at=utc_now(),
                    reason=LOST,
                )
            )
