"""Device time on the ledger: written down before something runs, settled with what it took."""

from rsi.agent.store.records import ChargeRecord, ChargeRole, utc_now
from rsi.agent.workshop import RoundDesk


def reserve_device_time(desk: RoundDesk, charge_id: str) -> None:
    """Say that the round is about to use the device; the same id twice is one charge."""
    desk.ledger.reserve(
        ChargeRecord(
            id=charge_id,
            campaign_id=desk.shop.campaign.id,
            round_id=desk.round_id,
            role=ChargeRole.DEVICE,
            model=desk.shop.backend.name,
            reserved_usd=0.0,
            reserved_at=utc_now(),
        )
    )


def settle_device_time(desk: RoundDesk, charge_id: str, device_s: float) -> None:
    """Say how many seconds it was used."""
    desk.ledger.settle(charge_id, actual_usd=0.0, at=utc_now(), device_s=device_s)
