"""What it costs to open a long trajectory in the replay, and to walk through it."""

from pathlib import Path

from cockpit.ledgers import trajectory_ledger
from cockpit.terminal import Row, cockpit


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
