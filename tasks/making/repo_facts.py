"""What a repo says about itself without being run: what it imports, what a run leaves, what has to be installed.

Does not: run or import anything of it. Invariant: what is not certain is asked of the person, never guessed.
"""

import ast
import posixpath
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rsi.sandboxes.types import FileEntry, FileTree
from rsi.tasks.errors import NewTaskError
from rsi.tasks.format.folder_checks import PINNED, started_paths
from rsi.tasks.format.loader import BUILT_IN

GRADED_SUFFIXES = (".json", ".npz")
"""What harness_kit reads without trusting it."""
OTHER_SUFFIXES = (".npy", ".safetensors", ".pt", ".pth", ".ckpt", ".bin", ".pkl")
INTERPRETERS = ("python", "python3")
SHELLS = ("sh", "bash")
STANDARD_ENVIRONMENTS: dict[str, tuple[str, ...]] = {
    "rsi-python": (),
    "rsi-numpy": ("numpy",),
    "rsi-torch": ("torch", "numpy"),
}
"""Environments that other tasks use too, so that a machine may have them already, with what they install."""
_PINS_OF = BUILT_IN / "lm_training" / "environment" / "requirements.txt"
PROJECTS = {
    "PIL": "pillow",
    "cv2": "opencv-python",
    "skimage": "scikit-image",
    "sklearn": "scikit-learn",
    "yaml": "pyyaml",
}
"""Modules whose project has another name."""
_IMPLIED = {"torch.utils.tensorboard": "tensorboard"}
"""Modules that import a project which their own does not bring."""
_FILE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_./-]*")
_SOURCE_ROOTS = ("", "src/")
"""Folders from which a repo's own modules are imported."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Installed:
    """What a run of the task finds installed."""

    name: str
    """Short tag of the environment."""
    pinned: tuple[str, ...]
    """`name==version`, one each."""
    unpinned: tuple[str, ...]
    """Lines of the repo's requirements.txt that name no exact version."""
    missing: tuple[str, ...]
    """Projects that the code imports and nothing here seems to bring."""


def check_command(
    words: Sequence[str],
    tree: FileTree,
    *,
    option: str,
    folder: str = "",
    roots: Sequence[str] = (),
) -> None:
    """Refuse a command that no sandbox could start.

    Args:
        words: The command.
        tree: Files of the repo.
        option: What it was given with, "--entry" or "--tests". A module that runs tests may be an installed one.
        folder: Folder of the repo that it is started in.
        roots: Folders from which it imports modules besides.

    Raises:
        NewTaskError: It is empty, or starts what is neither Python, a shell, nor a file of the repo.
    """
    if not words:
        raise NewTaskError(f'{option} is empty; give a command, such as {option} "python FILE.py"')
    program, paths = words[0], [each.path for each in tree]
    if program not in (*INTERPRETERS, *SHELLS) and "/" not in program:
        raise NewTaskError(
            f"{option} starts {program!r}, which a sandbox need not have; expected python, sh, bash or ./FILE of the repo"
        )
    if option == "--tests" and program in INTERPRETERS and "-m" in words:
        return
    wanted = command_paths(words, folder, roots)
    if not wanted:
        raise NewTaskError(
            f"{option} {' '.join(words)!r} names no script; expected one after {program!r}"
        )
    if not any(path in paths for path in wanted):
        scripts = [path for path in paths if path.endswith((".py", ".sh")) and "/" not in path]
        there = f"; at its top it has {', '.join(scripts[:5])}" if scripts else ""
        raise NewTaskError(f"{option} starts {wanted[0]!r}, which is not in the repo{there}")


def command_paths(
    words: Sequence[str], folder: str = "", roots: Sequence[str] = ()
) -> tuple[str, ...]:
    """Paths of the repo of which one must be there for a command to start in one of its folders.

    A module may be that of a launcher, such as torchrun's; then what it launches counts too.
    """
    if words and words[0] in SHELLS:
        scripts = [word for word in words[1:] if not word.startswith("-")]
        found = list(scripts[:1]) if "-c" not in words else []
    else:
        found = list(started_paths(words)) if words else []
    own = [posixpath.normpath(posixpath.join(folder, path)) for path in found]
    for at in _modules_at(words):
        paths = started_paths((INTERPRETERS[0], *words[at:]))
        launched = [word for word in words[at + 2 :] if word.endswith(".py")]
        own += [posixpath.join(root, path) for root in ("", *roots) for path in paths]
        own += [posixpath.normpath(posixpath.join(folder, path)) for path in (*paths, *launched)]
    return tuple(dict.fromkeys(own))


