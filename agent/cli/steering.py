"""Verbs that steer a running campaign: pause, resume, stop, message."""

import argparse

from rsi.agent.cli.context import emit, open_to_write
from rsi.agent.cli.deciding import person
from rsi.agent.errors import AgentError
from rsi.agent.store.records import CampaignState, RequestKind, utc_now

ENDED = frozenset({CampaignState.FINISHED, CampaignState.STOPPED, CampaignState.FAILED})


class CampaignOverError(AgentError):
    """The campaign has ended; nothing can be asked of it."""


def pause(args: argparse.Namespace) -> int:
    """Let a campaign finish its step, then wait."""
    return _ask(args, RequestKind.PAUSE, "pauses after its present step")


def resume(args: argparse.Namespace) -> int:
    """Go on with a paused campaign."""
    return _ask(args, RequestKind.RESUME, "goes on")


def stop(args: argparse.Namespace) -> int:
    """End a campaign now, keeping everything."""
    return _ask(args, RequestKind.STOP, "stops after its present run; everything is kept")


def message(args: argparse.Namespace) -> int:
    """Say something to the agent at its next turn."""
    return _ask(args, RequestKind.MESSAGE, "hears it at its next turn", {"text": args.text})


def _ask(
    args: argparse.Namespace, kind: RequestKind, effect: str, payload: dict[str, str] | None = None
) -> int:
    with open_to_write() as ledger:
        summary = ledger.campaign_summary(args.campaign)
        if summary.state in ENDED:
            raise CampaignOverError(f"campaign {args.campaign} is {summary.state.value} already")
        record = ledger.add_request(
            kind, actor=person(), at=utc_now(), campaign_id=args.campaign, payload=payload
        )
    emit(args, record, [f"campaign {args.campaign} {effect}"])
    return 0
