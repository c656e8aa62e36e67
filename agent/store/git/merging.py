"""Puts one change onto other files: a three-way merge of trees, file by file, with git's own merge of texts.

Does not: read or change a repository. Invariant: a function of its three trees; what does not fit together is said, never guessed.
"""

import tempfile
from dataclasses import dataclass
from pathlib import Path

from rsi.agent.store.git.plumbing import GitDir
from rsi.sandboxes.types import FileEntry, FileTree

MAX_NAMED = 3
"""Files of a conflict that are named; a person looks at the first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Merged:
    """What came of putting a change onto other files."""

    tree: FileTree
    conflicts: tuple[str, ...] = ()
    """Paths that both changed in ways that do not fit together; empty when all did."""

    @property
    def conflict(self) -> str:
        """The same in a few words; empty when there is none."""
        more = len(self.conflicts) - MAX_NAMED
        named = ", ".join(self.conflicts[:MAX_NAMED])
        return f"{named} and {more} more" if more > 0 else named


def put_onto(git_dir: GitDir, onto: FileTree, base: FileTree, changed: FileTree) -> Merged:
    """What `changed` made of `base`, made of `onto`.

    Args:
        git_dir: Any repository; its git merges texts, and nothing of it is read or changed.
        onto: The files that are to get the change.
        base: The files that the change was made from.
        changed: Those files after the change.

    Raises:
        AgentError: git cannot be run.
    """
    ours, old, theirs = ({each.path: each for each in tree} for tree in (onto, base, changed))
    merged: list[FileEntry] = []
    conflicts: list[str] = []
    for path in sorted(ours.keys() | old.keys() | theirs.keys()):
        here, before, there = ours.get(path), old.get(path), theirs.get(path)
        if there == before or here == there:
            found = here
        elif here == before:
            found = there
        else:
            found = _merged_text(git_dir, here, before, there)
            if found is None:
                conflicts.append(path)
        if found is not None:
            merged.append(found)
    return Merged(tree=tuple(merged), conflicts=tuple(conflicts))


def _merged_text(
    git_dir: GitDir, here: FileEntry | None, before: FileEntry | None, there: FileEntry | None
) -> FileEntry | None:
    """One file that both changed; None when the changes meet, or one of them took it away or both made it."""
    if here is None or before is None or there is None:
        return None
    with tempfile.TemporaryDirectory(prefix="rsi-merge-") as folder:
        sides = []
        for name, entry in (("here", here), ("before", before), ("there", there)):
            path = Path(folder) / name
            path.write_bytes(entry.content)
            sides.append(str(path))
        done = git_dir.run(["merge-file", "-p", *sides])
    if done.exit_code:  # the count of conflicts, or that a file is no text
        return None
    # The bit that only one of them changed is that one's.
    is_executable = (
        there.is_executable if here.is_executable == before.is_executable else here.is_executable
    )
    return FileEntry(path=here.path, content=done.stdout, is_executable=is_executable)
