"""Values inside the facts that a round's steps leave: costs, votes, what was planted, the round's report.

Invariant: no number stands for "missing". Does not: know the database, or how a value is stored.
"""

from dataclasses import dataclass, field
from enum import StrEnum

from rsi.agent.llm.types import Usage
from rsi.agent.store.codec import ADDED, Sparse
from rsi.evals.planted.controls import ControlKind
from rsi.evals.types import Finding, Interval, Severity


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What a part of a round used."""

    usd: float | None = 0.0
    """Real dollars and what is only reserved; None when some price was unknown."""
    usage: Usage = field(default_factory=Usage)
    """Tokens that providers told of."""
    calls: int = 0
    wall_s: float = 0.0
    reserved_usd: float = field(default=0.0, metadata={ADDED: True})
    """The part of `usd` that is only reserved, for calls whose cost nobody told."""
    reserved_tokens: int = field(default=0, metadata={ADDED: True})
    """Tokens reserved for them; not in `usage`. Older rows have them there."""

    def __add__(self, other: "Cost") -> "Cost":
        usd = None if self.usd is None or other.usd is None else self.usd + other.usd
        return Cost(
            usd=usd,
            usage=self.usage + other.usage,
            calls=self.calls + other.calls,
            wall_s=self.wall_s + other.wall_s,
            reserved_usd=self.reserved_usd + other.reserved_usd,
            reserved_tokens=self.reserved_tokens + other.reserved_tokens,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """A limit of the campaign's budget that turned a call away."""

    limit: str
    """Name of the limit, such as "usd"."""
    allowed: float | None
    """What it allowed then; None when it was lifted meanwhile."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Planted(Sparse):
    """What a control or a script put into a round to test the pipeline, named before anything was measured."""

    kind: ControlKind
    name: str
    expect: tuple[str, ...] = ()
    """Words that the round may end with when the pipeline works."""
    after_round: int | None = None
    """Ideas done when a control's turn came; None for what a script plants under an idea's number."""

    @property
    def is_cheat(self) -> bool:
        return self.kind is ControlKind.CHEAT


@dataclass(frozen=True, slots=True, kw_only=True)
class FileStat:
    """How much of one file a diff changes."""

    path: str
    """As git quotes it when it holds odd characters."""
    added_lines: int | None
    """None for a binary file."""
    removed_lines: int | None


class Stance(StrEnum):
    """What the critic asks for."""

    GO = "go"
    REVISE = "revise"
    WITHDRAW = "withdraw"


@dataclass(frozen=True, slots=True, kw_only=True)
class Vote:
    """One reviewer's vote by itself, so that a disagreement stays visible."""

    voter: str
    """Model name and number of the vote."""
    worst: Severity | None
    """The most severe finding; None when it found nothing."""
    findings: tuple[Finding, ...]


class Tier(StrEnum):
    """What stands behind a measured gain, from little to much."""

    SCREENED = "screened"
    """Supported by the runs that the search saw, and by no others yet."""
    CONFIRMED = "confirmed"
    """Supported again on fresh seeds and fresh hidden data."""
    PROMOTED = "promoted"
    """Confirmed, approved at the gate, and made the champion."""

    @property
    def text(self) -> str:
        """What it means, in a few words."""
        return _TIERS[self]


_TIERS = {
    Tier.SCREENED: "supported by the runs that the search saw",
    Tier.CONFIRMED: "supported again on fresh seeds and hidden data",
    Tier.PROMOTED: "confirmed, approved and made the champion",
}


class Accuracy(StrEnum):
    """How a prediction compares with what was measured."""

    HIT = "hit"
    OVERSHOOT = "overshoot"
    """Less was gained than predicted."""
    UNDERSHOOT = "undershoot"
    """More was gained than predicted."""
    UNKNOWN = "unknown"
    """Nothing was measured, or nothing was predicted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundReport:
    """One round as the notebook keeps it."""

    round_id: str
    round_number: int
    task: str
    outcome: str
    """Where the round ended: "promoted", "refuted", "crashed", "no_patch", ..."""
    hypothesis: str
    changed: str
    """One line: files and lines."""
    diff: str
    predicted_ratio: float | None
    effect: Interval | None
    """Measured improvement over the champion of that round; None when nothing was measured."""
    verdict: str | None
    why: str
    """Why it failed, or why it was accepted, in one or two sentences."""
    lesson: str
    accuracy: Accuracy
    cost: Cost
    """Of the whole round: all its attempts, proposer, critic and reviewer."""
    base_commit: str
    commit: str | None
    is_promoted: bool
