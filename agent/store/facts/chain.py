"""The hash chain over decisions, intents and promotions: pure functions.

Each link's hash covers its position, its kind, its body and the hash before it, so a changed, missing,
added or reordered row shows. Does not: show that its end was cut off; that shows in the steps that carried the
missing rows out (`GateFacts.verify_chain`) and in a champion that no record accounts for (`rsi doctor`).
"""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass

from rsi.agent.store.records import ChainReport

GENESIS = "0" * 64
"""What the first link points back to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """One chained row as it is stored."""

    position: int
    kind: str
    """"decision", "intent" or "promotion"."""
    body: str
    columns: tuple[str | None, ...]
    """What is searched by: round id, lineage, action; they must agree with the body."""
    prev_hash: str
    hash: str


def link_hash(*, position: int, kind: str, body: str, prev_hash: str) -> str:
    """sha256 in hex over one link."""
    return hashlib.sha256(json.dumps([position, kind, body, prev_hash]).encode()).hexdigest()


def check_chain(links: Iterable[Link]) -> ChainReport:
    """Walk all links, by rising position, and stop at the first that is wrong."""
    head, rows = GENESIS, 0
    for rows, link in enumerate(links, start=1):
        problem = _problem(link, position=rows, prev_hash=head)
        if problem is not None:
            return ChainReport(
                is_intact=False, rows=rows, head=head, broken_at=rows, reason=problem
            )
        head = link.hash
    return ChainReport(
        is_intact=True, rows=rows, head=head, broken_at=None, reason=f"{rows} rows, all linked"
    )


def _problem(link: Link, *, position: int, prev_hash: str) -> str | None:
    if link.position != position:
        return f"row {position} is missing; the next one says {link.position}"
    if link.prev_hash != prev_hash:
        return f"row {position} points at {link.prev_hash[:12]}, not at the row before it"
    expected = link_hash(
        position=position, kind=link.kind, body=link.body, prev_hash=link.prev_hash
    )
    if link.hash != expected:
        return f"row {position} ({link.kind}) was changed after it was written"
    if link.columns != _columns(link.kind, link.body):
        return f"row {position} ({link.kind}): its searched columns do not agree with its body"
    return None


def _columns(kind: str, body: str) -> tuple[str | None, ...]:
    """The searched columns as the body says them; the body's hash is known to be right."""
    raw = json.loads(body)
    if kind == "decision":
        return raw["round_id"], None, raw["action"]
    return raw["round_id"], raw["lineage"], raw["kind"]
