"""One-sided error rates of a round's attempts: shared out when it opens, read back ever after.

Invariant: what a round was measured by is what its opening says, so that an older round is scored again as it was.
"""

from collections.abc import Mapping, Sequence
from typing import cast

from rsi.agent.policy.gate import MAX_ATTEMPTS
from rsi.evals.judge.alpha_spending import alpha_for, attempt_alpha, stage_alpha

FIRST = "alpha"
"""Key in an opening's payload: the rate of one stage. Rounds that have no other key used it for every attempt."""
LATER = "revised_alphas"
"""Key in an opening's payload: the rates of the second attempt, the third and so on."""


def planned_rates(number: int, campaign_alpha: float) -> dict[str, object]:
    """What a round's opening says about error rates.

    Args:
        number: 1 for the campaign's first candidate.
        campaign_alpha: Allowed chance of any false promotion in the whole campaign.
    """
    share = alpha_for(number, campaign_alpha)
    rates = [stage_alpha(attempt_alpha(share, attempt)) for attempt in range(MAX_ATTEMPTS)]
    return {FIRST: rates[0], LATER: rates[1:]}


def rate_of(opened: Mapping[str, object], attempt: int) -> float:
    """One-sided error rate of one stage of an attempt, as the round's opening fixed it."""
    first = cast(float, opened[FIRST])
    if attempt == 0 or LATER not in opened:
        return first
    return cast(Sequence[float], opened[LATER])[attempt - 1]
