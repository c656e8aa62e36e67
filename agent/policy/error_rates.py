"""One-sided error rates of a round's attempts, shared out when it opens.

Invariant: what a round was measured by is what its opening says, so that an older round is scored again as it was.
"""

from rsi.agent.policy.gate import MAX_ATTEMPTS
from rsi.evals.judge.alpha_spending import alpha_for, attempt_alpha, stage_alpha


def planned_rates(number: int, campaign_alpha: float) -> tuple[float, ...]:
    """The rate of one stage of each attempt that a round may make, the first one first.

    Args:
        number: 1 for the campaign's first candidate.
        campaign_alpha: Allowed chance of any false promotion in the whole campaign.
    """
    share = alpha_for(number, campaign_alpha)
    return tuple(stage_alpha(attempt_alpha(share, attempt)) for attempt in range(MAX_ATTEMPTS))
