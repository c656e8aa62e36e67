"""GPUs: which there are, whether they are quiet, and who may time on them.

Does not: load anything until asked. NVML comes with the NVIDIA driver; without one there are simply no GPUs.
Invariant: a GPU is named by its UUID everywhere, never by an index that another process may count differently.
"""

# NVML's binding has no types:
# ruff: noqa: ANN401

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rsi.sandboxes.errors import BackendUnavailableError, LeaseTimeoutError
from rsi.sandboxes.machine.leases import leased

SHARED_NODES = (
    "/dev/nvidiactl",
    "/dev/nvidia-uvm",
    "/dev/nvidia-uvm-tools",
    "/dev/nvidia-modeset",
)
THROTTLE_BITS = {
    0x2: "application clocks setting",
    0x4: "software power cap",
    0x8: "hardware slowdown",
    0x10: "sync boost",
    0x20: "software thermal slowdown",
    0x40: "hardware thermal slowdown",
    0x80: "hardware power brake",
    0x100: "display clocks setting",
}
"""Reasons of nvml.h by which clocks are lower than they could be; 0x1 (idle) is none."""
IDLE_BIT = 0x1
SPOILING_REASONS = frozenset(THROTTLE_BITS[bit] for bit in (0x8, 0x20, 0x40, 0x80))
"""What slows one run and not the next. Settings and the power cap hold for both arms alike."""
QUIET_FREE_RATIO = 0.9
"""Share of its memory that an unused GPU has free; drivers and displays take a little."""
CLOCK_DRIFT_RATIO = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Gpu:
    """One GPU as NVML names it."""

    uuid: str
    name: str
    minor: int
    """N of /dev/nvidiaN."""
    memory_bytes: int
    driver: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GpuHealth:
    """The state of one GPU at one moment; None where the device does not tell."""

    uuid: str
    free_bytes: int
    memory_bytes: int
    foreign_pids: tuple[int, ...]
    """Compute processes on it, in the host's numbering."""
    sm_clock_mhz: int | None
    memory_clock_mhz: int | None
    temperature_c: int | None
    power_w: float | None
    throttle_reasons: tuple[str, ...]
    is_idle: bool
    """Nothing runs on it, so its clocks say nothing about a run."""
    ecc_errors: int | None
    """Uncorrected, since the driver was loaded."""


def find_gpus() -> tuple[Gpu, ...]:
    """Every NVIDIA GPU here; empty without a driver."""
    with _nvml() as nvml:
        if nvml is None:
            return ()
        driver = nvml.nvmlSystemGetDriverVersion()
        handles = [nvml.nvmlDeviceGetHandleByIndex(at) for at in range(nvml.nvmlDeviceGetCount())]
        return tuple(
            Gpu(
                uuid=nvml.nvmlDeviceGetUUID(handle),
                name=nvml.nvmlDeviceGetName(handle),
                minor=nvml.nvmlDeviceGetMinorNumber(handle),
                memory_bytes=nvml.nvmlDeviceGetMemoryInfo(handle).total,
                driver=driver,
            )
            for handle in handles
        )


def require_gpus(count: int = 1) -> tuple[Gpu, ...]:
    """The GPUs of this machine, refused when there are fewer than asked for.

    Raises:
        BackendUnavailableError: There are too few.
    """
    found = find_gpus()
    if len(found) < count:
        raise BackendUnavailableError(
            f"this task needs {count} NVIDIA GPU(s) and the driver here shows {len(found)};"
            " run it on a GPU machine, or choose a task whose device is 'cpu' or 'any'"
        )
    return found


def gpu_health(uuid: str) -> GpuHealth:
    """Read one GPU's state.

    Raises:
        BackendUnavailableError: There is no such GPU (any more).
    """
    with _nvml() as nvml:
        if nvml is None:
            raise BackendUnavailableError(f"GPU {uuid!r}: no NVIDIA driver answers here")
        try:
            handle = nvml.nvmlDeviceGetHandleByUUID(uuid)
        except nvml.NVMLError as error:
            raise BackendUnavailableError(f"GPU {uuid!r} is not here: {error}") from error
        return _health(nvml, handle, uuid)


