"""Moves of a lineage's champion: announced in the ledger, carried out in git, recorded in the ledger.

The ledger says which commit is the champion, git follows. Whatever ended between two of the three parts, the next one who
looks finishes the move; where the two disagree otherwise, nothing is guessed and nothing is spent.
Does not: decide what may move (`rsi.agent.policy` does).
"""

import logging
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum, auto
from functools import partial
from pathlib import Path
from typing import assert_never

from rsi.agent.errors import (
    LedgerConflictError,
    LineageBehindError,
    LineageError,
    StaleChampionError,
    UnaccountedChampionError,
    UnknownCommitError,
)
from rsi.agent.store.git.lineage import Lineage
from rsi.agent.store.home import Home
from rsi.agent.store.ledger import Ledger
from rsi.agent.store.records import DecisionAction, LineageMoves, PromotionRecord

MAX_LOOKS = 20
"""Looks at a lineage that others move meanwhile; each of them needs a finished promotion."""

log = logging.getLogger(__name__)


def open_lineage(home: Home, ledger: Ledger, name: str) -> Lineage:
    """Open a lineage of this home; one that the ledger has moved already must be there.

    Raises:
        LineageBehindError: It is not, or it lacks the champion.
        LineageError: It is damaged or cannot be made.
    """
    moves = ledger.moves(name)
    path = home.lineages / f"{name}.git"
    if moves.needed and not path.exists() and home.lineages_url is None:
        raise LineageBehindError(_behind(name, path, moves.needed[-1], is_shared=False))
    lineage = Lineage.open(home, name)
    if moves.needed:
        settle_champion(ledger, lineage)
    else:
        lineage.synchronize()
    return lineage


def require_commit(lineage: Lineage, commit: str) -> None:
    """Refuse a repository that lacks a commit of the ledger's.

    Raises:
        LineageBehindError: It does.
    """
    if not has_commit(lineage, commit):
        raise LineageBehindError(_lacks(lineage, commit))


class Standing(Enum):
    """How a repository stands to the ledger."""

    AGREED = auto()
    UNDER_WAY = auto()
    """A move was announced, and perhaps carried out in git, but is not recorded as done."""
    UNANNOUNCED = auto()
    """Git has an approved candidate as champion, and no record of that: an older version was cut short."""
    GIT_BEHIND = auto()
    """Git points at an earlier champion and has all commits that it needs to move on."""
    LACKS_COMMIT = auto()
    """The repository has not got the ledger's champion."""
    UNACCOUNTED = auto()
    """Git points at a commit that no record accounts for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What a look at git and ledger found."""

    standing: Standing
    champion: str
    """The ledger's."""
    in_git: str = ""
    """Empty when the repository lacks the ledger's."""
    move: PromotionRecord | None = None
    """What is to be finished; None when nothing is."""
    said: str = ""
    """One sentence for a person; empty when all is well."""


def move_champion(ledger: Ledger, lineage: Lineage, record: PromotionRecord) -> None:
    """Move the champion from one commit to another, and leave a record of it.

    Raises:
        StaleChampionError: The champion is another commit by now.
        LineageBehindError, UnaccountedChampionError: As for `settle_champion`.
    """
    for _ in range(MAX_LOOKS):
        champion = settle_champion(ledger, lineage)
        if champion != record.old_commit:
            raise StaleChampionError(
                f"the champion of {lineage.name!r} is {champion[:12]} by now, not {record.old_commit[:12]}; "
                "measure the candidate against that one"
            )
        lineage.commit(record.new_commit)
        try:
            ledger.add_intent(record)
        except LedgerConflictError:
            continue  # another campaign on this lineage was quicker
        # Somebody who looks at this moment may finish it first, and move on.
        with suppress(LedgerConflictError, StaleChampionError):
            _carry_out(ledger, lineage, record)
        settle_champion(ledger, lineage)
        return
    raise _restless(lineage)


def settle_champion(ledger: Ledger, lineage: Lineage) -> str:
    """Bring git and ledger to the same champion, and return it.

    A move that was announced is finished. Where git lost moves that the ledger has, it is moved on to them.

    Raises:
        LineageBehindError: This repository lacks a commit that the ledger has as champion.
        UnaccountedChampionError: Its champion is a commit that no record accounts for.
        UnknownCommitError: The lineage is empty, and the ledger knows of no move of it.
    """
    for _ in range(MAX_LOOKS):
        found = look_at_champion(ledger, lineage)
        match found.standing:
            case Standing.AGREED:
                return found.champion
            case Standing.UNDER_WAY | Standing.UNANNOUNCED | Standing.GIT_BEHIND:
                # Whoever announced it may be finishing it at this moment.
                with suppress(LedgerConflictError, StaleChampionError):
                    _finish(ledger, lineage, found)
            case Standing.LACKS_COMMIT:
                raise LineageBehindError(found.said)
            case Standing.UNACCOUNTED:
                raise UnaccountedChampionError(found.said)
            case _:
                assert_never(found.standing)
    raise _restless(lineage)


