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

from rsi.agent.errors import AgentError, UnknownRecordError
from rsi.agent.policy.rollbacks import roll_back
from rsi.agent.store.champion import move_champion, open_lineage, settle_champion
from rsi.agent.store.git.lineage import Lineage
from rsi.agent.store.home import Home
from rsi.agent.store.ledger import Ledger
from rsi.agent.store.records import PromotionKind, PromotionRecord, utc_now
from rsi.agent.store.tree_blobs import encode_tree, tree_sha256
from rsi.sandboxes.types import FileTree
from rsi.tasks.drivers import DriverKind
from rsi.tasks.files.trees import read_tree

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
    """In the lineage; None while there is none and what ships is in use."""
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


def in_use(home: Home, ledger: Ledger, kind: DriverKind) -> FileTree:
    """Files of the version that drives the next campaign.

    Raises:
        LineageBehindError, UnaccountedChampionError: This home's repository is not what the ledger says it is.
    """
    lineage = _lineage(home, ledger, kind)
    if lineage is None:
        return read_tree(kind.shipped)
    return driver_files(lineage.tree(settle_champion(ledger, lineage)), kind)


def versions(home: Home, ledger: Ledger, kind: DriverKind) -> tuple[Version, ...]:
    """The start and every version that was ever promoted, oldest first."""
    used = Counter(each.record.config.driver_digests.get(kind, "") for each in ledger.campaigns())
    lineage = _lineage(home, ledger, kind)
    if lineage is None:
        digest = tree_sha256(read_tree(kind.shipped))
        return (_start(digest, None, is_in_use=True, campaigns=used[digest]),)
    champion, baseline = settle_champion(ledger, lineage), lineage.baseline()
    digests = {baseline: _digest(lineage, baseline, kind)}
    start = digests[baseline]
    found = [_start(start, baseline, is_in_use=champion == baseline, campaigns=used[start])]
    for move in ledger.promotions(lineage.name):
        if move.kind is not PromotionKind.PROMOTE or move.new_commit in digests:
            continue
        commit = move.new_commit
        digest = digests[commit] = _digest(lineage, commit, kind)
        found.append(
            Version(
                digest=digest,
                commit=commit,
                round_id=move.round_id,
                parent=digests.get(move.old_commit),
                at=move.at,
                title=lineage.commit(commit).title,
                is_in_use=commit == champion,
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
    found = versions(home, ledger, kind)
    wanted = named(found, word)
    lineage = _lineage(home, ledger, kind)
    if wanted.is_in_use or lineage is None or wanted.commit is None:
        raise DriverError(f"{kind} {wanted.digest[:12]} is in use already")
    if not reason.strip():
        raise DriverError(f"using another {kind} needs a reason: --reason TEXT")
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
    lineage = _lineage(home, ledger, kind)
    history = () if lineage is None else lineage.history(settle_champion(ledger, lineage))
    promoted = {each.commit: each for each in versions(home, ledger, kind)}
    before = next((each.commit for each in history[1:] if each.commit in promoted), None)
    if lineage is None or before is None:
        raise DriverError(
            f"the {kind} in use is the one that everything started from; there is nothing to go back to"
        )
    roll_back(ledger, lineage, before, actor=actor, reason=reason)
    return promoted[before]


def keep(ledger: Ledger, tree: FileTree) -> str:
    """Keep a driver's files in the ledger; returns the digest by which they are found."""
    return ledger.put_blob(encode_tree(tree))


def files_of(home: Home, ledger: Ledger, kind: DriverKind, version: Version) -> FileTree:
    """The files of a version."""
    lineage = _lineage(home, ledger, kind)
    if lineage is None or version.commit is None:
        return read_tree(kind.shipped)
    return driver_files(lineage.tree(version.commit), kind)


def driver_files(tree: FileTree, kind: DriverKind) -> FileTree:
    """The driver's own files in its task's repo, without the folder's name."""
    return tuple(
        replace(each, path=each.path.removeprefix(f"{kind}/"))
        for each in tree
        if each.path.startswith(f"{kind}/")
    )


def _lineage(home: Home, ledger: Ledger, kind: DriverKind) -> Lineage | None:
    """None while nothing was ever tried on it here and the ledger knows of no move."""
    name = kind.lineage
    if not ledger.moves(name).needed and not (home.lineages / f"{name}.git").exists():
        return None
    return open_lineage(home, ledger, name)


def _digest(lineage: Lineage, commit: str, kind: DriverKind) -> str:
    return tree_sha256(driver_files(lineage.tree(commit), kind))


def _start(digest: str, commit: str | None, *, is_in_use: bool, campaigns: int) -> Version:
    return Version(
        digest=digest,
        commit=commit,
        round_id=None,
        parent=None,
        at=None,
        title="what ships with rsi",
        is_in_use=is_in_use,
        campaigns=campaigns,
    )
