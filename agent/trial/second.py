"""The second number of a trial: a changed working tree or a patch against the baseline that was measured first.

Does not: promote; the gate of a campaign does. Invariant: a change that no campaign would admit is not measured.
"""

import json
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from rsi.agent.errors import LineageError, UnknownCommitError
from rsi.agent.policy.settings import default_lineage
from rsi.agent.store.git.lineage import Lineage
from rsi.agent.store.home import Home
from rsi.agent.trial.early import curve_screen
from rsi.agent.trial.kept import Kept
from rsi.agent.trial.measuring import judged
from rsi.evals.admission.admission import admit, is_admitted
from rsi.evals.types import Finding, Score, Severity
from rsi.sandboxes.types import Backend, FileEntry, FileTree
from rsi.tasks.errors import NewTaskError
from rsi.tasks.files.patches import apply_patch, diff_trees
from rsi.tasks.files.trees import changed_paths, read_tree
from rsi.tasks.format.loader import profile_of
from rsi.tasks.making.working_tree import copy_working_tree
from rsi.tasks.types import Profile, Task

HAND = "hand"
"""Folder beside the task that keeps the last patch and a script that proposes it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Second:
    """What came of a change."""

    changed: tuple[str, ...]
    """Paths that differ from the baseline."""
    findings: tuple[Finding, ...]
    """What admission has against it."""
    score: Score | None
    """None where it was not admitted, or was given up early."""
    given_up: str
    """What showed that its curve is behind; empty where it was measured."""
    script: Path | None
    """Proposes the same patch in a campaign; None where it was not admitted."""

    @property
    def is_supported(self) -> bool:
        return self.score is not None and self.score.verdict == "supported"


def champion_tree(here: Home, task: Task) -> FileTree | None:
    """What campaigns on this task have promoted; None where none did."""
    try:
        lineage = Lineage.open(here, default_lineage(task, profile_of(task).name), create=False)
        champion = lineage.champion()
        return None if champion == lineage.baseline() else lineage.tree(champion)
    except (LineageError, UnknownCommitError):
        return None


def changed_tree(
    kept: Kept,
    task: Task,
    patch: Path | None,
    say: Callable[[str], None],
    *,
    champion: FileTree | None = None,
) -> FileTree:
    """The candidate: the baseline with a patch, or the working tree as it is now, or else a champion.

    Raises:
        NewTaskError: Nothing differs from the baseline, or the patch cannot be read.
        PatchError: The patch does not apply.
    """
    base = read_tree(task.repo)
    if patch is not None:
        try:
            content = patch.read_bytes()
        except OSError as error:
            raise NewTaskError(
                f"--patch {str(patch)!r} cannot be read: {error.strerror}"
            ) from error
        tree = apply_patch(base, content, name=str(patch))
    else:
        tree = _as_it_lies(kept, base, say)
    if set(tree) == set(base) and patch is None and champion is not None:
        say("the working tree is the baseline's, so the champion of its campaigns is measured")
        return champion
    if set(tree) == set(base):
        where = f"--patch {str(patch)!r}" if patch else f"the working tree of {kept.asked.folder}"
        raise NewTaskError(
            f"{where} changes nothing against the baseline; edit a file, or make a new baseline with --again"
        )
    return tree


def _as_it_lies(kept: Kept, base: FileTree, say: Callable[[str], None]) -> FileTree:
    copied = copy_working_tree(Path(kept.asked.folder), exclude=kept.asked.exclude)
    for note in copied.notes:
        if note.startswith("git does not know"):
            say(f"note: {note}")
    now = {each.path: each for each in copied.tree}
    given = {each.path for each in base}
    # What became data or was held out when the task was made is no part of the repo.
    beside = {each.path for each in (*_below(kept.root, "data"), *_below(kept.root, "held_out"))}
    own = [each for each in base if each.path.startswith("rsi_entry/")]
    kept_now = [each for path, each in now.items() if path not in beside or path in given]
    return tuple(sorted((*own, *kept_now), key=lambda each: each.path))


def _below(root: Path, name: str) -> FileTree:
    folder = root / "harness" / name
    return read_tree(folder) if folder.is_dir() else ()


def measure_second(
    kept: Kept,
    task: Task,
    tree: FileTree,
    backend: Backend,
    say: Callable[[str], None],
    *,
    profile: Profile,
) -> Second:
    """Admit a change as a campaign would, and measure it against the baseline at one size.

    Raises:
        MeasurementError: The host, the harness or the baseline failed.
    """
    base = read_tree(task.repo)
    changed = tuple(changed_paths(base, tree))
    say(f"changed against the baseline: {', '.join(changed[:8])}")
    findings = admit(task, base, tree)
    if not is_admitted(findings):
        return Second(changed=changed, findings=findings, score=None, given_up="", script=None)
    script = _keep_script(kept.root, base, tree)
    usual = profile_of(task)
    screen = curve_screen(kept.root, task, usual) if profile.name == usual.name else None
    score = judged(
        task, profile, base, tree, backend, say, secret=secrets.token_bytes(16), screen=screen
    )
    why = "" if screen is None or score is not None else screen.behind() or ""
    return Second(changed=changed, findings=findings, score=score, given_up=why, script=script)


def _keep_script(root: Path, base: Sequence[FileEntry], tree: Sequence[FileEntry]) -> Path:
    folder = root / HAND
    folder.mkdir(exist_ok=True)
    (folder / "hand.patch").write_text(diff_trees(base, tree), encoding="utf-8")
    words = json.dumps("The change in the working tree.")
    path = folder / "hand.toml"
    path.write_text(
        f'[[round]]\npatch = "hand.patch"\nhypothesis = {words}\npredicted_ratio = 1.1\nrisk = "none known"\n',
        encoding="utf-8",
    )
    return path


def blocks(second: Second) -> list[str]:
    """Sentences about what a campaign would refuse or hold."""
    words = {Severity.BLOCK: "refused", Severity.HOLD: "held for a person", Severity.NOTE: "noted"}
    return [
        f"{words[each.severity]}: {each.rule}{f' in {each.file}' if each.file else ''}: {each.message}"
        for each in second.findings
    ]
