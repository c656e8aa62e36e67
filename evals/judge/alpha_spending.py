"""Spread a campaign's false-promotion budget over its candidates, their attempts and stages.

Does not: decide. Invariant: the shares of all candidates, however many come, sum to at most the budget.
"""

import math

PLANNED_CANDIDATES = 125
"""Candidates that share most of the budget evenly: the length of the best-known public overnight campaign."""
PLANNED_SHARE = 0.9
"""Part of the budget for them; the rest feeds an endless tail."""
FIRST_ATTEMPT_SHARE = 0.75
"""Part of a candidate's rate for its first attempt; each later one gets as much of what is left. Few candidates are
sent back, so the first attempt keeps most of the power: its interval over three pairs is 8 % wider than without."""
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


def attempt_alpha(candidate_alpha: float, attempt: int) -> float:
    """False-promotion rate of one attempt at a candidate, which may be measured again when it was sent back.

    Args:
        candidate_alpha: Of the candidate, all attempts together.
        attempt: 0 for the first; however many follow, the rates sum to at most the candidate's.

    Raises:
        ValueError: attempt < 0.
    """
    if attempt < 0:
        raise ValueError(f"attempts are numbered from 0, got {attempt!r}")
    left = (1 - FIRST_ATTEMPT_SHARE) ** attempt
    return candidate_alpha * FIRST_ATTEMPT_SHARE * left


def stage_alpha(rate: float, stages: int = STAGES) -> float:
    """Rate of one stage of an attempt when all stages use fresh runs and all must support: rates multiply."""
    return math.pow(rate, 1 / stages)
