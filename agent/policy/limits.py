"""A campaign's limits as they are now, and how much of each is used: settings, what a person changed since, charges, time.

Does not: refuse anything; `rsi.agent.policy.budget` says what is exhausted, the budget guard refuses calls.
"""

from collections.abc import Mapping

from rsi.agent.policy.budget import Budget, Spent, spent
from rsi.agent.policy.steering import CampaignSteering
from rsi.agent.store.config import CampaignConfig
from rsi.agent.store.ledger import Ledger
from rsi.agent.store.records import utc_now
from rsi.agent.store.stages import worked_s


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
