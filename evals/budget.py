"""Spread a campaign's false-promotion budget over its candidates and stages.

Does not: decide. Invariant: the shares of all candidates, however many come, sum to at most the budget.
"""

import math

PLANNED_CANDIDATES = 125
"""Candidates that share most of the budget evenly: the length of the best-known public overnight campaign."""
PLANNED_SHARE = 0.9
"""Part of the budget for them; the rest feeds an endless tail."""
STAGES = 2
"""Independent measurements that must both support a promotion: screen and confirm."""


def alpha_for(candidate_number: int, campaign_alpha: float) -> float:
    """False-promotion rate of one candidate, both stages together.

    Args:
        candidate_number: 1 for the first candidate of the campaign; controls count too.
        campaign_alpha: Allowed chance of any false promotion in the whole campaign, such as 0.01.

    Raises:
        ValueError: candidate_number < 1, or campaign_alpha outside (0, 1).
    """
    if candidate_number < 1:
        raise ValueError(f"candidates are numbered from 1, got {candidate_number!r}")
    if not 0 < campaign_alpha < 1:
        raise ValueError(f"campaign_alpha must lie inside (0, 1), got {campaign_alpha!r}")
    if candidate_number <= PLANNED_CANDIDATES:
        return campaign_alpha * PLANNED_SHARE / PLANNED_CANDIDATES
    beyond = candidate_number - PLANNED_CANDIDATES
    # 1/(k(k+1)) sums to 1, so the tail never overspends.
    return campaign_alpha * (1 - PLANNED_SHARE) / (beyond * (beyond + 1))


def stage_alpha(candidate_alpha: float, stages: int = STAGES) -> float:
    """Rate of one stage when all stages use fresh runs and all must support: rates multiply."""
    return math.pow(candidate_alpha, 1 / stages)
