"""The code that rounds speak of: trees and diffs, from the lineages' repositories where they are at hand.

A cockpit on another machine has the ledger but not the repositories; then these answers are None and the screens
say so. Invariant: reads only.
"""

from collections import OrderedDict
from collections.abc import Mapping
from typing import TypeVar

from rsi.agent.errors import AgentError
from rsi.agent.store.git.lineage import Lineage
from rsi.agent.store.home import Home

T = TypeVar("T")

KEPT = 64
"""Trees and diffs kept in memory."""


class Code:
    """Trees and diffs by lineage and commit."""

    def __init__(self, home: Home | None) -> None:
        self._home = home
        self._diffs: OrderedDict[tuple[str, ...], str] = OrderedDict()
        self._trees: OrderedDict[tuple[str, ...], Mapping[str, str]] = OrderedDict()

    def diff(self, lineage: str, base: str, commit: str) -> str | None:
        """What changed from one commit to another; None when the repository is not here."""
        key = ("diff", lineage, base, commit)
        found = self._diffs.get(key)
        if found is None:
            opened = self._open(lineage)
            if opened is None:
                return None
            try:
                found = opened.diff(base, commit)
            except AgentError:
                return None
            _keep(self._diffs, key, found)
        return found

    def tree(self, lineage: str, commit: str) -> Mapping[str, str] | None:
        """Text of every file by path; None when the repository is not here."""
        key = ("tree", lineage, commit)
        found = self._trees.get(key)
        if found is None:
            opened = self._open(lineage)
            if opened is None:
                return None
            try:
                files = opened.tree(commit)
            except AgentError:
                return None
            found = {each.path: each.content.decode(errors="replace") for each in files}
            _keep(self._trees, key, found)
        return found

    def _open(self, lineage: str) -> Lineage | None:
        if self._home is None:
            return None
        try:
            return Lineage.open(self._home, lineage, create=False, is_alone=True)
        except AgentError:
            return None


def _keep(kept: "OrderedDict[tuple[str, ...], T]", key: tuple[str, ...], value: T) -> None:
    kept[key] = value
    while len(kept) > KEPT:
        kept.popitem(last=False)
