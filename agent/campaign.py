"""One campaign: rounds in turn, each starting from the champion that the one before left, controls between them.

The one place that catches every error of a round: it is recorded, the round is closed as harness_error, and
two in a row end the campaign. Nothing of it is held against a candidate.
"""

import logging
from collections.abc import Callable

from rsi.agent.budget import exhausted
from rsi.agent.controls import Slot, schedule
from rsi.agent.engine import Durable
from rsi.agent.limits import spent_now
from rsi.agent.pausing import wait_while_paused
from rsi.agent.round import run_round
from rsi.agent.steering import CampaignSteering
from rsi.agent.steps.audit import audit_champion, audit_facts, audit_stack
from rsi.agent.steps.models import budget_in_force, refused_limit
from rsi.agent.steps.searching import plan_round
from rsi.agent.store.home import Home
from rsi.agent.store.ledger import Ledger
from rsi.agent.store.records import (
    CampaignEvent,
    CampaignEventKind,
    RoundRecord,
    Step,
    StepRecord,
    utc_now,
)
from rsi.agent.workshop import Workshop, open_workshop

MAX_HARNESS_ERRORS = 2
"""Failures of ours in a row that end a campaign: the third would fail the same way."""

log = logging.getLogger(__name__)


def run_campaign(home: Home, ledger: Ledger, campaign_id: str, durable: Durable) -> None:
    """Run a campaign to its end: all rounds done, a budget spent, stopped, or broken.

    Args:
        home: Where lineages and caches are.
        ledger: Where facts go.
        campaign_id: A queued campaign.
        durable: Remembers finished steps through crashes.
    """
    durable.step("start", lambda: _event(ledger, campaign_id, CampaignEventKind.STARTED))
    try:
        shop = open_workshop(home, ledger, ledger.campaign(campaign_id))
    except Exception as error:
        reason = str(error)
        log.exception("campaign=%s cannot start", campaign_id)
        durable.step("fail", lambda: _fail(ledger, campaign_id, reason))
        return
    kind, reason = _run_rounds(shop, durable)
    word = "not measured"
    if kind is CampaignEventKind.FINISHED:
        word = durable.step("audit", lambda: _audited(shop, lambda: audit_champion(shop)))
    durable.step("end", lambda: _end(shop, kind, reason, word))


def _run_rounds(shop: Workshop, durable: Durable) -> tuple[CampaignEventKind, str]:
    errors, reason = 0, ""
    begun_at = max(
        each.at
        for each in shop.ledger.campaign_events(shop.campaign.id)
        if each.kind is CampaignEventKind.STARTED
    )
    for slot in schedule(shop.task, shop.config.rounds, shop.config.control_every):
        word = _next(shop, durable, slot)
        if word == "stop":
            return CampaignEventKind.STOPPED, "a person stopped it"
        if word != "round":
            return CampaignEventKind.FINISHED, word
        desk = shop.desk(slot.round_id(shop.campaign.id))
        try:
            ended = run_round(desk, durable)
        except Exception as error:
            log.exception("round=%s harness error", desk.round_id)
            reason = f"{type(error).__name__}: {error}"
            durable.step(
                f"{desk.round_id}/close",
                lambda: _close_as_harness_error(shop, desk.round_id, desk.attempt, reason),  # noqa: B023
            )
            ended = "harness_error"
        log.info("round=%s ended=%s", desk.round_id, ended)
        if shop.config.audit_every:
            _audit_between(shop, durable, desk.record)
        if ended != "harness_error":
            errors = 0
        elif shop.ledger.steps(desk.round_id)[-1].started_at >= begun_at:
            # One from before a person asked for the campaign to go on is not counted again.
            errors += 1
        if errors >= MAX_HARNESS_ERRORS:
            return (
                CampaignEventKind.FAILED,
                f"{errors} rounds in a row failed on our side: {reason}",
            )
    # A stop in the last round finds no next one to keep from starting.
    if durable.step("over", lambda: "stop" if shop.steering.is_stopping() else "done") == "stop":
        return CampaignEventKind.STOPPED, "a person stopped it"
    return CampaignEventKind.FINISHED, "all rounds done"


