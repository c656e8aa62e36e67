"""Make a task of somebody's training repo: a whole folder that loads, or nothing.

Does not: run anything; `rsi task check` does. Templates of what it writes are in `template/`.
Invariant: what is in place afterwards has been loaded once; a mistake or a crash leaves no folder of that name.
"""

import os
import posixpath
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from rsi.sandboxes.types import FileTree
from rsi.tasks.choices import Direction
from rsi.tasks.errors import NewTaskError
from rsi.tasks.files.globs import first_match, matches, sparing
from rsi.tasks.files.trees import text_of, write_tree
from rsi.tasks.format.loader import SEARCH_VARIABLE, list_tasks, load_task
from rsi.tasks.making import repo_facts, task_files
from rsi.tasks.making.repo_copy import RepoCopy, copy_repo, unmatched
from rsi.tasks.making.repo_facts import Installed
from rsi.tasks.making.task_files import TaskPlan
from rsi.tasks.making.wanted import Wanted, check_words
from rsi.tasks.types import QualityRule, Task

PACKED_SLACK_BYTES = 256.0
"""Packed arrays differ by some bytes when their numbers do."""
MEMORY_MB = 2048
TORCH_MEMORY_MB = 4096
"""As the flagship has it."""
MARGIN_SHARE = 0.01
"""Of the limit: the margin of a quality for which none was given."""
MAX_NAMED = 8
"""Files that a message lists."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewTask:
    """A task that was made."""

    task: Task
    files: int
    """Of the repo, without the entry that was added."""
    n_bytes: int
    largest: tuple[tuple[str, int], ...]
    """Path and bytes of the largest files."""
    artifact: str
    installed: Installed
    notes: tuple[str, ...]
    """What a person should know, one sentence each."""


def create_task(wanted: Wanted, parent: Path) -> NewTask:
    """Write the folder of a new task.

    Args:
        wanted: What the person said.
        parent: Folder to make it in; made when it is missing.

    Raises:
        NewTaskError: A mistake in what was said, or a repo that no task can be made of.
        TaskNotFoundError: No such folder or commit.
        RepoUnreachableError: The repository could not be fetched.
    """
    check_words(wanted)
    target = parent / wanted.name
    if target.exists() or target.is_symlink():
        raise NewTaskError(
            f"{str(target)!r} is there already; take another name, or another folder with --out"
        )
    if wanted.own is None and wanted.name in {each.name for each in list_tasks()}:
        raise NewTaskError(f"there is a task {wanted.name!r} already; take another name")
    copy = wanted.copy or copy_repo(wanted.repo, commit=wanted.commit, exclude=wanted.exclude)
    plan = _plan(wanted, copy)
    tree = task_files.all_files(plan)
    try:
        parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=parent, prefix=".rsi-new-") as aside:
            draft = Path(aside) / wanted.name
            write_tree(tree, draft)
            load_task(draft)
            draft.rename(target)
    except OSError as error:
        raise NewTaskError(
            f"{str(target)!r} cannot be written ({error.strerror or error}); name another folder with --out"
        ) from error
    return NewTask(
        task=load_task(target),
        files=len(copy.tree),
        n_bytes=sum(len(entry.content) for entry in copy.tree),
        largest=_largest(copy.tree),
        artifact=plan.artifact,
        installed=plan.installed,
        notes=(*copy.notes, *plan.notes, *_place_notes(wanted, target)),
    )


def _plan(wanted: Wanted, copy: RepoCopy) -> TaskPlan:
    tree = copy.tree
    if wanted.copy is None:
        _check_is_committed(wanted, copy)
    if wanted.own is None:
        repo_facts.check_command(wanted.entry, tree, option="--entry")
    if wanted.tests is not None:
        repo_facts.check_command(wanted.tests, tree, option="--tests")
    _check_globs(wanted, tree)
    # A repo that knows the contract already is left as it is; any other gets an entry that keeps it.
    is_native = wanted.own is None and any(
        b"RSI_IO" in each.content for each in repo_facts.reached_sources(wanted.entry, tree)
    )
    added = "" if is_native else _added_entry(tree)
    paths = [entry.path for entry in tree] + ([added] if added else [])
    kept = {added, *(path for path in paths if matches(path, wanted.protected))}
    tests = [path for path in paths if repo_facts.is_test(path)]
    if wanted.tests is not None:
        # What a candidate could rewrite would prove nothing.
        kept.update(tests)
    spared = [path for path in paths if path in kept]
    editable = sparing(wanted.editable, paths, spared)
    if not editable:
        raise NewTaskError("nothing is editable: --protected names all that --editable names")
    _refuse_binary(tree, editable)
    artifact = ""
    if wanted.own is None:
        artifact = wanted.artifact or _found_artifact(wanted, tree)
        _check_artifact(artifact)
    installed = _installed(wanted, tree)
    rules = wanted.own.rules() if wanted.own else (_quality_rule(wanted, artifact),)
    return TaskPlan(
        name=wanted.name,
        origin=copy.origin,
        tree=tree,
        command=wanted.entry,
        tests=wanted.tests,
        is_native=is_native,
        artifact=artifact,
        editable=editable,
        protected=_protected(
            paths, editable, (*_added_globs(wanted, added), *wanted.protected), kept
        ),
        clock=wanted.clock,
        rules=rules,
        is_quality_named=wanted.quality is not None,
        installed=installed,
        device=wanted.device,
        cpus=wanted.cpus,
        memory_mb=wanted.memory_mb or _memory_mb(installed),
        wall_s=wanted.wall_s,
        notes=_notes(wanted, editable, installed, artifact, tests) if wanted.own is None else (),
        own=wanted.own,
        python=None if wanted.chosen is None else wanted.chosen.python,
        plan=wanted.plan,
        minimum_effect=wanted.minimum_effect,
    )


def _installed(wanted: Wanted, tree: FileTree) -> Installed:
    if wanted.chosen is not None:
        return wanted.chosen.installed
    return repo_facts.installed(
        wanted.entry,
        tree,
        environment=wanted.environment,
        task=wanted.name,
        tests=wanted.tests,
    )


def _memory_mb(installed: Installed) -> int:
    has_torch = any(line.startswith("torch==") for line in installed.pinned)
    return TORCH_MEMORY_MB if has_torch else MEMORY_MB


def _check_globs(wanted: Wanted, tree: FileTree) -> None:
    for word, globs in (("--editable", wanted.editable), ("--protected", wanted.protected)):
        if lost := unmatched(globs, tree):
            names = sorted({entry.path.split("/")[0] for entry in tree})[:MAX_NAMED]
            raise NewTaskError(
                f"{word} {lost[0]!r} matches no file of the repo; at its top it has {', '.join(names)}"
            )


def _added_entry(tree: FileTree) -> str:
    """Path of the entry that the task adds, if the repo leaves room for it."""
    folder = task_files.ENTRY_PATH.split("/")[0]
    if any(entry.path.split("/")[0] == folder for entry in tree):
        raise NewTaskError(
            f"the repo has {folder!r}, which a task adds itself; leave it out with --exclude '{folder}/**'"
        )
    return task_files.ENTRY_PATH


def _added_globs(wanted: Wanted, added: str) -> tuple[str, ...]:
    """What names the files that the task adds to the repo."""
    if wanted.own is not None:
        return (f"{posixpath.dirname(added)}/**",)
    return (added,) if added else ()


def _check_is_committed(wanted: Wanted, copy: RepoCopy) -> None:
    """A script that lies in the checkout alone is a mistake of its own: whoever sees it there wonders otherwise."""
    paths = {entry.path for entry in copy.tree}
    wanted_paths = repo_facts.command_paths(wanted.entry)
    if copy.origin is None or paths & set(wanted_paths):
        return
    for path in wanted_paths:
        if (Path(wanted.repo).expanduser() / path).is_file() and not matches(path, wanted.exclude):
            raise NewTaskError(
                f"{path!r} is not in commit {copy.origin.commit[:12]} of {wanted.repo!r}; commit it first"
            )


def _refuse_binary(tree: FileTree, editable: Sequence[str]) -> None:
    binary = [
        entry.path for entry in tree if matches(entry.path, editable) and text_of(entry) is None
    ]
    if binary:
        glob = first_match(binary[0], editable)
        named = ", ".join(binary[:MAX_NAMED])
        raise NewTaskError(
            f"--editable {glob!r} names binary files, which no patch can change: {named}; name source only, such as "
            f"{_narrower(glob or '**')!r}, or leave them out with --exclude GLOB"
        )


def _narrower(glob: str) -> str:
    return f"{glob}/*.py" if glob.endswith("**") else "**/*.py"


def _found_artifact(wanted: Wanted, tree: FileTree) -> str:
    """The one file that a run seems to leave.

    Raises:
        NewTaskError: There is none or there are several: the person has to say.
    """
    found = repo_facts.left_files(wanted.entry, tree)
    if wanted.quality is not None:
        found = tuple(each for each in found if each.endswith(".json")) or found
    if len(found) == 1:
        return found[0]
    command = " ".join(wanted.entry)
    if found:
        raise NewTaskError(
            f"`{command}` may leave {', '.join(found[:MAX_NAMED])}; say with --artifact FILE which one is to be graded"
        )
    example = f"{wanted.quality} as a number in metrics.json" if wanted.quality else "result.json"
    raise NewTaskError(
        f"no file was found in the source that `{command}` leaves, and what is printed is no evidence; let it write one, "
        f"such as {example}, and name it with --artifact FILE"
    )


def _check_artifact(artifact: str) -> None:
    parts = artifact.split("/")
    if not artifact.isprintable() or any(part in {"", ".", "..", ".git"} for part in parts):
        raise NewTaskError(
            f"--artifact {artifact!r} is no file in the repo's folder; name it as the run does, such as out/metrics.json"
        )


def _quality_rule(wanted: Wanted, artifact: str) -> QualityRule:
    if wanted.quality is None:
        is_json = artifact.endswith(".json")
        return QualityRule(
            name="artifact_values" if is_json else "artifact_bytes",
            unit="values" if is_json else "bytes",
            direction=Direction.HIGHER,
            limit=None,
            margin=0.0 if is_json else PACKED_SLACK_BYTES,
        )
    margin = wanted.margin
    if margin is None:
        margin = MARGIN_SHARE * abs(wanted.limit or 0.0)
    return QualityRule(
        name=wanted.quality,
        unit=wanted.unit,
        direction=wanted.direction,
        limit=wanted.limit,
        margin=margin,
    )


def _protected(
    paths: Sequence[str], editable: Sequence[str], named: Sequence[str], kept: Collection[str]
) -> tuple[str, ...]:
    """What is named, everything at the top of the repo that holds nothing editable, and the rest of what is kept."""
    found = dict.fromkeys(named)
    for top in sorted({path.split("/")[0] for path in paths}):
        below = [path for path in paths if path == top or path.startswith(f"{top}/")]
        is_open = any(matches(path, editable) for path in below)
        if not is_open and not all(matches(path, tuple(found)) for path in below):
            found[top if below == [top] else f"{top}/**"] = None
    rest = [path for path in paths if path in kept and not matches(path, tuple(found))]
    return (*found, *rest)


def _notes(
    wanted: Wanted,
    editable: Sequence[str],
    installed: Installed,
    artifact: str,
    tests: Sequence[str],
) -> tuple[str, ...]:
    notes = []
    if tuple(editable) != wanted.editable:
        notes.append(
            f"editable became {', '.join(editable[:MAX_NAMED])}{', ...' if len(editable) > MAX_NAMED else ''}: the rest is "
            "protected, and a file may not be both"
        )
    if installed.unpinned:
        notes.append(
            f"requirements.txt pins no exact version of {', '.join(installed.unpinned)}: pin what a run needs in "
            "environment/requirements.txt"
        )
    if installed.missing:
        notes.append(
            f"the code or its tests need {', '.join(installed.missing)}, which environment/requirements.txt does not have: add "
            "name==version"
        )
    if tests and wanted.tests is None:
        notes.append(
            f"the repo has tests ({tests[0]}): --tests 'python -m pytest -q' would let no candidate pass that fails them"
        )
    if wanted.artifact is None:
        notes.append(f"found in the source: a run leaves {artifact}; --artifact names another")
    return tuple(notes)


def _place_notes(wanted: Wanted, target: Path) -> tuple[str, ...]:
    folder = Path(wanted.repo).expanduser()
    if not folder.is_dir() or not target.resolve().is_relative_to(folder.resolve()):
        return ()
    return ("the task lies inside the repo that it copies; --out puts it elsewhere",)


def _largest(tree: FileTree) -> tuple[tuple[str, int], ...]:
    by_size = sorted(tree, key=lambda entry: -len(entry.content))
    return tuple((entry.path, len(entry.content)) for entry in by_size[:3])


def default_parent(variables: Mapping[str, str], here: Path) -> Path:
    """Where a task's folder goes when nobody says: below the first folder of $RSI_TASKS, else below the current one."""
    listed = [part for part in variables.get(SEARCH_VARIABLE, "").split(os.pathsep) if part]
    return Path(listed[0]).expanduser() if listed else here
