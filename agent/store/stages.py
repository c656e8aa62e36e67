"""Where the wall time of rounds goes, by stage: a pure sum over finished steps and a campaign's events."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from rsi.agent.store.events import CampaignEvent
from rsi.agent.store.records import CampaignEventKind, Step
from rsi.agent.store.steps.record import StepRecord


class Stage(StrEnum):
    """Where a campaign's wall time goes."""

    BRIEF = "brief"
    """What the model is told is put together, with a run of a new champion under the profiler."""
    PROPOSE = "propose"
    MEASURE = "measure"
    REVIEW = "review"
    WAIT = "wait for a decision"
    AUDIT = "audit"
    OTHER = "everything else"


_STAGES = {
    Step.BRIEF: Stage.BRIEF,
    Step.PROPOSE: Stage.PROPOSE,
    Step.MEASURE: Stage.MEASURE,
    Step.REVIEW: Stage.REVIEW,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class StageTime:
    """Wall seconds of one stage over a whole campaign, or several."""

    stage: Stage
    wall_s: float
    share: float
    """Of all stages together, 0 to 1."""


def stage_times(
    rounds: Sequence[Sequence[StepRecord]],
    events: Sequence[CampaignEvent] = (),
    now: datetime | None = None,
) -> tuple[StageTime, ...]:
    """Wall seconds by stage, pauses left out; waiting is the gap between the end of review and the decision.

    Args:
        rounds: Finished steps of each round.
        events: Of the rounds' campaign; with them audits are told, and the stages sum to the time that it was under way.
            Empty sums the steps of rounds alone, whatever campaigns they are of.
        now: Until when a campaign that is not over is counted; None takes its last step or event.
    """
    spent = dict.fromkeys(Stage, 0.0)
    if all(each.kind is not CampaignEventKind.STARTED for each in events):
        events = ()
    steps = sorted((step for each in rounds for step in each), key=lambda each: each.started_at)

    def add(stage: Stage, start: datetime, end: datetime) -> None:
        whole = max(0.0, (end - start).total_seconds())
        spent[stage] += min(whole, worked_between(events, start, end)) if events else whole

    for own in rounds:
        ended_review = None
        for step in sorted(own, key=lambda each: each.started_at):
            add(_STAGES.get(step.step, Stage.OTHER), step.started_at, _end(step))
            if step.step is Step.REVIEW:
                ended_review = _end(step)
            elif step.step is Step.DECIDE and ended_review is not None:
                add(Stage.WAIT, ended_review, step.started_at)
                ended_review = None
    for audited in events:
        if audited.audit is None or audited.audit.score is None:
            continue
        before = [_end(step) for step in steps if _end(step) <= audited.at]
        before += [each.at for each in events if each.audit is not None and each.at < audited.at]
        if before:
            add(Stage.AUDIT, max(before), audited.at)
    if events:
        until = now or max([*(each.at for each in events), *map(_end, steps)])
        rest = worked_s(events, until) - sum(spent.values())
        spent[Stage.OTHER] += max(0.0, rest)
    return _ranked(spent)


def together(campaigns: Iterable[Sequence[StageTime]]) -> tuple[StageTime, ...]:
    """Wall seconds by stage of several campaigns."""
    spent = dict.fromkeys(Stage, 0.0)
    for each in campaigns:
        for stage in each:
            spent[stage.stage] += stage.wall_s
    return _ranked(spent)


def bottleneck(times: Sequence[StageTime]) -> StageTime | None:
    """The named stage that takes most time; None when nothing ran. What is no stage's own cannot be worked on."""
    named = [each for each in times if each.stage is not Stage.OTHER and each.wall_s > 0]
    return max(named, key=lambda each: each.wall_s, default=None)


def worked_s(events: Sequence[CampaignEvent], now: datetime) -> float:
    """Seconds that a campaign was under way, pauses and the time after an end excluded; 0 before its start.

    Args:
        events: Of one campaign, oldest first.
        now: Until when.
    """
    total, since = 0.0, None
    for event in events:
        match event.kind:
            case CampaignEventKind.STARTED | CampaignEventKind.RESUMED:
                since = since or event.at
            case CampaignEventKind.QUEUED | CampaignEventKind.AUDITED:
                pass
            case _ if since is not None:
                total, since = total + (event.at - since).total_seconds(), None
            case _:
                pass
    return total if since is None else total + (now - since).total_seconds()


def worked_between(events: Sequence[CampaignEvent], start: datetime, end: datetime) -> float:
    """Seconds between two moments that a campaign was under way."""

    def until(moment: datetime) -> float:
        return worked_s([each for each in events if each.at <= moment], moment)

    return max(0.0, until(end) - until(start))


def _ranked(spent: Mapping[Stage, float]) -> tuple[StageTime, ...]:
    total = sum(spent.values())
    if total <= 0:
        return ()
    ranked = sorted(spent.items(), key=lambda item: item[1], reverse=True)
    return tuple(
        StageTime(stage=stage, wall_s=wall_s, share=wall_s / total) for stage, wall_s in ranked
    )


def _end(step: StepRecord) -> datetime:
    return step.started_at + timedelta(seconds=step.wall_s)
