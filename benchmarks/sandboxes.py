"""What a sandbox costs: latency, CPU overhead and leftovers, each beside the bare thing in the same run.

Usage: python benchmarks/sandboxes.py [--rounds N] [--work-s S] [--many N]
Rounds are interleaved, so that a machine that gets busy slows every column alike.
"""

import argparse
import contextlib
import os
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from rsi.sandboxes.machine import cgroups
from rsi.sandboxes.machine.environments import prepare_python
from rsi.sandboxes.pool import SandboxPool
from rsi.sandboxes.select import available_backends
from rsi.sandboxes.time_slices import TimeSlices, TimeSlot
from rsi.sandboxes.types import Backend, Environment, Limits, SandboxSpec

ENVIRONMENT = Environment(name="conformance")
WORK = """
import hashlib, time
block = bytes(1 << 20)
for step in range({steps}):
    hashlib.blake2b(block).digest()
print(time.process_time())
"""
"""Compiled code over one block: how an interpreter's memory happens to be laid out would move a loop in Python by 10 %."""
STEPS_PER_S = 600
"""About what one core of 2025 does in this loop; only sets how long the work lasts."""

WARM_UPS = 30
"""An engine's client keeps a bounded number of idle connections; these fill it."""


def main() -> None:
    """Run all parts and print their tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--work-s", type=float, default=10.0)
    parser.add_argument("--work-rounds", type=int, default=5)
    parser.add_argument("--many", type=int, default=200)
    options = parser.parse_args()
    sys.stdout.reconfigure(line_buffering=True)  # somebody may be watching through a pipe
    backends = [each.backend for each in available_backends() if each.availability.is_available]
    for backend in backends:
        backend.prepare(ENVIRONMENT, lambda line: print(f"  {line}", file=sys.stderr))
    show_latency(backends, options.rounds)
    show_overhead(backends, options.work_s, options.work_rounds)
    show_leftovers(backends, options.many)


def spec(wall_s: float = 600.0, cpus: tuple[int, ...] | None = None) -> SandboxSpec:
    """One small sandbox."""
    limits = Limits(
        wall_s=wall_s, memory_bytes=256 << 20, disk_bytes=32 << 20, shm_bytes=8 << 20, cpus=cpus
    )
    return SandboxSpec(environment=ENVIRONMENT, limits=limits, label="bench")


def show_latency(backends: list[Backend], rounds: int) -> None:
    """A sandboxed `true`: fresh, in an open sandbox, and from a pool."""
    ways: dict[str, Callable[[], float]] = {
        "bare process": lambda: timed(lambda: subprocess.run(["true"], check=True))
    }
    docker = next((each for each in backends if each.name == "docker"), None)
    if docker is not None:
        image = docker.prepare(ENVIRONMENT)
        command = ["docker", "run", "--rm", "--network", "none", image, "true"]
        ways["bare docker run"] = lambda: timed(
            lambda: subprocess.run(command, check=True, capture_output=True)
        )
    for backend in backends:
        ways[f"{backend.name}, fresh"] = lambda backend=backend: timed(lambda: run_fresh(backend))
        ways[f"{backend.name}, exec in an open one"] = lambda backend=backend: time_exec(backend)
        ways[f"{backend.name}, from a pool"] = lambda backend=backend: time_pool(backend)
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            seconds[name].append(way())
    base = statistics.median(seconds["bare process"])
    print(
        f"\nlatency of `true` ({rounds} interleaved rounds)\n{'':34}{'median ms':>10}{'p90 ms':>10}{'x bare':>9}"
    )
    for name, times in seconds.items():
        median, p90 = statistics.median(times), sorted(times)[int(0.9 * len(times))]
        print(f"{name:34}{median * 1e3:10.1f}{p90 * 1e3:10.1f}{median / base:9.1f}")


def show_overhead(backends: list[Backend], work_s: float, rounds: int) -> None:
    """CPU seconds of the same work in each backend over the bare run of the same interpreter, in turns on one core."""
    steps = int(work_s * STEPS_PER_S)
    program = WORK.format(steps=steps)
    python = str(prepare_python(ENVIRONMENT).bin_folder / "python")
    print(f"\nCPU time of {steps:,} steps over the bare run, {rounds} pairs in turns")
    for backend in backends:
        ratios: list[float] = []
        for at in range(rounds):
            with TimeSlices(first=at % 2) as turns, ThreadPoolExecutor(2) as pool:
                plain_time_slot, walled_time_slot = turns.time_slots
                walled = pool.submit(sandboxed_cpu_s, backend, program, walled_time_slot)
                if "docker" in backend.name:
                    # An image has an interpreter of its own: compare with a plain container.
                    plain = pool.submit(plain_container_cpu_s, backend, program, plain_time_slot)
                else:
                    argv = ["taskset", "-c", "0", python, "-c", program]
                    plain = pool.submit(bare_cpu_s, argv, plain_time_slot)
                ratios.append(walled.result() / plain.result())
        spread = f"{min(ratios):.4f} .. {max(ratios):.4f}"
        print(f"{backend.name:34}x {statistics.geometric_mean(ratios):.4f}   ({spread})")


def sandboxed_cpu_s(backend: Backend, program: str, time_slot: TimeSlot) -> float:
    """CPU seconds of a program in a fresh sandbox, as the program itself prints them at its end."""
    try:
        with backend.open(spec(cpus=(0,))) as sandbox:
            result = sandbox.exec(["python", "-c", program], time_slot=time_slot)
            return float(result.stdout)
    finally:
        time_slot.leave()


def plain_container_cpu_s(backend: Backend, program: str, time_slot: TimeSlot) -> float:
    """The same in a container that nothing of ours is in."""
    name = f"rsi-bench-{os.getpid()}"
    argv = [
        "docker",
        "run",
        "--rm",
        "--name",
        name,
        "--cpuset-cpus",
        "0",
        backend.prepare(ENVIRONMENT),
    ]

    def pid_of(_: subprocess.Popen[str]) -> int:
        ask = ["docker", "inspect", "--format", "{{.State.Pid}}", name]
        while True:
            shown = subprocess.run(ask, capture_output=True, text=True, check=False).stdout.strip()
            if shown not in {"", "0"}:
                return int(shown)
            time.sleep(0.01)

    return bare_cpu_s([*argv, "python", "-c", program], time_slot, pid_of)


def bare_cpu_s(
    argv: list[str],
    time_slot: TimeSlot,
    pid_of: Callable[["subprocess.Popen[str]"], int] = lambda process: process.pid,
) -> float:
    """CPU seconds of a plain run that takes turns by signals, as the program itself prints them at its end."""
    try:
        with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as process:
            pid = pid_of(process)
            os.kill(pid, signal.SIGSTOP)
            time_slot.arrive()
            while process.poll() is None:
                if not time_slot.has_turn:
                    time.sleep(0.001)
                    continue
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGCONT)
                    with contextlib.suppress(subprocess.TimeoutExpired):
                        process.wait(time_slot.slice_s(0.0))
                    if process.poll() is None and not time_slot.is_alone:
                        os.kill(pid, signal.SIGSTOP)
                        time_slot.pass_on()
            return float(process.stdout.read())
    finally:
        time_slot.leave()


def show_leftovers(backends: list[Backend], many: int) -> None:
    """Many sandboxes in a row, and what they left."""
    print(f"\nleft behind by {many} sandboxes")
    for backend in backends:
        for _ in range(WARM_UPS):
            run_fresh(backend)
        before = traces()
        started = time.monotonic()
        for _ in range(many):
            run_fresh(backend)
        left = {
            name: after - before[name] for name, after in traces().items() if after != before[name]
        }
        print(
            f"{backend.name:34}{left or 'nothing'}   ({(time.monotonic() - started) / many * 1e3:.0f} ms each)"
        )


def run_fresh(backend: Backend) -> None:
    """Open, run, close."""
    with backend.open(spec()) as sandbox:
        assert sandbox.exec(["true"]).exit_code == 0


def time_exec(backend: Backend) -> float:
    """Seconds of one command in an open sandbox."""
    with backend.open(spec()) as sandbox:
        return timed(lambda: sandbox.exec(["true"]))


def time_pool(backend: Backend) -> float:
    """Seconds from asking a filled pool to the end of one command."""
    with SandboxPool(backend, [spec()]) as pool:
        pool.settle()
        started = time.perf_counter()
        with pool.open(spec()) as sandbox:
            sandbox.exec(["true"])
            return time.perf_counter() - started


def timed(action: Callable[[], object]) -> float:
    """Seconds of an action."""
    started = time.perf_counter()
    action()
    return time.perf_counter() - started


def traces() -> dict[str, int]:
    """How much of what a sandbox could leave is there."""
    docker = subprocess.run(["docker", "ps", "-aq"], capture_output=True, text=True, check=False)
    return {
        "descriptors": len(list(Path("/proc/self/fd").iterdir())),
        "mounts": len(Path("/proc/self/mountinfo").read_text().splitlines()),
        "control groups": len(list(cgroups.ROOT.rglob("rsi-*"))),
        "children": len(Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()),
        "containers": len(docker.stdout.split()),
        "temporary folders": len(list(Path("/tmp").glob("rsi-process-*"))),
    }


if __name__ == "__main__":
    main()