def _next(shop: Workshop, durable: Durable, slot: Slot) -> str:
    """What comes now: "round" with its record written, "stop", or why the campaign is over."""
    wait_while_paused(shop, durable, f"next/{slot.number}/go")
    return durable.step(f"next/{slot.number}", lambda: _look(shop, slot))


def _look(shop: Workshop, slot: Slot) -> str:
    campaign_id = shop.campaign.id
    if shop.steering.is_stopping():
        return "stop"
    limit = exhausted(budget_in_force(shop), spent_now(shop.ledger, campaign_id))
    if limit is not None:
        return f"the budget of {limit} is spent"
    refused = refused_limit(shop)
    if refused is not None:
        return f"the budget of {refused} is spent: what is left does not pay for another call"
    shop.ledger.add_round(_record(shop, slot))
    return "round"


def _record(shop: Workshop, slot: Slot) -> RoundRecord:
    champion, parent = shop.lineage.champion(), None
    if slot.control is None:
        plan = plan_round(shop, slot.number, champion)
        parent = None if plan.parent == champion else plan.parent
    elif slot.control.patch is not None:
        # A task's patches are made against its own repo, whatever the champion has become.
        champion = shop.lineage.baseline()
    return RoundRecord(
        id=slot.round_id(shop.campaign.id),
        campaign_id=shop.campaign.id,
        number=slot.number,
        champion_commit=champion,
        created_at=utc_now(),
        parent_commit=parent,
        is_control=slot.control is not None,
    )


def _audit_between(shop: Workshop, durable: Durable, record: RoundRecord) -> None:
    key = f"{record.id}/audit"
    wait_while_paused(shop, durable, f"{key}/go")
    durable.step(key, lambda: _audited(shop, lambda: audit_stack(shop, record)))


def _audited(shop: Workshop, audit: Callable[[], str]) -> str:
    """Measure the champion against the round-0 baseline again; never multiply steps up."""
    try:
        return audit()
    except Exception as error:
        log.exception("campaign=%s audit failed", shop.campaign.id)
        return f"failed: {error}"


def _fail(ledger: Ledger, campaign_id: str, reason: str) -> str:
    CampaignSteering(ledger, campaign_id).close(CampaignEventKind.FAILED.value)
    return _event(ledger, campaign_id, CampaignEventKind.FAILED, reason)


def _end(shop: Workshop, kind: CampaignEventKind, reason: str, word: str) -> str:
    shop.steering.close(kind.value)
    shop.ledger.add_campaign_event(
        CampaignEvent(
            campaign_id=shop.campaign.id,
            kind=kind,
            at=utc_now(),
            payload={"reason": reason, **audit_facts(shop, word)},
        )
    )
    return kind.value


def _close_as_harness_error(shop: Workshop, round_id: str, attempt: int, reason: str) -> str:
    steps = shop.ledger.steps(round_id)
    done = {each.step for each in steps if each.attempt == attempt}
    broken = next(
        each for each in Step if each not in done and (each is not Step.OPEN or attempt == 0)
    )
    shop.ledger.add_step(
        StepRecord(
            round_id=round_id,
            step=broken,
            outcome="harness_error",
            started_at=utc_now(),
            wall_s=0.0,
            attempt=attempt,
            payload={"reason": reason},
        )
    )
    if broken is not Step.REPORT:
        shop.ledger.add_step(
            StepRecord(
                round_id=round_id,
                step=Step.REPORT,
                outcome="harness_error",
                started_at=utc_now(),
                wall_s=0.0,
                attempt=attempt,
                payload={"reason": reason},
            )
        )
    return "closed"


def _event(ledger: Ledger, campaign_id: str, kind: CampaignEventKind, reason: str = "") -> str:
    ledger.add_campaign_event(
        CampaignEvent(
            campaign_id=campaign_id,
            kind=kind,
            at=utc_now(),
            payload={"reason": reason} if reason else {},
        )
    )
    return kind.value
