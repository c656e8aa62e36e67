"""Pauses of a campaign: between its rounds, inside one before each step that costs time or money, and at level 0 for a word.

A proposer pauses between its own turns besides (`rsi.agent.policy.steering`). Invariant: a pause held here and its end
are events in the ledger, so every screen tells the same.
"""

from collections.abc import Callable
from datetime import timedelta
from itertools import count

from rsi.agent.run.contexts import CampaignContext, RoundContext
from rsi.agent.run.engine import Durable
from rsi.agent.store.config import Autonomy
from rsi.agent.store.events import CampaignEvent
from rsi.agent.store.records import CampaignEventKind, Step, utc_now

RESUME_TOPIC = "resume"
WORD = (
    "round {round_id} waits for your word before it is measured: `rsi show {round_id}`, then `rsi resume {campaign_id}` "
    "or `rsi stop {campaign_id}`"
)
"""Why a campaign at level 0 is paused."""
HELD_BEFORE = frozenset({Step.PROPOSE, Step.CRITIQUE, Step.MEASURE, Step.REVIEW})
"""Steps that a paused campaign does not begin; the others are instant, a decision and its promotion too."""


def wait_while_paused(campaign_context: CampaignContext, durable: Durable, key: str) -> None:
    """Sleep, through restarts, until the campaign may go on or must stop.

    Args:
        campaign_context: The campaign's tools.
        durable: Remembers the looks through crashes.
        key: Name of this place, unique in the campaign.
    """
    _wait(durable, key, lambda: _told(campaign_context, campaign_context.steering.must_hold(), ""))


def wait_for_word(context: RoundContext, durable: Durable, key: str) -> None:
    """At level 0 of autonomy: sleep until a person has let this attempt be measured, or the campaign must stop.

    The word is a resume that is asked for after the candidate was admitted, so that one word is for one candidate.
    """
    campaign = context.campaign
    admitted = context.finished(Step.ADMIT)
    if campaign.config.autonomy > Autonomy.EACH_RUN or admitted is None:
        return
    since = admitted.started_at + timedelta(seconds=admitted.wall_s)

    why = WORD.format(round_id=context.round_id, campaign_id=campaign.record.id)

    def look() -> str:
        steering = campaign.steering
        is_paused = steering.must_hold()
        waits = not steering.is_stopping() and not steering.has_word_since(since)
        return _told(campaign, is_paused or waits, why)

    _wait(durable, key, look)


def _wait(durable: Durable, key: str, look: Callable[[], str]) -> None:
    for number in count():
        if durable.step(f"{key}/{number}", look) != "paused":
            return
        durable.wait(RESUME_TOPIC)


def _told(campaign_context: CampaignContext, is_paused: bool, reason: str) -> str:
    """Say in the ledger what changed; "paused" or "go"."""
    latest = campaign_context.ledger.campaign_events(campaign_context.record.id)[-1]
    if is_paused != (latest.kind is CampaignEventKind.PAUSED):
        campaign_context.ledger.add_campaign_event(
            CampaignEvent(
                campaign_id=campaign_context.record.id,
                kind=CampaignEventKind.PAUSED if is_paused else CampaignEventKind.RESUMED,
                at=utc_now(),
                reason=reason if is_paused else "",
            )
        )
    return "paused" if is_paused else "go"
