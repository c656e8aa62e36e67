"""How far a claim has come: what its evidence is worth, in one word."""

from collections.abc import Mapping
from enum import StrEnum

from rsi.agent.store.state import RoundVerdict


class Tier(StrEnum):
    """What stands behind a measured gain, from little to much."""

    SCREENED = "screened"
    """Supported by the runs that the search saw, and by no others yet."""
    CONFIRMED = "confirmed"
    """Supported again on fresh seeds and fresh hidden data."""
    PROMOTED = "promoted"
    """Confirmed, approved at the gate, and made the champion."""


_WORDS = {
    Tier.SCREENED: "supported by the runs that the search saw",
    Tier.CONFIRMED: "supported again on fresh seeds and hidden data",
    Tier.PROMOTED: "confirmed, approved and made the champion",
}


def claim_tier(verdict: RoundVerdict | None, review: Mapping[str, object]) -> Tier | None:
    """The tier of a round's claim; None where nothing was claimed because the screen did not support it.

    Args:
        verdict: How the round ended; None while it is open.
        review: Payload of its review, empty when it never came so far.
    """
    if verdict is RoundVerdict.PROMOTED:
        return Tier.PROMOTED
    said = review.get("tier")
    return Tier(said) if isinstance(said, str) else None


def tier_text(tier: Tier) -> str:
    """What a tier means, in a few words."""
    return _WORDS[tier]
