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
    Reopening,
    RequestKind,
    RequestRecord,
    Step,
    StepOutcome,
    utc_now,
)
from rsi.agent.store.state import ENDED_STATES, round_state
from rsi.agent.store.steps.facts import Halted
from rsi.agent.store.steps.record import StepRecord

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


def retry_refusal(ledger: Ledger, campaign_id: str, round_id: str | None = None) -> str:
    """Why a campaign cannot go on, with one of its rounds run again where one is named; empty when it can."""
    state = ledger.campaign_summary(campaign_id).state
    if state not in ENDED_STATES:
        return f"it is {state.value}; only one that has ended can go on"
    if round_id is not None:
        return _reopen_refusal(ledger, round_id)
    if state is CampaignState.FAILED:
        return ""
    planned = ledger.campaign(campaign_id).config.rounds
    done = sum(not each.is_control for each in ledger.rounds(campaign_id))
    if done < planned:
        return ""
    return "all its rounds are done; clone it to run the same again"


def _reopen_refusal(ledger: Ledger, round_id: str) -> str:
    if broken_step(ledger, round_id) is not None:
        return ""
    state = round_state(
        ledger.steps(round_id), ledger.decisions(round_id), ledger.promotions(round_id=round_id)
    )
    ended = "is not over" if state.verdict is None else f"ended as {state.verdict.value}"
    return f"round {round_id} {ended}; only one that failed on our side can be run again"


def broken_step(ledger: Ledger, round_id: str) -> StepRecord | None:
    """Where a round that is over failed on our side; None when it did not."""
    broken = [each for each in ledger.steps(round_id) if each.outcome is StepOutcome.HARNESS_ERROR]
    return broken[0] if any(each.step is Step.REPORT for each in broken) else None


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


def _places(request: RequestRecord) -> int:
    return request.payload.by
