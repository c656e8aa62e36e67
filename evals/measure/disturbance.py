"""What else the machine did while a run was measured: load, stolen time, CPU used by others.

Does not: decide what a disturbance spoils; that depends on the clock (`pairing.py`).
Invariant: where the platform cannot tell, the answer is None, never zero.
"""

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from rsi.evals.types import Disturbance
from rsi.sandboxes.machine.devices import GpuHealth, gpu_health
from rsi.sandboxes.machine.devices import disturbances as gpu_disturbances

OTHERS_SHARE = 0.10
"""Part of all cores that others may use before a wall-clock sample counts as disturbed."""
STEAL_SHARE = 0.02
"""Part of all cores that the hypervisor may withhold."""
QUIET_POLL_S = 1.0
STOP_POLL_S = 0.25
PROC_STAT = Path("/proc/stat")
CPU_TOPOLOGY = Path("/sys/devices/system/cpu")


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineReading:
    """Counters of the whole machine at one moment."""

    at_s: float
    """Monotonic seconds."""
    own_cpu_s: float
    """CPU seconds of this process and of its children that have ended."""
    busy_s: float | None
    """CPU seconds spent by everyone since boot; None where unknown."""
    steal_s: float | None
    load_1m: float | None
    gpus: tuple[GpuHealth, ...] = ()
    """State of the GPUs that the run may use."""


def read_machine(proc_stat: Path = PROC_STAT, *, gpus: Sequence[str] = ()) -> MachineReading:
    """Read the counters now, and the state of the GPUs with these UUIDs.

    Raises:
        BackendUnavailableError: One of the GPUs is not here any more.
    """
    busy = steal = None
    totals = _cpu_times(proc_stat).get("cpu")
    if totals is not None:
        busy, steal = totals
    own = os.times()
    try:
        load: float | None = os.getloadavg()[0]
    except OSError:
        load = None
    return MachineReading(
        at_s=time.monotonic(),
        own_cpu_s=own.user + own.system + own.children_user + own.children_system,
        busy_s=busy,
        steal_s=steal,
        load_1m=load,
        gpus=tuple(gpu_health(uuid) for uuid in gpus),
    )


def disturbance_between(
    before: MachineReading, after: MachineReading, run_cpu_s: float | None
) -> Disturbance:
    """What others did between two readings.

    Args:
        before: Read before the run started.
        after: Read after it ended.
        run_cpu_s: CPU seconds of the run itself, which an engine may have started outside this process.
    """
    capacity = max((after.at_s - before.at_s) * (os.cpu_count() or 1), 1e-9)
    # Children of this process are in its own counters; a container's are not. Whichever is larger is ours.
    own = max(after.own_cpu_s - before.own_cpu_s, run_cpu_s or 0.0)
    others = steal = None
    if before.busy_s is not None and after.busy_s is not None:
        others = max(0.0, after.busy_s - before.busy_s - own)
    if before.steal_s is not None and after.steal_s is not None:
        steal = max(0.0, after.steal_s - before.steal_s)
    is_disturbed = (others is not None and others > OTHERS_SHARE * capacity) or (
        steal is not None and steal > STEAL_SHARE * capacity
    )
    spoiled = [
        sentence
        for was, now in zip(before.gpus, after.gpus, strict=True)
        for sentence in gpu_disturbances(was, now)
    ]
    return Disturbance(
        load_1m=after.load_1m,
        steal_s=steal,
        others_cpu_s=others,
        is_disturbed=is_disturbed or bool(spoiled),
        gpus=tuple(_gpu_line(each) for each in after.gpus),
        gpu_problems=tuple(spoiled),
    )


def wait_for(seconds: float, *, should_stop: Callable[[], bool] = lambda: False) -> None:
    """Let time pass, less when it is to stop."""
    deadline = time.monotonic() + seconds
    while (left := deadline - time.monotonic()) > 0 and not should_stop():
        time.sleep(min(left, STOP_POLL_S))


def wait_until_quiet(timeout_s: float, *, should_stop: Callable[[], bool] = lambda: False) -> bool:
    """Wait until others leave the machine alone for a second; False when that did not happen in time or was stopped."""
    deadline = time.monotonic() + timeout_s
    while True:
        before = read_machine()
        time.sleep(QUIET_POLL_S)
        if not disturbance_between(before, read_machine(), None).is_disturbed:
            return True
        if time.monotonic() >= deadline or should_stop():
            return False


def quietest_cores(
    count: int, allowed: Sequence[int], *, sample_s: float = 0.2, proc_stat: Path = PROC_STAT
) -> tuple[int, ...]:
    """The `count` allowed cores that did least during a short sample, in ascending order.

    Falls back to the first allowed cores where the platform does not count per core.
    """
    if count >= len(allowed):
        return tuple(sorted(allowed))
    before = _cpu_times(proc_stat)
    time.sleep(sample_s)
    after = _cpu_times(proc_stat)

    def busy_s(core: int) -> float:
        name = f"cpu{core}"
        if name not in before or name not in after:
            return 0.0
        return sum(after[name]) - sum(before[name])

    return tuple(sorted(sorted(allowed, key=lambda core: (busy_s(core), core))[:count]))


def physical_cores(allowed: Sequence[int], topology: Path = CPU_TOPOLOGY) -> tuple[int, ...]:
    """One of the allowed logical cores for each physical one, ascending; all of them where the platform does not say."""
    first: dict[str, int] = {}
    for core in sorted(allowed):
        try:
            siblings = (topology / f"cpu{core}/topology/thread_siblings_list").read_text("ascii")
        except OSError:
            siblings = str(core)
        first.setdefault(siblings, core)
    return tuple(first.values())


def _gpu_line(health: GpuHealth) -> str:
    """One GPU's state for people, without what it does not tell."""
    parts = [
        f"{health.uuid[:12]} {health.free_bytes / (1 << 30):.1f} of {health.memory_bytes / (1 << 30):.1f} GiB free"
    ]
    readings = (
        (health.sm_clock_mhz, "MHz"),
        (health.temperature_c, "°C"),
        (health.power_w, "W"),
    )
    parts += [f"{value:.0f} {unit}" for value, unit in readings if value is not None]
    return ", ".join([*parts, *health.throttle_reasons])


def _cpu_times(proc_stat: Path) -> dict[str, tuple[float, float]]:
    """Busy and stolen seconds by line name of /proc/stat; empty where there is none."""
    try:
        lines = proc_stat.read_text(encoding="ascii").splitlines()
        tick = os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError):
        return {}
    times = {}
    for line in lines:
        fields = line.split()
        if not fields or not fields[0].startswith("cpu") or len(fields) < 9:
            continue
        user, nice, system, _idle, _iowait, irq, softirq, steal = map(int, fields[1:9])
        times[fields[0]] = ((user + nice + system + irq + softirq) / tick, steal / tick)
    return times
