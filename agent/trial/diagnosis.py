"""Why a run of somebody's repo did not end well, in one sentence that names the file or flag to change.

Does not: run anything. Invariant: what is said was seen in the run or lies in the folder.
"""

import re
from pathlib import Path

from rsi.sandboxes.types import ExecOutcome
from rsi.tasks.making.own.observing import Observed, last_lines
from rsi.tasks.making.own.resolving import known_project
from rsi.tasks.making.repo_copy import LFS_POINTER

_NO_MODULE = re.compile(r"No module named '([A-Za-z0-9_]+)((?:\.[A-Za-z0-9_]+)*)[^']*'")
_NO_INTERFACE = re.compile(r"gloo\b.*Address family not supported")
_PLACE = re.compile(r'File "/work/code/([^"]+)", line (\d+)')
_ERROR = re.compile(r"^[A-Za-z_][\w.]*(?:Error|Exception|Exit|Interrupt)\b.*", re.MULTILINE)
SHOWN = 3
LAST = 240
"""Characters of a run's last line."""


def why_failed(seen: Observed, folder: Path, tracked: set[str], *, wall_s: float) -> str:
    """One sentence about a run that did not end with status 0.

    Args:
        seen: The run.
        folder: The person's folder.
        tracked: Paths that the run was given.
        wall_s: Its limit.
    """
    ending = seen.execution
    match ending.outcome:
        case ExecOutcome.TIMEOUT:
            return (
                f"the run was not over after {wall_s:.0f} s; give it less work (fewer steps, a smaller model), or more time with "
                "--wall-s SECONDS"
            )
        case ExecOutcome.OOM:
            return "the run needs more memory than it may have; give it less work, or more with --memory-mb N"
        case ExecOutcome.OUTPUT_LIMIT:
            return (
                "the run prints more than 4 MiB; let it print less, such as one line each 100 steps"
            )
        case _:
            pass
    last = _last_words(seen.printed, tracked)
    if match := _NO_MODULE.search(seen.printed):
        name, below = match[1], match[2]
        if (folder / name).is_dir() or (folder / f"{name}.py").is_file():
            if below and not _has_module(folder, name + below):
                return f"the run imports {name + below!r}, which the repo's {name} does not have"
            return (
                f"the run imports {name!r}, which lies here and git does not know: git add {name}"
                if not any(path.split("/")[0].removesuffix(".py") == name for path in tracked)
                else f"the run imports {name!r} of the repo from elsewhere; start it from the top of the repo"
            )
        return (
            f"the run needs the module {name!r}, which no file of the repo names: add --with {name} (or what its project is "
            "called)"
        )
    if _NO_INTERFACE.search(seen.printed):
        return (
            "the run's processes talk through gloo, which asks the kernel for network interfaces, and a sandbox tells of none: start "
            "one process, without init_process_group"
        )
    if said := missing_words(seen, folder, tracked):
        return f"{said}; its last line: {last}"
    if seen.asked:
        return (
            f"the run asks the network for {', '.join(seen.asked[:SHOWN])}, and a sandbox has none: fetch that once, put it below "
            f"the repo's folder and hand it in with --data PATH; its last line: {last}"
        )
    places = [found for found in _PLACE.findall(seen.printed) if found[0] in tracked]
    place = f" in {places[-1][0]} line {places[-1][1]}" if places else ""
    return f"the run ended with status {ending.exit_code}{place}: {last}"


def _has_module(folder: Path, dotted: str) -> bool:
    path = folder.joinpath(*dotted.split("."))
    return path.is_dir() or path.with_suffix(".py").is_file()


def _last_words(printed: str, tracked: set[str]) -> str:
    """The error that a run ended with: what follows the last line of its own code, else the last line with a word in it.

    Launchers print reports of their own after it, and frames of them.
    """
    own = [found for found in _PLACE.finditer(printed) if found[1] in tracked]
    error = _ERROR.search(printed, own[-1].end()) if own else None
    if error is not None:
        return error[0][:LAST]
    lines = [line for line in last_lines(printed) if re.search(r"\w", line)]
    return lines[-1][-LAST:] if lines else "it printed nothing"


