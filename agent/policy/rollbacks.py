"""Moving a champion back: the same compare-and-swap as a promotion, with its own record; and what was moved back.

The repository moves before the record is written. Invariant: a kill between the two is noticed by the next rollback
of the lineage, which writes the missing record first; the same call again therefore ends as if nothing had happened.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from rsi.agent.errors import AgentError
from rsi.agent.store.git.lineage import Lineage
from rsi.agent.store.ledger import Ledger
from rsi.agent.store.records import PromotionKind, PromotionRecord, utc_now


class RollbackError(AgentError, ValueError):
    """The champion was left where it is."""


def roll_back(
    ledger: Ledger, lineage: Lineage, commit: str, *, actor: str, reason: str
) -> PromotionRecord:
    """Point the champion at an earlier commit of its own history.

    Args:
        ledger: Where the record goes.
        lineage: Whose champion moves.
        commit: An ancestor of the champion.
        actor: Who, such as "person:ada".
        reason: Why, in words; never empty.

    Returns:
        The move's record; of a move that was made earlier and never recorded, the record that it gets now.

    Raises:
        RollbackError: No reason, nothing to roll back, or not an ancestor; or a promotion is not recorded yet.
        StaleChampionError: The champion moved meanwhile.
    """
    champion = lineage.champion()
    if not reason.strip():
        raise RollbackError("a rollback needs a reason: --reason TEXT")
    missing = _unrecorded(ledger, lineage, champion)
    if missing is not None:
        completed = replace(missing, actor=actor, reason=reason.strip())
        ledger.add_promotion(completed)
        if commit == champion:
            return completed
    if commit == champion:
        raise RollbackError(f"{commit[:12]} is the champion of {lineage.name!r} already")
    if commit not in {each.commit for each in lineage.history()}:
        raise RollbackError(f"{commit[:12]} is not in the champion's history of {lineage.name!r}")
    record = replace(_back(ledger, lineage, champion, commit), actor=actor, reason=reason.strip())
    lineage.move_champion(champion, commit, f"rollback: {reason}")
    ledger.add_promotion(record)
    return record


def rolled_back(
    lineage: Lineage, promotions: Sequence[PromotionRecord]
) -> Mapping[str, PromotionRecord]:
    """Commits whose promotion was undone, each with the rollback that undid it.

    Args:
        lineage: Says which commits the champion kept when it moved back.
        promotions: All moves of the lineage, oldest first.
    """
    line: list[str] = []
    undone: dict[str, PromotionRecord] = {}
    for move in promotions:
        if move.kind is PromotionKind.PROMOTE:
            line.append(move.new_commit)
            continue
        kept = {each.commit for each in lineage.history(move.new_commit)}
        undone |= {commit: move for commit in line if commit not in kept}
        line = [commit for commit in line if commit in kept]
    return undone


def _unrecorded(ledger: Ledger, lineage: Lineage, champion: str) -> PromotionRecord | None:
    """The move back that the repository made and the ledger does not have, because something ended in between."""
    promotions = ledger.promotions(lineage.name)
    known = promotions[-1].new_commit if promotions else lineage.baseline()
    if known == champion:
        return None
    if champion not in {each.commit for each in lineage.history(known)}:
        raise RollbackError(
            f"the champion of {lineage.name!r} is {champion[:12]}, and that promotion is not recorded yet; "
            "`rsi worker` finishes it, then roll back"
        )
    return _back(ledger, lineage, known, champion)


def _back(ledger: Ledger, lineage: Lineage, old: str, new: str) -> PromotionRecord:
    return PromotionRecord(
        lineage=lineage.name,
        round_id=ledger.promotions(lineage.name)[-1].round_id,
        old_commit=old,
        new_commit=new,
        score_digest=None,
        at=utc_now(),
        kind=PromotionKind.ROLLBACK,
    )
