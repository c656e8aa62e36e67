"""A program in a pseudo-terminal and what it costs: CPU time and memory of its own process."""

import os
import pty
import re
import select
import struct
import sys
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fcntl import ioctl
from pathlib import Path

MB = 1_000_000
SIZE = (48, 160)
TICKS_PER_S = os.sysconf("SC_CLK_TCK")
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One number beside its budget."""

    what: str
    value: float
    unit: str
    budget: float | None
    """None where nothing is promised."""
    note: str = ""

    @property
    def is_kept(self) -> bool:
        return self.budget is None or self.value <= self.budget


class Terminal:
    """A program in a pseudo-terminal, and what it costs."""

    def __init__(self, argv: list[str], home: Path) -> None:
        self.seen = b""
        self.started_s = time.monotonic()
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            variables = {
                **os.environ,
                "RSI_HOME": str(home),
                "TERM": "xterm-256color",
                "COLORTERM": "truecolor",
            }
            os.execvpe(argv[0], argv, variables)
        ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", *SIZE, 0, 0))

    def read(self, seconds: float) -> int:
        end, amount = time.monotonic() + seconds, 0
        while (left := end - time.monotonic()) > 0:
            if select.select([self.fd], [], [], left)[0]:
                data = os.read(self.fd, 1 << 16)
                self.seen += data
                amount += len(data)
        return amount

    def wait_for(self, pattern: bytes, seconds: float = 120.0) -> float:
        """Seconds until something was written that matches."""
        start = time.monotonic()
        while re.search(pattern, self.seen) is None:
            if time.monotonic() - start > seconds:
                raise TimeoutError(f"{pattern!r} did not appear; the end was {self.seen[-400:]!r}")
            self.read(0.01)
        return time.monotonic() - start

    def press(self, keys: bytes) -> None:
        self.seen = b""
        os.write(self.fd, keys)

    @property
    def cpu_s(self) -> float:
        return cpu_s(self.pid)

    @property
    def rss_mb(self) -> float:
        return rss_mb(self.pid)

    def close(self) -> None:
        os.write(self.fd, b"\x11")
        end = time.monotonic() + 15
        while time.monotonic() < end:
            if os.waitpid(self.pid, os.WNOHANG)[0]:
                os.close(self.fd)
                return
            try:
                self.read(0.05)
            except OSError:
                time.sleep(0.05)
        os.kill(self.pid, 9)
        os.waitpid(self.pid, 0)


@contextmanager
def cockpit(home: Path, *words: str) -> Iterator[Terminal]:
    terminal = Terminal([sys.executable, "-P", "-m", "rsi.tui.main", "tui", *words], home)
    try:
        yield terminal
    finally:
        terminal.close()


def cpu_s(pid: int) -> float:
    """CPU seconds that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_PER_S


def rss_mb(pid: int) -> float:
    """Memory that a process holds."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE_BYTES / MB


def family(pid: int) -> list[int]:
    """A process and all that descend from it."""
    children: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        children.setdefault(int(fields[1]), []).append(int(stat.parent.name))
    found = [pid]
    for each in found:
        found += children.get(each, [])
    return found


def cpu_of(pids: list[int]) -> float:
    """CPU seconds of some processes, with those of children that have ended."""
    total = 0
    for pid in pids:
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        total += sum(int(each) for each in fields[11:15])
    return total / TICKS_PER_S


def held_mb(pids: list[int]) -> float:
    """Memory of some processes together; what they share counts once."""
    total = 0
    for pid in pids:
        try:
            text = Path(f"/proc/{pid}/smaps_rollup").read_text()
        except OSError:
            continue
        found = re.search(r"^Pss:\s+(\d+) kB", text, re.MULTILINE)
        total += int(found[1]) * 1024 if found else 0
    return total / MB


def print_rows(rows: list[Row], *, is_head: bool) -> None:
    if is_head:
        print(f"{'what':<58}{'measured':>12}  {'unit':<12}{'budget':>8}")
    for each in rows:
        budget = "" if each.budget is None else f"{each.budget:g}"
        sign = " " if each.is_kept else "✖"
        print(
            f"{each.what:<58}{each.value:>12.3f}  {each.unit:<12}{budget:>8} {sign} {each.note}",
            flush=True,
        )
