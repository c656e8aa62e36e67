"""How far a claim has come: what its evidence is worth, in one word."""

from collections.abc import Mapping
from enum import StrEnum

from rsi.agent.store.codec import decode, encode
from rsi.agent.store.records import Step, StepRecord
from rsi.agent.store.state import RoundVerdict
from rsi.evals.types import Interval


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


def confirmed_effect(latest: Mapping[Step, StepRecord]) -> Interval | None:
    """What fresh runs on fresh data measured; None when there were none.

    Args:
        latest: As `store.state.latest_steps` gives them.
    """
    return _effect(latest, Step.REVIEW, "confirm")


def searched_effect(latest: Mapping[Step, StepRecord]) -> Interval | None:
    """What the runs measured that the search saw; None when nothing was measured."""
    return _effect(latest, Step.SCORE, "score")


def claimed_effect(latest: Mapping[Step, StepRecord]) -> Interval | None:
    """What a round is worth: as its fresh runs measured it, else as the search saw it; None when nothing was measured.

    Fresh runs come first because only what looked good gets them, and what looked good was partly lucky.
    """
    return confirmed_effect(latest) or searched_effect(latest)


def tier_text(tier: Tier) -> str:
    """What a tier means, in a few words."""
    return _WORDS[tier]


def _effect(latest: Mapping[Step, StepRecord], step: Step, name: str) -> Interval | None:
    score = latest[step].payload.get(name) if step in latest else None
    effect = score.get("effect") if isinstance(score, Mapping) else None
    return None if effect is None else decode(Interval, encode(effect))
