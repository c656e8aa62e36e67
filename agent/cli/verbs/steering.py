"""Verbs that steer campaigns: pause, resume, stop, message, budget, retry, sooner, later; and more pairs for a round."""

import argparse

from rsi.agent.cli.context import emit, note_if_nobody_serves, open_to_write
from rsi.agent.errors import AgentError, UnknownRecordError
from rsi.agent.policy.gate import person
from rsi.agent.policy.queueing import retry_refusal
from rsi.agent.store.ledger import Ledger
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
    """Let a campaign go on that failed on our side, was stopped, or ran out of its budget; or run one of its rounds again.

    Raises:
        CannotRetryError: It has not ended, or all its rounds are done; or the round did not fail on our side.
    """
    with open_to_write() as ledger:
        campaign_id, round_id = _campaign_or_round(ledger, args.target)
        refusal = retry_refusal(ledger, campaign_id, round_id)
        if refusal:
            raise CannotRetryError(f"campaign {campaign_id} cannot go on: {refusal}")
        record = ledger.add_request(
            RequestKind.RETRY,
            actor=person(),
            at=utc_now(),
            campaign_id=campaign_id,
            round_id=round_id,
        )
        moved = None if round_id is None else _moved_on(ledger, round_id)
        note_if_nobody_serves(ledger)
    what = f"campaign {campaign_id} goes on"
    if round_id is not None:
        what = f"round {round_id} is run again from where it broke, and {what}"
    lines = [f"{what} when a worker takes it"]
    if moved:
        lines.append(
            f"its champion was {moved[:12]} and is another by now: what it gains is put onto that one and measured again; where "
            f"it does not fit, `rsi fork {round_id} --step 0` starts its idea over from the present one"
        )
    emit(args, record, lines)
    return 0


def _campaign_or_round(ledger: Ledger, target: str) -> tuple[str, str | None]:
    try:
        record = ledger.round(target)
    except UnknownRecordError:
        return ledger.campaign(target).id, None
    return record.campaign_id, record.id


def _moved_on(ledger: Ledger, round_id: str) -> str | None:
    """The champion that a round was opened over, when a later promotion replaced it."""
    record = ledger.round(round_id)
    moves = ledger.moves(ledger.campaign(record.campaign_id).lineage).done
    if record.is_control or not moves or moves[-1].round_id == round_id:
        return None
    return None if moves[-1].new_commit == record.champion_commit else record.champion_commit


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
        note_if_nobody_serves(ledger)
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
        note_if_nobody_serves(ledger)
    emit(args, record, [f"campaign {args.campaign} {effect}"])
    return 0
