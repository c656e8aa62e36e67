"""What the cockpit costs, in CPU time of its own process, beside its budgets: `python benchmarks/tui.py`.

Every number is measured on a ledger that is made for it and thrown away; wall times on a busy machine mean little, so
they are printed and only CPU time and memory are judged. With `--peers PYTHON` (an interpreter that has them
installed) the same trajectory is opened in other viewers of agent trajectories.
"""

import argparse
import dataclasses
import json
import os
import pty
import re
import select
import shutil
import struct
import sys
import tempfile
import termios
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from fcntl import ioctl
from pathlib import Path

from rsi.agent.store.codec import encode, time_text
from rsi.agent.store.home import Home
from rsi.agent.store.ledger import Ledger
from rsi.agent.store.records import (
    AgentRole,
    CampaignEvent,
    CampaignEventKind,
    CampaignRecord,
    LogChunk,
    RoundRecord,
    TrajectoryEvent,
    TrajectoryKind,
    WorkerRecord,
)
from rsi.agent.store.tables import campaign_events, campaigns, trajectory
from rsi.evals.types import Arm, Disturbance, Measurement, Outcome, Purpose

MB = 1_000_000
EVENT_BYTES = 6_600
"""Mean size of an event of a real trajectory of this length."""
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
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS_PER_S

    @property
    def rss_mb(self) -> float:
        return int(Path(f"/proc/{self.pid}/statm").read_text().split()[1]) * PAGE_BYTES / MB

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


# --- ledgers -------------------------------------------------------------------------------


def campaign(number: int = 0) -> CampaignRecord:
    return CampaignRecord(
        id=f"c{number:05d}", created_at=datetime.now(UTC), task="lm_training", task_digest="d" * 64, track="fixed_model",
        profile="demo", lineage="bench", seed_commitment="e" * 64,
        config={"rounds": 8, "proposer": "scripted:demo", "autonomy": 1},
    )  # fmt: skip


def trajectory_ledger(folder: Path, megabytes: int) -> int:
    """A ledger with one long trajectory; returns the number of its events."""
    home = Home(root=folder).create()
    count = megabytes * MB // EVENT_BYTES
    with Ledger.open(home) as ledger:
        record = campaign()
        ledger.add_campaign(record)
        ledger.add_round(
            RoundRecord(
                id="c00000-0001",
                campaign_id=record.id,
                number=1,
                champion_commit="a" * 40,
                created_at=record.created_at,
            )
        )
        filler = ("step=100 loss=2.31 a line of output that a tool printed while it ran\n" * 200)[
            : EVENT_BYTES - 300
        ]
        kinds = (TrajectoryKind.MODEL, TrajectoryKind.TOOL_CALL, TrajectoryKind.TOOL_RESULT)
        for start in range(0, count, 5_000):
            rows = []
            for seq in range(start, min(count, start + 5_000)):
                kind = kinds[seq % 3]
                payload: dict[str, object] = {"texts": [f"thought {seq} {filler}"]}
                if kind is TrajectoryKind.TOOL_CALL:
                    payload = {
                        "id": f"t{seq}",
                        "name": "shell",
                        "arguments": {"command": f"run {seq}\n{filler}"},
                    }
                elif kind is TrajectoryKind.TOOL_RESULT:
                    payload = {
                        "call_id": f"t{seq - 1}",
                        "tool": "shell",
                        "text": f"answer {seq}\n{filler}",
                        "is_error": False,
                    }
                event = TrajectoryEvent(
                    round_id="c00000-0001", agent=AgentRole.PROPOSER, seq=seq, at=record.created_at + timedelta(seconds=seq), kind=kind, payload=payload
                )  # fmt: skip
                rows.append(
                    {
                        "round_id": event.round_id,
                        "agent": "proposer",
                        "number": seq,
                        "kind": kind.value,
                        "body": encode(event),
                    }
                )
            with ledger._database.write(trajectory) as connection:
                connection.execute(trajectory.insert(), rows)
    return count


