"""One long trajectory in the cockpit and in other viewers, side by side in one run: `python benchmarks/viewers.py --peers PYTHON`.

PYTHON is an interpreter with mini-swe-agent and inspect-ai installed. Each viewer gets as many steps with as much text
in the form that it reads fastest. Counted is the CPU time of all processes that a viewer needs, from its start until
the first step stands on the screen, its imports included, and the memory that they hold together then. A viewer in a
browser is counted with a headless Chromium of its own, server and browser apart.

Measured on 2026-11-29 on two busy shared cores, in one run, 50 MB in 7,575 steps, mini-swe-agent 2.4.6,
inspect-ai 0.3.285:

| viewer | CPU s until the first step | MB then | CPU ms a step |
|---|---|---|---|
| rsi tui | 1.2 | 79 | 18 |
| mini-swe-agent inspector | 0.5 | 89 | 63 |
| rsi web + Chromium | 1.6 + 0.9 | 124 + 432 | |
| inspect view + Chromium | 1.9 + 2.9 | 118 + 895 | |

The inspector starts quicker: it imports less, and reads one file whole instead of a ledger in pages; it pays at each
step. Steps in a browser are not compared: Inspect's page is scrolled, not stepped.
"""

import argparse
import asyncio
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

# `python -P` leaves the script's own folder out, where the rest of this benchmark is.
sys.path.append(str(Path(__file__).parent))

from cockpit.browser import Browser, browser
from cockpit.ledgers import EVENT_BYTES, MB, trajectory_ledger
from cockpit.terminal import Row, Terminal, cockpit, cpu_of, family, held_mb, print_rows

STEPS_WALKED = 30
FIRST = "thought 0"
SYSTEM = "words that were told first"
TO_INSPECT_FORMAT = """
import sys
from inspect_ai.log import read_eval_log, write_eval_log
write_eval_log(read_eval_log(sys.argv[1]), sys.argv[2], format="eval")
"""
"""Inspect's own format of today, which its viewer reads quicker than JSON."""


def rows_of(name: str, cpu_s: float, memory_mb: float, note: str = "") -> list[Row]:
    return [
        Row(
            what=f"{name}: until the first step", value=cpu_s, unit="CPU s", budget=None, note=note
        ),
        Row(what=f"{name}: memory then", value=memory_mb, unit="MB", budget=None),
    ]


def in_terminal(name: str, terminal: Terminal, pattern: bytes) -> list[Row]:
    """Wait for the first step, then walk."""
    terminal.wait_for(pattern, 180)
    wall_s = time.monotonic() - terminal.started_s
    pids = family(terminal.pid)
    rows = rows_of(name, cpu_of(pids), held_mb(pids), f"{wall_s:.1f} s wall")
    # What is done in the background is not the steps' cost.
    rest = -1.0
    while terminal.cpu_s - rest > 0.05:
        rest = terminal.cpu_s
        terminal.read(1.0)
    before = terminal.cpu_s
    for _ in range(STEPS_WALKED):
        terminal.press(b"l")
        terminal.read(0.3)
    step_ms = (terminal.cpu_s - before) / STEPS_WALKED * 1000
    return [*rows, Row(what=f"{name}: a step", value=step_ms, unit="CPU ms", budget=None)]


def bench_cockpit(folder: Path, megabytes: int) -> list[Row]:
    trajectory_ledger(folder, megabytes)
    with cockpit(folder, "--screen", "replay") as terminal:
        return in_terminal("rsi tui", terminal, FIRST.encode())


def bench_mini(python: Path, folder: Path, megabytes: int) -> list[Row]:
    path = folder / "peer.traj.json"
    document = {
        "messages": messages(megabytes),
        "info": {},
        "trajectory_format": "mini-swe-agent-1",
    }
    path.write_text(json.dumps(document))
    words = [str(python), "-m", "minisweagent.run.utilities.inspector", str(path)]
    terminal = Terminal(words, folder)
    try:
        # It shows the system's message as a step of its own.
        return in_terminal("mini-swe-agent inspector", terminal, SYSTEM.encode())
    finally:
        terminal.close()


def bench_web(folder: Path, megabytes: int) -> list[Row]:
    trajectory_ledger(folder, megabytes)
    port, token = free_port(), "x" * 32
    words = [sys.executable, "-P", "-m", "rsi.tui.main", "web", "--port", str(port)]
    variables = {"RSI_HOME": str(folder), "RSI_WEB_TOKEN": token}

    async def open_it(page: Browser) -> None:
        await page.call("Page.navigate", url=f"http://127.0.0.1:{port}/?token={token}")
        await page.see("Campaigns")
        await page.press("4")
        await page.see(FIRST)

    with server(words, port, variables) as process:
        return asyncio.run(in_browser("rsi web", folder, process, open_it))


