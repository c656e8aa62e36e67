"""Pauses of a campaign: between its rounds, and inside one before each step that costs time or money.

A proposer pauses between its own turns besides (`rsi.agent.policy.steering`). Invariant: a pause held here and its end
are events in the ledger, so every screen tells the same.
"""

from itertools import count

from rsi.agent.run.contexts import CampaignContext
from rsi.agent.run.engine import Durable
from rsi.agent.store.events import CampaignEvent
from rsi.agent.store.records import CampaignEventKind, Step, utc_now

RESUME_TOPIC = "resume"
HELD_BEFORE = frozenset({Step.PROPOSE, Step.CRITIQUE, Step.MEASURE, Step.REVIEW})
"""Steps that a paused campaign does not begin; the others are instant, a decision and its promotion too."""


def wait_while_paused(campaign_context: CampaignContext, durable: Durable, key: str) -> None:
    """Sleep, through restarts, until the campaign may go on or must stop.

    Args:
        campaign_context: The campaign's tools.
        durable: Remembers the looks through crashes.
        key: Name of this place, unique in the campaign.
    """
    for look in count():
        if durable.step(f"{key}/{look}", lambda: _look(campaign_context)) != "paused":
            return
        durable.wait(RESUME_TOPIC)


def _look(campaign_context: CampaignContext) -> str:
    is_told = (
        campaign_context.ledger.campaign_events(campaign_context.record.id)[-1].kind
        is CampaignEventKind.PAUSED
    )
    is_paused = campaign_context.steering.must_hold()
    if is_paused != is_told:
        kind = CampaignEventKind.PAUSED if is_paused else CampaignEventKind.RESUMED
        campaign_context.ledger.add_campaign_event(
            CampaignEvent(campaign_id=campaign_context.record.id, kind=kind, at=utc_now())
        )
    return "paused" if is_paused else "go"
