"""Control groups for the backends that have no engine: one group per sandbox, version 1 or 2, where we may make one.

Does not: decide what happens without one; `create` returns None and the caller falls back to watching.
Invariant: a group's name carries its owner's pid and start time, so that a later start can tell whose it was.
"""

import contextlib
import functools
import itertools
import os
import re
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from rsi.sandboxes.machine.owners import is_alive, owner_tag
from rsi.sandboxes.types import Limits

ROOT = Path("/sys/fs/cgroup")
PREFIX = "rsi-"
WRAPPER_PIDS = 4
"""bubblewrap's two processes, the supervisor and a shell: ours, not the command's."""
WRAPPER_BYTES = 24 << 20
"""Memory of those."""
REMOVE_TIMEOUT_S = 5.0
_NUMBERS = itertools.count()
_MADE = re.compile(rf"{PREFIX}([0-9]+\.[0-9]+)-(?:probe)?[0-9]+")
"""Exactly the names that `create` and `_parents` give: whatever else begins alike is not ours to kill."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cgroup:
    """One group: a folder for each controller (version 1) or one folder for all (version 2)."""

    version: int
    cpu: Path
    memory: Path | None
    pids: Path | None

    @property
    def folders(self) -> tuple[Path, ...]:
        """Every folder of the group, each once."""
        return tuple(dict.fromkeys(path for path in (self.cpu, self.memory, self.pids) if path))

    def join_script(self) -> str:
        """Shell text by which a shell puts itself, and so what it starts, into the group."""
        return "".join(f"echo $$ > '{folder}/cgroup.procs'\n" for folder in self.folders)

    def cpu_s(self) -> float:
        """User plus system seconds of everything that ever ran in the group."""
        if self.version == 1:
            return int((self.cpu / "cpuacct.usage").read_text()) / 1e9
        return (_keyed(self.cpu / "cpu.stat", "usage_usec") or 0) / 1e6

    def oom_kills(self) -> int:
        """Processes that the kernel killed for memory since the group was made."""
        if self.memory is None:
            return 0
        name = "memory.oom_control" if self.version == 1 else "memory.events"
        return _keyed(self.memory / name, "oom_kill") or 0

    def reset_peak(self) -> None:
        """Forget the memory peak, where the kernel can."""
        if self.memory is not None and self.version == 1:
            with contextlib.suppress(OSError):
                (self.memory / "memory.max_usage_in_bytes").write_text("0")

    def peak_bytes(self) -> int | None:
        """Most memory ever used at once, None where the kernel does not say."""
        if self.memory is None:
            return None
        name = "memory.max_usage_in_bytes" if self.version == 1 else "memory.peak"
        try:
            return int((self.memory / name).read_text())
        except OSError:
            return None

    def members(self) -> tuple[int, ...]:
        """Pids in the group now."""
        try:
            return tuple(int(pid) for pid in (self.cpu / "cgroup.procs").read_text().split())
        except OSError:
            return ()

    def remove(self) -> None:
        """Remove the group once its last process is gone; gives up after some seconds."""
        deadline = time.monotonic() + REMOVE_TIMEOUT_S
        for folder in self.folders:
            while folder.exists():
                try:
                    folder.rmdir()
                except OSError:
                    if time.monotonic() > deadline:
                        return
                    time.sleep(0.005)


def create(limits: Limits) -> Cgroup | None:
    """A fresh group with the limits' memory and pids, or None where this user may not make one."""
    parents = _parents()
    if parents is None:
        return None
    _reap_once(os.getpid())
    name = f"{PREFIX}{owner_tag()}-{next(_NUMBERS)}"
    try:
        return _create_below(parents, name, limits)
    except OSError:
        return None


@functools.cache
def _reap_once(pid: int) -> int:
    """Clear up after dead owners at the first use in this process."""
    return reap()


def reap() -> int:
    """Remove the groups of owners that are dead, with what may still run in them; returns how many."""
    removed = 0
    for folder in _strays():
        with contextlib.suppress(OSError, ValueError):
            for pid in (folder / "cgroup.procs").read_text().split():
                os.kill(int(pid), 9)
            time.sleep(0.01)
            folder.rmdir()
            removed += 1
    return removed


