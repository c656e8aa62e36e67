"""Meters: what a command in a sandbox cost, counted from outside it.

Does not: trust anything that the command could have changed.
Two sources: a control group (exact, kept by the kernel) and, without one, a walk over the process tree
in /proc several times a second, joined with the resource usage that the warden reaped.
"""

import contextlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from rsi.sandboxes.cgroups import Cgroup
from rsi.sandboxes.session import Usage
from rsi.sandboxes.wire import Report

TICKS_PER_S = os.sysconf("SC_CLK_TCK")
ALLOCATION_BYTES_PER_S = 8 << 30
"""How fast a process can fill memory; the next look comes before the headroom can be gone."""
MIN_LOOK_S = 0.01
MAX_LOOK_S = 0.1
WARDEN_RSS_BYTES = 16 << 20
KIBIBYTE = 1024


class CgroupMeter:
    """Reads a control group; exact to the scheduler's own accounting."""

    def __init__(self, group: Cgroup) -> None:
        self._group = group
        self._cpu_s = 0.0
        self._oom_kills = 0

    def begin(self) -> None:
        self._group.reset_peak()
        self._oom_kills = self._group.oom_kills()
        self._cpu_s = self._group.cpu_s()

    def watch(self) -> tuple[bool, float | None]:
        return False, None  # the kernel watches

    def end(self, report: Report | None) -> Usage:
        return Usage(
            cpu_s=self._group.cpu_s() - self._cpu_s,
            cpu_source="cgroup",
            max_rss_bytes=self._group.peak_bytes() or (report.max_rss_bytes if report else None),
            is_over_memory=self._group.oom_kills() > self._oom_kills,
        )


class TreeMeter:
    """Walks the process tree below `root_pid`, looking more often the closer memory is to its limit.

    Args:
        root_pid: The process whose descendants are the sandbox (itself not counted).
        memory_bytes: The limit.
        stored_bytes: Bytes of files that live in memory.
        cpu_group: A control group that counts CPU time but cannot limit memory; None without one.
    """

    def __init__(
        self,
        root_pid: int,
        memory_bytes: int,
        stored_bytes: Callable[[], int],
        cpu_group: Cgroup | None = None,
    ) -> None:
        self._cpu_group = cpu_group
        self._cpu_group_s = 0.0
        self._root_pid = root_pid
        self._memory_bytes = memory_bytes
        self._stored_bytes = stored_bytes
        self._ticks: dict[tuple[int, int], int] = {}
        self._ignored: set[tuple[int, int]] = set()
        self._peak_bytes = 0
        self._is_over = False

    def begin(self) -> None:
        self._ticks.clear()
        self._peak_bytes = 0
        self._is_over = False
        if self._cpu_group is not None:
            self._cpu_group_s = self._cpu_group.cpu_s()
        self._ignored = {(each.pid, each.start_ticks) for each in tree_below(self._root_pid)}

    def watch(self) -> tuple[bool, float | None]:
        resident = 0
        pids: list[int] = []
        for each in tree_below(self._root_pid):
            if (each.pid, each.start_ticks) in self._ignored:
                continue
            self._ticks[each.pid, each.start_ticks] = each.cpu_ticks
            resident += _status_bytes(each.pid, ("RssAnon", "RssShmem"))
            pids.append(each.pid)
        stored = self._stored_bytes()
        if resident + stored > self._memory_bytes:
            # Shared pages were counted once for each process: count them in shares before judging.
            private = sum(_rollup_bytes(pid, "Pss_Anon") for pid in pids)
            shared = sum(_rollup_bytes(pid, "Pss_Shmem") for pid in pids)
            resident = private + max(shared, stored)
        else:
            resident += stored
        self._peak_bytes = max(self._peak_bytes, resident)
        self._is_over = self._is_over or resident > self._memory_bytes
        headroom_s = (self._memory_bytes - resident) / ALLOCATION_BYTES_PER_S
        return self._is_over, min(MAX_LOOK_S, max(MIN_LOOK_S, headroom_s))

    def end(self, report: Report | None) -> Usage:
        seen_s = sum(self._ticks.values()) / TICKS_PER_S
        reaped_s = report.cpu_s if report else 0.0
        largest = report.max_rss_bytes if report else 0
        if self._cpu_group is not None:
            cpu_s, source = self._cpu_group.cpu_s() - self._cpu_group_s, "cgroup"
        else:
            cpu_s, source = max(seen_s, reaped_s), "rusage"
        return Usage(
            cpu_s=cpu_s,
            cpu_source=source,
            max_rss_bytes=max(self._peak_bytes, largest) or None,
            is_over_memory=self._is_over,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessFacts:
    """One process as /proc shows it."""

    pid: int
    start_ticks: int
    cpu_ticks: int
    """User plus system time of all its threads, ended ones too."""


def tree_below(root_pid: int) -> Iterator[ProcessFacts]:
    """Every process below `root_pid`, by /proc's own child lists."""
    waiting = list(_children(root_pid))
    seen: set[int] = set()
    while waiting:
        pid = waiting.pop()
        if pid in seen:
            continue
        seen.add(pid)
        waiting.extend(_children(pid))
        with contextlib.suppress(OSError, IndexError, ValueError):
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            yield ProcessFacts(
                pid=pid,
                start_ticks=int(fields[19]),
                cpu_ticks=int(fields[11]) + int(fields[12]),
            )


def _children(pid: int) -> Iterator[int]:
    with contextlib.suppress(OSError):
        for task in os.listdir(f"/proc/{pid}/task"):  # noqa: PTH208 - hot path
            with contextlib.suppress(OSError):
                text = Path(f"/proc/{pid}/task/{task}/children").read_text()
                yield from (int(word) for word in text.split())


def _status_bytes(pid: int, names: tuple[str, ...]) -> int:
    return _sum_kibibytes(Path(f"/proc/{pid}/status"), names)


def _rollup_bytes(pid: int, name: str) -> int:
    return _sum_kibibytes(Path(f"/proc/{pid}/smaps_rollup"), (name,))


def _sum_kibibytes(path: Path, names: tuple[str, ...]) -> int:
    total = 0
    with contextlib.suppress(OSError):
        for line in path.read_text().splitlines():
            name, _, rest = line.partition(":")
            if name in names:
                total += int(rest.split()[0]) * KIBIBYTE
    return total
