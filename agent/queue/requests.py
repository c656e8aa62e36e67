"""What a person asks of the queue, carried out by whichever worker sees it first: sooner, later, once more.

Also the end of a campaign that nobody began. Does not: steer one that runs (`steering.py`). Invariant: every request is
answered once, with a reason when it is refused.
"""

import logging

from rsi.agent.policy.queueing import broken_step, retry_refusal, urgency
from rsi.agent.policy.steering import CampaignSteering
from rsi.agent.run.engine import EngineClient
from rsi.agent.store.events import CampaignEvent
from rsi.agent.store.ledger import Ledger
from rsi.agent.store.records import (
    CampaignEventKind,
    CampaignState,
    HandledMark,
    Reopening,
    RequestKind,
    RequestRecord,
    utc_now,
)
from rsi.agent.store.steps.facts import Halted

QUEUE_KINDS = frozenset({RequestKind.PRIORITY, RequestKind.RETRY})

log = logging.getLogger(__name__)


def serve_queue_requests(ledger: Ledger, client: EngineClient, worker_id: str) -> None:
    """Answer what was asked of the queue and nobody answered yet."""
    for request in ledger.requests(unhandled_only=True):
        if request.kind is RequestKind.STOP and request.campaign_id is not None:
            _stop_waiting(ledger, client, request.campaign_id)
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


def _stop_waiting(ledger: Ledger, client: EngineClient, campaign_id: str) -> None:
    """End a campaign that nobody began; there may be no worker that could. One that is begun ends where it runs."""
    is_begun = ledger.campaign_summary(campaign_id).state is not CampaignState.QUEUED
    if is_begun or ledger.rounds(campaign_id) or not client.withdraw(campaign_id):
        return
    event = CampaignEvent(
        campaign_id=campaign_id,
        kind=CampaignEventKind.STOPPED,
        at=utc_now(),
        reason="a person stopped it before it began",
    )
    # Before the request is marked: a kill in between must not leave a campaign that nobody ends.
    ledger.add_campaign_event(event)
    CampaignSteering(ledger, campaign_id).close(CampaignEventKind.STOPPED.value)
    log.info("campaign=%s stopped before it began", campaign_id)


def _reorder(ledger: Ledger, client: EngineClient, campaign_id: str) -> str:
    if client.reorder(campaign_id, urgency(ledger, campaign_id)):
        return ""
    return "it does not wait in the queue any more"


def _retry(ledger: Ledger, client: EngineClient, request: RequestRecord) -> str:
    campaign_id = str(request.campaign_id)
    # A kill between the event and the mark leaves the request open although it was granted.
    last = ledger.campaign_events(campaign_id)[-1]
    is_granted = last.request_id == request.id
    refusal = "" if is_granted else retry_refusal(ledger, campaign_id, request.round_id)
    if refusal:
        return refusal
    what = (
        "it to go on" if request.round_id is None else f"round {request.round_id} to be run again"
    )
    ledger.add_campaign_event(
        CampaignEvent(
            campaign_id=campaign_id,
            kind=CampaignEventKind.QUEUED,
            at=utc_now(),
            reason=f"{request.actor} asked for {what}",
            request_id=request.id,
        )
    )
    if request.round_id is not None:
        _reopen(ledger, request.round_id, request)
    client.requeue(campaign_id, urgency(ledger, campaign_id))
    return ""


def _reopen(ledger: Ledger, round_id: str, request: RequestRecord) -> None:
    broken = broken_step(ledger, round_id)
    if broken is None:
        return  # reopened before a kill
    ledger.reopen(
        Reopening(
            round_id=round_id,
            number=len(ledger.reopenings(round_id)) + 1,
            actor=request.actor,
            at=utc_now(),
            reason=f"{broken.step.value}: {broken.fact.reason if isinstance(broken.fact, Halted) else ''}",
        )
    )
