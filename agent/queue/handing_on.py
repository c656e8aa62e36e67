"""What a person or a batch system tells a worker: pause, resume, drain; and how its campaigns leave it then, step by step.

Invariant: a campaign is handed on between two steps, so nothing that was measured is lost or measured twice.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

from rsi.agent.errors import CampaignLostError, UnknownRecordError
from rsi.agent.queue.liveness import is_alive
from rsi.agent.run.engine import Durable
from rsi.agent.run.parking import say
from rsi.agent.store.ledger import Ledger
from rsi.agent.store.records import (
    CampaignEventKind,
    CampaignState,
    HandledMark,
    RequestKind,
    WorkerRecord,
    utc_now,
)

ORDERS = frozenset({RequestKind.PAUSE, RequestKind.RESUME, RequestKind.STOP})
"""Of a campaign they are its own; without one they are a worker's, which is named in their text."""
HANDED_ON = (
    "its worker {} takes no more: another of its class goes on with it as soon as one has room, or the same one when it is "
    "resumed (`rsi workers`)"
)


class CampaignHandedOnError(CampaignLostError):
    """The campaign leaves its worker here; another goes on with it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HandingDurable:
    """A durable engine that lets a campaign go between two steps once its worker takes no more."""

    durable: Durable
    must_hand_on: Callable[[], bool]
    ledger: Ledger
    campaign_id: str
    worker: str
    """Its name, for people."""
    asleep: set[str]
    """Campaigns that wait to be woken; they keep no worker from ending."""

    def step(self, name: str, work: Callable[[], str]) -> str:
        """Do a step, unless the campaign leaves before it.

        Raises:
            CampaignHandedOnError: It does.
        """
        if self.must_hand_on():
            if self.ledger.campaign_summary(self.campaign_id).state is CampaignState.RUNNING:
                reason = HANDED_ON.format(self.worker)
                say(self.ledger, self.campaign_id, CampaignEventKind.PARKED, reason)
            raise CampaignHandedOnError(f"campaign {self.campaign_id} is handed on before {name}")
        return self.durable.step(name, work)

    def wait(self, topic: str) -> None:
        self.asleep.add(self.campaign_id)
        try:
            self.durable.wait(topic)
        finally:
            self.asleep.discard(self.campaign_id)


def name_of(worker: WorkerRecord) -> str:
    """What a person calls a worker: its host and process number."""
    return f"{worker.host}-{worker.pid}"


def workers_named(ledger: Ledger, name: str) -> tuple[WorkerRecord, ...]:
    """Workers that are there and have this name, host or label.

    Raises:
        UnknownRecordError: None has.
    """
    now = ledger.now()
    alive = [each for each in ledger.workers() if is_alive(each, now) and not each.is_leaving]
    found = [each for each in alive if name in {each.id, name_of(each), each.host, *each.labels}]
    if not found:
        known = ", ".join(name_of(each) for each in alive) or "none"
        raise UnknownRecordError(f"no worker {name!r} is running; those that run: {known}")
    return tuple(found)


def obeyed(ledger: Ledger, worker: WorkerRecord) -> WorkerRecord:
    """A worker after what it was told since the last look; each order is marked as heard."""
    for order in ledger.requests(unhandled_only=True):
        is_for_it = order.campaign_id is None and order.payload.text == worker.id
        if not is_for_it or order.kind not in ORDERS:
            continue
        worker = told(worker, order.kind)
        ledger.mark_handled(
            HandledMark(request_id=order.id, at=utc_now(), actor=worker.id, outcome="done")
        )
    return worker


def told(worker: WorkerRecord, kind: RequestKind) -> WorkerRecord:
    """A worker after one order; one that drains does not turn back."""
    if kind is RequestKind.STOP:
        return replace(worker, is_draining=True)
    return replace(worker, is_paused=kind is RequestKind.PAUSE)
