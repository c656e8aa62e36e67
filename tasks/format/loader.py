"""Find task folders and load them.

Does not: run anything. What task.toml says is `tracks`, checks against files are `folder_checks`.
Invariant: a `Task` that comes out is complete and consistent in every track; otherwise one
`TaskFormatError` lists every mistake.
"""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from rsi.sandboxes.errors import PluginError
from rsi.sandboxes.plugins import Group, Plugin, find_plugin, find_plugins
from rsi.sandboxes.types import Environment
from rsi.tasks.errors import TaskFormatError, TaskNotFoundError
from rsi.tasks.format import folder_checks
from rsi.tasks.format.toml_files import FILE, Problems, did_you_mean, read_toml
from rsi.tasks.harness_kit.canonical import folder_files, tree_digest
from rsi.tasks.types import Profile, Task, TaskSummary

BUILT_IN = Path(__file__).parent.parent
HARNESS_KIT = BUILT_IN / "harness_kit"
SEARCH_VARIABLE = "RSI_TASKS"
"""Folders of task folders, separated like PATH."""
VARIANTS = "variants"
"""Folder of a task in which each folder is that task for other hardware, named `task@variant`."""
_PATCHES = ("solutions", "cheats")
_PARTS = ("repo", "environment", *_PATCHES)
_DIGESTED = ("task.toml", "instruction.md", "repo", "harness", "environment")


def load_task(
    name_or_path: str | Path, *, track: str | None = None, search_path: Sequence[Path] = ()
) -> Task:
    """Load one task for one track.

    Args:
        name_or_path: Name of a task on the search path ("toy" or "rsi/toy"), or a task folder.
        track: One of the task's tracks; None takes its default.
        search_path: Folders of task folders, before those of $RSI_TASKS and the built-in ones.

    Raises:
        TaskNotFoundError: No such task, or no such track.
        TaskFormatError: The folder breaks the format; `problems` has one sentence for each mistake.
    """
    # Here, not above: what checks tables takes a tenth of a second to import.
    from rsi.tasks.format import patch_lists, tracks

    root = find_task(name_or_path, search_path=search_path)
    base = base_of(root)
    parts = {name: part_of(root, base, name) for name in _PARTS}
    problems = Problems()
    document = read_toml(root / FILE, FILE, problems)
    folder_checks.check_required_files(root, base, problems)
    if document is None:
        raise _format_error(root, problems)
    names = tracks.track_names(document)
    formats = {}
    for name in names:
        found, files = tracks.read_track(document, name, problems)
        if files is not None:
            folder_checks.check_candidate(files, parts["repo"], problems)
        if found is not None:
            formats[name] = found
    solutions = patch_lists.read_solutions(parts["solutions"], names, problems)
    cheats = patch_lists.read_cheats(parts["cheats"], names, problems)
    requirements = folder_checks.read_requirements(parts["environment"], problems)
    for found in formats.values():
        _check_name(found.task.name, root, problems)
        if solutions is not None:
            folder_checks.check_rows(found.rsi.rows, solutions, problems)
    if problems.sentences:
        raise _format_error(root, problems)
    chosen = track if track is not None else tracks.default_track(formats[names[0]])
    if chosen not in formats:
        raise TaskNotFoundError(
            f"task {task_name(root)!r} has no track {chosen!r}; it has {', '.join(names)}"
            f"{did_you_mean(chosen, names)}"
        )
    return tracks.task_of(
        formats[chosen],
        chosen,
        name=task_name(root),
        root=root,
        base=base,
        digest=task_digest(root),
        environment=Environment(
            name=formats[chosen].environment.docker_image,
            requirements=requirements,
            dockerfile=folder_checks.dockerfile_folder(parts["environment"]),
            python=tracks.interpreter_of(formats[chosen]),
        ),
        solutions=solutions or (),
        cheats=cheats,
    )


def profile_of(task: Task, name: str | None = None) -> Profile:
    """A profile by name; None takes the task's default.

    Raises:
        TaskNotFoundError: The task has no such profile.
    """
    chosen = name if name is not None else task.default_profile
    if chosen not in task.profiles:
        names = tuple(task.profiles)
        raise TaskNotFoundError(
            f"task {task.name!r} has no profile {chosen!r}; it has {', '.join(names)}"
            f"{did_you_mean(chosen, names)}"
        )
    return task.profiles[chosen]


def list_tasks(search_path: Sequence[Path] = ()) -> tuple[TaskSummary, ...]:
    """Every task on the search path and of plug-ins, those that do not load included, by name; the first of a name wins."""
    found = {name: _summary(root) for name, root in _known(search_folders(search_path)).items()}
    for plugin in find_plugins(Group.TASKS):
        if plugin.name not in found:
            found[plugin.name] = _plugin_summary(plugin)
    return tuple(found[name] for name in sorted(found))


def find_task(name_or_path: str | Path, *, search_path: Sequence[Path] = ()) -> Path:
    """The folder of a task.

    Raises:
        TaskNotFoundError: Nothing of that name or at that path.
    """
    wanted = str(name_or_path)
    folders = search_folders(search_path)
    known = _known(folders)
    name = wanted.removeprefix("rsi/")
    if isinstance(name_or_path, str) and name in known:
        return known[name]
    task, _, variant = name.partition("@")
    if variant and task in known:
        return _variant(known[task], variant)
    path = Path(wanted).expanduser()
    if (path / FILE).is_file():
        return path.resolve()
    if path.is_dir():
        raise TaskNotFoundError(f"{wanted!r} is a folder without a {FILE}")
    try:
        if (plugin := find_plugin(Group.TASKS, name)) is not None:
            return plugin_root(plugin)
    except PluginError as error:
        raise TaskNotFoundError(str(error)) from error
    known |= {each.name: Path() for each in find_plugins(Group.TASKS)}
    searched = ", ".join(str(folder) for folder in folders)
    raise TaskNotFoundError(
        f"no task {wanted!r}{did_you_mean(name, tuple(known))}; there are {', '.join(sorted(known))} "
        f"(looked in {searched}; add folders with ${SEARCH_VARIABLE} or give a path)"
    )


