"""Choose the Python environment of somebody's repo: the one that it already runs in, else one made from what it declares.

The person's bounds are kept; every version that is not the person's is said.
Does not: install anything; a backend's `prepare` does. Invariant: what is chosen is pinned completely.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rsi.sandboxes.machine.environments import packages_in, pip_settings, site_folders
from rsi.sandboxes.types import FileTree
from rsi.tasks.errors import NewTaskError
from rsi.tasks.format.folder_checks import PINNED
from rsi.tasks.making.own.command_words import Command
from rsi.tasks.making.own.declared import Declared, allows, declared_in, project_of
from rsi.tasks.making.repo_facts import (
    PROJECTS,
    STANDARD_ENVIRONMENTS,
    Installed,
    foreign_imports,
    standard_pins,
)

WELL_KNOWN = frozenset(
    {
        "accelerate", "datasets", "einops", "gymnasium", "h5py", "hydra-core", "imageio", "jax", "joblib", "keras", "lightgbm",
        "lightning", "matplotlib", "networkx", "numba", "omegaconf", "opencv-python", "pandas", "pillow", "psutil", "pyarrow",
        "pytorch-lightning", "pyyaml", "regex", "requests", "rich", "safetensors", "scikit-image", "scikit-learn", "scipy",
        "seaborn", "sentencepiece", "statsmodels", "tabulate", "tensorboard", "tensorboardx", "tiktoken", "timm", "tokenizers",
        "torchaudio", "torchmetrics", "torchvision", "tqdm", "transformers", "triton", "typer", "wandb", "xgboost",
    }
)  # fmt: skip
"""Projects that an import can only mean, so that one is installed though no file names it; any other name is asked for,
since whoever registers it first would be run."""
OTHER_NAMES = {
    "hydra": "hydra-core",
    "tensorboardX": "tensorboardx",
    "pytorch_lightning": "pytorch-lightning",
}
RESOLVE_TIMEOUT_S = 300
NOT_NEEDED = frozenset({"pip", "setuptools", "wheel", "rsi-lab"})
"""Packages of an environment that no run needs."""
SAID = 12
"""Packages named in one sentence."""
_QUIET = re.compile(r"https?://\S+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """An environment, and why it is this one."""

    installed: Installed
    python: Path | None
    """Interpreter of an environment that is used as it is; None for one that is made."""
    notes: tuple[str, ...]


def choose(
    commands: Sequence[Command],
    tree: FileTree,
    *,
    task: str,
    folder: Path,
    python: Path | None,
    added: Sequence[str],
    variables: Mapping[str, str],
    progress: Callable[[str], None],
) -> Chosen:
    """The environment for some commands of a repo.

    Args:
        commands: What is run in it: the training, the evaluation.
        tree: Files of the repo.
        task: Names an environment of its own.
        folder: The repo's folder, in which a .venv may lie.
        python: Interpreter that the person named; None looks for one.
        added: Requirements that the person added.
        variables: Of the person's shell: which environment is active.
        progress: Told what takes time.

    Raises:
        NewTaskError: None can be had; the message names what is missing.
    """
    declared = declared_in(tree)
    modules = {
        name
        for command in commands
        for name in foreign_imports(command.words, tree, folder=command.folder, is_at_once=True)
    }
    wanted = (*declared.lines, *added)
    if python is not None:
        return _named(python, declared, wanted, modules, task)
    for prefix in _prefixes(folder, variables):
        if not _lacking(prefix, wanted, modules):
            return _as_it_is(prefix, declared, wanted, task)
    try:
        return _made(declared, added, modules, task, progress)
    except _UnresolvedError as error:
        here = Path(sys.prefix)
        if not _lacking(here, wanted, modules):
            found = _as_it_is(here, declared, wanted, task)
            why = f"the packages could not be looked up ({error}), so the environment that rsi itself runs in is used"
            return Chosen(installed=found.installed, python=found.python, notes=(why, *found.notes))
        raise NewTaskError(
            f"the packages could not be looked up ({error}), and no environment here has "
            f"{', '.join(_lacking(here, wanted, modules)[:SAID])}; make one with them and name its interpreter: --python "
            "PATH/bin/python"
        ) from error


def known_project(module: str) -> str | None:
    """The project that a module can only be of; None where somebody has to say."""
    name = OTHER_NAMES.get(module) or PROJECTS.get(module, project_of(module))
    return name if name in WELL_KNOWN else None


class _UnresolvedError(Exception):
    """The index could not be asked, or has no such versions."""


def _prefixes(folder: Path, variables: Mapping[str, str]) -> list[Path]:
    """Environments that the person seems to work in."""
    named = [variables.get("VIRTUAL_ENV"), variables.get("CONDA_PREFIX")]
    found = [Path(each) for each in named if each] + [folder / ".venv", folder / "venv"]
    return [each.absolute() for each in found if (each / "bin" / "python").exists()]


def _lacking(prefix: Path, wanted: Sequence[str], modules: set[str]) -> list[str]:
    """What an environment does not have: modules that are imported, versions that are asked for."""
    packages = packages_in(prefix)
    found = [name for name in sorted(modules) if not _has_module(prefix, name)]
    for line in wanted:
        version = packages.get(project_of(line))
        if version is not None and not allows(line, version):
            found.append(f"{line} (it has {version})")
    return found


def _has_module(prefix: Path, name: str) -> bool:
    for folder in site_folders(prefix):
        if (folder / name).is_dir() or (folder / f"{name}.py").is_file():
            return True
        if any(folder.glob(f"{name}.*.so")):
            return True
    return False


def _named(
    python: Path, declared: Declared, wanted: Sequence[str], modules: set[str], task: str
) -> Chosen:
    # Not resolved: a link in an environment's bin folder is how it knows itself.
    interpreter = python if python.is_file() else python / "bin" / "python"
    if not interpreter.is_file():
        raise NewTaskError(f"--python {str(python)!r} is no interpreter; expected PATH/bin/python")
    prefix = interpreter.absolute().parent.parent
    lacking = _lacking(prefix, wanted, modules)
    if lacking:
        raise NewTaskError(
            f"--python {str(python)!r} lacks {', '.join(lacking[:SAID])}; install that there, or leave --python out"
        )
    return _as_it_is(prefix, declared, wanted, task)


def _as_it_is(prefix: Path, declared: Declared, wanted: Sequence[str], task: str) -> Chosen:
    packages = {name: each for name, each in packages_in(prefix).items() if name not in NOT_NEEDED}
    pinned = tuple(f"{name}=={version}" for name, version in packages.items())
    pinned = tuple(line for line in pinned if PINNED.fullmatch(line))
    notes = [f"the environment at {prefix} is used as it is, {len(pinned)} packages"]
    if absent := [line for line in wanted if project_of(line) not in packages]:
        notes.append(
            f"{declared.source or '--with'} asks for {', '.join(absent[:SAID])}, which it lacks and this run does not import"
        )
    return Chosen(
        installed=Installed(name=f"rsi-{task}", pinned=pinned, unpinned=(), missing=()),
        python=prefix / "bin" / "python",
        notes=(*notes, *declared.notes),
    )


def _made(
    declared: Declared,
    added: Sequence[str],
    modules: set[str],
    task: str,
    progress: Callable[[str], None],
) -> Chosen:
    known = {project_of(line): line for line in (*declared.lines, *added)}
    projects = {known_project(name) or project_of(name) for name in modules}
    usual = standard_pins()
    notes = list(declared.notes)
    unknown = sorted(projects - known.keys() - usual.keys() - WELL_KNOWN)
    if unknown:
        where = declared.source or "no file of the repo"
        flags = " ".join(f"--with {name}" for name in unknown)
        does = "does not name" if declared.source else "names"
        raise NewTaskError(
            f"the code imports {', '.join(unknown)}, which {where} {does}; add {flags} (or what their projects are called), or take "
            "an environment that has them: --python PATH/bin/python"
        )
    known |= {name: usual.get(name, name) for name in projects - known.keys()}
    if "torch" in known and "numpy" not in known:
        known["numpy"] = usual["numpy"]  # torch warns without it
    exact = {}
    for name, line in known.items():
        here = usual.get(name)
        is_usual = here is not None and allows(line, here.partition("==")[2])
        exact[name] = here if here is not None and is_usual else line
    if set(exact.values()) <= set(usual.values()):
        pinned = tuple(
            sorted(exact.values(), key=lambda each: (not each.startswith("torch=="), each))
        )
    elif declared.is_locked and all(PINNED.fullmatch(line) for line in exact.values()):
        pinned = tuple(exact[name] for name in sorted(exact))
    else:
        progress(f"looking up the versions of {', '.join(sorted(exact)[:SAID])}")
        asked = {line: line for line in exact.values() if PINNED.fullmatch(line)}
        # A build of the version that was asked for, such as torch==2.13.0+cpu, is that version: other tasks share it.
        pinned = tuple(
            asked.get(line.partition("+")[0], line) for line in _resolved(tuple(exact.values()))
        )
    notes += _not_said(pinned, known, declared)
    tag = next(
        (n for n, each in STANDARD_ENVIRONMENTS.items() if set(pinned) == {usual[p] for p in each}),
        None,
    )
    found = Installed(name=tag or f"rsi-{task}", pinned=pinned, unpinned=(), missing=())
    return Chosen(installed=found, python=None, notes=tuple(notes))


def _not_said(pinned: Sequence[str], known: Mapping[str, str], declared: Declared) -> list[str]:
    """Which versions are not the person's own words."""
    theirs = {project_of(line): line for line in declared.lines}
    chosen = []
    for line in pinned:
        said = theirs.get(project_of(line))
        if said != line and project_of(line) in known:
            chosen.append(f"{line} ({'you said ' + said if said else 'you named none'})")
    others = len(pinned) - sum(project_of(line) in known for line in pinned)
    if not chosen and not others:
        return []
    more = f", and {others} that these need" if others and not declared.is_locked else ""
    return (
        [f"versions that were chosen for you: {', '.join(chosen[:SAID]) or 'none'}{more}"]
        if chosen or more
        else []
    )