def strays() -> tuple[str, ...]:
    """Names of the groups whose owner is dead."""
    return tuple(sorted({folder.name for folder in _strays()}))


def owner_of(name: str) -> str | None:
    """The owner's tag in the name of a group that this module made; None for anybody else's, such as rsi-worker.service."""
    made = _MADE.fullmatch(name)
    return made[1] if made else None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Parents:
    version: int
    cpu: Path
    memory: Path | None
    pids: Path | None


def _strays() -> Iterator[Path]:
    parents = _parents()
    if parents is None:
        return
    for parent in dict.fromkeys(
        path for path in (parents.cpu, parents.memory, parents.pids) if path
    ):
        for folder in parent.glob(f"{PREFIX}*"):
            owner = owner_of(folder.name)
            if owner is not None and not is_alive(owner):
                yield folder


@functools.cache
def _parents() -> _Parents | None:
    """Where groups may be made, tried out by making one and putting a process into it."""
    for candidate in (*_version_2(), *_version_1()):
        name = f"{PREFIX}{owner_tag()}-probe{next(_NUMBERS)}"
        try:
            group = _create_below(candidate, name, Limits(wall_s=1, memory_bytes=64 << 20))
        except OSError:
            continue
        try:
            joined = subprocess.run(
                ["/bin/sh", "-ec", group.join_script()], capture_output=True, check=False
            )
            if joined.returncode == 0:
                return candidate
        finally:
            group.remove()
    return None


def _version_2() -> Iterator[_Parents]:
    own = _own_paths().get("", "/")
    for base in (ROOT, ROOT / "unified"):
        start = base / own.lstrip("/")
        for folder in (start, *start.parents):
            if not folder.is_relative_to(base):
                break
            enabled = _words(folder / "cgroup.subtree_control")
            if "memory" in enabled and "pids" in enabled and os.access(folder, os.W_OK):
                yield _Parents(version=2, cpu=folder, memory=folder, pids=folder)


def _version_1() -> Iterator[_Parents]:
    own = _own_paths()

    def place(controller: str) -> Path | None:
        for mounted in (
            ROOT / controller,
            ROOT / "cpu,cpuacct" if controller == "cpuacct" else ROOT / controller,
        ):
            for folder in (mounted / own.get(controller, "/").lstrip("/"), mounted):
                if (folder / "cgroup.procs").exists() and os.access(folder, os.W_OK):
                    return folder
        return None

    cpu = place("cpuacct")
    if cpu is not None:
        yield _Parents(version=1, cpu=cpu, memory=place("memory"), pids=place("pids"))


def _create_below(parents: _Parents, name: str, limits: Limits) -> Cgroup:
    group = Cgroup(
        version=parents.version,
        cpu=parents.cpu / name,
        memory=parents.memory / name if parents.memory else None,
        pids=parents.pids / name if parents.pids else None,
    )
    memory = str(limits.memory_bytes + WRAPPER_BYTES)
    try:
        for folder in group.folders:
            folder.mkdir()
        if group.pids is not None:
            (group.pids / "pids.max").write_text(str(limits.pids + WRAPPER_PIDS))
        if group.memory is not None and group.version == 1:
            (group.memory / "memory.limit_in_bytes").write_text(memory)
            with contextlib.suppress(OSError):  # absent without swap accounting
                (group.memory / "memory.memsw.limit_in_bytes").write_text(memory)
        elif group.memory is not None:
            (group.memory / "memory.max").write_text(memory)
            with contextlib.suppress(OSError):
                (group.memory / "memory.swap.max").write_text("0")
    except OSError:
        group.remove()
        raise
    return group


def _own_paths() -> dict[str, str]:
    """This process's group by controller; the key "" is version 2's."""
    paths: dict[str, str] = {}
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/cgroup").read_text().splitlines():
            _, controllers, path = line.split(":", 2)
            for controller in controllers.split(","):
                paths[controller] = path
    return paths


def _words(path: Path) -> list[str]:
    try:
        return path.read_text().split()
    except OSError:
        return []


def _keyed(path: Path, key: str) -> int | None:
    for line in path.read_text().splitlines():
        words = line.split()
        if len(words) == 2 and words[0] == key:
            return int(words[1])
    return None
