"""The reviewer's part of step 9: a model with fresh context that must try to refute the hypothesis."""

from rsi.agent.workshop import RoundDesk
from rsi.evals.types import Finding

RULES_ONLY = "rules"


def review_by_model(desk: RoundDesk) -> tuple[Finding, ...]:
    """Findings of the campaign's reviewer; none when it reviews by the rules alone."""
    if desk.shop.config.reviewer == RULES_ONLY:
        return ()
    raise NotImplementedError