def search_folders(
    search_path: Sequence[Path] = (), variables: Mapping[str, str] | None = None
) -> tuple[Path, ...]:
    """Folders that hold task folders, first one wins.

    Args:
        search_path: Folders that come first.
        variables: Environment variables; None takes the process's.
    """
    listed = (variables if variables is not None else os.environ).get(SEARCH_VARIABLE, "")
    added = [Path(part).expanduser() for part in listed.split(os.pathsep) if part]
    folders = [folder.resolve() for folder in (*search_path, *added, BUILT_IN)]
    return tuple(dict.fromkeys(folders))


def task_digest(root: Path) -> str:
    """Hex sha256 over every file that can change a result, the kit beside the harness included."""
    files = folder_files(HARNESS_KIT, "harness_kit/")
    base = base_of(root)
    for name in _DIGESTED:
        path = part_of(root, base, name)
        if path.is_dir():
            files += folder_files(path, f"{name}/")
        elif path.is_file():
            files.append((name, path.read_bytes()))
    # Named beside the files, so that a task without executable files keeps the digest of its contents alone.
    files += [
        (f"executable/{path}", b"")
        for path in folder_checks.executable_paths(part_of(root, base, "repo"))
    ]
    return tree_digest(files)


def task_name(root: Path) -> str:
    """The name of the task in a folder: the folder's, or `task@variant`."""
    base = base_of(root)
    return root.name if base is None else f"{base.name}@{root.name}"


def base_of(root: Path) -> Path | None:
    """The folder of the task that one is a variant of; None where it is none."""
    base = root.parent.parent
    return base if root.parent.name == VARIANTS and (base / FILE).is_file() else None


def part_of(root: Path, base: Path | None, name: str) -> Path:
    """Where a part of a task lies: what a variant lacks is its task's, but no patches for a repo of its own."""
    is_own = (root / name).exists() or (name in _PATCHES and (root / "repo").exists())
    return root / name if base is None or is_own else base / name


def variants_of(root: Path) -> tuple[str, ...]:
    """Names of a task's variants."""
    return tuple(sorted(file.parent.name for file in (root / VARIANTS).glob(f"*/{FILE}")))


def with_variants(root: Path) -> tuple[Path, ...]:
    """A task's folder and those of its variants."""
    return (root, *(root / VARIANTS / name for name in variants_of(root)))


def _variant(root: Path, name: str) -> Path:
    names = variants_of(root)
    if name not in names:
        there = f"it has {', '.join(names)}" if names else "it has none"
        raise TaskNotFoundError(
            f"task {root.name!r} has no variant {name!r}; {there}{did_you_mean(name, names)}"
        )
    return root / VARIANTS / name


def plugin_root(plugin: Plugin) -> Path:
    """The folder of a plug-in's task.

    Raises:
        PluginError: There is none, it is no task's, or it has another name than the plug-in.
    """
    root = plugin.folder()
    if root.name != plugin.name or not (root / FILE).is_file():
        raise PluginError(
            f"plug-in {plugin.origin}: {plugin.target} is no folder {plugin.name!r} with a {FILE}"
        )
    return root


def _known(folders: Sequence[Path]) -> dict[str, Path]:
    """Task folders by name, the first of a name."""
    known: dict[str, Path] = {}
    for root in (each for folder in folders for each in _task_folders(folder)):
        known.setdefault(root.name, root)
    return known


def _task_folders(folder: Path) -> tuple[Path, ...]:
    if not folder.is_dir():
        return ()
    return tuple(sorted(file.parent for file in folder.glob(f"*/{FILE}")))


def _plugin_summary(plugin: Plugin) -> TaskSummary:
    try:
        return _summary(plugin_root(plugin))
    except PluginError as error:
        return _unusable(plugin.name, Path(), str(error))


def _unusable(name: str, root: Path, problem: str) -> TaskSummary:
    return TaskSummary(
        name=name, root=root, description="", pattern=None, tracks=(), profiles=(), problem=problem
    )


def _summary(root: Path) -> TaskSummary:
    try:
        task = load_task(root)
    except TaskFormatError as error:
        return _unusable(task_name(root), root, str(error))
    return TaskSummary(
        name=task.name,
        root=root,
        description=task.description,
        pattern=task.pattern,
        tracks=task.tracks,
        profiles=tuple(task.profiles),
        problem=None,
    )


def _check_name(name: str, root: Path, problems: Problems) -> None:
    if name.rsplit("/", 1)[-1] != task_name(root):
        expected = f"a name that ends in the folder's, such as 'rsi/{task_name(root)}'."
        problems.add(FILE, f"task.name is {name!r}, expected {expected}")


def _format_error(root: Path, problems: Problems) -> TaskFormatError:
    sentences = problems.sentences
    count = f"{len(sentences)} mistake{'s' if len(sentences) > 1 else ''}"
    lines = "\n".join(f"  {sentence}" for sentence in sentences)
    return TaskFormatError(f"task {task_name(root)!r} at {root} has {count}:\n{lines}", sentences)
