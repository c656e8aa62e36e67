"""Moving a champion back: the same compare-and-swap as a promotion, with its own record."""

from rsi.agent.errors import AgentError
from rsi.agent.store.ledger import Ledger
from rsi.agent.store.lineage import Lineage
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

    Raises:
        RollbackError: No reason, nothing to roll back, or not an ancestor.
        StaleChampionError: The champion moved meanwhile.
    """
    champion = lineage.champion()
    if not reason.strip():
        raise RollbackError("a rollback needs a reason: --reason TEXT")
    if commit == champion:
        raise RollbackError(f"{commit[:12]} is the champion of {lineage.name!r} already")
    if commit not in {each.commit for each in lineage.history()}:
        raise RollbackError(f"{commit[:12]} is not in the champion's history of {lineage.name!r}")
    promotions = ledger.promotions(lineage.name)
    record = PromotionRecord(
        lineage=lineage.name,
        round_id=promotions[-1].round_id,
        old_commit=champion,
        new_commit=commit,
        score_digest=None,
        at=utc_now(),
        kind=PromotionKind.ROLLBACK,
        actor=actor,
        reason=reason.strip(),
    )
    lineage.move_champion(champion, commit, f"rollback: {reason}")
    ledger.add_promotion(record)
    return record
