"""One round's facts as one value; what every list of rounds is made of."""

from collections.abc import Iterable, Mapping, Sequence

from rsi.agent.policy.budget import charged_usd
from rsi.agent.policy.gate import case_at_gate
from rsi.agent.store.ledger import Ledger
from rsi.agent.store.records import (
    ChargeRecord,
    DecisionRecord,
    Json,
    PromotionRecord,
    RoundRecord,
    Step,
    StepRecord,
)
from rsi.agent.store.state import last_proposal, latest_steps, round_state
from rsi.evals.types import Score
from rsi.tui.model import payloads
from rsi.tui.model.view import RoundView


class RoundBook:
    """Puts rounds together; keeps the decisions and promotions of all of them, which are few."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._decisions: Mapping[str, Sequence[DecisionRecord]] = {}
        self._promotions_of: Mapping[str, Sequence[PromotionRecord]] = {}
        self.promotions: tuple[PromotionRecord, ...] = ()
        """Of all lineages, oldest first."""

    def read_gate(self) -> None:
        """Read what the gate said and which champions moved."""
        decisions: dict[str, list[DecisionRecord]] = {}
        for each in self._ledger.decisions():
            decisions.setdefault(each.round_id, []).append(each)
        self.promotions = self._ledger.promotions()
        moves: dict[str, list[PromotionRecord]] = {}
        for move in self.promotions:
            moves.setdefault(move.round_id, []).append(move)
        self._decisions, self._promotions_of = decisions, moves

    def of_campaign(
        self, campaign_id: str, steps: Mapping[str, Sequence[StepRecord]]
    ) -> list[RoundView]:
        """The rounds of a campaign by number.

        Args:
            campaign_id: The campaign.
            steps: Finished steps by round, oldest first.
        """
        spent = _spent(self._ledger.charges(campaign_id))
        return [
            self._view(each, steps.get(each.id, ()), spent.get(each.id, 0.0))
            for each in self._ledger.rounds(campaign_id)
        ]

    def one(self, round_id: str) -> RoundView:
        """One round as it is now, whatever campaign it is of."""
        spent = _spent(self._ledger.charges(round_id=round_id))
        record, steps = self._ledger.round(round_id), self._ledger.steps(round_id)
        return self._view(record, steps, spent.get(round_id, 0.0))

    def _view(
        self, record: RoundRecord, steps: Sequence[StepRecord], spend_usd: float
    ) -> RoundView:
        return round_view(
            record,
            steps,
            self._decisions.get(record.id, ()),
            self._promotions_of.get(record.id, ()),
            spend_usd=spend_usd,
        )


def by_round(steps: Iterable[StepRecord]) -> Mapping[str, Sequence[StepRecord]]:
    """Steps grouped by their round, in the same order."""
    found: dict[str, list[StepRecord]] = {}
    for each in steps:
        found.setdefault(each.round_id, []).append(each)
    return found


def round_view(
    record: RoundRecord,
    steps: Sequence[StepRecord],
    decisions: Sequence[DecisionRecord] = (),
    promotions: Sequence[PromotionRecord] = (),
    *,
    spend_usd: float = 0.0,
) -> RoundView:
    """Put a round together from its facts, each kind oldest first; `spend_usd` is what its models cost."""
    latest: dict[Step, Json] = {step: each.payload for step, each in latest_steps(steps).items()}
    propose, review = last_proposal(steps), latest.get(Step.REVIEW, {})
    report = payloads.mapping_of(latest.get(Step.REPORT, {}), "report")
    planted = payloads.mapping_of(latest.get(Step.OPEN, {}), "planted")
    findings = (*payloads.findings_of(latest.get(Step.ADMIT, {})), *payloads.findings_of(review))
    return RoundView(
        record=record,
        state=round_state(steps, decisions, promotions),
        case=case_at_gate(steps, decisions),
        steps=tuple(steps),
        hypothesis=payloads.text_of(propose, "hypothesis", "title"),
        predicted_ratio=payloads.number_of(propose, "predicted_ratio"),
        score=payloads.score_of(latest.get(Step.SCORE, {})),
        confirm=payloads.value_of(Score, review.get("confirm")),
        baseline=payloads.value_of(Score, review.get("baseline")),
        commit=payloads.text_of(latest.get(Step.COMMIT, {}), "commit") or None,
        lesson=payloads.text_of(report, "lesson"),
        why=payloads.text_of(report, "why") or _reason_of(latest.values()),
        findings=tuple(dict.fromkeys(findings)),
        held_by=payloads.texts_of(review, "held_by"),
        decisions=tuple(decisions),
        promotions=tuple(promotions),
        spend_usd=spend_usd,
        model=payloads.text_of(propose, "model"),
        planted=payloads.text_of(planted, "kind"),
        planted_name=payloads.text_of(planted, "name"),
        expected=payloads.texts_of(planted, "expect"),
    )


def _reason_of(steps: Iterable[Json]) -> str:
    """What the last step that gave a reason said."""
    for payload in reversed(tuple(steps)):
        text = payloads.text_of(payload, "reason", "detail")
        if text:
            return text
    return ""


def _spent(charges: Iterable[ChargeRecord]) -> Mapping[str, float]:
    """Dollars of each round, open reservations in full."""
    spent: dict[str, float] = {}
    for each in charges:
        usd = charged_usd(each)
        if each.round_id is not None and usd is not None:
            spent[each.round_id] = spent.get(each.round_id, 0.0) + usd
    return spent
