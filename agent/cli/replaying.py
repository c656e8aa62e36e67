"""Verbs that look again: replay an agent's steps, compute a score again."""

import argparse
import json
from collections.abc import Mapping

from rsi.agent.cli.context import emit, open_to_read
from rsi.agent.errors import UnknownRecordError
from rsi.agent.rescoring import rescore_round
from rsi.agent.store.records import AgentRole, TrajectoryEvent

SHOWN_CHARS = 2000


def replay(args: argparse.Namespace) -> int:
    """An agent's steps in a round, one by one."""
    with open_to_read() as ledger:
        ledger.round(args.round)
        events = ledger.events(args.round, AgentRole(args.agent))
        if not events:
            raise UnknownRecordError(f"round {args.round} has no steps of the {args.agent}")
        emit(args, list(events), [line for each in events for line in _lines(each)])
    return 0


def rescore(args: argparse.Namespace) -> int:
    """Compute a round's score again from stored samples: the same digest or fail."""
    with open_to_read() as ledger:
        results = rescore_round(ledger, args.round)
    lines = [
        f"{each.purpose}: {'same' if each.is_same else 'DIFFERENT'} digest {each.digest[:16]}"
        f"{'' if each.is_same else ' (stored ' + each.stored_digest[:16] + ')'}: {each.reason}"
        for each in results
    ]
    emit(args, list(results), lines)
    return 0 if all(each.is_same for each in results) else 1


def _lines(event: TrajectoryEvent) -> list[str]:
    spent = f"  ${event.cost_usd:.4f}" if event.cost_usd else ""
    return [f"--- {event.seq} {event.kind.value}{spent}", *_body(event.payload)]


def _body(payload: Mapping[str, object]) -> list[str]:
    text = payload.get("text")
    if not isinstance(text, str):
        text = json.dumps(payload, indent=1, ensure_ascii=False, default=str)
    if len(text) > SHOWN_CHARS:
        text = (
            text[:SHOWN_CHARS] + f"\n… {len(text) - SHOWN_CHARS} more characters; --json has them"
        )
    return text.splitlines()