def look_at_champion(ledger: Ledger, lineage: Lineage) -> Look:
    """Compare git and ledger; a move that others make meanwhile is no disagreement.

    Raises:
        LineageServerError: The server that it is shared through cannot be used.
        UnknownCommitError: The lineage is empty, and the ledger knows of no move of it.
    """
    for _ in range(MAX_LOOKS):
        lineage.synchronize()
        moves = ledger.moves(lineage.name)
        lacking = next((each for each in moves.needed if not has_commit(lineage, each)), None)
        if lacking is not None:
            said = _lacks(lineage, lacking)
            return Look(standing=Standing.LACKS_COMMIT, champion=lacking, said=said)
        in_git, baseline = lineage.champion(), lineage.baseline()
        if ledger.moves(lineage.name) == moves:
            return _compare(ledger, lineage, moves, in_git, baseline)
    raise _restless(lineage)


def _compare(
    ledger: Ledger, lineage: Lineage, moves: LineageMoves, in_git: str, baseline: str
) -> Look:
    champion, move = moves.champion or baseline, moves.under_way
    said = f"the champion of {lineage.name} is {in_git[:12]} in git, the last record of it says {champion[:12]}"
    look = partial(Look, champion=champion, in_git=in_git)
    if move is not None and in_git in {move.old_commit, move.new_commit}:
        said = f"{said}: a move to {move.new_commit[:12]} is being made or was cut short"
        return look(standing=Standing.UNDER_WAY, move=move, said=said)
    if in_git == champion:
        return look(standing=Standing.AGREED)
    if in_git in {baseline, *(each.new_commit for each in moves.done)}:
        return look(standing=Standing.GIT_BEHIND, said=f"{said}: git lost a move")
    approved = _approved(ledger, lineage, champion, in_git)
    if approved is not None:
        said = f"{said}: a promotion was cut short"
        return look(standing=Standing.UNANNOUNCED, move=approved, said=said)
    said = (
        f"{said}, and nothing accounts for that: somebody moved it by hand, or the end of the ledger's chain was cut "
        f"off; `rsi rollback {lineage.name} --to {champion[:12]} --reason TEXT` puts the recorded one back"
    )
    return look(standing=Standing.UNACCOUNTED, said=said)


def _lacks(lineage: Lineage, commit: str) -> str:
    is_shared = lineage.server is not None
    return _behind(lineage.name, lineage.git_dir.path, commit, is_shared=is_shared)


def _behind(name: str, path: Path, commit: str, *, is_shared: bool) -> str:
    said = f"the lineage {name!r} in {str(path)!r} is behind the ledger: it lacks commit {commit}"
    if is_shared:
        return (
            f"{said}, and so does the git server; `rsi doctor` on the machine that has it, with the same RSI_LINEAGES_URL, "
            "sends it there"
        )
    return (
        f"{said}, which was made on another machine or in another home; copy that folder from there, or run the "
        "campaign there (`rsi retry`)"
    )


def _finish(ledger: Ledger, lineage: Lineage, found: Look) -> None:
    log.warning("%s; finishing it", found.said)
    move = found.move
    if move is None:
        lineage.move_champion(found.in_git, found.champion, "the ledger is ahead")
        return
    if found.standing is Standing.UNANNOUNCED:
        ledger.add_intent(move)
    _carry_out(ledger, lineage, move)


def _carry_out(ledger: Ledger, lineage: Lineage, move: PromotionRecord) -> None:
    word = f"{move.kind.value}: {move.reason or move.round_id}"
    lineage.move_champion(move.old_commit, move.new_commit, word)
    ledger.add_promotion(move)


def has_commit(lineage: Lineage, commit: str) -> bool:
    """Whether this home's repository of the lineage holds a commit."""
    try:
        lineage.commit(commit)
    except UnknownCommitError:
        return False
    return True


def _approved(
    ledger: Ledger, lineage: Lineage, champion: str, commit: str
) -> PromotionRecord | None:
    """The promotion of an approved candidate that git carried out; older versions announced none."""
    spoken = [each for each in ledger.decisions() if each.commit == commit]
    if not spoken or spoken[-1].action is not DecisionAction.APPROVE:
        return None
    decision, record = spoken[-1], ledger.round(spoken[-1].round_id)
    if record.champion_commit != champion:
        return None
    return PromotionRecord(
        lineage=lineage.name,
        round_id=record.id,
        old_commit=champion,
        new_commit=commit,
        score_digest=decision.score_digest,
        at=decision.at,
        actor=decision.actor,
        reason=decision.reason,
    )


def _restless(lineage: Lineage) -> LineageError:
    return LineageError(f"the champion of {lineage.name!r} moves all the time; try again")
