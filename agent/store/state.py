"""Where a campaign and a round are, derived from their facts: pure functions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import assert_never

from rsi.agent.store.records import (
    CampaignEventKind,
    CampaignState,
    DecisionAction,
    DecisionRecord,
    PromotionRecord,
    Step,
    StepOutcome,
)
from rsi.agent.store.steps.facts import F, Proposed, Reviewed, Scored
from rsi.agent.store.steps.record import StepRecord
from rsi.evals.types import Interval, Score

ENDED_STATES = frozenset({CampaignState.FINISHED, CampaignState.STOPPED, CampaignState.FAILED})
"""Campaigns in these states do nothing more."""
PERSON = "person:"
"""How an actor begins that is a person."""


class RoundPhase(StrEnum):
    """What a round is doing."""

    RUNNING = "running"
    WAITING = "waiting"
    """For a decision: the evidence is in and nobody has spoken."""
    DONE = "done"


class RoundVerdict(StrEnum):
    """How a round ended."""

    PROMOTED = "promoted"
    REJECTED = "rejected"
    REFUTED = "refuted"
    INCONCLUSIVE = "inconclusive"
    INVALID = "invalid"
    NOT_ADMITTED = "not_admitted"
    WITHDRAWN = "withdrawn"
    GAVE_UP = "gave_up"
    """The agent said that its idea does not work."""
    NO_PATCH = "no_patch"
    OUT_OF_BUDGET = "out_of_budget"
    EMPTY = "empty"
    DOES_NOT_APPLY = "does_not_apply"
    CRASHED = "crashed"
    TIMEOUT = "timeout"
    OOM = "oom"
    INVALID_OUTPUT = "invalid_output"
    TAMPERED = "tampered"
    OUT_OF_TURN = "out_of_turn"
    """It worked when the champion had ended, so that no pair compared anything."""
    STALE = "stale"
    STOPPED = "stopped"
    HARNESS_ERROR = "harness_error"
    """Our failure: never held against the candidate."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundState:
    """Where one round is."""

    phase: RoundPhase
    attempt: int
    """0-based; rises when the candidate was sent back."""
    step: Step | None
    """The step that runs or waits; None when the round is done."""
    finished: tuple[Step, ...]
    """Finished steps of this attempt, in the round's order."""
    verdict: RoundVerdict | None
    """None until something ended the round."""
    ended_at: Step | None
    """The step that ended it; None while open."""


_SENT_BACK = frozenset({StepOutcome.REJECT, StepOutcome.REVISE})
"""Words that end a round only when nobody tried again."""

_ONCE = frozenset({Step.OPEN})
"""Steps that a candidate sent back does not go through again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """The finished steps of one attempt of a round, and the opening that all its attempts share."""

    number: int
    """0-based."""
    steps: Mapping[Step, StepRecord]

    def left(self, kind: type[F]) -> F | None:
        """What a step left; None when it has not finished, or left only why the round goes no further."""
        record = self.steps.get(kind.step)
        return record.fact if record is not None and isinstance(record.fact, kind) else None

    def outcome(self, step: Step) -> StepOutcome | None:
        """How a step ended; None when it has not finished."""
        return self.steps[step].outcome if step in self.steps else None

    @property
    def searched(self) -> Score | None:
        """The score of the runs that the search saw; None when nothing was scored."""
        scored = self.left(Scored)
        return None if scored is None else scored.score

    @property
    def confirmed(self) -> Score | None:
        """The score of fresh runs on fresh data; None when there were none."""
        review = self.left(Reviewed)
        return None if review is None else review.confirm

    @property
    def effect(self) -> Interval | None:
        """What the candidate is worth: as its fresh runs measured it, else as the search saw it; None when not measured.

        Fresh runs come first because only what looked good gets them, and what looked good was partly lucky.
        """
        scores = (self.confirmed, self.searched)
        return next((each.effect for each in scores if each and each.effect), None)


def is_person(actor: str) -> bool:
    """Whether a person acted, and neither policy nor a worker."""
    return actor.startswith(PERSON)


def campaign_state_after(latest: CampaignEventKind | None) -> CampaignState:
    """A campaign's state after its latest event; without any it is queued."""
    match latest:
        case None | CampaignEventKind.QUEUED:
            return CampaignState.QUEUED
        case CampaignEventKind.STARTED | CampaignEventKind.RESUMED | CampaignEventKind.AUDITED:
            return CampaignState.RUNNING
        case CampaignEventKind.PAUSED:
            return CampaignState.PAUSED
        case CampaignEventKind.PARKED:
            return CampaignState.PARKED
        case CampaignEventKind.STOPPED:
            return CampaignState.STOPPED
        case CampaignEventKind.FINISHED:
            return CampaignState.FINISHED
        case CampaignEventKind.FAILED:
            return CampaignState.FAILED
        case _:
            assert_never(latest)


