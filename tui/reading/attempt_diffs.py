"""What changed from one attempt of a round to the next, read from the lineage's repository or from the ledger.

Invariant: only reads.
"""

from dataclasses import dataclass

from rsi.agent.store.ledger import Ledger
from rsi.tasks.files.diffs import compare_texts, render
from rsi.tui.model.attempts import AttemptPair
from rsi.tui.model.code import Code
from rsi.tui.model.diffs import Diff, diff_to_show
from rsi.tui.reading.round_reader import patch_text


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptDiff:
    """The difference between two attempts."""

    pair: AttemptPair
    diff: Diff
    text: str
    is_of_patches: bool
    """The two patches were compared as texts: their repository is elsewhere, or they start from different commits."""


def attempt_diff(ledger: Ledger, code: Code, lineage: str, pair: AttemptPair) -> AttemptDiff | None:
    """Compare two attempts; None when neither repository nor ledger has the code of one of them."""
    before, after = pair.before.committed, pair.after.committed
    text = None
    if before.parent == after.parent:
        text = code.diff(lineage, before.commit, after.commit)
    if text is not None:
        return AttemptDiff(pair=pair, diff=diff_to_show(text), text=text, is_of_patches=False)
    old, new = (patch_text(ledger, code, lineage, each) for each in (before, after))
    if old is None or new is None:
        return None
    text = render([compare_texts("patch", old, new)])
    return AttemptDiff(pair=pair, diff=diff_to_show(text), text=text, is_of_patches=True)
