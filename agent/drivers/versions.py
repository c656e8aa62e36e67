"""Versions of scaffold and reviewer: those that were promoted, the one in use, and moving between them.

A version is named by the digest of its files, wherever they lie. Its lineage is the one of the task that improves it; as
long as nothing was promoted there, what ships with rsi is in use.
Does not: judge a version; the task's evaluator and a person at its gate did.
Invariant: a campaign's driver is kept in the ledger whole, so that no later edit or move changes what drove it.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from rsi.agent.errors import AgentError, LedgerCorruptError, UnknownRecordError
from rsi.agent.policy.rollbacks import roll_back
from rsi.agent.store.champion import move_champion, open_lineage, settle_champion
from rsi.agent.store.home import Home
from rsi.agent.store.ledger import Ledger
from rsi.agent.store.records import PromotionKind, PromotionRecord, Step, utc_now
from rsi.agent.store.steps.facts import Committed, Proposed
from rsi.agent.store.tree_blobs import decode_tree, encode_tree, tree_sha256
from rsi.sandboxes.types import FileTree
from rsi.tasks.drivers import DriverKind
from rsi.tasks.files.trees import read_tree

WINDOW_CAMPAIGNS = 3
"""So many campaigns of a new reviewer are reviewed by the one before it as well."""
MIN_DIGITS = 4
"""Of a digest, to name a version."""


class DriverError(AgentError, ValueError):
    """The version that is in use was left where it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """One version of a scaffold or a reviewer."""

    digest: str
    """sha256 of its files."""
    commit: str | None
    """In the lineage; None for the start of one in which nothing was promoted."""
    round_id: str | None
    """The round that made it; None for the start."""
    parent: str | None
    """Digest of the version that it was made from; None for the start."""
    at: datetime | None
    """When it was promoted first; None for the start."""
    title: str
    is_in_use: bool
    campaigns: int
    """Campaigns that it drove."""


def in_use(ledger: Ledger, kind: DriverKind) -> FileTree:
    """Files of the version that drives the next campaign; read from the ledger, so that every machine agrees."""
    champion = ledger.moves(kind.lineage).champion
    return read_tree(kind.shipped) if champion is None else files_of(ledger, kind, champion)


def still_voting(ledger: Ledger, kind: DriverKind) -> FileTree | None:
    """Files of the version before the one in use, while that one is new; None when it has driven a window of campaigns.

    Not after a rollback: what was given up has no voice.
    """
    moves = ledger.moves(kind.lineage)
    if not moves.done or moves.done[-1].kind is not PromotionKind.PROMOTE:
        return None
    last = moves.done[-1]
    digest = tree_sha256(in_use(ledger, kind))
    driven = [
        each
        for each in ledger.campaigns()
        if each.record.created_at >= last.at
        and each.record.config.driver_digests.get(kind) == digest
    ]
    return files_of(ledger, kind, last.old_commit) if len(driven) < WINDOW_CAMPAIGNS else None


def versions(ledger: Ledger, kind: DriverKind) -> tuple[Version, ...]:
    """The start and every version that was ever promoted, oldest first."""
    used = Counter(each.record.config.driver_digests.get(kind, "") for each in ledger.campaigns())
    moves = ledger.moves(kind.lineage)
    start = tree_sha256(read_tree(kind.shipped))
    baseline = moves.done[0].old_commit if moves.done else None
    digests: dict[str | None, str] = {baseline: start}
    champion = moves.champion if moves.done else baseline
    found = [
        Version(
            digest=start,
            commit=baseline,
            round_id=None,
            parent=None,
            at=None,
            title="what ships with rsi",
            is_in_use=champion == baseline,
            campaigns=used[start],
        )
    ]
    for move in moves.done:
        if move.kind is not PromotionKind.PROMOTE or move.new_commit in digests:
            continue
        digest = digests[move.new_commit] = tree_sha256(_files(ledger, kind, move))
        found.append(
            Version(
                digest=digest,
                commit=move.new_commit,
                round_id=move.round_id,
                parent=digests.get(move.old_commit),
                at=move.at,
                title=_proposed(ledger, move).hypothesis,
                is_in_use=move.new_commit == champion,
                campaigns=used[digest],
            )
        )
    return tuple(found)


