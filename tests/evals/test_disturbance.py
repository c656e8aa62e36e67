"""What the machine did besides: counted from the kernel's own numbers."""

import os
import sys
from pathlib import Path

import pytest

from rsi.evals.disturbance import (
    MachineReading,
    disturbance_between,
    quietest_cores,
    read_machine,
)

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
