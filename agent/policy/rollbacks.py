"""Moving a champion back: announced, carried out and recorded like a promotion; and what was moved back."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rsi.agent.errors import AgentError
from rsi.agent.policy.audits import champion_line
from rsi.agent.store.champion import Standing, look_at_champion, move_champion, settle_champion
from rsi.agent.store.git.lineage import Lineage
from rsi.agent.store.ledger import Ledger
from rsi.agent.store.records import PromotionKind, PromotionRecord, utc_now
from rsi.agent.store.state import is_person


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
        The move's record. Where git has a champion that no record accounts for, it is put back first; if that is all
        that was to be done, the record says so and is not kept, for the ledger's champion did not move.

    Raises:
        RollbackError: No reason, nothing to roll back, or not an ancestor.
        LineageBehindError: The repository lacks the ledger's champion.
        StaleChampionError: The champion moved meanwhile.
    """
    if not reason.strip():
        raise RollbackError("a rollback needs a reason: --reason TEXT")
    found = look_at_champion(ledger, lineage)
    is_put_back = found.standing is Standing.UNACCOUNTED
    if is_put_back:
        lineage.move_champion(found.in_git, found.champion, f"put back: {reason}")
    champion = settle_champion(ledger, lineage)
    move = found.move
    if move is not None and (move.kind, move.new_commit) == (PromotionKind.ROLLBACK, commit):
        return move  # asked for before, and cut short
    if commit == champion and not is_put_back:
        raise RollbackError(f"{commit[:12]} is the champion of {lineage.name!r} already")
    if commit not in {each.commit for each in lineage.history()}:
        raise RollbackError(f"{commit[:12]} is not in the champion's history of {lineage.name!r}")
    done = ledger.moves(lineage.name).done
    record = PromotionRecord(
        lineage=lineage.name,
        round_id=done[-1].round_id if done else "",
        old_commit=champion if commit != champion else found.in_git,
        new_commit=commit,
        score_digest=None,
        at=utc_now(),
        kind=PromotionKind.ROLLBACK,
        actor=actor,
        reason=reason.strip(),
    )
    if commit != champion:
        move_champion(ledger, lineage, record)
    return record


@dataclass(frozen=True, slots=True, kw_only=True)
class Unseen:
    """The promotions in a champion since a person last saw what it was."""

    back_to: str
    """The newest champion that a person promoted or put back, else the baseline."""
    commits: tuple[str, ...]
    """What policy promoted on top of it, oldest first."""


def unseen_window(moves: Sequence[PromotionRecord]) -> Unseen | None:
    """What can be taken back at once because nobody saw it before it was promoted; None where a person saw the champion.

    Args:
        moves: Of one lineage, oldest first.
    """
    line = champion_line(moves)
    seen = {each.new_commit for each in moves if is_person(each.actor)}
    last = max((at for at, commit in enumerate(line) if commit in seen), default=-1)
    unseen = tuple(line[last + 1 :])
    if not unseen:
        return None
    return Unseen(back_to=line[last] if last >= 0 else moves[0].old_commit, commits=unseen)


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
            # What was rolled back may be used again, by a person's word.
            undone = {
                commit: by
                for commit, by in undone.items()
                if commit not in {each.commit for each in lineage.history(move.new_commit)}
            }
            continue
        kept = {each.commit for each in lineage.history(move.new_commit)}
        undone |= {commit: move for commit in line if commit not in kept}
        line = [commit for commit in line if commit in kept]
    return undone
