"""The verb agenda: which campaign to run next, and queueing one of them."""

import argparse
import math
from collections.abc import Sequence

from rsi.agent.cli.context import emit, home, open_to_read, table
from rsi.agent.cli.verbs.running import see_through
from rsi.agent.errors import AgentError
from rsi.agent.queue.proposals import queue_line
from rsi.agent.store.ledger import Ledger
from rsi.agent.trust.agenda import Proposal
from rsi.agent.trust.agenda import agenda as proposals


class NoSuchProposalError(AgentError, ValueError):
    """The agenda has no such line; nothing was queued."""


def agenda(args: argparse.Namespace) -> int:
    """What could be next, the most expected gain per dollar first; exit status 1 when nothing is known."""
    if not 0 <= args.hour_usd < math.inf:
        raise NoSuchProposalError(
            f"--hour-usd is {args.hour_usd}; an hour of a machine counts as 0 dollars or more"
        )
    with open_to_read() as ledger:
        found = proposals(ledger, hour_usd=args.hour_usd)
    if args.queue is not None:
        return _queue(args, found)
    lines = _lines(found) or [
        "no campaign has ended yet, so nothing is known; `rsi task list` shows what can be run"
    ]
    facts = [{**_facts(each), "number": number} for number, each in enumerate(found, start=1)]
    emit(args, {"agenda": facts}, lines)
    return 0 if found else 1


def _queue(args: argparse.Namespace, found: tuple[Proposal, ...]) -> int:
    if not 1 <= args.queue <= len(found):
        raise NoSuchProposalError(
            f"no line of the agenda is {args.queue}, the last is {len(found)}; `rsi agenda` shows them"
        )
    chosen = found[args.queue - 1]
    here = home().create()
    with Ledger.open(here) as ledger:
        queued = queue_line(here, ledger, chosen)
        return see_through(args, here, ledger, queued)


def _lines(found: Sequence[Proposal]) -> list[str]:
    if not found:
        return []
    rows = [
        (
            str(number),
            f"{each.task} ({each.track}, {each.profile})",
            each.model,
            str(each.rounds),
            "-" if each.budget_usd is None else f"${each.budget_usd:.2f}",
            f"{math.expm1(each.expected_log_gain):.1%}",
            f"${each.expected_usd:.2f}",
        )
        for number, each in enumerate(found, start=1)
    ]
    lines = table(("", "task", "model", "rounds", "budget", "expected gain", "expected cost"), rows)
    for number, each in enumerate(found, start=1):
        lines += ["", f"{number}. {each.task}: " + "; ".join(each.reasons)]
    return [*lines, "", "`rsi agenda --queue N` queues one"]


def _facts(each: Proposal) -> dict[str, object]:
    return {
        "task": each.task,
        "track": each.track,
        "profile": each.profile,
        "model": each.model,
        "lineage": each.lineage,
        "rounds": each.rounds,
        "budget_usd": each.budget_usd,
        "expected_log_gain": each.expected_log_gain,
        "expected_usd": each.expected_usd,
        "gain_per_usd": each.gain_per_usd,
        "is_locked": each.is_locked,
        "reasons": list(each.reasons),
    }
