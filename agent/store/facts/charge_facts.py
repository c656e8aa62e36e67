"""The ledger's money: every call is reserved before it is made and settled after.

Invariant: a reservation that was never settled counts in full, because the call may have been made.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from sqlalchemy import select

from rsi.agent.errors import LedgerValueError, UnknownRecordError
from rsi.agent.store.codec import decode, encode
from rsi.agent.store.facts.inserting import FactStore, Key, insert_once
from rsi.agent.store.records import ChargeRecord, ChargeRole, ChargeStatus, Spend
from rsi.agent.store.sql.tables import charges, settlements

BOUND = "bound"
"""Kind of the tokens that are only reserved."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settlement:
    """What a call came to; the second half of a charge."""

    charge_id: str
    actual_usd: float | None
    tokens: Mapping[str, int] = field(default_factory=dict)
    device_s: float | None = None
    settled_at: datetime


class ChargeFacts(FactStore):
    """Reservations and settlements."""

    def reserve(self, charge: ChargeRecord) -> bool:
        """Set money aside before a call; False when this reservation is there already.

        Raises:
            LedgerConflictError: The id was used for another reservation.
            LedgerValueError: The charge is not a plain reservation, or is negative.
            UnknownRecordError: No such campaign.
        """
        if charge.status is not ChargeStatus.RESERVED or charge.settled_at is not None:
            raise LedgerValueError(f"charge {charge.id!r} must be reserved first, then settled")
        _not_negative(charge.reserved_usd, f"reserved_usd of charge {charge.id!r}")
        key = Key(columns={"id": charge.id}, name=f"charge {charge.id!r}")
        return self._insert(
            charges,
            key,
            {
                "campaign_id": charge.campaign_id,
                "round_id": charge.round_id,
                "role": charge.role.value,
                "reserved_usd": charge.reserved_usd,
                "body": encode(charge),
            },
        )

    def settle(
        self,
        charge_id: str,
        *,
        actual_usd: float | None,
        at: datetime,
        tokens: Mapping[str, int] | None = None,
        device_s: float | None = None,
    ) -> bool:
        """Say what a reserved call came to; False when it was settled so before.

        Args:
            charge_id: The reservation's id.
            actual_usd: Dollars; None when the price or the usage is unknown (the reservation then goes on counting).
            at: When the call ended.
            tokens: Count by kind.
            device_s: Seconds a device was held.

        Raises:
            LedgerConflictError: It was settled at another amount before.
            UnknownRecordError: Nothing was reserved under this id.
        """
        _not_negative(actual_usd, f"actual_usd of charge {charge_id!r}")
        settlement = Settlement(
            charge_id=charge_id,
            actual_usd=actual_usd,
            tokens=tokens or {},
            device_s=device_s,
            settled_at=at,
        )
        with self._database.write(settlements) as connection:
            if connection.scalar(select(charges.c.seq).where(charges.c.id == charge_id)) is None:
                raise UnknownRecordError(f"no charge {charge_id!r} was reserved; reserve it first")
            return insert_once(
                connection,
                settlements,
                Key(columns={"charge_id": charge_id}, name=f"settlement of charge {charge_id!r}"),
                {"actual_usd": actual_usd, "body": encode(settlement)},
            )

    def charges(
        self, campaign_id: str | None = None, *, round_id: str | None = None
    ) -> tuple[ChargeRecord, ...]:
        """Charges with what they came to, in the order they were reserved."""
        query = (
            select(charges.c.body, settlements.c.body)
            .outerjoin_from(charges, settlements, settlements.c.charge_id == charges.c.id)
            .order_by(charges.c.seq)
        )
        if campaign_id is not None:
            query = query.where(charges.c.campaign_id == campaign_id)
        if round_id is not None:
            query = query.where(charges.c.round_id == round_id)
        with self._database.read() as connection:
            rows = connection.execute(query).all()
        return tuple(_joined(row[0], row[1]) for row in rows)

    def spend(
        self, campaign_id: str | None = None, *, round_id: str | None = None
    ) -> Mapping[ChargeRole, Spend]:
        """What each role cost so far; roles that cost nothing are left out."""
        by_role: dict[ChargeRole, list[ChargeRecord]] = {}
        for charge in self.charges(campaign_id, round_id=round_id):
            by_role.setdefault(charge.role, []).append(charge)
        return {role: _spend(role, group) for role, group in by_role.items()}


def reserved_part_usd(charge: ChargeRecord) -> float:
    """Dollars of a charge that are only reserved: its call is under way, or nobody told what it cost."""
    return charge.reserved_usd or 0.0 if charge.actual_usd is None else 0.0


def charged_usd(charge: ChargeRecord) -> float | None:
    """Dollars that a charge counts: what it cost, else what is reserved; None when nobody knows."""
    return charge.reserved_usd if charge.actual_usd is None else charge.actual_usd


def _joined(body: str, settled: str | None) -> ChargeRecord:
    charge = decode(ChargeRecord, body)
    if settled is None:
        return charge
    settlement = decode(Settlement, settled)
    return replace(
        charge,
        status=ChargeStatus.SETTLED,
        actual_usd=settlement.actual_usd,
        tokens=settlement.tokens,
        device_s=settlement.device_s,
        settled_at=settlement.settled_at,
    )


def _spend(role: ChargeRole, group: list[ChargeRecord]) -> Spend:
    tokens: Counter[str] = Counter()
    for charge in group:
        tokens.update({kind: n for kind, n in charge.tokens.items() if kind != BOUND})
    known = [(charge, charged_usd(charge)) for charge in group]
    return Spend(
        role=role,
        calls=len(group),
        spent_usd=sum((usd for _, usd in known if usd is not None), 0.0),
        reserved_usd=sum(map(reserved_part_usd, group)),
        unknown_calls=sum(usd is None for _, usd in known),
        tokens=dict(tokens),
        reserved_tokens=sum(charge.tokens.get(BOUND, 0) for charge in group),
        device_s=sum((c.device_s for c in group if c.device_s is not None), 0.0),
    )


def _not_negative(value: float | None, what: str) -> None:
    if value is not None and value < 0:
        raise LedgerValueError(f"{what} is {value!r}; it must be 0 or more")
