"""Where the wall time of rounds goes, by stage: a pure sum over finished steps."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from rsi.agent.store.records import Step
from rsi.agent.store.steps.record import StepRecord


class Stage(StrEnum):
    """Where a campaign's wall time goes."""

    PROPOSE = "propose"
    MEASURE = "measure"
    REVIEW = "review"
    WAIT = "wait for a decision"
    OTHER = "everything else"


_STAGES = {
    Step.PROPOSE: Stage.PROPOSE,
    Step.MEASURE: Stage.MEASURE,
    Step.REVIEW: Stage.REVIEW,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class StageTime:
    """Wall seconds of one stage over the whole campaign."""

    stage: Stage
    wall_s: float
    share: float
    """Of all stages together, 0 to 1."""


def stage_times(rounds: Sequence[Sequence[StepRecord]]) -> tuple[StageTime, ...]:
    """Wall seconds by stage; waiting is the gap between the end of review and the decision."""
    spent = dict.fromkeys(Stage, 0.0)
    for steps in rounds:
        ended_review = None
        for step in sorted(steps, key=lambda each: each.started_at):
            spent[_STAGES.get(step.step, Stage.OTHER)] += step.wall_s
            if step.step is Step.REVIEW:
                ended_review = step.started_at + timedelta(seconds=step.wall_s)
            elif step.step is Step.DECIDE and ended_review is not None:
                spent[Stage.WAIT] += max(0.0, (step.started_at - ended_review).total_seconds())
                ended_review = None
    total = sum(spent.values())
    if total <= 0:
        return ()
    ranked = sorted(spent.items(), key=lambda item: item[1], reverse=True)
    return tuple(
        StageTime(stage=stage, wall_s=wall_s, share=wall_s / total) for stage, wall_s in ranked
    )
