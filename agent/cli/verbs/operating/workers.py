"""Verb that lists workers: who is alive, on what machine, doing what, since when."""

import argparse
from dataclasses import dataclass
from datetime import datetime

from rsi.agent.cli.context import emit, open_to_read, table
from rsi.agent.queue.liveness import is_alive
from rsi.agent.queue.standstill import NO_WORKER
from rsi.agent.report.activity import activity_of
from rsi.agent.store.ledger import Ledger
from rsi.agent.store.records import WorkerRecord
from rsi.agent.store.state import ENDED_STATES


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """A worker and what it does."""

    worker: WorkerRecord
    state: str
    """"alive", "leaving", or "gone" while a campaign of it waits for another."""
    does: tuple[str, ...]
    """One line for each campaign that it holds."""


def workers(args: argparse.Namespace) -> int:
    """Workers that are there, and those that left a campaign behind."""
    with open_to_read() as ledger:
        now, held = ledger.now(), _held(ledger)
        found = [
            Work(worker=each, state=_state(each, now), does=held.get(each.id, ()))
            for each in ledger.workers()
            if is_alive(each, now) or each.id in held
        ]
    rows = [
        (
            each.worker.host,
            str(each.worker.pid),
            each.state,
            f"{each.worker.started_at.astimezone():%m-%d %H:%M}",
            "; ".join(each.does) or "waits for campaigns",
            _machine(each.worker),
        )
        for each in found
    ]
    lines = table(("host", "pid", "state", "since", "does", "machine"), rows)
    is_served = any(each.state == "alive" for each in found)
    emit(args, found, [*(lines if found else []), *([] if is_served else [NO_WORKER])])
    return 0


def _held(ledger: Ledger) -> dict[str, tuple[str, ...]]:
    """What each worker does, by its id."""
    held: dict[str, tuple[str, ...]] = {}
    for each in ledger.campaigns():
        if each.state in ENDED_STATES:
            continue
        holder = ledger.holder(each.record.id).worker_id
        if holder is not None:
            doing = activity_of(ledger, each.record.id)
            said = f"{each.record.id}: {doing.text if doing else each.state.value}"
            held[holder] = (*held.get(holder, ()), said)
    return held


def _machine(worker: WorkerRecord) -> str:
    told = "not told" if worker.hardware is None else worker.hardware.text
    return f"{told}, labels {', '.join(worker.labels)}" if worker.labels else told


def _state(worker: WorkerRecord, now: datetime) -> str:
    if not is_alive(worker, now):
        return "gone"
    return "leaving" if worker.is_leaving else "alive"
