"""One round's facts as one value; what every list of rounds is made of."""

from collections.abc import Iterable, Sequence

from rsi.agent.gate import case_at_gate
from rsi.agent.store.records import (
    DecisionRecord,
    Json,
    PromotionRecord,
    RoundRecord,
    Step,
    StepRecord,
)
from rsi.agent.store.state import last_proposal, latest_steps, round_state
from rsi.evals.types import Score
from rsi.tui import payloads
from rsi.tui.view import RoundView


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