def lacks_project(seen: Observed, folder: Path) -> str | None:
    """The well-known project that a run asked for in vain; None where it lacks none, or one that somebody has to name."""
    match = _NO_MODULE.search(seen.printed)
    if seen.is_ok or match is None or (folder / match[1]).exists():
        return None
    return known_project(match[1])


def missing_words(seen: Observed, folder: Path, tracked: set[str]) -> str:
    """What the run looked for in vain, and what to do about it; empty where nothing is known."""
    here = [path for path in seen.missed if (folder / path).exists()]
    if pointers := [path for path in here if _is_pointer(folder / path)]:
        return f"{pointers[0]} is here as a Git LFS pointer alone, so no run has the file: `git lfs pull` gets it"
    if here:
        tops = list(dict.fromkeys(_top(path, tracked) for path in here))
        flags = " ".join(f"--data {top}" for top in tops[:SHOWN])
        what = "is here but not in git, so no run has it"
        what = what if len(here) == 1 else "are here but not in git, so no run has them"
        return f"{', '.join(here[:SHOWN])} {what}: add {flags}"
    if seen.missed_beside and not seen.is_ok:
        return _beside(seen.missed_beside[0], folder)
    outside = [path for path in seen.missed_elsewhere if Path(path).exists()]
    if outside:
        return (
            f"the run reads {outside[0]!r}, outside the repo, and a sandbox has the repo alone: link it into the repo and add "
            "--data LINK"
        )
    named = [path for path in seen.missed if path.rsplit("/", 1)[-1] in seen.printed]
    if named and not seen.is_ok:
        if deeper := sorted(each for each in tracked if each.endswith(f"/{named[-1]}")):
            below = deeper[0].removesuffix(f"/{named[-1]}")
            return (
                f"the run looks for {named[-1]!r} in the folder where it starts, and the repo has {deeper[0]}: start it there, with "
                f'rsi try "cd {below} && ..." (and PYTHONPATH={_up(below)} before its python, where it imports from the repo\'s top)'
            )
        return (
            f"the run looks for {named[-1]!r}, which is not here either: make it as the repo's README says (a prepare script or a "
            f"download), then add --data {_top(named[-1], tracked)}"
        )
    return ""


def _is_pointer(path: Path) -> bool:
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(len(LFS_POINTER)) == LFS_POINTER


def _beside(path: str, folder: Path) -> str:
    """A sentence about a path that leads out of the folder: where rsi try finds it, and with which words."""
    looked = f"the run looks for {path!r}, outside the folder that was tried"
    goal = (folder / path).resolve()
    above = next((each for each in folder.parents if goal.is_relative_to(each)), None)
    whole = next((each for each in (folder, *folder.parents) if (each / ".git").exists()), None)
    if above is None or whole is None or not above.is_relative_to(whole):
        return f"{looked}: let the code read it below that folder, or link it there, and add --data PATH"
    inside, data = folder.relative_to(above), goal.relative_to(above).parts[0]
    there = "" if goal.exists() else ", once it is there"
    return f'{looked}: in {above}, call rsi try "cd {inside} && ..." with the rest as you typed it, and --data {data}/{there}'


def _up(folder: str) -> str:
    return "/".join([".."] * len(folder.split("/")))


def _top(path: str, tracked: set[str]) -> str:
    """The largest folder above a path in which git tracks nothing that a run needs as it is, else the path itself."""
    parts = path.split("/")
    for depth in range(1, len(parts)):
        folder = "/".join(parts[:depth])
        if not any(each.startswith(f"{folder}/") for each in tracked):
            return f"{folder}/"
    return "/".join(parts[:-1]) + "/" if len(parts) > 1 else path


def notes_of(seen: Observed) -> list[str]:
    """What a person should know of a run that ended well, one sentence each."""
    notes = []
    if seen.asked:
        notes.append(
            f"it asked for {', '.join(seen.asked[:SHOWN])} and did without: a sandbox has no network"
        )
    if seen.written_elsewhere:
        notes.append(
            f"it writes {', '.join(seen.written_elsewhere[:SHOWN])}, outside its folder: that is gone after each run"
        )
    return notes
