"""GPUs are found, leased and judged; where there are none, that is said."""

import subprocess
import sys
from dataclasses import replace

import pytest

from rsi.sandboxes.errors import BackendUnavailableError, LeaseTimeoutError
from rsi.sandboxes.machine.devices import (
    GpuHealth,
    device_nodes,
    disturbances,
    find_gpus,
    gpu_health,
    leased_gpus,
    require_gpus,
)
from rsi.sandboxes.machine.leases import leased

QUIET = GpuHealth(
    uuid="GPU-1",
    free_bytes=79 << 30,
    memory_bytes=80 << 30,
    foreign_pids=(),
    sm_clock_mhz=1980,
    memory_clock_mhz=2619,
    temperature_c=40,
    power_w=90.0,
    throttle_reasons=(),
    is_idle=False,
    ecc_errors=0,
)


def test_a_quiet_gpu_disturbs_nothing():
    assert disturbances(QUIET, QUIET) == ()


@pytest.mark.parametrize(
    "change",
    [
        {"throttle_reasons": ("software power cap", "application clocks setting")},
        {"sm_clock_mhz": 345, "is_idle": True},
    ],
)
def test_what_holds_for_both_arms_or_for_an_idle_gpu_spoils_nothing(change):
    assert disturbances(QUIET, replace(QUIET, **change)) == ()


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"foreign_pids": (17,)}, "17"),
        ({"free_bytes": 40 << 30}, "MiB"),
        ({"throttle_reasons": ("hardware thermal slowdown",)}, "thermal"),
        ({"sm_clock_mhz": 1200}, "MHz"),
        ({"ecc_errors": 1}, "memory errors"),
    ],
)
def test_whatever_spoils_a_timing_is_named(change, word):
    (sentence,) = disturbances(QUIET, replace(QUIET, **change))
    assert word in sentence


def test_a_task_that_needs_a_gpu_is_refused_with_a_sentence():
    if find_gpus():
        pytest.skip("this machine has one")
    with pytest.raises(BackendUnavailableError, match="GPU machine"):
        require_gpus()
    with pytest.raises(BackendUnavailableError, match="not here"):
        device_nodes(["GPU-none"])
    with pytest.raises(BackendUnavailableError, match="no NVIDIA driver"):
        gpu_health("GPU-none")


def test_a_lease_keeps_other_processes_out_and_ends_with_its_holder(tmp_path):
    program = (
        "import sys\nfrom pathlib import Path\nfrom rsi.sandboxes.machine.leases import leased\n"
        "with leased(['GPU-1'], wait_s=0, folder=Path(sys.argv[1])):\n    print('held', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as holder:
        assert holder.stdout.readline() == b"held\n"
        with (
            pytest.raises(LeaseTimeoutError, match="in use"),
            leased(["GPU-1"], wait_s=0.1, folder=tmp_path),
        ):
            pass
        with leased(["GPU-2"], wait_s=0, folder=tmp_path):
            pass
        holder.kill()
    with leased(["GPU-1"], wait_s=1, folder=tmp_path):
        pass


@pytest.mark.gpu
def test_a_gpu_is_found_leased_and_healthy():
    with leased_gpus(1) as (gpu,):
        assert gpu_health(gpu.uuid).memory_bytes == gpu.memory_bytes
        assert f"/dev/nvidia{gpu.minor}" in device_nodes([gpu.uuid])


@pytest.mark.gpu
def test_a_gpu_can_be_used_inside(bubblewrap, make_spec):
    (gpu, *_) = require_gpus()
    program = "import ctypes; c = ctypes.CDLL('libcuda.so.1'); print(c.cuInit(0))"
    with bubblewrap.open(replace(make_spec(memory_bytes=8 << 30), gpus=(gpu.uuid,))) as sandbox:
        assert sandbox.exec(["python", "-c", program]).stdout == b"0\n"
