"""The twelve facts of a round, one frozen class a step, and the one for a step that left only a reason.

A field without a default is in every stored row; one with a default is left out of the row while it has it.
Does not: say when a step ran, or how a fact becomes JSON; `record` does both.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import ClassVar, TypeVar

from rsi.agent.search.types import Plan
from rsi.agent.store.codec import Sparse
from rsi.agent.store.records import DecisionAction, Step, StepOutcome
from rsi.agent.store.steps.values import (
    Cost,
    FileStat,
    Planted,
    Refusal,
    RoundReport,
    Stance,
    Tier,
    Vote,
)
from rsi.evals.types import Finding, Purpose, Score


@dataclass(frozen=True, slots=True, kw_only=True)
class StepFact(Sparse):
    """What one step left; each step has its own class."""

    step: ClassVar[Step]
    outcome: StepOutcome = StepOutcome.OK


F = TypeVar("F", bound=StepFact)


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened(StepFact):
    """Where the round starts, by what error rates it is measured, and what is planted in it."""

    step = Step.OPEN
    champion_commit: str
    baseline_commit: str
    """The round-0 commit of the lineage."""
    alpha: float
    """One-sided error rate of one stage of the first attempt."""
    revised_alphas: tuple[float, ...] = ()
    """The same of the second attempt, the third and so on; empty in older rounds, which used `alpha` for all."""
    floor_s: float | None
    """Seconds of a run that does the least it must; None where no host clock decides."""
    is_floor_passed: bool = False
    """A person approved a champion of this line that is faster, so the floor bounds nothing."""
    backend: str
    assurance: str
    planted: Planted | None
    """None for an honest idea."""
    plan: Plan | None
    """The search's; None for a control."""

    @property
    def bound_s(self) -> float | None:
        """The floor that claims are held against; None without one."""
        return None if self.is_floor_passed else self.floor_s

    def alpha_of(self, attempt: int) -> float:
        """One-sided error rate of one stage of an attempt, 0-based."""
        return self.revised_alphas[attempt - 1] if attempt and self.revised_alphas else self.alpha


