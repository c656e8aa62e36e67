"""What a sandbox costs: latency, CPU overhead and leftovers, each beside the bare thing in the same run.

Usage: python benchmarks/sandboxes.py [--rounds N] [--work-s S] [--many N]
Rounds are interleaved, so that a machine that gets busy slows every column alike.
"""

import argparse
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from rsi.sandboxes import cgroups
from rsi.sandboxes.environments import prepare_python
from rsi.sandboxes.pool import SandboxPool
from rsi.sandboxes.select import available_backends
from rsi.sandboxes.types import Backend, Environment, Limits, SandboxSpec

ENVIRONMENT = Environment(name="conformance")
WORK = """
import time
total = 0
for step in range({steps}):
    total += step * step
print(time.process_time())
"""
STEPS_PER_S = 8_000_000
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


def spec(wall_s: float = 600.0) -> SandboxSpec:
    """One small sandbox."""
    limits = Limits(wall_s=wall_s, memory_bytes=256 << 20, disk_bytes=32 << 20, shm_bytes=8 << 20)
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
    """CPU seconds of the same work in each backend over the bare run of the same interpreter, in ABBA pairs."""
    steps = int(work_s * STEPS_PER_S)
    program = WORK.format(steps=steps)
    python = str(prepare_python(ENVIRONMENT).bin_folder / "python")
    print(f"\nCPU time of {steps:,} steps over the bare run, {rounds} pairs")
    for backend in backends:
        bare = [python, "-c", program]
        if (
            "docker" in backend.name
        ):  # an image has an interpreter of its own: compare with a plain container
            bare = ["docker", "run", "--rm", backend.prepare(ENVIRONMENT), "python", "-c", program]
        ratios: list[float] = []
        for at in range(rounds):
            arms = [
                lambda bare=bare: bare_cpu_s(bare),
                lambda backend=backend: sandboxed_cpu_s(backend, program),
            ]
            first, second = arms if at % 2 == 0 else arms[::-1]
            pair = (first(), second())
            plain, walled = pair if at % 2 == 0 else pair[::-1]
            ratios.append(walled / plain)
        spread = f"{min(ratios):.4f} .. {max(ratios):.4f}"
        print(f"{backend.name:34}x {statistics.geometric_mean(ratios):.4f}   ({spread})")


def sandboxed_cpu_s(backend: Backend, program: str) -> float:
    """CPU seconds of a program in a fresh sandbox, as the sandbox counts them."""
    with backend.open(spec()) as sandbox:
        return sandbox.exec(["python", "-c", program]).cpu_s


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
    with SandboxPool(backend, spec(), size=1) as pool:
        time.sleep(1.0 if "docker" in backend.name else 0.3)
        started = time.perf_counter()
        with pool.take() as sandbox:
            sandbox.exec(["true"])
            return time.perf_counter() - started


def timed(action: Callable[[], object]) -> float:
    """Seconds of an action."""
    started = time.perf_counter()
    action()
    return time.perf_counter() - started


def bare_cpu_s(argv: list[str]) -> float:
    """CPU seconds of a plain run, as the program itself prints them at its end."""
    shown = subprocess.run(argv, capture_output=True, text=True, check=True)
    return float(shown.stdout)


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
