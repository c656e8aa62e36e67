"""One campaign: rounds in turn, each starting from the champion that the one before left, controls between them.

The one place that catches every error: one of a round is recorded, the round is closed as harness_error, and two in a
row end the campaign; one between rounds ends it at once. Nothing of it is held against a candidate.
"""

import logging
import time
from collections.abc import Callable

from rsi.agent.errors import CampaignLostError
from rsi.agent.policy.controls import Slot, schedule
from rsi.agent.policy.steering import CampaignSteering
from rsi.agent.run.ahead import Ahead
from rsi.agent.run.contexts import CampaignContext, open_campaign_context
from rsi.agent.run.engine import Durable
from rsi.agent.run.parking import ParkingDurable, obstacle
from rsi.agent.run.pausing import wait_while_paused
from rsi.agent.run.recording import record_step
from rsi.agent.run.round import run_round
from rsi.agent.run.steps.audit import audit_champion, audit_stack, end_audit
from rsi.agent.run.steps.closing import promote
from rsi.agent.run.steps.opening import STOP, round_record, why_not_opened
from rsi.agent.store.champion import settle_champion
from rsi.agent.store.events import CampaignEvent
from rsi.agent.store.home import Home
from rsi.agent.store.ledger import Ledger
from rsi.agent.store.records import (
    CampaignEventKind,
    CampaignRecord,
    RoundRecord,
    Step,
    StepOutcome,
    utc_now,
)
from rsi.agent.store.steps.facts import Halted
from rsi.agent.store.steps.record import StepRecord

MAX_HARNESS_ERRORS = 2
"""Failures of ours in a row that end a campaign: the third would fail the same way."""

SKIPPED = "skipped"
"""A control that comes to nothing because all is over, while ideas that were opened ahead are yet to be ended."""

log = logging.getLogger(__name__)


OpenContext = Callable[[Home, Ledger, CampaignRecord], CampaignContext]


