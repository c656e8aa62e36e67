"""One round as one value, read from its facts: what command line, report, cockpit and what-if all show.

Pure; `round_book` reads. Invariant: a view is derived from facts and never stored.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from rsi.agent.store.records import (
    DecisionAction,
    DecisionRecord,
    PromotionRecord,
    RoundRecord,
    Step,
    StepOutcome,
)
from rsi.agent.store.state import (
    Attempt,
    RoundState,
    RoundVerdict,
    last_proposal,
    latest_attempt,
    round_state,
)
from rsi.agent.store.steps.facts import (
    Admitted,
    Committed,
    Critiqued,
    Decided,
    F,
    Halted,
    Measured,
    Opened,
    Proposed,
    Reported,
    Reviewed,
)
from rsi.agent.store.steps.record import StepRecord
from rsi.agent.store.steps.values import Planted, RoundReport, Tier
from rsi.evals.types import Finding, Interval, Score


@dataclass(frozen=True, slots=True, kw_only=True)
class GateCase:
    """What lies at the gate for one round."""

    round_id: str
    commit: str
    score_digest: str
    attempt: int
    held_by: tuple[str, ...]
    """Why policy alone may not promote it, and a person only with a reason; empty when nothing holds it."""
    unearned: tuple[str, ...] = ()
    """What policy lacks to decide here, so that a person is waited for at any level of autonomy."""
    drawn: str = ""
    """Why a person is waited for at level 2 though nothing holds it; empty when it was not drawn."""
    alike: tuple[str, ...] = ()
    """Failed ideas that resemble this one, a sentence each, for the person; nothing is decided by them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundView:
    """One round with how it stands."""

    record: RoundRecord
    steps: tuple[StepRecord, ...]
    """Of all attempts, in the order they finished."""
    decisions: tuple[DecisionRecord, ...]
    promotions: tuple[PromotionRecord, ...]
    spend_usd: float
    """What its models cost, open reservations in full."""
    reserved_usd: float
    """The part of it that is only reserved."""
    device_s: float
    """Seconds that its runs held a device."""
    state: RoundState
    latest: Attempt
    """The attempt that counts."""
    proposed: Proposed | None
    """What was proposed last; it names the idea while the next attempt is being written."""
    case: GateCase | None
    """What lies at the gate; None when nothing does."""

    @property
    def id(self) -> str:
        return self.record.id

    @property
    def label(self) -> str:
        """What people call it: "3" for the third idea, "c1" for the first control."""
        return round_label(self.record)

    def left(self, kind: type[F]) -> F | None:
        """What a step of the attempt that counts left; None when it left nothing or has not finished."""
        return self.latest.left(kind)

    @property
    def is_waiting(self) -> bool:
        """True when it lies at the gate and nobody has decided."""
        return self.case is not None

    @property
    def ended_as(self) -> str:
        """One word: the verdict, or what it is doing."""
        if self.state.verdict is not None:
            return self.state.verdict.value
        if self.is_waiting:
            return "waiting"
        return self.state.step.value if self.state.step is not None else "done"

    @property
    def word(self) -> str:
        """The same for a screen, where what waits for a person is at the "gate"."""
        return "gate" if self.ended_as == "waiting" else self.ended_as

    @property
    def last_at(self) -> datetime:
        """When the last finished step ended; the opening when none has."""
        ends = (each.started_at + timedelta(seconds=each.wall_s) for each in self.steps)
        return max(ends, default=self.record.created_at)

    # --- the idea and its candidate ---

    @property
    def hypothesis(self) -> str:
        return "" if self.proposed is None else self.proposed.hypothesis

    @property
    def predicted_ratio(self) -> float | None:
        return None if self.proposed is None else self.proposed.predicted_ratio

    @property
    def model(self) -> str:
        return "" if self.proposed is None else self.proposed.model

    @property
    def commit(self) -> str | None:
        committed = self.left(Committed)
        return None if committed is None else committed.commit

    @property
    def parent(self) -> str:
        """The commit that the candidate was made from."""
        committed = self.left(Committed)
        if committed is not None:
            return committed.parent
        return self.record.parent_commit or self.record.champion_commit

    # --- the evidence ---

    @property
    def score(self) -> Score | None:
        """Of the pairs that the search saw."""
        return self.latest.searched

    @property
    def confirm(self) -> Score | None:
        """Of fresh pairs with fresh hidden data, measured before the gate."""
        return self.latest.confirmed

    @property
    def baseline(self) -> Score | None:
        """Of the candidate against the round-0 baseline, measured before the gate; None for a first step."""
        review = self.left(Reviewed)
        return None if review is None else review.baseline

    @property
    def effect(self) -> Interval | None:
        """On fresh data where there are any, else as the search saw it; None when nothing was measured."""
        return self.latest.effect

    @property
    def searched(self) -> Interval | None:
        """The effect as the search saw it; None when nothing was measured."""
        return None if self.score is None else self.score.effect

    @property
    def tier(self) -> Tier | None:
        """What the claim is worth; None where the screen did not support one."""
        if self.state.verdict is RoundVerdict.PROMOTED:
            return Tier.PROMOTED
        review = self.left(Reviewed)
        return None if review is None else review.tier

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What rules and reviewer found, each once."""
        found = [each.findings for each in (self.left(Admitted), self.left(Reviewed)) if each]
        return tuple(dict.fromkeys(finding for each in found for finding in each))

    @property
    def held_by(self) -> tuple[str, ...]:
        """Why policy alone may not promote it."""
        review = self.left(Reviewed)
        return () if review is None else review.held_by

    # --- what came of it ---

    @property
    def report(self) -> RoundReport | None:
        """As the notebook keeps it; None until it is reported."""
        reported = self.left(Reported)
        return None if reported is None else reported.report

    @property
    def lesson(self) -> str:
        return "" if self.report is None else self.report.lesson

    @property
    def reason(self) -> str:
        """Why it ended as it did, or what the last step that gave a reason said; empty when none did."""
        if self.report is not None and self.report.why:
            return self.report.why
        said = (_reason(each) for each in reversed(tuple(self.latest.steps.values())))
        return next(filter(None, said), "")

    @property
    def decided_by(self) -> str | None:
        """Who decided; whoever sent an attempt back did not decide about the next one."""
        words = [each for each in self.decisions if each.action is not DecisionAction.REVISE]
        return words[-1].actor if words else None

    # --- what was planted ---

    @property
    def planted(self) -> Planted | None:
        """What was planted here to test the pipeline; None for an honest idea."""
        opened = self.left(Opened)
        return None if opened is None else opened.planted

    @property
    def is_planted_cheat(self) -> bool:
        return self.planted is not None and self.planted.is_cheat

    @property
    def has_reached_gate(self) -> bool:
        """True when nothing stopped what was planted here before the gate; False for honest ideas.

        Held is stopped where that was expected of a cheat.
        """
        outcome = self.latest.outcome(Step.REVIEW)
        if self.planted is None or outcome not in {StepOutcome.OK, StepOutcome.HELD}:
            return False
        is_expected = self.planted.is_cheat and StepOutcome.HELD in self.planted.expect
        return not (outcome is StepOutcome.HELD and is_expected)

    @property
    def is_caught(self) -> bool:
        """A planted cheat that ended in one of the outcomes that were named for it beforehand."""
        if self.planted is None or not self.planted.is_cheat:
            return False
        if self.has_reached_gate and self.record.is_control and self.decided_by is not None:
            return False  # only its being a control kept it from promotion
        expected = self.planted.expect
        # "held" at the gate ends as a rejection, whoever rejects it.
        return self.ended_as in expected or ("held" in expected and self.ended_as == "rejected")


def round_view(
    record: RoundRecord,
    steps: Sequence[StepRecord],
    decisions: Sequence[DecisionRecord] = (),
    promotions: Sequence[PromotionRecord] = (),
    *,
    spend_usd: float = 0.0,
    reserved_usd: float = 0.0,
    device_s: float = 0.0,
) -> RoundView:
    """Put a round together from its facts, each kind oldest first."""
    return RoundView(
        record=record,
        steps=tuple(steps),
        decisions=tuple(decisions),
        promotions=tuple(promotions),
        spend_usd=spend_usd,
        reserved_usd=reserved_usd,
        device_s=device_s,
        state=round_state(steps, decisions, promotions),
        latest=latest_attempt(steps),
        proposed=last_proposal(steps),
        case=case_at_gate(steps, decisions),
    )


def case_at_gate(
    steps: Sequence[StepRecord], decisions: Sequence[DecisionRecord]
) -> GateCase | None:
    """The case of a round that waits for a decision; None when nothing does.

    Only candidates whose evidence supports them, on fresh runs too, and that no rule or reviewer rejected
    come here.
    """
    latest = latest_attempt(steps)
    review, committed = latest.left(Reviewed), latest.left(Committed)
    if review is None or committed is None or not review.outcome.goes_on:
        return None
    if Step.DECIDE in latest.steps or Step.REPORT in latest.steps:
        return None
    critique = latest.left(Critiqued)
    case = GateCase(
        round_id=latest.steps[Step.REVIEW].round_id,
        commit=committed.commit,
        score_digest=review.score_digest,
        attempt=latest.number,
        held_by=review.held_by,
        unearned=review.unearned,
        drawn=review.drawn,
        alike=() if critique is None else critique.duplicates,
    )
    return None if decision_on(decisions, case.commit, case.score_digest) else case


def decision_on(
    decisions: Sequence[DecisionRecord], commit: str, score_digest: str
) -> DecisionRecord | None:
    """The latest word on exactly this commit and score; an override follows what it overrides."""
    spoken = [
        each for each in decisions if (each.commit, each.score_digest) == (commit, score_digest)
    ]
    return spoken[-1] if spoken else None


def round_label(record: RoundRecord) -> str:
    """What people call a round: "3" for the third idea, "c1" for the first control."""
    return f"c{-record.number}" if record.is_control else str(record.number)


def _reason(step: StepRecord) -> str:
    match step.fact:
        case (
            Halted(reason=reason)
            | Proposed(reason=reason)
            | Reviewed(reason=reason)
            | Decided(reason=reason)
        ):
            return reason
        case Measured(detail=detail):
            return detail
        case _:
            return ""
