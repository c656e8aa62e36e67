"""Reads rounds out of the ledger: one, or all of a campaign, each as one value."""

from collections.abc import Iterable, Mapping, Sequence

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
        spent = _spent(self._ledger.charges(campaign_id))
        opened = sorted(self._ledger.rounds(campaign_id), key=lambda each: each.created_at)
        return tuple(self._view(each, steps.get(each.id, ()), spent) for each in opened)

    def one(self, round_id: str) -> RoundView:
        """One round as it is now.

        Raises:
            UnknownRecordError: No such round.
        """
        record, steps = self._ledger.round(round_id), self._ledger.steps(round_id)
        return self._view(record, steps, _spent(self._ledger.charges(round_id=round_id)))

    def _view(
        self,
        record: RoundRecord,
        steps: Sequence[StepRecord],
        spent: Mapping[str, tuple[float, float]],
    ) -> RoundView:
        if self._promotions is None:
            self.read_gate()
        spend_usd, reserved_usd = spent.get(record.id, (0.0, 0.0))
        return round_view(
            record,
            steps,
            self._decisions.get(record.id, ()),
            self._promotions_of.get(record.id, ()),
            spend_usd=spend_usd,
            reserved_usd=reserved_usd,
        )


def by_round(steps: Iterable[StepRecord]) -> Mapping[str, Sequence[StepRecord]]:
    """Steps grouped by their round, in the same order."""
    found: dict[str, list[StepRecord]] = {}
    for each in steps:
        found.setdefault(each.round_id, []).append(each)
    return found


def _spent(charges: Iterable[ChargeRecord]) -> Mapping[str, tuple[float, float]]:
    """Dollars of each round, reservations in full, and the part of them that is only reserved."""
    spent: dict[str, tuple[float, float]] = {}
    for each in charges:
        if each.round_id is not None:
            usd, reserved = spent.get(each.round_id, (0.0, 0.0))
            spent[each.round_id] = (
                usd + (charged_usd(each) or 0.0),
                reserved + reserved_part_usd(each),
            )
    return spent