def disturbances(before: GpuHealth, after: GpuHealth) -> tuple[str, ...]:
    """What makes timings between two states untrustworthy, as sentences; empty when nothing does."""
    found: list[str] = []
    for when, health in (("before", before), ("after", after)):
        if health.foreign_pids:
            found.append(f"{when}: other processes {list(health.foreign_pids)} compute on the GPU")
        if health.free_bytes < QUIET_FREE_RATIO * health.memory_bytes:
            found.append(f"{when}: only {health.free_bytes >> 20} MiB of GPU memory are free")
        found += [
            f"{when}: clocks are held down by {reason}"
            for reason in health.throttle_reasons
            if reason in SPOILING_REASONS
        ]
    is_idle = before.is_idle or after.is_idle
    if before.sm_clock_mhz and after.sm_clock_mhz and not is_idle:
        drift = abs(after.sm_clock_mhz - before.sm_clock_mhz) / before.sm_clock_mhz
        if drift > CLOCK_DRIFT_RATIO:
            found.append(f"the clock moved from {before.sm_clock_mhz} to {after.sm_clock_mhz} MHz")
    if before.ecc_errors != after.ecc_errors:
        found.append("uncorrected memory errors occurred in between")
    return tuple(found)


@contextlib.contextmanager
def leased_gpus(
    count: int = 1, *, wait_s: float = 0.0, should_stop: Callable[[], bool] | None = None
) -> Iterator[tuple[Gpu, ...] | None]:
    """Hold the first `count` GPUs that nobody else times on; None when `should_stop` ended the wait.

    Raises:
        BackendUnavailableError: There are fewer.
        LeaseTimeoutError: They stayed in use.
    """
    found = require_gpus(count)
    with contextlib.ExitStack() as held:
        taken: list[Gpu] = []
        for gpu in found:
            with contextlib.suppress(LeaseTimeoutError):
                held.enter_context(leased([gpu.uuid], wait_s=0.0))
                taken.append(gpu)
            if len(taken) == count:
                break
        if len(taken) < count:
            held.pop_all().close()
            taken = list(found[:count])
            names = [gpu.uuid for gpu in taken]
            if not held.enter_context(leased(names, wait_s=wait_s, should_stop=should_stop)):
                yield None
                return
        yield tuple(taken)


def device_nodes(uuids: Sequence[str]) -> tuple[str, ...]:
    """Paths under /dev that a process needs to use these GPUs.

    Raises:
        BackendUnavailableError: One of them is not here.
    """
    by_uuid = {gpu.uuid: gpu for gpu in find_gpus()}
    missing = [uuid for uuid in uuids if uuid not in by_uuid]
    if missing:
        raise BackendUnavailableError(
            f"GPU {missing[0]!r} is not here; `rsi doctor` lists those that are"
        )
    nodes = [f"/dev/nvidia{by_uuid[uuid].minor}" for uuid in uuids]
    return tuple(node for node in (*nodes, *SHARED_NODES) if Path(node).exists())


@contextlib.contextmanager
def _nvml() -> Iterator[Any]:
    """The NVML module, initialised; None where there is no driver."""
    try:
        import pynvml
    except ImportError:
        yield None
        return
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        yield None
        return
    try:
        yield pynvml
    finally:
        pynvml.nvmlShutdown()


def _health(nvml: Any, handle: Any, uuid: str) -> GpuHealth:
    def ask(name: str, *arguments: object) -> Any:
        """One reading, None where this device does not support it."""
        try:
            return getattr(nvml, name)(handle, *arguments)
        except nvml.NVMLError:
            return None

    memory = nvml.nvmlDeviceGetMemoryInfo(handle)
    running = ask("nvmlDeviceGetComputeRunningProcesses") or []
    power_mw = ask("nvmlDeviceGetPowerUsage")
    bits = ask("nvmlDeviceGetCurrentClocksThrottleReasons") or 0
    return GpuHealth(
        uuid=uuid,
        free_bytes=memory.free,
        memory_bytes=memory.total,
        foreign_pids=tuple(sorted(each.pid for each in running)),
        sm_clock_mhz=ask("nvmlDeviceGetClockInfo", nvml.NVML_CLOCK_SM),
        memory_clock_mhz=ask("nvmlDeviceGetClockInfo", nvml.NVML_CLOCK_MEM),
        temperature_c=ask("nvmlDeviceGetTemperature", nvml.NVML_TEMPERATURE_GPU),
        power_w=None if power_mw is None else power_mw / 1000,
        throttle_reasons=tuple(text for bit, text in THROTTLE_BITS.items() if bits & bit),
        is_idle=bool(bits & IDLE_BIT),
        ecc_errors=ask(
            "nvmlDeviceGetTotalEccErrors",
            nvml.NVML_MEMORY_ERROR_TYPE_UNCORRECTED,
            nvml.NVML_VOLATILE_ECC,
        ),
    )
