"""A campaign's limits as they are now, and how much of each is used: settings, what a person changed since, charges, time.

Does not: refuse anything; `rsi.agent.policy.budget` says what is exhausted, the budget guard refuses calls.
"""

from collections.abc import Sequence
from datetime import datetime

from rsi.agent.policy.budget import Budget, Spent, spent
from rsi.agent.policy.settings import CampaignConfig
from rsi.agent.policy.steering import CampaignSteering
from rsi.agent.store.events import CampaignEvent
from rsi.agent.store.ledger import Ledger
from rsi.agent.store.records import CampaignEventKind, utc_now


def budget_now(ledger: Ledger, campaign_id: str) -> Budget:
    """The campaign's limits, with what a person changed since under the settings' own names."""
    config = CampaignConfig.from_json(ledger.campaign(campaign_id).config)
    wishes = CampaignSteering(ledger, campaign_id).budgets()
    return Budget(
        usd=_number(wishes.get("budget_usd", config.budget_usd)),
        tokens=_whole(wishes.get("budget_tokens", config.budget_tokens)),
        wall_s=_number(wishes.get("budget_wall_s", config.budget_wall_s)),
        device_s=_number(wishes.get("budget_device_s", config.budget_device_s)),
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


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, (int, float)) else None


def _whole(value: object) -> int | None:
    return int(value) if isinstance(value, (int, float)) else None