def many_campaigns(folder: Path, count: int) -> None:
    home = Home(root=folder).create()
    with Ledger.open(home) as ledger:
        records = [campaign(number) for number in range(count)]
        with ledger._database.write(campaigns, campaign_events) as connection:
            connection.execute(
                campaigns.insert(),
                [{"id": r.id, "lineage": r.lineage, "body": encode(r)} for r in records],
            )
            events = [
                CampaignEvent(campaign_id=r.id, kind=CampaignEventKind.FINISHED, at=r.created_at)
                for r in records
            ]
            connection.execute(
                campaign_events.insert(),
                [
                    {
                        "campaign_id": e.campaign_id,
                        "kind": e.kind.value,
                        "at": time_text(e.at),
                        "body": encode(e),
                    }
                    for e in events
                ],
            )


def measurement(arm: Arm, pair: int, value: float) -> Measurement:
    quiet = Disturbance(load_1m=0.5, steal_s=0.0, others_cpu_s=0.1, is_disturbed=False)
    return Measurement(
        arm=arm, purpose=Purpose.SCREEN, pair=pair, position=0, outcome=Outcome.OK, cpu_s=value, wall_s=value, max_rss_bytes=3 * 10**8,
        metric_value=value, quality={"hidden_bpb": 2.3}, result={}, detail="", backend="bench", assurance="none",
        seed_commitment="ab" * 32, disturbance=quiet,
    )  # fmt: skip


def live_ledger(folder: Path) -> Ledger:
    home = Home(root=folder).create()
    ledger = Ledger.open(home)
    record = campaign()
    ledger.add_campaign(record)
    ledger.add_campaign_event(
        CampaignEvent(campaign_id=record.id, kind=CampaignEventKind.STARTED, at=record.created_at)
    )
    for number in range(1, 31):
        ledger.add_round(
            RoundRecord(
                id=f"c00000-{number:04d}",
                campaign_id=record.id,
                number=number,
                champion_commit="a" * 40,
                created_at=record.created_at,
            )
        )
    return ledger