def _modules_at(words: Sequence[str]) -> list[int]:
    """Where a command of Python's says `-m`."""
    if not words or words[0] not in INTERPRETERS:
        return []
    return [at for at, word in enumerate(words) if word == "-m"]


def is_test(path: str) -> bool:
    """Whether a file seems to be one of the repo's tests, by the names that test runners look for."""
    *folders, name = path.split("/")
    is_named = name.startswith("test_") or name.endswith("_test.py") or name == "conftest.py"
    return bool({"test", "tests"} & set(folders)) or (is_named and name.endswith(".py"))


def reached_sources(
    entry: Sequence[str], tree: FileTree, folder: str = ""
) -> tuple[FileEntry, ...]:
    """Python files that a run starts or imports, directly or not, as far as the source says; all where it says nothing."""
    by_path = {each.path: each for each in tree if each.path.endswith(".py")}
    named = (posixpath.normpath(posixpath.join(folder, word)) for word in entry)
    started = command_paths(entry, folder, tuple(filter(None, _SOURCE_ROOTS)))
    waiting = [path for path in (*started, *named) if path in by_path]
    seen: dict[str, None] = {}
    while waiting:
        path = waiting.pop(0)
        if path in seen:
            continue
        seen[path] = None
        roots = (*_SOURCE_ROOTS, f"{folder}/", f"{posixpath.dirname(path)}/")
        for name in _imports(by_path[path]):
            stem = name.replace(".", "/")
            tried = (f"{root}{stem}{end}" for root in roots for end in (".py", "/__init__.py"))
            waiting += [found for found in tried if found in by_path]
    return tuple(by_path[path] for path in seen) or tuple(by_path.values())


def is_python(source: FileEntry) -> bool:
    """Whether a file can be read as Python."""
    return bool(_parsed(source).body)


def left_files(entry: Sequence[str], tree: FileTree) -> tuple[str, ...]:
    """Names of files that a run seems to leave: written in the command or the source, and not in the repo."""
    there = {posixpath.basename(each.path) for each in tree}
    texts = list(entry)
    for source in reached_sources(entry, tree):
        texts += [
            node.value
            for node in ast.walk(_parsed(source))
            if isinstance(node, ast.Constant) and isinstance(node.value, str)
        ]
    for suffixes in (GRADED_SUFFIXES, OTHER_SUFFIXES):
        found = {_plain_name(text) for text in texts if text.endswith(suffixes)}
        kept = {name for name in found if name and posixpath.basename(name) not in there}
        paths: dict[str, set[str]] = {}
        for name in kept:
            paths.setdefault(posixpath.basename(name), set()).add(name)
        if paths:
            # One name in several folders is one file that is looked for in all of them.
            return tuple(
                name if len(paths[name]) > 1 else paths[name].pop() for name in sorted(paths)
            )
    return ()


def installed(
    entry: Sequence[str],
    tree: FileTree,
    *,
    environment: str | None,
    task: str,
    tests: Sequence[str] | None = None,
) -> Installed:
    """What has to be installed, from the repo's requirements.txt and its imports.

    Args:
        entry: Command of a run.
        tree: Files of the repo.
        environment: Name that the person gave; None finds one.
        task: Names an environment of its own.
        tests: Command of the repo's own tests, whose runner has to be installed too.
    """
    pins = standard_pins()
    modules = _foreign_modules(entry, tree)
    if tests is not None and "-m" in tests[:-1]:
        runner = tests[tests.index("-m") + 1].split(".")[0]
        modules |= {runner} - sys.stdlib_module_names - _own_modules(tree)
    listed = _requirements(tree)
    pinned = {_project(line): line for line in listed if PINNED.fullmatch(line)}
    wanted = {*STANDARD_ENVIRONMENTS.get(environment or "", ()), *(pins.keys() & modules)}
    wanted |= {_project(line) for line in listed} & pins.keys()
    if "torch" in wanted or "torch" in pinned:
        wanted.add("numpy")  # torch warns without it, and every harness that reads arrays needs it
    for name in wanted - pinned.keys():
        pinned[name] = pins[name]
    unpinned = [line for line in listed if _project(line) not in pinned]
    lines = tuple(pinned[name] for name in sorted(pinned, key=lambda each: (each != "torch", each)))
    return Installed(
        name=environment or _environment_name(lines, pins, task),
        pinned=lines,
        unpinned=tuple(unpinned),
        missing=tuple(sorted(modules - pinned.keys() - {_project(line) for line in listed})),
    )


