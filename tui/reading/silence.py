"""Which campaigns under way have said nothing for long; one that is busy does not speak for another.

Does not: look at the workers' heartbeats; a heart beats while a run hangs.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from rsi.agent.store.ledger import Ledger
from rsi.agent.store.records import CampaignState, CampaignSummary, utc_now
from rsi.tui.model.view import View

SILENT_AFTER_S = 600.0
"""A campaign under way without any new fact for so long is presumed stuck."""


class Listener:
    """When each campaign under way was last heard: a step's end, an agent, output, a measurement."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._pulses: dict[str, str] = {}
        self._heard: dict[str, datetime] = {}

    def listen(self, campaigns: Sequence[CampaignSummary]) -> Mapping[str, datetime]:
        """The moments by campaign, for those that run.

        Args:
            campaigns: All that are known.
        """
        for each in campaigns:
            if each.state is not CampaignState.RUNNING:
                continue
            campaign_id = each.record.id
            pulse = self._ledger.pulse(campaign_id)
            before = self._pulses.get(campaign_id)
            if pulse == before:
                continue
            self._pulses[campaign_id] = pulse
            # What was there at the first look was said before it; what came since, now.
            said = self._ledger.last_said_at(campaign_id) if before is None else utc_now()
            if said is not None:
                self._heard[campaign_id] = said
        return dict(self._heard)


def last_heard(summary: CampaignSummary, view: View) -> datetime:
    """The last sign of life of a campaign."""
    heard = view.heard.get(summary.record.id)
    return summary.changed_at if heard is None else max(summary.changed_at, heard)


def is_silent(summary: CampaignSummary, view: View, age_s: Callable[[datetime], float]) -> bool:
    """Whether a campaign that should be saying something has not for too long; who waits for a person need not.

    Args:
        summary: The campaign.
        view: What is known of it.
        age_s: Seconds since a moment.
    """
    if summary.state is not CampaignState.RUNNING:
        return False
    if any(item.campaign.record.id == summary.record.id for item in view.gate):
        return False
    return age_s(last_heard(summary, view)) > SILENT_AFTER_S
