"""What a person asks of the queue, carried out by whichever worker sees it first: sooner, later, once more.

Does not: steer a campaign that runs (`steering.py`). Invariant: every request is answered once, with a reason when
it is refused.
"""

import logging
from collections import Counter
from collections.abc import Mapping, Sequence

from rsi.agent.run.engine import EngineClient
from rsi.agent.store.events import CampaignEvent
from rsi.agent.store.ledger import Ledger
from rsi.agent.store.records import (
    CampaignEventKind,
    CampaignState,
    HandledMark,
    RequestKind,
    RequestRecord,
    utc_now,
)

QUEUE_KINDS = frozenset({RequestKind.PRIORITY, RequestKind.RETRY})

log = logging.getLogger(__name__)


def serve_queue_requests(ledger: Ledger, client: EngineClient, worker_id: str) -> None:
    """Answer what was asked of the queue and nobody answered yet."""
    for request in ledger.requests(unhandled_only=True):
        if request.kind not in QUEUE_KINDS or request.campaign_id is None:
            continue
        if request.kind is RequestKind.PRIORITY:
            refusal = _reorder(ledger, client, request.campaign_id)
        else:
            refusal = _retry(ledger, client, request)
        ledger.mark_handled(
            HandledMark(
                request_id=request.id,
                at=utc_now(),
                actor=worker_id,
                outcome="refused" if refusal else "done",
                detail=refusal,
            )
        )
        log.info("request=%d %s %s", request.id, request.kind.value, refusal or "done")


def urgency(ledger: Ledger, campaign_id: str) -> int:
    """How many places "sooner" a campaign was asked for, minus those "later"."""
    asked = ledger.requests(unhandled_only=False, campaign_id=campaign_id)
    return urgencies(asked).get(campaign_id, 0)


def urgencies(requests: Sequence[RequestRecord]) -> Mapping[str, int]:
    """The same by campaign, out of the requests of all; one that nobody asked for is not there."""
    places: Counter[str] = Counter()
    for each in requests:
        if each.kind is RequestKind.PRIORITY and each.campaign_id is not None:
            places[each.campaign_id] += _places(each)
    return places


def retry_refusal(ledger: Ledger, campaign_id: str) -> str:
    """Why a campaign cannot go on; empty when it can."""
    state = ledger.campaign_summary(campaign_id).state
    if state is CampaignState.FAILED:
        return ""
    if state not in {CampaignState.FINISHED, CampaignState.STOPPED}:
        return f"it is {state.value}; only one that has ended can go on"
    planned = ledger.campaign(campaign_id).config.rounds
    done = sum(not each.is_control for each in ledger.rounds(campaign_id))
    if done < planned:
        return ""
    return "all its rounds are done; clone it to run the same again"


def _reorder(ledger: Ledger, client: EngineClient, campaign_id: str) -> str:
    if client.reorder(campaign_id, urgency(ledger, campaign_id)):
        return ""
    return "it does not wait in the queue any more"


def _retry(ledger: Ledger, client: EngineClient, request: RequestRecord) -> str:
    campaign_id = str(request.campaign_id)
    # A kill between the event and the mark leaves the request open although it was granted.
    last = ledger.campaign_events(campaign_id)[-1]
    refusal = "" if last.request_id == request.id else retry_refusal(ledger, campaign_id)
    if not refusal:
        ledger.add_campaign_event(
            CampaignEvent(
                campaign_id=campaign_id,
                kind=CampaignEventKind.QUEUED,
                at=utc_now(),
                reason=f"{request.actor} asked for it to go on",
                request_id=request.id,
            )
        )
        client.requeue(campaign_id, urgency(ledger, campaign_id))
    return refusal


def _places(request: RequestRecord) -> int:
    return request.payload.by
