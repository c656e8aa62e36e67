"""What `rsi task check` last found of a task on this machine, kept as small files in the home.

Does not: count for anything. A check is shown beside its task, with its date, while the task's folder is unchanged.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from rsi.agent.errors import HomeError, LedgerCorruptError, LedgerSchemaError
from rsi.agent.store.codec import decode, encode
from rsi.agent.store.home import Home
from rsi.evals.types import Interval

_UNSAFE = re.compile(r"[^A-Za-z0-9_-]")


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskCheck:
    """One check of a task, of one track and one profile."""

    task: str
    track: str
    profile: str
    digest: str
    """Of the task's folder as it was checked."""
    backend: str
    at: datetime
    is_ok: bool
    """Nothing failed; of a deep check: its evaluator can be trusted."""
    is_deep: bool
    run_s: float | None = None
    """Wall seconds of one run of the baseline; None when it did not end well."""
    best: str = ""
    """The reference solution that gained most; empty where none was measured."""
    gain: Interval | None = None
    """What that one gained over the baseline, as a ratio."""


def keep_check(home: Home, check: TaskCheck) -> None:
    """Keep a check; a deep one of the same folder is not replaced by one that saw less.

    Raises:
        HomeError: The home cannot be written.
    """
    path = _folder(home) / f"{_UNSAFE.sub('_', f'{check.task}-{check.track}-{check.profile}')}.json"
    before = _read(path)
    if before is not None and before.digest == check.digest and before.is_deep > check.is_deep:
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(encode(check) + "\n", encoding="utf-8")
    except OSError as error:
        raise HomeError(f"the check cannot be kept in {str(path)!r}: {error.strerror}") from error


def checks_of(home: Home, task: str, digest: str) -> tuple[TaskCheck, ...]:
    """Checks of a task's folder as it is now, the deep ones first, then the newest."""
    found = [each for each in _all(home) if (each.task, each.digest) == (task, digest)]
    return tuple(sorted(found, key=lambda each: (each.is_deep, each.at), reverse=True))


def _folder(home: Home) -> Path:
    return home.root / "checks"


def _all(home: Home) -> Iterator[TaskCheck]:
    for path in sorted(_folder(home).glob("*.json")):
        found = _read(path)
        if found is not None:
            yield found


def _read(path: Path) -> TaskCheck | None:
    """A kept check; None where there is none, or one that this version does not understand."""
    try:
        return decode(TaskCheck, path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, LedgerCorruptError, LedgerSchemaError):
        return None
