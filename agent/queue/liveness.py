"""Which workers are there: by their process where it can be seen, by their heartbeat elsewhere.

A process can be seen from the same kernel and PID namespace alone; host names say nothing, for clones and containers share
them. Heartbeats are told by the database's clock, so that nobody's own clock matters.
"""

import os
import secrets
import socket
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from importlib.metadata import version
from pathlib import Path

from rsi.agent.policy.placing import fits
from rsi.agent.store.ledger import Ledger
from rsi.agent.store.records import CampaignRecord, WorkerRecord
from rsi.sandboxes.machine.hardware import find_hardware

DEAD_AFTER_S = 60.0
"""A worker whose process cannot be seen from here, and that was silent for so long, is taken for dead."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where process numbers mean the same."""

    boot_id: str
    pid_namespace: str


def this_place() -> Place:
    """The kernel and the PID namespace that this process runs in; empty where they cannot be told."""
    boot_id = pid_namespace = ""
    with suppress(OSError):
        boot_id = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        pid_namespace = str(Path("/proc/self/ns/pid").readlink())
    return Place(boot_id=boot_id, pid_namespace=pid_namespace)


def this_worker(now: datetime, labels: Sequence[str] = ()) -> WorkerRecord:
    """A record of this process as a worker.

    Args:
        now: By the database's clock.
        labels: What its operator calls it.
    """
    host, pid, place = socket.gethostname(), os.getpid(), this_place()
    return WorkerRecord(
        id=f"{host}-{pid}-{secrets.token_hex(4)}",
        host=host,
        pid=pid,
        started_at=now,
        heartbeat_at=now,
        version=version("rsi-lab"),
        boot_id=place.boot_id,
        pid_namespace=place.pid_namespace,
        start_tick=start_tick(pid),
        hardware=find_hardware(),
        labels=tuple(labels),
    )


def is_alive(worker: WorkerRecord, now: datetime) -> bool:
    """Whether a worker is there.

    Args:
        worker: As the ledger has it.
        now: By the ledger's clock.
    """
    if _is_seen(worker):
        return start_tick(worker.pid) == worker.start_tick
    return now - worker.heartbeat_at < timedelta(seconds=DEAD_AFTER_S)


def is_gone(worker: WorkerRecord) -> bool:
    """Whether a worker is known to be there no more, whatever its heartbeat says: it said so, or its process ended here."""
    return worker.is_leaving or (_is_seen(worker) and start_tick(worker.pid) != worker.start_tick)


def _is_seen(worker: WorkerRecord) -> bool:
    """Whether its process would be seen from here."""
    place = Place(boot_id=worker.boot_id, pid_namespace=worker.pid_namespace)
    known = all((place.boot_id, place.pid_namespace, worker.start_tick))
    return known and place == this_place()


def may_run(ledger: Ledger, campaign: CampaignRecord, worker: WorkerRecord) -> bool:
    """Whether a worker's machine is what a campaign asks for, and of the class that it was measured on so far.

    What was measured on one class says nothing beside what is measured on another, so a campaign never changes it. One that
    nobody began, or that a worker of an older version began, may go on anywhere that fits.
    """
    if not fits(worker, campaign.config.on):
        return False
    begun_on = ledger.machine_class(campaign.id)
    return begun_on is None or worker.hardware is None or begun_on == worker.hardware.class_id


def stays(worker: WorkerRecord) -> bool:
    """Whether a worker neither ends nor is about to; a paused one does not."""
    return not worker.is_leaving and not worker.is_draining


def serves(worker: WorkerRecord) -> bool:
    """Whether a worker that is there takes campaigns: it stays and is not paused."""
    return stays(worker) and not worker.is_paused


def live_workers(ledger: Ledger) -> tuple[WorkerRecord, ...]:
    """Workers that are there and stay; a paused one does."""
    now = ledger.now()
    return tuple(each for each in ledger.workers() if stays(each) and is_alive(each, now))


def dead_workers(ledger: Ledger) -> tuple[WorkerRecord, ...]:
    """Workers that are not there any more."""
    now = ledger.now()
    return tuple(each for each in ledger.workers() if not is_alive(each, now))


def start_tick(pid: int) -> int | None:
    """When a process that can be seen from here started, in clock ticks since boot; None when it is gone."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    fields = stat.rpartition(")")[2].split()  # what follows the name, which may hold anything
    return None if fields[0] in "ZX" else int(fields[19])
