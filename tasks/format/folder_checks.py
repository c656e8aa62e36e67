"""Check what task.toml says against the files of the folder.

Does not: run anything.
"""

import re
import stat
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rsi.tasks.files.globs import first_match, matching
from rsi.tasks.format.toml_files import FILE, Problems, did_you_mean
from rsi.tasks.types import Solution

if TYPE_CHECKING:
    from rsi.tasks.format.tracks import Files

PINNED = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*(\[[A-Za-z0-9._,-]+\])?==[A-Za-z0-9.!+_-]+")
_REQUIRED = (
    ("instruction.md", "a text for the agent"),
    ("repo", "the folder that the agent edits"),
    ("harness/__main__.py", "the harness's verbs"),
)


def repo_paths(repo: Path) -> tuple[str, ...]:
    """Relative POSIX paths of the repo's files, byte-code and `.git` left out."""
    found = []
    for path in repo.rglob("*"):
        parts = path.relative_to(repo).parts
        if path.is_file() and "__pycache__" not in parts and ".git" not in parts:
            found.append("/".join(parts))
    return tuple(sorted(found))


def executable_paths(repo: Path) -> tuple[str, ...]:
    """Those of them that their owner may execute."""
    return tuple(path for path in repo_paths(repo) if (repo / path).stat().st_mode & stat.S_IXUSR)


def check_required_files(root: Path, base: Path | None, problems: Problems) -> None:
    """Every task has an instruction, a repo and a harness; a variant what it lacks of its task, `base`."""
    for name, what in _REQUIRED:
        path = root / name
        if base is not None and not (root / name.partition("/")[0]).exists():
            path = base / name
        is_there = path.is_dir() if name == "repo" else path.is_file()
        if not is_there:
            problems.add(name, f"is missing, expected {what}.")
    repo = root / "repo"
    for path in sorted(repo.rglob("*")):
        if path.is_symlink():
            name = path.relative_to(root).as_posix()
            problems.add(name, "is a link, expected plain files and folders only.")


def check_candidate(found: "Files", repo: Path, problems: Problems) -> None:
    """Globs match something, nothing is both editable and protected, the entry's file is there."""
    if not repo.is_dir():
        return
    paths = repo_paths(repo)
    rules, keys = found.candidate, found.candidate_keys
    for key, globs in (("editable", rules.editable), ("protected", rules.protected)):
        for glob in globs:
            if not matching(paths, glob):
                problems.add(
                    FILE,
                    f"{keys[key]} has {glob!r}, which matches nothing, expected a glob of files in repo/.",
                )
    for path in paths:
        editable = first_match(path, rules.editable)
        protected = first_match(path, rules.protected)
        if editable is not None and protected is not None:
            problems.add(
                FILE,
                f"{path} matches {keys['editable']} {editable!r} and {keys['protected']} "
                f"{protected!r}, expected one of the two.",
            )
    # What is built is there when it is started, and not before.
    started = ("build", rules.build) if rules.build else ("entry", rules.entry)
    there = (*paths, KIT_BUILD) if rules.build else paths
    _check_entry(started[1], keys[started[0]], there, problems)
    if found.tests is not None and "-m" not in found.tests.entry:  # a runner may be installed
        _check_entry(found.tests.entry, "rsi.tests.entry", paths, problems)


KIT_BUILD = "harness_link/building.py"
"""The kit's own build of workers in C, which every candidate that talks to its harness finds on its path."""


def started_paths(entry: Sequence[str]) -> tuple[str, ...]:
    """Paths of which one has to be there for a command to start; none where its words do not tell."""
    if entry[0] not in {"python", "python3"}:
        return (entry[0].removeprefix("./"),) if "/" in entry[0] else ()
    is_value = False
    for word, following in zip(entry[1:], (*entry[2:], ""), strict=True):
        if is_value:
            is_value = False
            continue
        is_value = word in {"-X", "-W"}
        if word == "-c":
            return ()
        if word == "-m":
            module = following.replace(".", "/")
            return (f"{module}.py", f"{module}/__main__.py") if module else ()
        if not word.startswith("-"):
            return (word.removeprefix("./"),)
    return ()


def _check_entry(entry: Sequence[str], key: str, paths: Sequence[str], problems: Problems) -> None:
    wanted = started_paths(entry)
    if not wanted and entry[0] in {"python", "python3"} and "-c" not in entry:
        problems.add(FILE, f"{key} names no script, expected one after {entry[0]!r}.")
    if wanted and not any(path in paths for path in wanted):
        guess = did_you_mean(wanted[0], paths)
        problems.add(
            FILE,
            f"{key} starts {wanted[0]!r}, which is absent, expected a file of repo/{guess or '.'}",
        )


def check_rows(rows: Mapping[str, str], solutions: Sequence[Solution], problems: Problems) -> None:
    """Each row is proved by a solution that exists or by a named self-check."""
    names = tuple(solution.name for solution in solutions)
    for row, proof in rows.items():
        if proof not in names and not proof.startswith("selfcheck:"):
            guess = did_you_mean(proof, names)
            problems.add(
                FILE,
                f"rsi.rows.{row} is {proof!r}, expected a solution's name or selfcheck:<name>"
                f"{guess or '.'}",
            )
    for solution in solutions:
        if solution.name in rows.values() and solution.expect != "faster":
            problems.add(
                FILE,
                f"rsi.rows names {solution.name!r}, of which {solution.expect!r} is expected, "
                "expected a solution that is 'faster' than what it is made on.",
            )


def read_requirements(folder: Path, problems: Problems) -> tuple[str, ...]:
    """The environment's pinned requirements; none where its folder has no such file."""
    path, file = folder / "requirements.txt", "environment/requirements.txt"
    if not path.is_file():
        return ()
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError as error:
        problems.add(file, f"is not UTF-8 at byte {error.start}, expected plain text.")
        return ()
    found = []
    for number, line in enumerate(lines, start=1):
        requirement = line.split("#", 1)[0].strip()
        if requirement and not PINNED.fullmatch(requirement):
            problems.add(file, f"line {number} is {requirement!r}, expected name==version.")
        elif requirement:
            found.append(requirement)
    return tuple(found)


def dockerfile_folder(folder: Path) -> Path | None:
    """The environment's folder where it has a Dockerfile; None where it has none."""
    return folder if (folder / "Dockerfile").is_file() else None