@dataclass(frozen=True, slots=True, kw_only=True)
class Briefed(StepFact):
    """What the proposer is told."""

    step = Step.BRIEF
    base_commit: str
    """The commit that the idea starts from."""
    score_profile: str
    decides: str = ""
    """What a candidate is judged by; empty in older rounds, like the two below."""
    machine: str = ""
    allowance: str = ""
    """Rounds and money that were left."""
    beside: str = ""
    """What the other agents of the campaign were at; empty where they think one at a time."""
    champion_run: str | None = None
    """A run of the champion for the brief, as `measure` tells it; None when none was made for this round."""
    notebook: str
    inspirations: tuple[str, ...]
    last_version: str | None = None
    """Claim and diff of the version that was sent back; None the first time."""
    critique: str | None
    """Why the critic sent the last version back; None when it did not."""
    feedback: str | None
    """What a person asked to be changed; None when nobody did."""
    instruction_chars: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposed(StepFact):
    """What the agent handed in, or why it handed in nothing."""

    step = Step.PROPOSE
    reason: str
    """Why there is no candidate; empty when there is one."""
    hypothesis: str
    predicted_ratio: float | None
    risk: str
    parts: tuple[str, ...]
    tree_sha256: str | None
    """Blob of the files that were handed in; None when nothing was."""
    turns: int
    model: str
    scaffold_digest: str
    cost: Cost
    refused: Refusal | None = None
    """The limit that ended it; None while every call was paid."""
    development_calls: int | None = None
    """Calls that its own runs made of a development harness; None where there was none, or it did not live to say."""
    development_problem: str = ""
    """Why the development harness ended early; empty where it did not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Committed(StepFact):
    """The candidate's commit and how much it changes."""

    step = Step.COMMIT
    commit: str
    parent: str
    diff_sha256: str
    """Blob of the diff, so that a cockpit on another machine can show it."""
    files: tuple[FileStat, ...]
    lines_added: int
    lines_removed: int
    rebased_from: str | None = None
    """The commit that the idea was made from, when its change was put onto the champion that came in between."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Critiqued(StepFact):
    """What the critic said before money was spent on measuring, and failed ideas that resemble this one."""

    step = Step.CRITIQUE
    stance: Stance
    text: str
    model: str
    duplicates: tuple[str, ...]
    """A sentence for each failed idea that resembles the candidate."""
    findings: tuple[Finding, ...] = ()
    cost: Cost | None = None
    """None when no critic was asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Admitted(StepFact):
    """What the rules found before anything ran."""

    step = Step.ADMIT
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured(StepFact):
    """How many runs were made and how the candidate's failed ones ended."""

    step = Step.MEASURE
    runs: int
    failures: Mapping[str, int] = field(default_factory=dict)
    """Count by how the run ended, such as "crashed"."""
    detail: str = ""
    """What the last run that failed so said, or that the scaffold's screen gave it up; else empty."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scored(StepFact):
    """The score of the runs that the search sees."""

    step = Step.SCORE
    score: Score


@dataclass(frozen=True, slots=True, kw_only=True)
class Reviewed(StepFact):
    """What rules and reviewer found, and what fresh runs on fresh data came to."""

    step = Step.REVIEW
    findings: tuple[Finding, ...]
    score_digest: str
    """The score that lies at the gate: the confirmation's, or the screen's when nothing was confirmed."""
    held_by: tuple[str, ...]
    """Why policy alone may not promote it; empty when nothing holds it."""
    tier: Tier
    panel: str
    """The votes in words; empty when only rules reviewed."""
    votes: tuple[Vote, ...]
    agreement: float | None
    """Share of votes that say the most common thing; None without votes."""
    cost: Cost | None = None
    """None in rows of older versions, whose reviews were free or not told apart."""
    reason: str = ""
    """Why it goes no further; empty when it does."""
    confirm: Score | None = None
    """None when it was rejected before fresh runs, or stopped."""
    baseline: Score | None = None
    """Against the round-0 baseline; None for a first step, in older rounds, and where the confirmation failed."""
    unearned: tuple[str, ...] = ()
    """What policy lacks to decide here; empty when it may, and for controls."""
    drawn: str = ""
    """Why a person is shown it before policy promotes it at level 2; empty when it was not drawn."""

    @property
    def stages(self) -> Mapping[Purpose, Score]:
        """The stages on fresh runs that were scored, in their order."""
        found = {Purpose.CONFIRM: self.confirm, Purpose.BASELINE: self.baseline}
        return {purpose: score for purpose, score in found.items() if score is not None}

    def with_stage(self, purpose: Purpose, score: Score) -> "Reviewed":
        """The same with the score of one more stage on fresh runs."""
        if purpose is Purpose.BASELINE:
            return replace(self, baseline=score)
        return replace(self, confirm=score, score_digest=score.digest)


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided(StepFact):
    """What the gate said about exactly this commit and score."""

    step = Step.DECIDE
    action: DecisionAction
    actor: str
    reason: str
    commit: str | None
    score_digest: str | None
    is_override: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Promoted(StepFact):
    """The champion moved."""

    step = Step.PROMOTE
    old_commit: str
    new_commit: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Reported(StepFact):
    """The round as the notebook keeps it."""

    step = Step.REPORT
    report: RoundReport


@dataclass(frozen=True, slots=True, kw_only=True)
class Halted(Sparse):
    """A step that left only why the round goes no further: an empty candidate, a person's stop, a failure of ours."""

    step: Step
    outcome: StepOutcome
    reason: str
    refused: Refusal | None = None
    """The limit of the budget that ended it."""


AnyFact = StepFact | Halted

FACT_BY_STEP: Mapping[Step, type[StepFact]] = {
    each.step: each
    for each in (
        Opened, Briefed, Proposed, Committed, Critiqued, Admitted, Measured, Scored, Reviewed,
        Decided, Promoted, Reported,
    )
}  # fmt: skip
