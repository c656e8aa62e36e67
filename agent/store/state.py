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
    StepRecord,
)

ENDED_STATES = frozenset({CampaignState.FINISHED, CampaignState.STOPPED, CampaignState.FAILED})
"""Campaigns in these states do nothing more."""


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
    NO_PATCH = "no_patch"
    OUT_OF_BUDGET = "out_of_budget"
    EMPTY = "empty"
    DOES_NOT_APPLY = "does_not_apply"
    CRASHED = "crashed"
    TIMEOUT = "timeout"
    OOM = "oom"
    INVALID_OUTPUT = "invalid_output"
    TAMPERED = "tampered"
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


_ENDINGS: dict[str, RoundVerdict] = {
    verdict.value: verdict for verdict in RoundVerdict if verdict is not RoundVerdict.PROMOTED
}

_ONCE = frozenset({Step.OPEN})
"""Steps that a candidate sent back does not go through again."""

GOES_ON = frozenset({"ok", "supported", "held", "approve", "promoted"})
"""Outcomes after which the next step runs; any other word ends the attempt."""


def campaign_state_after(latest: CampaignEventKind | None) -> CampaignState:
    """A campaign's state after its latest event; without any it is queued."""
    match latest:
        case None | CampaignEventKind.QUEUED:
            return CampaignState.QUEUED
        case CampaignEventKind.STARTED | CampaignEventKind.RESUMED | CampaignEventKind.AUDITED:
            return CampaignState.RUNNING
        case CampaignEventKind.PAUSED:
            return CampaignState.PAUSED
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
    latest = latest_steps(steps)
    decisions = _about_this(latest, decisions)
    finished = tuple(step for step in Step if step in latest)
    ended_at, verdict = _ending(latest, decisions, promotions)
    step = _next_step(finished, ended_at)
    phase = RoundPhase.RUNNING
    if step is None:
        phase = RoundPhase.DONE
    elif ended_at is None and _is_waiting(step, decisions):
        phase = RoundPhase.WAITING
    return RoundState(
        phase=phase,
        attempt=_attempt(steps),
        step=step,
        finished=finished,
        verdict=verdict,
        ended_at=ended_at,
    )


def latest_steps(steps: Sequence[StepRecord]) -> Mapping[Step, StepRecord]:
    """The finished steps of the attempt that a round is in, and the opening that all its attempts share.

    What an attempt left that was sent back is about another candidate, so it says nothing about how the round stands.
    """
    attempt = _attempt(steps)
    return {each.step: each for each in steps if each.attempt == attempt or each.step in _ONCE}


def last_proposal(steps: Sequence[StepRecord]) -> Mapping[str, object]:
    """What was proposed last, oldest step first; it names the idea while the next attempt is being written."""
    proposals = [each.payload for each in steps if each.step is Step.PROPOSE]
    return next((each for each in reversed(proposals) if each.get("hypothesis")), {})


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


def _about_this(
    latest: Mapping[Step, StepRecord], decisions: Sequence[DecisionRecord]
) -> tuple[DecisionRecord, ...]:
    """Decisions on the score that this attempt brought to the gate; earlier attempts had their own."""
    review = latest.get(Step.REVIEW)
    digest = None if review is None else review.payload.get("score_digest")
    if digest is None:
        return tuple(decisions)
    return tuple(each for each in decisions if each.score_digest == digest)


def _is_sent_back(latest: Mapping[Step, StepRecord]) -> bool:
    """Whether this attempt ended in "do it again", by the critic or the gate, and is not reported."""
    return Step.REPORT not in latest and any(
        record.outcome == DecisionAction.REVISE.value for record in latest.values()
    )


def _ending(
    latest: Mapping[Step, StepRecord],
    decisions: Sequence[DecisionRecord],
    promotions: Sequence[PromotionRecord],
) -> tuple[Step | None, RoundVerdict | None]:
    """The first step that ended the round and the verdict, or neither."""
    if promotions:
        return Step.PROMOTE, RoundVerdict.PROMOTED
    is_overridden = any(
        decision.is_override and decision.action is DecisionAction.APPROVE for decision in decisions
    )
    for step in Step:
        record = latest.get(step)
        if record is None or record.outcome in GOES_ON:
            continue
        if is_overridden and step in {Step.SCORE, Step.REVIEW, Step.DECIDE}:
            continue
        verdict = _ENDINGS.get(record.outcome.partition("(")[0])
        if record.outcome in {DecisionAction.REJECT.value, DecisionAction.REVISE.value}:
            # Sent back, yet reported: nobody tried again, so the objection stands.
            verdict = RoundVerdict.WITHDRAWN if step is Step.CRITIQUE else RoundVerdict.REJECTED
        if verdict is not None:
            return step, verdict
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
