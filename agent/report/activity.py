"""What a campaign does at this moment and since when, also between rounds; and who keeps the machine from it.

Told from the ledger's facts, and on the worker's own machine from the lock that measurements take turns by.
Does not: say why a campaign stands still for good; `rsi.agent.queue.standstill` does.
"""

import socket
from collections.abc import Container, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from rsi.agent.store.events import CampaignEvent
from rsi.agent.store.ledger import Ledger
from rsi.agent.store.records import CampaignState, RoundRecord, Step
from rsi.agent.store.rounds import round_label
from rsi.agent.store.steps.record import StepRecord
from rsi.evals.types import Purpose
from rsi.sandboxes.machine.leases import Holder, machine_holder

TIMED = frozenset({Step.OPEN, Step.BRIEF, Step.PROPOSE, Step.MEASURE, Step.REVIEW})
"""Steps in which something may be timed, and so wait for the machine."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Activity:
    """What is under way."""

    what: str
    """Such as "round 2 measure run 3" or "audit of the champion, run 4"."""
    since: datetime
    """When it began, as far as facts tell: the end of what was before it."""
    held_by: str = ""
    """Who has the machine that it may have to wait for, and since when; empty when nobody else has."""
    behind: str = ""
    """What other agents of the campaign do ahead meanwhile, such as "2 agents think ahead, 1 draft waits to be measured"."""

    @property
    def text(self) -> str:
        """One line."""
        since = f"{self.what}, since {_clock(self.since)}"
        held = f"the machine is held by {self.held_by}" if self.held_by else ""
        return "; ".join(filter(None, (since, self.behind, held)))


def activity_of(ledger: Ledger, campaign_id: str) -> Activity | None:
    """What a campaign does now; None when it is not under way."""
    if ledger.campaign_summary(campaign_id).state is not CampaignState.RUNNING:
        return None
    events, rounds = ledger.campaign_events(campaign_id), ledger.rounds(campaign_id)
    if not rounds:
        return Activity(what="environment and lineage", since=events[-1].at)
    over = {each.round_id for each in ledger.steps_of(campaign_id=campaign_id, step=Step.REPORT)}
    latest = _front(rounds, over)
    steps = ledger.steps(latest.id)
    if any(each.step is Step.REPORT for each in steps):
        found = _between(ledger, latest, steps, events, rounds)
        is_timed = "audit" in found.what
    else:
        step, found = _in_round(ledger, latest, steps, is_first=len(rounds) == 1)
        is_timed = step in TIMED
    holder = _other_holder(ledger, campaign_id) if is_timed else None
    held_by = (
        "" if holder is None else f"{holder.what} (pid {holder.pid}) since {_clock(holder.since)}"
    )
    behind = [each for each in rounds if not each.is_control and each.id not in {*over, latest.id}]
    return replace(found, held_by=held_by, behind=_thoughts(ledger, behind))


def _front(rounds: Sequence[RoundRecord], over: Container[str]) -> RoundRecord:
    """The round whose turn it is: a control, else the first idea that is not over; when all are, the last."""
    still = [each for each in rounds if each.id not in over]
    if not still:
        return max(rounds, key=lambda each: each.created_at)
    return min(still, key=lambda each: each.number)


def _thoughts(ledger: Ledger, behind: Sequence[RoundRecord]) -> str:
    """What agents do ahead of the round whose turn it is, in words; empty where none does."""
    if not behind:
        return ""
    ready = sum(ledger.step_record(each.id, Step.PROPOSE) is not None for each in behind)
    thinking = len(behind) - ready
    words = (
        [f"{thinking} {'agent thinks' if thinking == 1 else 'agents think'} ahead"]
        if thinking
        else []
    )
    if ready:
        words.append(f"{ready} {'draft waits' if ready == 1 else 'drafts wait'} to be measured")
    return ", ".join(words)


def _in_round(
    ledger: Ledger, record: RoundRecord, steps: Sequence[StepRecord], *, is_first: bool
) -> tuple[Step, Activity]:
    order = list(Step)
    attempt = max((each.attempt for each in steps), default=0)
    own = [each for each in steps if each.attempt == attempt]
    done = max((order.index(each.step) for each in own), default=-1)
    step = order[min(done + 1, len(order) - 1)]
    detail = ""
    match step:
        case Step.OPEN if is_first:
            detail = ", the floor is measured"
        case Step.PROPOSE:
            detail = f" step {ledger.event_count(record.id)}"
        case Step.MEASURE | Step.REVIEW:
            detail = f" run {len(ledger.measurements(record.id, attempt=attempt)) + 1}"
        case _:
            pass
    since = max((_end(each) for each in steps), default=record.created_at)
    return step, Activity(what=f"round {round_label(record)} {step.value}{detail}", since=since)


def _between(
    ledger: Ledger,
    latest: RoundRecord,
    steps: Sequence[StepRecord],
    events: Sequence[CampaignEvent],
    rounds: Sequence[RoundRecord],
) -> Activity:
    """What happens when the latest round has ended: an audit, or the next round is about to begin."""
    ended = max(_end(each) for each in steps)
    since = max([ended, *(each.at for each in events if each.audit is not None)])
    runs = len(ledger.measurements(latest.id, Purpose.AUDIT))
    ideas = [each for each in rounds if not each.is_control]
    is_last = len(ideas) >= ledger.campaign(latest.campaign_id).config.rounds
    is_audited = any(each.audit is not None and each.audit.round_id == latest.id for each in events)
    if is_last or (runs and not is_audited):
        return Activity(what=f"audit of the champion, run {runs + 1}", since=since)
    return Activity(what="next round", since=since)


def _other_holder(ledger: Ledger, campaign_id: str) -> Holder | None:
    """Who holds the machine of the campaign's worker, where that is this one and it is not the campaign itself."""
    worker_id = ledger.holder(campaign_id).worker_id
    worker = next((each for each in ledger.workers() if each.id == worker_id), None)
    if worker is None or worker.host != socket.gethostname():
        return None
    holder = machine_holder()
    return None if holder is None or campaign_id in holder.what else holder


def _end(step: StepRecord) -> datetime:
    return step.started_at + timedelta(seconds=step.wall_s)


def _clock(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%H:%M:%S")
