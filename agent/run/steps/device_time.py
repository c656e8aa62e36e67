"""Device time on the ledger: written down before something runs, settled with what it took.

Invariant: the settled charges of one piece of work come to what its stored runs took, however often it was begun.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from rsi.agent.run.contexts import CampaignContext
from rsi.agent.store.records import ChargeRecord, ChargeRole, ChargeStatus, utc_now
from rsi.evals.types import Measurement


@contextmanager
def device_time(
    campaign_context: CampaignContext, round_id: str, work: str, used_s: Callable[[], float]
) -> Iterator[None]:
    """Charge a round for what runs inside, also when it is broken off.

    Args:
        campaign_context: The campaign's tools.
        round_id: Who pays.
        work: Name of the work, such as "c1-0003/screen". Begun again, it is charged for what was added; a charge that a
            kill left open is taken over.
        used_s: Seconds that the whole work took until now, parts of earlier beginnings included.
    """
    before = [
        each
        for each in campaign_context.ledger.charges(round_id=round_id)
        if each.status is ChargeStatus.SETTLED
        and (each.id == work or each.id.startswith(f"{work}/"))
    ]
    charge_id = f"{work}/{len(before)}" if before else work
    campaign_context.ledger.reserve(
        ChargeRecord(
            id=charge_id,
            campaign_id=campaign_context.record.id,
            round_id=round_id,
            role=ChargeRole.DEVICE,
            model=campaign_context.backend.name,
            reserved_usd=0.0,
            reserved_at=utc_now(),
        )
    )
    try:
        yield
    finally:
        paid_s = sum(each.device_s or 0.0 for each in before)
        campaign_context.ledger.settle(
            charge_id, actual_usd=0.0, at=utc_now(), device_s=max(0.0, used_s() - paid_s)
        )


def run_s(runs: Iterable[Measurement]) -> float:
    """Wall seconds of runs, failed ones included."""
    return sum(each.wall_s or 0.0 for each in runs)
