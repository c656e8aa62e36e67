"""What decided a score: its runs, its quality, a guard, or the effect itself.

Pure. Invariant: `judging` writes the beginnings of its sentences from here, so that a stored score can be read back.
"""

from enum import StrEnum

from rsi.evals.types import Outcome, Score

QUALITY_SAID = "quality: "
UNSETTLED_SAID = "but quality is not settled: "
GUARD_SAID = "guard: "


class Cause(StrEnum):
    """What a verdict rests on."""

    RUNS = "runs"
    """Runs of the candidate failed, or none could be used."""
    QUALITY = "quality"
    GUARD = "guard"
    EFFECT = "effect"


def cause_of(score: Score) -> Cause:
    """What decided, whatever the verdict."""
    if score.reason.startswith(QUALITY_SAID) or UNSETTLED_SAID in score.reason:
        return Cause.QUALITY
    if score.reason.startswith(GUARD_SAID):
        return Cause.GUARD
    has_failed = any(count for word, count in score.outcomes.items() if word != Outcome.OK)
    return Cause.RUNS if has_failed or score.effect is None else Cause.EFFECT
