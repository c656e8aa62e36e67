"""Money of one round, reserved and settled in the ledger."""

from rsi.agent.llm.types import Usage
from rsi.agent.store.records import ChargeRecord, ChargeRole, utc_now
from rsi.agent.types import AgentRole, Purse
from rsi.agent.workshop import RoundDesk


def purse_of(desk: RoundDesk) -> Purse:
    """The purse of a round."""
    return _LedgerPurse(desk)


class _LedgerPurse:
    def __init__(self, desk: RoundDesk) -> None:
        self._desk = desk
        self._count = len(desk.ledger.charges(desk.shop.campaign.id))

    def reserve(
        self, *, role: AgentRole, model: str, upper_bound_usd: float | None, tokens: int
    ) -> str:
        self._count += 1
        charge = f"{self._desk.round_id}/{role.value}/{self._count}"
        self._desk.ledger.reserve(
            ChargeRecord(
                id=charge,
                campaign_id=self._desk.shop.campaign.id,
                round_id=self._desk.round_id,
                role=ChargeRole(role.value),
                model=model,
                reserved_usd=upper_bound_usd,
                reserved_at=utc_now(),
            )
        )
        return charge

    def settle(self, reservation: str, *, usage: Usage | None, usd: float | None) -> None:
        if usage is None:
            return
        self._desk.ledger.settle(reservation, actual_usd=usd, at=utc_now())
