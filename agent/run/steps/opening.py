"""Whether a campaign may open another round, and the record that opens it."""

from rsi.agent.policy.budget import exhausted
from rsi.agent.policy.controls import Slot
from rsi.agent.policy.limits import spent_now
from rsi.agent.run.contexts import CampaignContext
from rsi.agent.run.steps.models import budget_in_force, refused_limit, script_over
from rsi.agent.run.steps.searching import plan_round
from rsi.agent.store.champion import settle_champion
from rsi.agent.store.records import RoundRecord, utc_now

STOP = "stop"
"""A person stopped the campaign."""


def why_not_opened(campaign_context: CampaignContext, slot: Slot) -> str:
    """Why no round may be opened for a slot now: `STOP`, or a sentence about what is over; empty when one may."""
    if campaign_context.steering.is_stopping():
        return STOP
    if slot.control is None and (over := script_over(campaign_context, slot.number)):
        return over
    limit = exhausted(
        budget_in_force(campaign_context),
        spent_now(campaign_context.ledger, campaign_context.record.id),
    )
    if limit is not None:
        return f"the budget of {limit} is spent"
    refused = refused_limit(campaign_context)
    if refused is not None:
        return f"the budget of {refused} is spent: what is left does not pay for another call"
    return ""


def round_record(campaign_context: CampaignContext, slot: Slot) -> RoundRecord:
    """The round of a slot, over the champion of this moment."""
    champion, parent = settle_champion(campaign_context.ledger, campaign_context.lineage), None
    if slot.control is None:
        plan = plan_round(campaign_context, slot.number, champion)
        parent = None if plan.parent == champion else plan.parent
    elif slot.control.patch is not None:
        # A task's patches are made against its own repo, whatever the champion has become.
        champion = campaign_context.repo_commit()
    return RoundRecord(
        id=slot.round_id(campaign_context.record.id),
        campaign_id=campaign_context.record.id,
        number=slot.number,
        champion_commit=champion,
        created_at=utc_now(),
        parent_commit=parent,
        is_control=slot.control is not None,
    )
