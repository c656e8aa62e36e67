"""Verbs that steer campaigns: pause, resume, stop, message, budget, retry, sooner, later; and more pairs for a round."""

import argparse

from rsi.agent.cli.context import emit, open_to_write
from rsi.agent.errors import AgentError
from rsi.agent.policy.gate import person
from rsi.agent.queue.requests import retry_refusal
from rsi.agent.store.records import Asked, RequestKind, utc_now
from rsi.agent.store.rounds import case_at_gate
from rsi.agent.store.state import ENDED_STATES


class CampaignOverError(AgentError):
    """The campaign has ended; nothing can be asked of it."""


class CannotRetryError(AgentError):
    """The campaign cannot go on."""


class NotAtGateError(AgentError):
    """The round does not wait for a decision."""


class NoBudgetError(AgentError, ValueError):
    """No limit was named, or one that is not above zero."""


def pause(args: argparse.Namespace) -> int:
    """Let a campaign finish its step or the agent its turn, then wait."""
    return _ask(args, RequestKind.PAUSE, "pauses after its present step")


def resume(args: argparse.Namespace) -> int:
    """Go on with a paused campaign."""
    return _ask(args, RequestKind.RESUME, "goes on")


def stop(args: argparse.Namespace) -> int:
    """End a campaign now, keeping everything."""
    return _ask(args, RequestKind.STOP, "stops after its present run; everything is kept")


def message(args: argparse.Namespace) -> int:
    """Say something to the agent at its next turn."""
    return _ask(args, RequestKind.MESSAGE, "hears it at its next turn", Asked(text=args.text))


def budget(args: argparse.Namespace) -> int:
    """Change what a campaign may use in all; it binds at the next call.

    Raises:
        NoBudgetError: No limit was named, or one that is not above zero.
    """
    named = {
        "budget_usd": args.usd,
        "budget_tokens": args.tokens,
        "budget_wall_s": None if args.hours is None else args.hours * 3600,
        "budget_device_s": None if args.device_hours is None else args.device_hours * 3600,
    }
    limits = {name: limit for name, limit in named.items() if limit is not None}
    if not limits or any(limit is not None and not limit > 0 for limit in named.values()):
        raise NoBudgetError("name a limit above zero: --usd, --tokens, --hours or --device-hours")
    return _ask(args, RequestKind.BUDGET, "is bound by it at its next call", Asked(limits=limits))


def retry(args: argparse.Namespace) -> int:
    """Let a campaign go on that failed on our side, was stopped, or ran out of its budget.

    Raises:
        CannotRetryError: It has not ended, or all its rounds are done.
    """
    with open_to_write() as ledger:
        refusal = retry_refusal(ledger, args.campaign)
        if refusal:
            raise CannotRetryError(f"campaign {args.campaign} cannot go on: {refusal}")
        record = ledger.add_request(
            RequestKind.RETRY, actor=person(), at=utc_now(), campaign_id=args.campaign
        )
    emit(args, record, [f"campaign {args.campaign} goes on when a worker takes it"])
    return 0


def sooner(args: argparse.Namespace) -> int:
    """Let a queued campaign run before those of its urgency."""
    return _ask(args, RequestKind.PRIORITY, "comes sooner", Asked(by=1))


def later(args: argparse.Namespace) -> int:
    """Let a queued campaign run after those of its urgency."""
    return _ask(args, RequestKind.PRIORITY, "comes later", Asked(by=-1))


def more_pairs(args: argparse.Namespace) -> int:
    """Ask for more pairs of a candidate that waits at the gate.

    Raises:
        NotAtGateError: The round does not wait for a decision.
    """
    with open_to_write() as ledger:
        round_ = ledger.round(args.round)
        if case_at_gate(ledger.steps(round_.id), ledger.decisions(round_.id)) is None:
            raise NotAtGateError(f"round {round_.id} does not wait for a decision")
        record = ledger.add_request(
            RequestKind.AUDIT,
            actor=person(),
            at=utc_now(),
            campaign_id=round_.campaign_id,
            round_id=round_.id,
        )
    emit(args, record, [f"more pairs of round {round_.id} are measured; `rsi show {round_.id}`"])
    return 0


def _ask(
    args: argparse.Namespace,
    kind: RequestKind,
    effect: str,
    payload: Asked | None = None,
) -> int:
    with open_to_write() as ledger:
        summary = ledger.campaign_summary(args.campaign)
        is_over = summary.state in ENDED_STATES
        if is_over and kind is RequestKind.BUDGET:
            is_over = bool(retry_refusal(ledger, args.campaign))
        if is_over:
            raise CampaignOverError(f"campaign {args.campaign} is {summary.state.value} already")
        record = ledger.add_request(
            kind, actor=person(), at=utc_now(), campaign_id=args.campaign, payload=payload
        )
    emit(args, record, [f"campaign {args.campaign} {effect}"])
    return 0