def run_campaign(
    home: Home,
    ledger: Ledger,
    campaign_id: str,
    durable: Durable,
    *,
    open_context: OpenContext = open_campaign_context,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Run a campaign to its end: all rounds done, a budget spent, stopped, or broken.

    Args:
        home: Where lineages and caches are.
        ledger: Where facts go.
        campaign_id: A queued campaign.
        durable: Remembers finished steps through crashes.
        open_context: Opens the campaign's tools.
        sleep: Waits while something on our side keeps the campaign from going on.
    """
    durable = parking = ParkingDurable(
        durable=durable, home=home, ledger=ledger, campaign_id=campaign_id, sleep=sleep
    )
    durable.step("start", lambda: _event(ledger, campaign_id, CampaignEventKind.STARTED))
    try:
        campaign_context = parking.through(
            lambda: open_context(home, ledger, ledger.campaign(campaign_id))
        )
    except CampaignLostError:
        raise
    except Exception as error:
        log.exception("campaign=%s cannot start", campaign_id)
        reason = str(error)
        durable.step("fail", lambda: _fail(ledger, campaign_id, reason))
        return
    try:
        with Ahead(campaign_context) as ahead:
            kind, reason = _run_rounds(campaign_context, durable, ahead)
        word = "not measured"
        if kind is CampaignEventKind.FINISHED:
            word = durable.step(
                "audit",
                lambda: _audited(campaign_context, lambda: audit_champion(campaign_context)),
            )
        durable.step("end", lambda: _end(campaign_context, kind, reason, word))
    except CampaignLostError:
        raise  # what becomes of it is another worker's to say
    except Exception as error:
        log.exception("campaign=%s failed between its rounds", campaign_id)
        reason = f"{type(error).__name__}: {error}"
        durable.step("fail", lambda: _fail(ledger, campaign_id, reason))


def _run_rounds(
    campaign_context: CampaignContext, durable: Durable, ahead: Ahead
) -> tuple[CampaignEventKind, str]:
    errors = 0
    for slot in schedule(
        campaign_context.task, campaign_context.config.rounds, campaign_context.config.control_every
    ):
        round_id, reason = slot.round_id(campaign_context.record.id), ""
        ahead.turn_of(slot)
        word = _next(campaign_context, durable, slot, ahead)
        if word == SKIPPED:
            continue
        if word == STOP:
            return CampaignEventKind.STOPPED, "a person stopped it"
        if word not in {"round", "done"}:
            return CampaignEventKind.FINISHED, word
        if word == "round":
            reason = _run_one(campaign_context, durable, ahead, round_id)
        if campaign_context.config.audit_every:
            _audit_between(campaign_context, durable, campaign_context.ledger.round(round_id))
        errors = errors + 1 if reason else 0
        if errors >= MAX_HARNESS_ERRORS:
            return (
                CampaignEventKind.FAILED,
                f"{errors} rounds in a row failed on our side: {reason}",
            )
    # A stop in the last round finds no next one to keep from starting.
    if (
        durable.step("over", lambda: STOP if campaign_context.steering.is_stopping() else "done")
        == STOP
    ):
        return CampaignEventKind.STOPPED, "a person stopped it"
    return CampaignEventKind.FINISHED, "all rounds done"


def _run_one(
    campaign_context: CampaignContext, durable: Durable, ahead: Ahead, round_id: str
) -> str:
    """Run one round to its end; why it failed on our side, empty when it did not."""
    context, reason = campaign_context.context(round_id), ""
    try:
        ended = run_round(context, durable, ahead)
    except CampaignLostError:
        raise
    except Exception as error:
        log.exception("round=%s harness error", round_id)
        reason = f"{type(error).__name__}: {error}"
        durable.step(
            f"{round_id}/close",
            lambda: _close_as_harness_error(campaign_context, round_id, context.attempt, reason),
        )
        ended = "harness_error"
    log.info("round=%s ended=%s", round_id, ended)
    if ended == "harness_error" and not reason:
        return "it ended without a verdict"
    return reason


def _next(campaign_context: CampaignContext, durable: Durable, slot: Slot, ahead: Ahead) -> str:
    """What comes now: "round" with its record written, "done" for one that ended before, `SKIPPED`, `STOP`, or why all is over."""
    wait_while_paused(campaign_context, durable, f"next/{slot.number}/go")
    return durable.step(f"next/{slot.number}", lambda: _look(campaign_context, slot, ahead))


def _look(campaign_context: CampaignContext, slot: Slot, ahead: Ahead) -> str:
    campaign_id, round_id = campaign_context.record.id, slot.round_id(campaign_context.record.id)
    # A campaign that goes on by request meets its old rounds again, and the engine has forgotten them.
    if any(each.step is Step.REPORT for each in campaign_context.ledger.steps(round_id)):
        return "done"
    is_opened = any(each.id == round_id for each in campaign_context.ledger.rounds(campaign_id))
    # What was opened ahead of its turn is ended in its turn: stopped, too, with its cost counted.
    if is_opened and (
        campaign_context.config.parallel > 1 or not campaign_context.steering.is_stopping()
    ):
        return "round"  # opened over the champion of its time, which may have moved
    reason = why_not_opened(campaign_context, slot)
    if not reason:
        campaign_context.ledger.add_round(round_record(campaign_context, slot))
        return "round"
    return SKIPPED if slot.control is not None and ahead.is_open() else reason


def _audit_between(
    campaign_context: CampaignContext, durable: Durable, record: RoundRecord
) -> None:
    key = f"{record.id}/audit"
    wait_while_paused(campaign_context, durable, f"{key}/go")
    durable.step(
        key, lambda: _audited(campaign_context, lambda: audit_stack(campaign_context, record))
    )


def _audited(campaign_context: CampaignContext, audit: Callable[[], str]) -> str:
    """Measure the champion against the round-0 baseline again; never multiply steps up."""
    try:
        return audit()
    except CampaignLostError:
        raise
    except Exception as error:
        if obstacle(error):
            raise  # it is measured when that has passed
        log.exception("campaign=%s audit failed", campaign_context.record.id)
        return f"failed: {error}"


def _fail(ledger: Ledger, campaign_id: str, reason: str) -> str:
    CampaignSteering(ledger, campaign_id).close(CampaignEventKind.FAILED.value)
    return _event(ledger, campaign_id, CampaignEventKind.FAILED, reason)


def _end(campaign_context: CampaignContext, kind: CampaignEventKind, reason: str, word: str) -> str:
    campaign_context.steering.close(kind.value)
    campaign_context.ledger.add_campaign_event(
        CampaignEvent(
            campaign_id=campaign_context.record.id,
            kind=kind,
            at=utc_now(),
            reason=reason,
            audit=end_audit(campaign_context, word),
        )
    )
    return kind.value


def _close_as_harness_error(
    campaign_context: CampaignContext, round_id: str, attempt: int, reason: str
) -> str:
    """Write where the round broke and that it is over; what a crash left of that is completed.

    A champion that moved stays moved: such a round is promoted, whatever failed on our side afterwards.
    """
    context = campaign_context.context(round_id)
    context.attempt = attempt
    settle_champion(campaign_context.ledger, campaign_context.lineage)
    if campaign_context.ledger.promotions(round_id=round_id):
        record_step(context, Step.PROMOTE, promote)
    steps = [each for each in campaign_context.ledger.steps(round_id) if each.attempt == attempt]
    done = {each.step for each in steps}
    if Step.REPORT in done:
        return "closed"
    open_steps = [
        each for each in Step if each not in done and (each is not Step.OPEN or attempt == 0)
    ]
    is_named = any(each.outcome is StepOutcome.HARNESS_ERROR for each in steps)
    broken = Step.REPORT if is_named else open_steps[0]
    for step in (broken, Step.REPORT) if broken is not Step.REPORT else (broken,):
        campaign_context.ledger.add_step(
            StepRecord(
                round_id=round_id,
                started_at=utc_now(),
                wall_s=0.0,
                attempt=attempt,
                fact=Halted(step=step, outcome=StepOutcome.HARNESS_ERROR, reason=reason),
                retry=context.retry,
            )
        )
    return "closed"


def _event(ledger: Ledger, campaign_id: str, kind: CampaignEventKind, reason: str = "") -> str:
    ledger.add_campaign_event(
        CampaignEvent(
            campaign_id=campaign_id,
            kind=kind,
            at=utc_now(),
            reason=reason,
        )
    )
    return kind.value
