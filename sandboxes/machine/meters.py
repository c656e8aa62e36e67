"""Meters: what a command in a sandbox cost, counted from outside it.

Does not: trust anything that the command could have changed.
Two sources: a control group (exact, kept by the kernel) and, without one, the resource usage that the supervisor reaped
joined with a walk over the process tree in /proc several times a second: who vanished and was never waited for is added.
"""

import contextlib
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from rsi.sandboxes.inside.wire import Report
from rsi.sandboxes.machine.cgroups import Cgroup
from rsi.sandboxes.session import Usage

TICKS_PER_S = os.sysconf("SC_CLK_TCK")
ALLOCATION_BYTES_PER_S = 8 << 30
"""How fast a process can fill memory; the next look comes before the headroom can be gone."""
MIN_LOOK_S = 0.01
MAX_LOOK_S = 0.1
LOST_TICKS = 5
"""Less than this may be rounding: every counter of /proc is cut to whole ticks."""
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
        self._last: dict[int, ProcessFacts] = {}
        self._lost_ticks = 0
        self._peak_bytes = 0
        self._is_over = False

    def begin(self) -> None:
        self._ticks.clear()
        self._peak_bytes = 0
        self._is_over = False
        if self._cpu_group is not None:
            self._cpu_group_s = self._cpu_group.cpu_s()
        self._last = self._look()
        if (
            not self._ignored
        ):  # what an earlier command left behind is the sandbox's own, and counts
            self._ignored = {each.key for each in self._last.values()}
        self._lost_ticks = 0

    def watch(self) -> tuple[bool, float | None]:
        resident = 0
        pids: list[int] = []
        for each in self._follow():
            if each.key in self._ignored:
                continue
            self._ticks[each.key] = each.cpu_ticks
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
        self._follow()
        seen_s = sum(self._ticks.values()) / TICKS_PER_S
        reaped_s = (report.cpu_s if report else 0.0) + self._lost_ticks / TICKS_PER_S
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

    def _follow(self) -> Iterable["ProcessFacts"]:
        """The tree as it is now, after counting what vanished from it since the last look."""
        now = self._look()
        gone: dict[int, ProcessFacts] = {}
        for each in self._last.values():
            if each.pid in now and now[each.pid].key == each.key:
                continue
            if facts_of(each.pid, each.parent, each.start_ticks) is None:
                gone[each.pid] = each
            else:
                now.setdefault(each.pid, each)  # it found another parent while the walk passed by
        self._lost_ticks += self._lost(gone)
        self._last = now
        return now.values()

    def _lost(self, gone: Mapping[int, "ProcessFacts"]) -> int:
        """Ticks of vanished processes that no ancestor was credited with: nobody waited for them, and nobody will.

        A process that is waited for adds its time to its parent's `child_ticks` before it vanishes; an orphan to that
        of an older ancestor. What those grew by may have other reasons too, so this never counts anything twice.
        """
        expected: Counter[int] = Counter()
        for each in gone.values():
            if each.key in self._ignored:
                continue
            heir = each.parent
            while heir in gone:
                heir = gone[heir].parent
            expected[heir] += each.cpu_ticks + each.child_ticks
        lost = 0
        for heir, ticks in expected.items():
            grown, pid = 0, heir
            while (before := self._last.get(pid)) is not None:
                after = facts_of(pid, before.parent, before.start_ticks)
                if after is None:
                    break
                grown += after.child_ticks - before.child_ticks
                pid = before.parent
            else:
                lost += ticks - grown if ticks - grown >= LOST_TICKS else 0
        return lost

    def _look(self) -> dict[int, "ProcessFacts"]:
        """The tree and its root by pid; each parent is read before its children."""
        root = facts_of(self._root_pid, 0)
        found = {} if root is None else {root.pid: root}
        return found | {each.pid: each for each in tree_below(self._root_pid)}


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessFacts:
    """One process as /proc shows it."""

    pid: int
    parent: int
    start_ticks: int
    cpu_ticks: int
    """User plus system time of all its threads, ended ones too."""
    child_ticks: int
    """The same of the children that it waited for, and of theirs."""

    @property
    def key(self) -> tuple[int, int]:
        """Pid and start: no other process ever has both."""
        return self.pid, self.start_ticks


def facts_of(pid: int, parent: int, start_ticks: int | None = None) -> ProcessFacts | None:
    """One process; None when it is gone, or is not the one that started then."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text("ascii", "replace").rpartition(")")[2].split()
        found = ProcessFacts(
            pid=pid,
            parent=parent,
            start_ticks=int(fields[19]),
            cpu_ticks=int(fields[11]) + int(fields[12]),
            child_ticks=int(fields[13]) + int(fields[14]),
        )
    except (OSError, IndexError, ValueError):
        return None
    return found if start_ticks in (None, found.start_ticks) else None


def tree_below(root_pid: int) -> Iterator[ProcessFacts]:
    """Every process below `root_pid`, by /proc's own child lists."""
    waiting = [(pid, root_pid) for pid in _children(root_pid)]
    seen: set[int] = set()
    while waiting:
        pid, parent = waiting.pop()
        if pid in seen:
            continue
        seen.add(pid)
        waiting.extend((child, pid) for child in _children(pid))
        facts = facts_of(pid, parent)
        if facts is not None:
            yield facts


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
