"""Verbs of the gate: approve, reject, revise, rollback."""

import argparse

from rsi.agent.cli.context import emit, home, note, note_if_nobody_serves, open_to_write
from rsi.agent.errors import UnknownCommitError
from rsi.agent.policy.gate import decide, person
from rsi.agent.policy.rollbacks import RollbackError, roll_back, unseen_window
from rsi.agent.store.champion import look_at_champion
from rsi.agent.store.git.lineage import Lineage
from rsi.agent.store.ledger import Ledger
from rsi.agent.store.records import DecisionAction, PromotionKind


def approve(args: argparse.Namespace) -> int:
    """Promote the candidate of a round at the gate."""
    return _decide(args, DecisionAction.APPROVE)


def reject(args: argparse.Namespace) -> int:
    """Turn the candidate of a round down."""
    return _decide(args, DecisionAction.REJECT)


def revise(args: argparse.Namespace) -> int:
    """Send the candidate of a round back with a note."""
    return _decide(args, DecisionAction.REVISE)


def rollback(args: argparse.Namespace) -> int:
    """Move a lineage's champion back, with its record."""
    with open_to_write() as ledger:
        lineage = Lineage.open(home(), args.lineage, create=False)
        target = _unseen(ledger, args.lineage) if args.unseen else args.to
        # A rollback's record names the round that it moved away from, which is not where it moved to.
        by_round = {
            each.round_id: each.new_commit
            for each in ledger.promotions(args.lineage)
            if each.kind is PromotionKind.PROMOTE
        }
        champion = look_at_champion(ledger, lineage).champion
        commits = [each.commit for each in lineage.history(champion)]
        matching = [each for each in commits if each.startswith(by_round.get(target, target))]
        if len(matching) != 1:
            raise UnknownCommitError(
                f"{target!r} names {len(matching)} commits in the champion's history of "
                f"{args.lineage!r}; give a round that was promoted there or a longer commit id"
            )
        record = roll_back(ledger, lineage, matching[0], actor=person(), reason=args.reason)
    emit(args, record, [f"champion of {args.lineage} is {record.new_commit[:12]} again"])
    return 0


def _unseen(ledger: Ledger, lineage: str) -> str:
    """The newest champion that a person saw."""
    window = unseen_window(ledger.promotions(lineage))
    if window is None:
        raise RollbackError(
            f"a person saw every promotion in the champion of {lineage!r}; name what to go back to with --to"
        )
    note(f"takes back {len(window.commits)} promotions that nobody saw before")
    return window.back_to


def _decide(args: argparse.Namespace, action: DecisionAction) -> int:
    with open_to_write() as ledger:
        record = decide(
            ledger,
            args.round,
            action,
            actor=person(),
            reason=args.reason,
            commit=args.commit,
            score_digest=args.score,
        )
        note_if_nobody_serves(ledger)
    done = {"approve": "approved", "reject": "rejected", "revise": "sent back"}[action.value]
    emit(args, record, [f"{args.round}: {done} (commit {str(record.commit)[:12]})"])
    return 0
