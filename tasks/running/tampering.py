"""What a run changed besides its out folder, seen by comparing its folders before and after it.

Does not: see what a run did in its temporary folder, which goes with the sandbox.
Invariant: both surveys are made while nothing of the candidate runs, and the times in them are the kernel's, so that a
change that was taken back is seen as well.
"""

import stat
from collections.abc import Sequence

from rsi.sandboxes.errors import FileTreeError
from rsi.sandboxes.types import Sandbox, Survey
from rsi.tasks.files.globs import matches

TAMPERING = "changed what it was given"
"""Words of every sentence about it."""
MAX_ENTRIES = 20_000
"""Files and folders of a candidate, the public data and what a run may add to them; more are no honest run's."""
CODE_SUFFIXES = (".py", ".pyc", ".pyo", ".pyx", ".pth", ".so", ".pyd", ".sh", ".zip", ".egg")
"""What an interpreter, a loader or a shell would run: a glob such as `**` does not cover it."""
_FREE = frozenset({"io"})
"""Folders of the layout in which the run's own out folder may be made anew."""


def survey_run(sandbox: Sandbox) -> Survey:
    """Everything that a run finds, its out folder left out."""
    return sandbox.survey("/work", skipped="io/out", max_entries=MAX_ENTRIES)


def tampering_since(given: Survey, sandbox: Sandbox, writable: Sequence[str]) -> str:
    """One sentence about what was changed since a survey; empty when nothing was.

    Args:
        given: What the run found.
        sandbox: Where it ran.
        writable: Globs of its own folder that it may write to; code needs one that ends in its suffix.

    Raises:
        SandboxBrokenError: The sandbox is gone.
    """
    try:
        left = survey_run(sandbox)
    except FileTreeError as error:
        return f"the run {TAMPERING}: its folder can be read no longer ({error})"
    changed = sorted(path for path in given.keys() | left.keys() if _is_changed(given, left, path))
    culprits = [path for path in changed if not _may_change(path, left, writable)]
    if not culprits:
        return ""
    path = min(culprits, key=lambda each: (_is_folder(given, left, each), each))
    verb = "added" if path not in given else "removed" if path not in left else "changed"
    more = f" and {len(culprits) - 1} more" if len(culprits) > 1 else ""
    return (
        f"the run {TAMPERING}: it {verb} {path.removeprefix('code/')!r}{more}; "
        "a run writes to $RSI_IO/out and below $TMPDIR"
    )


def _is_changed(given: Survey, left: Survey, path: str) -> bool:
    before, after = given.get(path), left.get(path)
    if before is None or after is None or not before.is_folder:
        return before != after
    return before.mode != after.mode or (
        path not in _FREE and before.changed_ns != after.changed_ns
    )


def _is_folder(given: Survey, left: Survey, path: str) -> bool:
    """Folders change with what is in them, so a file says more."""
    entry = left.get(path) or given[path]
    return entry.is_folder


def _may_change(path: str, left: Survey, writable: Sequence[str]) -> bool:
    """Whether the task lets a run write there: in its own folder, and what could be run only where it says so."""
    place, _, inner = path.partition("/")
    if place != "code" or not writable:
        return False
    entry = left.get(path)
    if entry is not None and (entry.is_folder or not stat.S_ISREG(entry.mode)):
        return entry.is_folder
    suffix = next((each for each in CODE_SUFFIXES if inner.endswith(each)), "")
    return matches(inner, [glob for glob in writable if glob.endswith(suffix)])