def round_state(
    steps: Sequence[StepRecord],
    decisions: Sequence[DecisionRecord] = (),
    promotions: Sequence[PromotionRecord] = (),
) -> RoundState:
    """Where a round is.

    Args:
        steps: The round's finished steps, in any order.
        decisions: Decisions on the round, oldest first.
        promotions: Promotions by the round, oldest first.
    """
    latest = latest_attempt(steps)
    decisions = _about_this(latest, decisions)
    finished = tuple(step for step in Step if step in latest.steps)
    ended_at, verdict = _ending(latest, decisions, promotions)
    step = _next_step(finished, ended_at)
    phase = RoundPhase.RUNNING
    if step is None:
        phase = RoundPhase.DONE
    elif ended_at is None and _is_waiting(step, decisions):
        phase = RoundPhase.WAITING
    return RoundState(
        phase=phase,
        attempt=latest.number,
        step=step,
        finished=finished,
        verdict=verdict,
        ended_at=ended_at,
    )


def latest_attempt(steps: Sequence[StepRecord]) -> Attempt:
    """The attempt that a round is in.

    What an attempt left that was sent back is about another candidate, so it says nothing about how the round stands.
    """
    attempt = _attempt(steps)
    return Attempt(
        number=attempt,
        steps={each.step: each for each in steps if each.attempt == attempt or each.step in _ONCE},
    )


def last_proposal(steps: Sequence[StepRecord]) -> Proposed | None:
    """What was proposed last, oldest step first; it names the idea while the next attempt is being written."""
    proposals = [each.fact for each in steps if isinstance(each.fact, Proposed)]
    return next((each for each in reversed(proposals) if each.hypothesis), None)


def _attempt(steps: Sequence[StepRecord]) -> int:
    """0-based; a candidate that was sent back begins the next one."""
    attempt = max((each.attempt for each in steps), default=0)
    own = {each.step: each for each in steps if each.attempt == attempt}
    return attempt + 1 if _is_sent_back(own) else attempt


def _is_waiting(step: Step, decisions: Sequence[DecisionRecord]) -> bool:
    """Whether the step needs a word that nobody has said; sending back was about an earlier attempt."""
    words = [item for item in decisions if item.action is not DecisionAction.REVISE]
    is_final = any(
        item.score_digest is not None or item.action is DecisionAction.REJECT for item in words
    )
    return step is Step.DECIDE and not is_final


def _about_this(latest: Attempt, decisions: Sequence[DecisionRecord]) -> tuple[DecisionRecord, ...]:
    """Decisions on the score that this attempt brought to the gate; earlier attempts had their own."""
    review = latest.left(Reviewed)
    if review is None:
        return tuple(decisions)
    return tuple(each for each in decisions if each.score_digest == review.score_digest)


def _is_sent_back(latest: Mapping[Step, StepRecord]) -> bool:
    """Whether this attempt ended in "do it again", by the critic or the gate, and is not reported."""
    return Step.REPORT not in latest and any(
        record.outcome is StepOutcome.REVISE for record in latest.values()
    )


def _ending(
    latest: Attempt, decisions: Sequence[DecisionRecord], promotions: Sequence[PromotionRecord]
) -> tuple[Step | None, RoundVerdict | None]:
    """The first step that ended the round and the verdict, or neither."""
    if promotions:
        return Step.PROMOTE, RoundVerdict.PROMOTED
    is_overridden = any(
        decision.is_override and decision.action is DecisionAction.APPROVE for decision in decisions
    )
    for step in Step:
        outcome = latest.outcome(step)
        if outcome is None or outcome.goes_on:
            continue
        if is_overridden and step in {Step.SCORE, Step.REVIEW, Step.DECIDE}:
            continue
        if outcome in _SENT_BACK:
            # Sent back, yet reported: nobody tried again, so the objection stands.
            is_critic = step is Step.CRITIQUE
            return step, RoundVerdict.WITHDRAWN if is_critic else RoundVerdict.REJECTED
        return step, RoundVerdict(outcome.value)
    return None, None


def _next_step(finished: tuple[Step, ...], ended_at: Step | None) -> Step | None:
    """The step that runs now; an ended round still reports."""
    if Step.REPORT in finished:
        return None
    if ended_at is not None:
        return Step.REPORT
    order = tuple(Step)
    done = max((order.index(step) for step in finished), default=-1)
    return order[done + 1]
