"""Reads rounds out of the ledger: one, or all of a campaign, each as one value."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from rsi.agent.store.facts.charge_facts import charged_usd, reserved_part_usd
from rsi.agent.store.ledger import Ledger
from rsi.agent.store.records import ChargeRecord, DecisionRecord, PromotionRecord, RoundRecord
from rsi.agent.store.rounds import RoundView, round_view
from rsi.agent.store.steps.record import StepRecord


class RoundBook:
    """Reads rounds; keeps the decisions and promotions of all of them, which are few."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._decisions: dict[str, list[DecisionRecord]] = {}
        self._promotions_of: dict[str, list[PromotionRecord]] = {}
        self._promotions: tuple[PromotionRecord, ...] | None = None
        """None until they are read."""

    @property
    def promotions(self) -> tuple[PromotionRecord, ...]:
        """Of all lineages, oldest first."""
        return self.read_gate() if self._promotions is None else self._promotions

    def read_gate(self) -> tuple[PromotionRecord, ...]:
        """Read again what the gate said and which champions moved; returns the moves."""
        self._decisions, self._promotions_of = {}, {}
        for each in self._ledger.decisions():
            self._decisions.setdefault(each.round_id, []).append(each)
        self._promotions = self._ledger.promotions()
        for move in self._promotions:
            self._promotions_of.setdefault(move.round_id, []).append(move)
        return self._promotions

    def of_campaign(
        self, campaign_id: str, steps: Mapping[str, Sequence[StepRecord]] | None = None
    ) -> tuple[RoundView, ...]:
        """The rounds of a campaign in the order they were opened, controls among them.

        Args:
            campaign_id: The campaign.
            steps: Finished steps by round, oldest first; None reads them.
        """
        if steps is None:
            steps = by_round(self._ledger.steps_of(campaign_id=campaign_id))
        paid = _paid(self._ledger.charges(campaign_id))
        opened = sorted(self._ledger.rounds(campaign_id), key=lambda each: each.created_at)
        return tuple(self._view(each, steps.get(each.id, ()), paid) for each in opened)

    def of_lineage(self, lineage: str) -> tuple[RoundView, ...]:
        """The rounds of all campaigns on a lineage, the oldest campaign first."""
        steps = by_round(self._ledger.steps_of(lineage=lineage))
        return tuple(
            view
            for each in reversed(self._ledger.campaigns(lineage=lineage))
            for view in self.of_campaign(each.record.id, steps)
        )

    def one(self, round_id: str) -> RoundView:
        """One round as it is now.

        Raises:
            UnknownRecordError: No such round.
        """
        record, steps = self._ledger.round(round_id), self._ledger.steps(round_id)
        return self._view(record, steps, _paid(self._ledger.charges(round_id=round_id)))

    def _view(
        self, record: RoundRecord, steps: Sequence[StepRecord], paid: Mapping[str, "_Paid"]
    ) -> RoundView:
        if self._promotions is None:
            self.read_gate()
        own = paid.get(record.id, _NOTHING)
        return round_view(
            record,
            steps,
            self._decisions.get(record.id, ()),
            self._promotions_of.get(record.id, ()),
            spend_usd=own.usd,
            reserved_usd=own.reserved_usd,
            device_s=own.device_s,
        )


def by_round(steps: Iterable[StepRecord]) -> Mapping[str, Sequence[StepRecord]]:
    """Steps grouped by their round, in the same order."""
    found: dict[str, list[StepRecord]] = {}
    for each in steps:
        found.setdefault(each.round_id, []).append(each)
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class _Paid:
    """What one round cost."""

    usd: float = 0.0
    """Open reservations in full."""
    reserved_usd: float = 0.0
    """The part of it that is only reserved."""
    device_s: float = 0.0


_NOTHING = _Paid()


def _paid(charges: Iterable[ChargeRecord]) -> Mapping[str, _Paid]:
    """What each round cost."""
    paid: dict[str, _Paid] = {}
    for each in charges:
        if each.round_id is not None:
            so_far = paid.get(each.round_id, _NOTHING)
            paid[each.round_id] = _Paid(
                usd=so_far.usd + (charged_usd(each) or 0.0),
                reserved_usd=so_far.reserved_usd + reserved_part_usd(each),
                device_s=so_far.device_s + (each.device_s or 0.0),
            )
    return paid
