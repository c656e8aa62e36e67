"""Which campaign goes before which, in the order in which the engine takes them from its queue.

Pure. Does not: know how many campaigns a worker runs at once; the ledger does not say it.
"""

from collections.abc import Mapping, Sequence

from rsi.agent.store.records import CampaignState, CampaignSummary

UNDER_WAY = frozenset({CampaignState.RUNNING, CampaignState.PAUSED, CampaignState.PARKED})
"""States in which a campaign holds its worker; a paused one does so too."""


def goes_before(
    campaigns: Sequence[CampaignSummary], urgencies: Mapping[str, int]
) -> Mapping[str, str]:
    """For each queued campaign the one that it waits for; "" when that is a worker, whichever comes free.

    Args:
        campaigns: All of them, in any order.
        urgencies: Places asked for by campaign id; one that is not there has 0.
    """
    queued = [each for each in campaigns if each.state is CampaignState.QUEUED]
    queued.sort(key=lambda each: (-urgencies.get(each.record.id, 0), each.changed_at))
    ids = [each.record.id for each in queued]
    running = [each.record.id for each in campaigns if each.state in UNDER_WAY]
    first = running[0] if len(running) == 1 else ""
    return dict(zip(ids, [first, *ids], strict=False))