def named(found: Sequence[Version], word: str) -> Version:
    """The one version that the beginning of a digest names.

    Raises:
        UnknownRecordError: None or several.
    """
    matching = [each for each in found if each.digest.startswith(word)]
    if len(word) < MIN_DIGITS or len(matching) != 1:
        raise UnknownRecordError(
            f"{word!r} names {len(matching) if len(word) >= MIN_DIGITS else 'too many'} of {len(found)} versions; "
            f"give at least {MIN_DIGITS} digits of a digest from the list"
        )
    return matching[0]


def use(
    home: Home, ledger: Ledger, kind: DriverKind, word: str, *, actor: str, reason: str
) -> Version:
    """Let another version that was promoted once drive the next campaign.

    Args:
        home: Where the lineage is.
        ledger: Where the move is recorded.
        kind: Scaffold or reviewer.
        word: The beginning of its digest.
        actor: Who, such as "person:ada".
        reason: Why, in words; never empty.

    Raises:
        UnknownRecordError: No such version.
        DriverError: No reason, or it is in use already.
        RollbackError, StaleChampionError: As the move raises them.
    """
    wanted = named(versions(ledger, kind), word)
    if wanted.is_in_use or wanted.commit is None:
        raise DriverError(f"{kind} {wanted.digest[:12]} is in use already")
    if not reason.strip():
        raise DriverError(f"using another {kind} needs a reason: --reason TEXT")
    lineage = open_lineage(home, ledger, kind.lineage)
    champion = settle_champion(ledger, lineage)
    if wanted.commit in {each.commit for each in lineage.history(champion)}:
        roll_back(ledger, lineage, wanted.commit, actor=actor, reason=reason)
        return wanted
    first = next(
        each for each in ledger.promotions(lineage.name) if each.new_commit == wanted.commit
    )
    move_champion(
        ledger,
        lineage,
        PromotionRecord(
            lineage=lineage.name,
            round_id=first.round_id,
            old_commit=champion,
            new_commit=wanted.commit,
            score_digest=first.score_digest,
            at=utc_now(),
            actor=actor,
            reason=reason.strip(),
        ),
    )
    return wanted


def go_back(home: Home, ledger: Ledger, kind: DriverKind, *, actor: str, reason: str) -> Version:
    """Go back to the version that the one in use was made from.

    Raises:
        DriverError: The one in use is the start.
        RollbackError: No reason.
    """
    found = {each.commit: each for each in versions(ledger, kind) if each.commit is not None}
    if ledger.moves(kind.lineage).done:
        lineage = open_lineage(home, ledger, kind.lineage)
        history = lineage.history(settle_champion(ledger, lineage))
        before = next((each.commit for each in history[1:] if each.commit in found), None)
        if before is not None:
            roll_back(ledger, lineage, before, actor=actor, reason=reason)
            return found[before]
    raise DriverError(
        f"the {kind} in use is the one that everything started from; there is nothing to go back to"
    )


def keep(ledger: Ledger, tree: FileTree) -> str:
    """Keep a driver's files in the ledger; returns the digest by which they are found."""
    return ledger.put_blob(encode_tree(tree))


def files_of(ledger: Ledger, kind: DriverKind, commit: str | None) -> FileTree:
    """The files of a version by its commit; None, or a commit that no promotion made, is the start."""
    for move in ledger.promotions(kind.lineage):
        if move.kind is PromotionKind.PROMOTE and move.new_commit == commit:
            return _files(ledger, kind, move)
    return read_tree(kind.shipped)


def driver_files(tree: FileTree, kind: DriverKind) -> FileTree:
    """The driver's own files in its task's repo, without the folder's name."""
    return tuple(
        replace(each, path=each.path.removeprefix(f"{kind}/"))
        for each in tree
        if each.path.startswith(f"{kind}/")
    )


def _files(ledger: Ledger, kind: DriverKind, move: PromotionRecord) -> FileTree:
    """The driver's files as a promotion made them the champion's."""
    tree = decode_tree(ledger.blob(str(_proposed(ledger, move).tree_sha256)))
    return driver_files(tree, kind)


def _proposed(ledger: Ledger, move: PromotionRecord) -> Proposed:
    """What was handed in as the commit that a promotion made the champion."""
    for step in ledger.steps(move.round_id):
        if isinstance(step.fact, Committed) and step.fact.commit == move.new_commit:
            found = ledger.step(move.round_id, Step.PROPOSE, step.attempt)
            if isinstance(found, Proposed):
                return found
    raise LedgerCorruptError(
        f"round {move.round_id} promoted {move.new_commit[:12]} and has no proposal of it"
    )
