"""What the cockpit costs, in CPU time of its own process, beside its budgets: `python benchmarks/tui.py`.

Every number is measured on a ledger that is made for it and thrown away; wall times on a busy machine mean little, so
they are printed and only CPU time and memory are judged. `benchmarks/viewers.py` has other viewers beside it.
"""

import argparse
import dataclasses
import json
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

# `python -P` leaves the script's own folder out, where the rest of this benchmark is.
sys.path.append(str(Path(__file__).parent))

from cockpit.ledgers import live_ledger, many_campaigns, write_live
from cockpit.replay import bench_trajectory
from cockpit.terminal import SIZE, Row, cockpit, print_rows

from rsi.agent.store.home import Home
from rsi.agent.store.ledger import Ledger


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


def main() -> int:
    parser = argparse.ArgumentParser(description="What the cockpit costs.")
    parser.add_argument(
        "--seconds", type=float, default=10.0, help="how long idle and live are watched"
    )
    parser.add_argument("--quick", action="store_true", help="leave the 500 MB trajectory out")
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


if __name__ == "__main__":
    sys.exit(main())
