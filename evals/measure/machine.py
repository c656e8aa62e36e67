"""What of the machine a task's timed runs get: cores, and a GPU held alone.

Does not: judge its state; `disturbance.py` does, beside every run.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from rsi.evals.errors import MeasurementError
from rsi.evals.measure.disturbance import physical_cores, quietest_cores
from rsi.sandboxes.errors import BackendUnavailableError, LeaseTimeoutError, OperatorSettingError
from rsi.sandboxes.machine.devices import find_gpus, leased_gpus
from rsi.sandboxes.machine.leases import machine_lock
from rsi.tasks.choices import Device
from rsi.tasks.types import Profile, Task

GPU_WAIT_S = 3600.0

Cores = tuple[int, ...] | None
"""Cores that a run is pinned to; None leaves the choice to the kernel."""


@contextmanager
def timing_machine(
    folder: Path | None = None,
    *,
    should_stop: Callable[[], bool] | None = None,
    what: str = "a measurement",
) -> Iterator[bool]:
    """Hold the machine for a measurement, whoever else wants it; False when `should_stop` ended the wait.

    Args:
        folder: Where the lock is; None takes `$RSI_LEASE_DIR` or the cache's.
        should_stop: Asked several times a second while another measurement runs.
        what: Told meanwhile to whoever waits.

    Raises:
        MeasurementError: The lock file cannot be opened.
    """
    with ExitStack() as held:
        try:
            is_held = held.enter_context(machine_lock(folder, should_stop=should_stop, what=what))
        except OperatorSettingError as error:
            raise MeasurementError(str(error)) from error
        yield is_held


@contextmanager
def timing_gpus(
    task: Task, *, should_stop: Callable[[], bool] | None = None
) -> Iterator[tuple[str, ...] | None]:
    """UUIDs of the GPU that a task's runs get, leased from all other timings; none for CPU tasks.

    None instead when `should_stop`, asked several times a second, ended the wait for one.

    Raises:
        MeasurementError: The task needs a GPU and none is here, or it stayed in use for an hour.
    """
    with ExitStack() as held:
        uuids: tuple[str, ...] | None = ()
        if task.device is Device.CUDA or usable_gpus(task):
            try:
                gpus = held.enter_context(leased_gpus(wait_s=GPU_WAIT_S, should_stop=should_stop))
            except (BackendUnavailableError, LeaseTimeoutError, OperatorSettingError) as error:
                raise MeasurementError(str(error)) from error
            uuids = None if gpus is None else tuple(each.uuid for each in gpus)
        yield uuids


def usable_gpus(task: Task) -> tuple[str, ...]:
    """UUIDs of every GPU here that a task may use; empty for CPU tasks and without one."""
    return () if task.device is Device.CPU else tuple(each.uuid for each in find_gpus())


def timing_cores(profile: Profile, *, lanes: int = 1) -> tuple[Cores, ...]:
    """Cores for timed runs, the quietest where the task leaves the choice to the measurer: one set for each lane.

    Choose them while the machine is held: before that another measurement decides which are quiet.

    Args:
        profile: Says how many cores a run gets.
        lanes: How many sets that share no physical core are wanted; as many as there is room for come back, at least
            one.
    """
    if profile.limits.cpus is not None:
        return (profile.limits.cpus,)
    if not hasattr(os, "sched_getaffinity"):
        return (None,)
    allowed = sorted(os.sched_getaffinity(0))
    each = profile.cpu_count
    apart = physical_cores(allowed)
    room = min(lanes, len(apart) // each)
    if room <= 1:
        return (quietest_cores(each, allowed),)
    chosen = quietest_cores(each * room, apart)
    return tuple(chosen[at : at + each] for at in range(0, each * room, each))
