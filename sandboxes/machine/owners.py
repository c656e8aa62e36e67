"""Who owns a sandbox: a process, named so that a recycled pid is never taken for it."""

import functools
import os
from pathlib import Path


@functools.cache
def _start_ticks_of_self(pid: int) -> int:
    ticks = start_ticks(pid)
    return 0 if ticks is None else ticks


def owner_tag() -> str:
    """This process as "pid.start", the start in clock ticks since boot."""
    pid = os.getpid()
    return f"{pid}.{_start_ticks_of_self(pid)}"


def is_alive(tag: str) -> bool:
    """Whether the process of an owner tag still runs; a malformed tag counts as dead."""
    pid, _, start = tag.partition(".")
    if not (pid.isdigit() and start.isdigit()):
        return False
    return start_ticks(int(pid)) == int(start)


def start_ticks(pid: int) -> int | None:
    """When a process started, in clock ticks since boot; None when there is no such process."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    return int(stat.rpartition(")")[2].split()[19])
