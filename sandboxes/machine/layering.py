"""Begin a Python environment with the packages of another one that holds part of it, so that large ones are not installed again.

Files are shared by hard links: a complete environment is never written to, and pip replaces files, it does not rewrite them.
Does not: install anything. Invariant: an environment that was begun so still gets every requirement from pip.
"""

import json
import os
import shutil
from collections.abc import Iterable
from pathlib import Path

RECORD = ".requirements"
"""What an environment was asked for and made with, beside its completion mark."""
_MOST_SCRIPT_BYTES = 64 << 10


def record(folder: Path, requirements: Iterable[str], interpreter: str) -> None:
    """Write down what an environment holds."""
    told = {"requirements": sorted(requirements), "interpreter": interpreter}
    (folder / RECORD).write_text(json.dumps(told), encoding="utf-8")


def richest_part(
    parent: Path, requirements: Iterable[str], interpreter: str, done_mark: str
) -> Path | None:
    """The complete environment of the same interpreter that holds most of some requirements, and nothing else.

    Args:
        parent: Folder of environments.
        requirements: What the new one is asked for.
        interpreter: What it is made with.
        done_mark: File that a complete one carries.

    Returns:
        None where none holds any of them.
    """
    wanted = frozenset(requirements)
    best, most = None, 0
    for path in sorted(parent.glob(f"*/{RECORD}")):
        try:
            told = json.loads(path.read_text(encoding="utf-8"))
            held = frozenset(told["requirements"])
            is_same = told["interpreter"] == interpreter
        except (OSError, ValueError, KeyError, TypeError):
            continue
        if is_same and held <= wanted and len(held) > most and (path.parent / done_mark).exists():
            best, most = path.parent, len(held)
    return best


def begin_with(part: Path, folder: Path) -> None:
    """Link the packages of one environment into a fresh one, and write its scripts for the new place.

    Raises:
        OSError: They cannot be read or written.
    """
    for source in sorted((part / "lib").glob("python3*/site-packages")):
        goal = folder / source.relative_to(part)
        for path in sorted(goal.iterdir()) if goal.is_dir() else []:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        shutil.copytree(source, goal, copy_function=_shared, symlinks=True, dirs_exist_ok=True)
    for script in sorted((part / "bin").iterdir()):
        goal = folder / "bin" / script.name
        if goal.exists() or goal.is_symlink() or script.is_symlink() or not script.is_file():
            continue
        content = script.read_bytes() if script.stat().st_size <= _MOST_SCRIPT_BYTES else b""
        if content.startswith(b"#!"):
            goal.write_bytes(content.replace(os.fsencode(part), os.fsencode(folder)))
            goal.chmod(script.stat().st_mode)
        else:
            _shared(script, goal)


def _shared(source: str | Path, goal: str | Path) -> None:
    """A hard link, or a copy where the file system has none."""
    try:
        os.link(source, goal)
    except OSError:
        shutil.copy2(source, goal)