def write_live(ledger: Ledger, stopping: threading.Event, hertz: float) -> None:
    """What a busy worker writes: agent steps, output, measurements."""
    round_id, tick, now = "c00000-0030", 0, datetime.now(UTC)
    while not stopping.wait(1 / hertz):
        payload = {"texts": [f"live thought {tick}"]}
        ledger.add_events(
            [
                TrajectoryEvent(
                    round_id=round_id,
                    agent=AgentRole.PROPOSER,
                    seq=tick,
                    at=datetime.now(UTC),
                    kind=TrajectoryKind.MODEL,
                    payload=payload,
                )
            ]
        )
        rows = "".join(
            f"step={tick * 10 + each} loss={4.0 - tick / 100:.4f}\n" for each in range(10)
        )
        ledger.add_log(
            LogChunk(
                round_id=round_id,
                stream="screen/0/candidate",
                seq=tick,
                at=datetime.now(UTC),
                content=rows.encode(),
            )
        )
        if tick % 8 == 0:
            for arm, value in ((Arm.CHAMPION, 20.0), (Arm.CANDIDATE, 18.0 + tick % 3)):
                ledger.add_measurement(round_id, measurement(arm, tick // 8, value))
        if tick % 20 == 0:
            ledger.heartbeat(
                WorkerRecord(
                    id="w",
                    host="bench",
                    pid=1,
                    started_at=now,
                    heartbeat_at=datetime.now(UTC),
                    version="0",
                )
            )
        tick += 1


# --- measurements ----------------------------------------------------------------------------


def bench_machine(_: Path) -> list[Row]:
    """A fixed piece of work, to read the other numbers by: on a crowded machine CPU seconds are longer too."""
    times = []
    for _attempt in range(5):
        started = time.thread_time()
        total = 0
        for number in range(2_000_000):
            total += number * number % 7
        times.append(time.thread_time() - started)
    return [
        Row(
            what="this machine now: a loop of two million steps",
            value=sum(times) / 5,
            unit="CPU s",
            budget=None,
            note=f"at best {min(times):.3f}",
        )
    ]


def bench_start(folder: Path) -> list[Row]:
    many_campaigns(folder, 20)
    with cockpit(folder) as terminal:
        terminal.wait_for(rb"c00019")
        return [
            Row(
                what="start to first paint",
                value=terminal.cpu_s,
                unit="CPU s",
                budget=1.5,
                note=f"{time.monotonic() - terminal.started_s:.2f} s wall",
            ),
            Row(what="memory after start", value=terminal.rss_mb, unit="MB", budget=120),
        ]


def bench_trajectory(folder: Path, megabytes: int, budget_s: float) -> list[Row]:
    count = trajectory_ledger(folder, megabytes)
    with cockpit(folder) as terminal:
        terminal.wait_for(rb"c00000")
        terminal.read(1.0)
        before = terminal.cpu_s
        terminal.press(b"4")
        wall_s = terminal.wait_for(rb"thought 0")
        paint_s = terminal.cpu_s - before
        # The list is filled further in the background; steps are measured once that has come to rest.
        rest = terminal.cpu_s
        while True:
            terminal.read(1.0)
            if terminal.cpu_s - rest < 0.05:
                break
            rest = terminal.cpu_s
        index_s = terminal.cpu_s - before - paint_s
        before, steps = terminal.cpu_s, 60
        for _ in range(steps):
            terminal.press(b"l")
            terminal.read(0.08)
        step_s = (terminal.cpu_s - before) / steps
        terminal.press(b"$")
        end_s = terminal.wait_for(str(count - 1).encode())
        name = f"{megabytes} MB trajectory"
        return [
            Row(
                what=f"{name}: first paint",
                value=paint_s,
                unit="CPU s",
                budget=budget_s,
                note=f"{wall_s:.2f} s wall, {count:,} events",
            ),
            Row(what=f"{name}: a step", value=step_s * 1000, unit="CPU ms", budget=20),
            Row(
                what=f"{name}: index in the background",
                value=index_s,
                unit="CPU s",
                budget=None,
                note=f"jump to the end {end_s:.2f} s wall",
            ),
            Row(what=f"{name}: memory", value=terminal.rss_mb, unit="MB", budget=120),
        ]


def bench_campaigns(folder: Path) -> list[Row]:
    """The paint itself is measured inside the process, since reading the ledger happens beside it."""
    import asyncio

    from rsi.tui.app import CockpitApp
    from rsi.tui.screens.queue import QueueScreen

    many_campaigns(folder, 10_000)
    home = Home(root=folder)
    found: list[float] = []

    async def main() -> None:
        with Ledger.open(home) as ledger:
            app = CockpitApp(ledger, home=home, is_read_only=True)
            async with app.run_test(size=(SIZE[1], SIZE[0])) as pilot:
                while len(app.view.campaigns) < 10_000:
                    await pilot.pause(0.05)
                await pilot.pause(1.0)
                screen = app.screen
                assert isinstance(screen, QueueScreen)
                started = time.thread_time()
                screen.show(app.view)
                await pilot.pause()
                found.append(time.thread_time() - started)
                keys = 40
                started = time.thread_time()
                for _ in range(keys):
                    await pilot.press("j")
                found.append((time.thread_time() - started) / keys)
                started = time.process_time()
                ledger.campaigns()
                found.append(time.process_time() - started)

    asyncio.run(main())
    return [
        Row(
            what="10,000 campaigns listed",
            value=found[0],
            unit="CPU s",
            budget=0.1,
            note=f"reading them {found[2]:.2f} CPU s, beside",
        ),
        Row(what="key to paint, 10,000 campaigns", value=found[1] * 1000, unit="CPU ms", budget=30),
    ]


def bench_live(folder: Path, seconds: float) -> list[Row]:
    ledger, stopping = live_ledger(folder), threading.Event()
    writer = threading.Thread(target=write_live, args=(ledger, stopping, 4.0), daemon=True)
    with cockpit(folder, "--screen", "run") as terminal:
        terminal.wait_for(rb"Rounds")
        # After some quiet the ledger is looked at less often; idle is measured then.
        terminal.read(25.0)
        before, start = terminal.cpu_s, time.monotonic()
        terminal.read(seconds)
        idle = (terminal.cpu_s - before) / (time.monotonic() - start)
        writer.start()
        terminal.read(3.0)
        before, start = terminal.cpu_s, time.monotonic()
        amount = terminal.read(seconds)
        live = (terminal.cpu_s - before) / (time.monotonic() - start)
        stopping.set()
        writer.join()
        rss = terminal.rss_mb
    ledger.close()
    return [
        Row(what="idle", value=idle * 100, unit="% of a core", budget=1.0),
        Row(
            what="live dashboard, 4 changes a second",
            value=live * 100,
            unit="% of a core",
            budget=15.0,
            note=f"{amount / seconds / 1000:.0f} KB/s to the terminal",
        ),
        Row(what="live dashboard: memory", value=rss, unit="MB", budget=120),
    ]


def bench_peers(python: Path, folder: Path) -> list[Row]:
    """The 50 MB trajectory in mini-swe-agent's inspector, where that interpreter has it."""
    filler = "step=100 loss=2.31 a line of output that a tool printed while it ran\n" * 90
    messages: list[dict[str, object]] = [{"role": "system", "content": "system"}]
    for number in range(50 * MB // EVENT_BYTES // 2):
        messages.append({"role": "assistant", "content": f"thought {number} {filler}"})
        messages.append({"role": "user", "content": f"answer {number} {filler}"})
    path = folder / "peer.traj.json"
    path.write_text(
        json.dumps({"messages": messages, "info": {}, "trajectory_format": "mini-swe-agent-1"})
    )
    terminal = Terminal(
        [str(python), "-m", "minisweagent.run.utilities.inspector", str(path)], folder
    )
    try:
        terminal.wait_for(rb"system|thought 0", 180)
        paint = terminal.cpu_s
        terminal.read(2.0)
        before, steps = terminal.cpu_s, 30
        for _ in range(steps):
            terminal.press(b"l")
            terminal.read(0.3)
        return [
            Row(
                what="mini-swe-agent inspector: start to first paint, 50 MB",
                value=paint,
                unit="CPU s",
                budget=None,
            ),
            Row(
                what="mini-swe-agent inspector: a step",
                value=(terminal.cpu_s - before) / steps * 1000,
                unit="CPU ms",
                budget=None,
            ),
            Row(
                what="mini-swe-agent inspector: memory",
                value=terminal.rss_mb,
                unit="MB",
                budget=None,
            ),
        ]
    finally:
        terminal.close()


def main() -> int:
    parser = argparse.ArgumentParser(description="What the cockpit costs.")
    parser.add_argument(
        "--seconds", type=float, default=10.0, help="how long idle and live are watched"
    )
    parser.add_argument("--quick", action="store_true", help="leave the 500 MB trajectory out")
    parser.add_argument(
        "--peers", type=Path, help="interpreter in which other viewers are installed"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    args = parser.parse_args()
    parts: list[Callable[[Path], list[Row]]] = [
        bench_machine,
        bench_start,
        bench_campaigns,
        lambda folder: bench_live(folder, args.seconds),
        lambda folder: bench_trajectory(folder, 50, 0.5),
    ]
    if not args.quick:
        parts.append(lambda folder: bench_trajectory(folder, 500, 1.0))
    if args.peers:
        parts.append(lambda folder: bench_peers(args.peers, folder))
    rows: list[Row] = []
    for part in parts:
        folder = Path(tempfile.mkdtemp(prefix="rsi-bench-"))
        try:
            found = part(folder)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        if not args.json:
            print_rows(found, is_head=not rows)
        rows += found
    if args.json:
        print(json.dumps([dataclasses.asdict(each) for each in rows], indent=1))
    return 0 if all(each.is_kept for each in rows) else 1


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


if __name__ == "__main__":
    sys.exit(main())
