"""Which GPU a task's runs get, held alone while they are timed.

Does not: judge its state; `disturbance.py` does, beside every run.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from rsi.evals.errors import MeasurementError
from rsi.sandboxes.devices import find_gpus, leased_gpus
from rsi.sandboxes.errors import BackendUnavailableError, LeaseTimeoutError
from rsi.tasks.types import Device, Task

GPU_WAIT_S = 3600.0


@contextmanager
def timing_gpus(task: Task) -> Iterator[tuple[str, ...]]:
    """UUIDs of the GPU that a task's runs get, leased from all other timings; none for CPU tasks.

    Raises:
        MeasurementError: The task needs a GPU and none is here, or it stayed in use for an hour.
    """
    with ExitStack() as held:
        uuids: tuple[str, ...] = ()
        if task.device is Device.CUDA or usable_gpus(task):
            try:
                gpus = held.enter_context(leased_gpus(wait_s=GPU_WAIT_S))
            except (BackendUnavailableError, LeaseTimeoutError) as error:
                raise MeasurementError(str(error)) from error
            uuids = tuple(each.uuid for each in gpus)
        yield uuids


def usable_gpus(task: Task) -> tuple[str, ...]:
    """UUIDs of every GPU here that a task may use; empty for CPU tasks and without one."""
    return () if task.device is Device.CPU else tuple(each.uuid for each in find_gpus())