def bench_inspect(python: Path, folder: Path, megabytes: int) -> list[Row]:
    logs = folder / "logs"
    logs.mkdir()
    source, log = folder / "log.json", logs / "2026-11-20T00-00-00+00-00_task_x.eval"
    source.write_text(json.dumps(inspect_document(messages(megabytes))))
    subprocess.run([str(python), "-c", TO_INSPECT_FORMAT, str(source), str(log)], check=True)
    port = free_port()
    words = [
        str(python),
        "-m",
        "inspect_ai",
        "view",
        "start",
        "--log-dir",
        str(logs),
        "--port",
        str(port),
    ]

    async def open_it(page: Browser) -> None:
        place = f"logs/{log.name}/samples/sample/1/1/messages"
        await page.call("Page.navigate", url=f"http://127.0.0.1:{port}/#/{place}")
        await page.see(FIRST)

    with server(words, port, {"HOME": str(folder)}) as process:
        return asyncio.run(in_browser("inspect view", folder, process, open_it))


async def in_browser(
    name: str,
    folder: Path,
    process: "subprocess.Popen[bytes]",
    open_it: Callable[[Browser], object],
) -> list[Row]:
    async with browser(folder / "profile") as page:
        await page.call("Runtime.evaluate", expression="1", returnByValue=True)
        empty_s, started_s = page.cpu_s, time.monotonic()
        await open_it(page)  # type: ignore[misc]
        wall_s = time.monotonic() - started_s
        served, shown = family(process.pid), family(page.pid)
        return [
            *rows_of(f"{name}, server", cpu_of(served), held_mb(served), f"{wall_s:.1f} s wall in the browser"),
            *rows_of(f"{name}, browser", page.cpu_s - empty_s, held_mb(shown), "CPU above that of an empty page"),
        ]  # fmt: skip


@contextmanager
def server(
    words: list[str], port: int, variables: dict[str, str]
) -> Iterator["subprocess.Popen[bytes]"]:
    """A server, once it listens."""
    quiet = subprocess.DEVNULL
    process = subprocess.Popen(words, env={**os.environ, **variables}, stdout=quiet, stderr=quiet)
    try:
        end = time.monotonic() + 60
        while True:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            assert process.poll() is None, "the server ended"
            assert time.monotonic() < end, "the server does not listen"
            time.sleep(0.05)
        yield process
    finally:
        for pid in reversed(family(process.pid)):
            os.kill(pid, 15)
        process.wait(timeout=30)


def messages(megabytes: int) -> list[dict[str, str]]:
    """As many messages with as much text as the ledger's trajectory has steps."""
    filler = ("step=100 loss=2.31 a line of output that a tool printed while it ran\n" * 200)[
        : EVENT_BYTES - 300
    ]
    found = [{"role": "system", "content": SYSTEM}]
    for number in range(megabytes * MB // EVENT_BYTES // 2):
        found.append({"role": "assistant", "content": f"thought {number} {filler}"})
        found.append({"role": "user", "content": f"answer {number} {filler}"})
    return found


def inspect_document(said: list[dict[str, str]]) -> dict[str, object]:
    """An Inspect log of one sample."""
    at, empty = "2026-11-20T00:00:00+00:00", {}
    sample = {
        "id": 1, "epoch": 1, "input": "input", "target": "", "messages": said, "scores": {}, "metadata": empty,
        "store": empty, "events": [], "model_usage": empty, "attachments": empty,
    }  # fmt: skip
    about = {
        "eval_id": "x", "run_id": "x", "task_id": "x", "created": at, "task": "task", "task_version": 1, "config": empty,
        "dataset": {"name": "task", "samples": 1, "sample_ids": [1]}, "model": "none/none", "metadata": empty,
    }  # fmt: skip
    return {
        "version": 2, "status": "success", "eval": about, "samples": [sample],
        "results": {"total_samples": 1, "completed_samples": 1, "scores": []},
        "stats": {"started_at": at, "completed_at": at, "model_usage": empty},
    }  # fmt: skip


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def main() -> int:
    parser = argparse.ArgumentParser(description="One trajectory in several viewers.")
    parser.add_argument(
        "--peers", type=Path, help="interpreter in which other viewers are installed"
    )
    parser.add_argument("--megabytes", type=int, default=50, help="text of the trajectory")
    args, _ = parser.parse_known_args()
    parts: list[Callable[[Path, int], list[Row]]] = [bench_cockpit]
    if shutil.which("chromium"):
        parts.append(bench_web)
    if args.peers:
        parts.append(lambda folder, size: bench_mini(args.peers, folder, size))
    if args.peers and shutil.which("chromium"):
        parts.append(lambda folder, size: bench_inspect(args.peers, folder, size))
    for number, part in enumerate(parts):
        folder = Path(tempfile.mkdtemp(prefix="rsi-bench-"))
        try:
            print_rows(part(folder, args.megabytes), is_head=not number)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