def _environment_name(lines: Sequence[str], pins: dict[str, str], task: str) -> str:
    for name, projects in STANDARD_ENVIRONMENTS.items():
        if set(lines) == {pins[project] for project in projects}:
            return name
    return f"rsi-{task}"


def standard_pins() -> dict[str, str]:
    """The versions that the flagship pins, so that an environment is shared where it can be."""
    lines = _PINS_OF.read_text(encoding="utf-8").splitlines()
    return {_project(line): line.strip() for line in lines if PINNED.fullmatch(line.strip())}


def _requirements(tree: FileTree) -> list[str]:
    for each in tree:
        if each.path == "requirements.txt":
            lines = each.content.decode("utf-8", "replace").splitlines()
            plain = [line.split("#", 1)[0].split(";", 1)[0].strip() for line in lines]
            return [line.replace(" ", "") for line in plain if line]
    return []


def _project(line: str) -> str:
    name = re.split(r"[^A-Za-z0-9._-]", line, maxsplit=1)[0]
    return re.sub(r"[-_.]+", "-", name).lower()


def foreign_imports(
    entry: Sequence[str], tree: FileTree, *, folder: str = "", is_at_once: bool = False
) -> set[str]:
    """Top-level modules that what a run reaches imports and neither the repo nor Python itself brings.

    Args:
        entry: Command of a run.
        tree: Files of the repo.
        folder: Folder of the repo that it is started in.
        is_at_once: Whether only imports count that no condition and no function keeps from being carried out.
    """
    found = {
        _IMPLIED.get(name, name.split(".")[0])
        for source in reached_sources(entry, tree, folder)
        for name in (_imports_at_once(source) if is_at_once else _imports(source))
    }
    found |= {entry[at + 1].split(".")[0] for at in _modules_at(entry[:-1])}
    return found - _own_modules(tree) - set(sys.stdlib_module_names)


def _imports_at_once(source: FileEntry) -> Iterator[str]:
    for node in _parsed(source).body:
        match node:
            case ast.Import():
                yield from (alias.name for alias in node.names)
            case ast.ImportFrom(module=str(module), level=0):
                yield module
            case _:
                pass


def _foreign_modules(entry: Sequence[str], tree: FileTree) -> set[str]:
    return {PROJECTS.get(name, _project(name)) for name in foreign_imports(entry, tree)}


def _own_modules(tree: FileTree) -> set[str]:
    """Names of its modules and packages; a folder without any Python, such as configs/hydra, is none."""
    paths = (each.path for each in tree if each.path.endswith(".py"))
    return {part for path in paths for part in path.removesuffix(".py").split("/")}


def _imports(source: FileEntry) -> Iterator[str]:
    """Modules that a file imports, and what it imports from them; those that it can do without are left out."""
    waiting: list[ast.AST] = [_parsed(source)]
    package = posixpath.dirname(source.path).replace("/", ".")
    while waiting:
        node = waiting.pop()
        match node:
            case ast.Import():
                yield from (alias.name for alias in node.names)
            case ast.ImportFrom(module=module, level=level):
                base = ".".join(package.split(".")[: len(package.split(".")) + 1 - level])
                name = module if not level else ".".join(filter(None, (base, module)))
                if name:
                    yield name
                    yield from (f"{name}.{alias.name}" for alias in node.names)
            case ast.Try():
                waiting += [*node.orelse, *node.finalbody]
            case _:
                waiting.extend(ast.iter_child_nodes(node))


def _parsed(source: FileEntry) -> ast.Module:
    try:
        return ast.parse(source.content)
    except (SyntaxError, ValueError, RecursionError):
        return ast.Module(body=[], type_ignores=[])


def _plain_name(text: str) -> str:
    """The text as a path in the run's folder, or its last part; empty for what is no file's name."""
    if not _FILE_NAME.fullmatch(text.lstrip("/")) or len(text) > 200:
        return ""
    path = posixpath.normpath(text)
    is_inside = not posixpath.isabs(path) and not path.startswith("..")
    return path if is_inside else posixpath.basename(path)
