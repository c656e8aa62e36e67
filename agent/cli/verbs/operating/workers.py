"""Verbs about workers: who is alive, on what machine, doing what, since when; pause, resume and drain them."""

import argparse
from dataclasses import dataclass
from datetime import datetime

from rsi.agent.cli.context import emit, home, note, open_to_read, table
from rsi.agent.policy.gate import person
from rsi.agent.policy.placing import label_problem
from rsi.agent.policy.settings import CampaignConfigError
from rsi.agent.queue.handing_on import name_of, workers_named
from rsi.agent.queue.liveness import is_alive
from rsi.agent.queue.slurm import SlurmJobs, slurm_logs, submit
from rsi.agent.queue.standstill import NO_WORKER, PAUSED
from rsi.agent.report.activity import activity_of
from rsi.agent.store.ledger import Ledger
from rsi.agent.store.records import Asked, RequestKind, WorkerRecord, utc_now


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """A worker and what it does."""

    worker: WorkerRecord
    state: str
    """"alive", "paused", "draining", "leaving", or "gone" while a campaign of it waits for another."""
    does: tuple[str, ...]
    """One line for each campaign that it holds."""


def list_(args: argparse.Namespace) -> int:
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
    states = {each.state for each in found}
    hint = [] if "alive" in states else [PAUSED if "paused" in states else NO_WORKER]
    emit(args, found, [*(lines if found else []), *hint])
    return 0


def pause(args: argparse.Namespace) -> int:
    """Let a worker take nothing new and hand on what it runs."""
    return _order(
        args,
        RequestKind.PAUSE,
        "takes nothing new and hands on what it runs; `rsi workers resume` ends that",
    )


def resume(args: argparse.Namespace) -> int:
    """Let a paused worker go on."""
    return _order(args, RequestKind.RESUME, "takes campaigns again")


def drain(args: argparse.Namespace) -> int:
    """Let a worker hand on what it runs, and end."""
    return _order(args, RequestKind.STOP, "hands on what it runs before the next step, and ends")


def up(args: argparse.Namespace) -> int:
    """Start workers as jobs of a Slurm cluster."""
    if problem := label_problem(args.label):
        raise CampaignConfigError(problem)
    here = home().create()
    with Ledger.open(here):
        pass  # made before several jobs would make it at once
    jobs = SlurmJobs(
        count=args.count,
        partition=args.partition,
        gpus=args.gpus,
        cpus=args.cpus,
        minutes=args.time,
        labels=tuple(args.label),
    )
    ids = submit(here, jobs)
    if here.database_url is None:
        note(
            "the ledger is a SQLite file: keep all jobs on one node, or set RSI_DATABASE_URL to a PostgreSQL"
        )
    logs = str(slurm_logs(here))
    emit(
        args,
        {"jobs": ids, "logs": logs},
        [
            f"{', '.join(ids)} submitted; their logs are in {logs}, `rsi workers` lists them once they run"
        ],
    )
    return 0


def _order(args: argparse.Namespace, kind: RequestKind, said: str) -> int:
    with Ledger.open(home()) as ledger:
        found = workers_named(ledger, args.name)
        for each in found:
            ledger.add_request(kind, actor=person(), at=utc_now(), payload=Asked(text=each.id))
    names = [name_of(each) for each in found]
    emit(args, names, [f"{each} {said}" for each in names])
    return 0


def _held(ledger: Ledger) -> dict[str, tuple[str, ...]]:
    """What each worker does, by its id."""
    held: dict[str, tuple[str, ...]] = {}
    for each in ledger.campaigns(has_ended=False):
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
    words = {
        "leaving": worker.is_leaving,
        "draining": worker.is_draining,
        "paused": worker.is_paused,
    }
    return next((word for word, holds in words.items() if holds), "alive")