def _resolved(lines: Sequence[str]) -> tuple[str, ...]:
    """Exact versions of requirements and of what they need, asked of the index by uv or pip."""
    if (uv := shutil.which("uv")) is not None:
        settings = pip_settings()
        options = ["--index-url", settings["PIP_INDEX_URL"]] if "PIP_INDEX_URL" in settings else []
        told = _run(
            [uv, "pip", "compile", "-q", "--no-header", "--no-annotate", *options, "-"],
            "\n".join(lines),
        )
        found = [line.split(";")[0].strip() for line in told.splitlines()]
        return tuple(line for line in found if PINNED.fullmatch(line))
    pip = [
        sys.executable,
        "-I",
        "-m",
        "pip",
        "install",
        "--dry-run",
        "--ignore-installed",
        "--quiet",
    ]
    told = _run([*pip, "--prefer-binary", "--report", "-", *lines], "")
    try:
        report = json.loads(told)
        return tuple(
            sorted(
                f"{project_of(each['metadata']['name'])}=={each['metadata']['version']}"
                for each in report["install"]
            )
        )
    except (ValueError, KeyError, TypeError) as error:
        raise _UnresolvedError(f"pip's report cannot be read: {error}") from error


def _run(argv: Sequence[str], stdin: str) -> str:
    try:
        done = subprocess.run(
            argv,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=RESOLVE_TIMEOUT_S,
            env=os.environ | pip_settings(),
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise _UnresolvedError(f"{Path(argv[0]).name}: {type(error).__name__}") from error
    if done.returncode != 0:
        words = [line for line in done.stderr.splitlines() if line.strip()]
        said = next(
            (w for w in words if "ERROR" in w or "error" in w),
            words[-1] if words else "no reason given",
        )
        raise _UnresolvedError(_QUIET.sub("the index", said.removeprefix("ERROR: "))[:300])
    return done.stdout
