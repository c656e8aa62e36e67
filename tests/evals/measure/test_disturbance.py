"""What the machine did besides: counted from the kernel's own numbers."""

import os
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from rsi.evals.errors import MeasurementError
from rsi.evals.measure.disturbance import (
    MachineReading,
    disturbance_between,
    quietest_cores,
    read_machine,
)
from rsi.evals.measure.machine import timing_gpus
from rsi.sandboxes.errors import LeaseTimeoutError
from rsi.sandboxes.machine.devices import Gpu, GpuHealth
from rsi.sandboxes.machine.leases import leased
from rsi.tasks.choices import Device
from rsi.tasks.format.loader import load_task

CORES = os.cpu_count() or 1


def reading(at_s: float, *, own: float = 0.0, busy: float | None = 0.0, steal: float | None = 0.0):
    return MachineReading(at_s=at_s, own_cpu_s=own, busy_s=busy, steal_s=steal, load_1m=1.0)


def test_an_idle_machine_is_not_disturbed() -> None:
    found = disturbance_between(reading(0.0), reading(10.0, own=9.0, busy=9.2), 9.0)
    assert not found.is_disturbed
    assert found.others_cpu_s == pytest.approx(0.2)


def test_a_neighbour_that_burns_a_core_is_a_disturbance() -> None:
    found = disturbance_between(reading(0.0), reading(10.0, own=9.0, busy=9.0 + 5.0 * CORES), 9.0)
    assert found.is_disturbed


def test_stolen_time_is_a_disturbance() -> None:
    assert disturbance_between(reading(0.0), reading(10.0, steal=0.5 * CORES), 0.0).is_disturbed


def test_a_run_outside_this_process_counts_as_ours() -> None:
    found = disturbance_between(reading(0.0), reading(10.0, own=0.1, busy=8.1), 8.0)
    assert found.others_cpu_s == pytest.approx(0.1)


def test_unknown_stays_unknown() -> None:
    found = disturbance_between(
        reading(0.0, busy=None, steal=None), reading(1.0, busy=None, steal=None), 1.0
    )
    assert found.others_cpu_s is None
    assert found.steal_s is None
    assert not found.is_disturbed


def test_no_proc_file_is_no_crash(tmp_path: Path) -> None:
    found = read_machine(tmp_path / "none")
    assert found.busy_s is None


@pytest.mark.skipif(sys.platform != "linux", reason="/proc/stat is Linux")
def test_the_kernels_counters_are_read() -> None:
    found = read_machine()
    assert found.busy_s is not None
    assert found.busy_s > 0


def test_the_quietest_cores_come_back_in_order() -> None:
    assert quietest_cores(5, [3, 1]) == (1, 3)
    assert len(quietest_cores(1, [0, 1], sample_s=0.01)) == 1


def healthy(**changes: object) -> GpuHealth:
    quiet = GpuHealth(
        uuid="GPU-1234567890",
        free_bytes=79 << 30,
        memory_bytes=80 << 30,
        foreign_pids=(),
        sm_clock_mhz=1980,
        memory_clock_mhz=2619,
        temperature_c=41,
        power_w=None,
        throttle_reasons=(),
        is_idle=False,
        ecc_errors=0,
    )
    return replace(quiet, **changes)


def test_a_gpu_is_read_beside_the_machine_and_its_state_is_kept(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    states = iter([healthy(), healthy(foreign_pids=(17,), throttle_reasons=("sync boost",))])
    monkeypatch.setattr("rsi.evals.measure.disturbance.gpu_health", lambda _uuid: next(states))
    before = read_machine(gpus=("GPU-1234567890",))
    found = disturbance_between(before, read_machine(gpus=("GPU-1234567890",)), None)
    assert found.is_disturbed
    assert found.gpus == ("GPU-12345678 79.0 of 80.0 GiB free, 1980 MHz, 41 °C, sync boost",)
    (problem,) = found.gpu_problems
    assert "17" in problem


@pytest.mark.parametrize("device", list(Device))
def test_only_a_task_that_wants_a_gpu_leases_one(
    monkeypatch: pytest.MonkeyPatch, device: Device, tmp_path: Path
) -> None:
    gpu = Gpu(uuid="GPU-1", name="H", minor=0, memory_bytes=1, driver="1")
    monkeypatch.setattr("rsi.evals.measure.machine.find_gpus", lambda: (gpu,))
    monkeypatch.setattr("rsi.sandboxes.machine.devices.find_gpus", lambda: (gpu,))
    monkeypatch.setenv("RSI_LEASE_DIR", str(tmp_path))
    task = replace(load_task("toy"), device=device)
    with timing_gpus(task) as held:
        assert held == (() if device is Device.CPU else ("GPU-1",))
        if held:
            with pytest.raises(LeaseTimeoutError), leased(held, wait_s=0.0):
                pass


def test_a_task_that_needs_a_gpu_cannot_be_measured_without(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("rsi.evals.measure.machine.find_gpus", tuple)
    monkeypatch.setattr("rsi.sandboxes.machine.devices.find_gpus", tuple)
    task = load_task("toy")
    with timing_gpus(replace(task, device=Device.ANY)) as held:
        assert held == ()
    wants = replace(task, device=Device.CUDA)
    with pytest.raises(MeasurementError, match="needs 1 NVIDIA GPU"), timing_gpus(wants):
        pass
