"""A campaign's limits as they are now, and how much of each is used: settings, what a person changed since, charges, time.

Does not: refuse anything; `rsi.agent.policy.budget` says what is exhausted, the budget guard refuses calls.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime

from rsi.agent.policy.budget import Budget, Spent, spent
from rsi.agent.policy.steering import CampaignSteering
from rsi.agent.store.config import CampaignConfig
from rsi.agent.store.events import CampaignEvent
from rsi.agent.store.ledger import Ledger
from rsi.agent.store.records import CampaignEventKind, utc_now


def budget_now(ledger: Ledger, campaign_id: str) -> Budget:
    """The campaign's limits, with what a person changed since."""
    wishes = CampaignSteering(ledger, campaign_id).budgets()
    return budget_of(ledger.campaign(campaign_id).config, wishes)


def budget_of(config: CampaignConfig, wishes: Mapping[str, float | None]) -> Budget:
    """The limits of some settings, with other wishes under the settings' own names."""
    tokens = wishes.get("budget_tokens", config.budget_tokens)
    return Budget(
        usd=wishes.get("budget_usd", config.budget_usd),
        tokens=None if tokens is None else int(tokens),
        wall_s=wishes.get("budget_wall_s", config.budget_wall_s),
        device_s=wishes.get("budget_device_s", config.budget_device_s),
    )


def spent_now(ledger: Ledger, campaign_id: str) -> Spent:
    """What the campaign used of each limit until this moment."""
    worked = worked_s(ledger.campaign_events(campaign_id), utc_now())
    return spent(ledger.charges(campaign_id), wall_s=worked)


def worked_s(events: Sequence[CampaignEvent], now: datetime) -> float:
    """Seconds that a campaign was under way, pauses and the time after an end excluded; 0 before its start.

    Args:
        events: Of one campaign, oldest first.
        now: Until when.
    """
    total, since = 0.0, None
    for event in events:
        match event.kind:
            case CampaignEventKind.STARTED | CampaignEventKind.RESUMED:
                since = since or event.at
            case CampaignEventKind.QUEUED | CampaignEventKind.AUDITED:
                pass
            case _ if since is not None:
                total, since = total + (event.at - since).total_seconds(), None
            case _:
                pass
    return total if since is None else total + (now - since).total_seconds()
