"""A worker: serves queued campaigns, wakes those whose gate has spoken, adopts those of the dead.

Does not: know the steps of a round. Any number of workers may share one ledger and one engine.
"""

import logging
import os
import signal
import sys
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from types import FrameType

from rsi.agent.errors import CampaignLostError, LedgerError, UnknownRecordError
from rsi.agent.queue.handing_on import (
    CampaignHandedOnError,
    HandingDurable,
    name_of,
    obeyed,
    told,
)
from rsi.agent.queue.liveness import DEAD_AFTER_S, dead_workers, may_run, this_worker
from rsi.agent.queue.reconciling import Reconciler
from rsi.agent.queue.requests import serve_queue_requests
from rsi.agent.run.campaign import run_campaign
from rsi.agent.run.engine import Durable, EngineClient, EngineUnavailableError, serve
from rsi.agent.run.parking import patient_ledger
from rsi.agent.run.pausing import RESUME_TOPIC
from rsi.agent.store.home import Home
from rsi.agent.store.ledger import Ledger
from rsi.agent.store.records import (
    CampaignRecord,
    CampaignState,
    RequestKind,
    Step,
    WorkerRecord,
)

HEARTBEAT_S = 5.0
MOST_ASLEEP = 16
"""Campaigns of a worker that may wait for a person besides those that work; each keeps a thread."""
TAKE_S = 0.5
"""Between two looks at what waits, while nothing is written that could be news."""
RETRY_S = 1.0
"""Between two looks while the stores are away or full."""
OPEN_STATES = frozenset({CampaignState.RUNNING, CampaignState.PAUSED, CampaignState.PARKED})

log = logging.getLogger(__name__)


def engine_url(home: Home) -> str:
    """Where the engine keeps its queue: beside the ledger's SQLite file, or in the same PostgreSQL."""
    if home.database_url is None:
        return f"sqlite:///{home.engine_path}"
    return home.database_url.replace("postgresql+psycopg://", "postgresql://", 1)


def worker_command(labels: Sequence[str] = ()) -> list[str]:
    """Command line of a worker in a process of its own, which logs what it does and ends when nothing is left to do."""
    words = [sys.executable, "-P", "-m", "rsi.agent.cli", "--verbose", "worker", "--exit-when-idle"]
    return [*words, *(f"--label={each}" for each in labels)]


def run_worker(
    home: Home,
    *,
    exit_when_idle: bool = False,
    concurrency: int = 1,
    labels: Sequence[str] = (),
    on_step: Callable[[str], None] = lambda _: None,
) -> None:
    """Serve campaigns until SIGTERM, SIGINT or, when asked, until nothing is left to do.

    Args:
        home: Where ledger, lineages and engine are.
        exit_when_idle: End when nothing is queued or under way.
        concurrency: Campaigns that work at once; those that wait for a person do not count, and timing stays exclusive.
        labels: What this worker is called, for campaigns that ask for such a machine.
        on_step: Observer of durable steps, for tests of crashes.

    Raises:
        LedgerError: The ledger cannot be opened.
    """
    home.create()
    with Ledger.open(home) as ledger:
        client = EngineClient(engine_url(home))
        keeper = Housekeeping(
            ledger, client, exit_when_idle=exit_when_idle, concurrency=concurrency, labels=labels
        )
        for name in (signal.SIGTERM, signal.SIGINT):
            signal.signal(name, keeper.on_signal)
        signal.signal(signal.SIGUSR2, keeper.on_limit)
        keeper.beat()
        keeper.adopt()
        serve_queue_requests(ledger, client, keeper.worker.id)  # before the first campaign is taken

        def run(campaign_id: str, durable: Durable) -> None:
            try:
                with keeper.holding(campaign_id) as fenced:
                    handing = keeper.handing(fenced, campaign_id, durable)
                    run_campaign(home, fenced, campaign_id, handing)
            except CampaignHandedOnError:
                keeper.give_back(campaign_id)
                raise

        try:
            serve(
                engine_url(home),
                executor_id=keeper.worker.id,
                run_campaign=run,
                tick=keeper.tick,
                most_at_once=concurrency + MOST_ASLEEP,
                on_step=on_step,
            )
        finally:
            client.close()
    # Campaign threads may sit in a model call or a sandbox; what they did is in the ledger, and their
    # sandboxes die with this process.
    logging.shutdown()
    os._exit(0)


@dataclass(slots=True)
class _Mark:
    at_s: float = 0.0

    def is_due(self, every_s: float) -> bool:
        now = time.monotonic()
        if now - self.at_s < every_s and self.at_s:
            return False
        self.at_s = now
        return True


class Housekeeping:
    """What a worker does between campaigns' steps, a few times a second."""

    def __init__(
        self,
        ledger: Ledger,
        client: EngineClient,
        *,
        exit_when_idle: bool,
        concurrency: int = 1,
        labels: Sequence[str] = (),
    ) -> None:
        self.worker = this_worker(ledger.now(), labels)
        self._ledger, self._client = ledger, client
        self._exit_when_idle, self._concurrency = exit_when_idle, concurrency
        self._reconciler = Reconciler(ledger, client)
        self._is_told_to_end = False
        self._beat, self._adopt, self._retry, self._take_mark = _Mark(), _Mark(), _Mark(), _Mark()
        self._idle = _Mark(time.monotonic())
        self._cursor = self._trouble = ""
        self._held: list[str] = []
        """Campaigns that threads of this process run."""
        self._asleep: set[str] = set()
        """Those of them that wait to be woken, such as for a decision."""
        self._is_at_limit = False
        """The batch system has said that its time is nearly up."""
        self._known: dict[str, CampaignRecord] = {}
        """Campaigns that were looked at; a campaign's record never changes."""
        self._still: set[str] = set()
        """Those that none of them ran at the last look."""

    def on_signal(self, number: int, _: FrameType | None) -> None:
        log.info("signal %d: ending; campaigns go on when a worker starts again", number)
        self._is_told_to_end = True

    def on_limit(self, number: int, _: FrameType | None) -> None:
        log.info("signal %d: the time is nearly up; campaigns are handed on", number)
        self._is_at_limit = True

    def is_closed(self) -> bool:
        """Whether it takes nothing new and hands on what it runs."""
        return self.worker.is_paused or self.worker.is_draining or self._is_at_limit

    def tick(self) -> bool:
        """One look around; False ends the worker."""
        if self._trouble and not self._retry.is_due(RETRY_S):
            return not self._is_told_to_end
        try:
            is_needed = self._look_around()
        except (LedgerError, EngineUnavailableError) as error:
            # A store that is away or full comes back; campaigns wait for it by themselves.
            self._say_trouble(str(error))
            self._beat = _Mark()  # the first thing to be tried again: it shows that writing works
            return not self._is_told_to_end
        self._say_trouble("")
        return is_needed

    def _look_around(self) -> bool:
        if self._is_told_to_end:
            self.beat(is_leaving=True)
            self._client.leave(self.worker.id)
            return False
        # Read before the looks: what is written during them is news at the next one.
        cursor = self._ledger.cursor()
        is_news = cursor != self._cursor
        self._obey(is_news=is_news)
        if self.worker.is_draining and not set(self._held) - self._asleep:
            self._drain()
            return False
        if self._beat.is_due(HEARTBEAT_S):
            self.beat()
        if self._adopt.is_due(DEAD_AFTER_S / 4):
            self.adopt()
        if is_news:
            self.wake()
            self._cursor = cursor
        if is_news or self._take_mark.is_due(TAKE_S):
            self.take_waiting()
        if self._exit_when_idle and self._idle.is_due(1.0):
            return self._has_work()
        return not self._is_told_to_end

    def _obey(self, *, is_news: bool) -> None:
        """Do what a person or the batch system said since the last look; the next beat tells everybody."""
        now = self.worker
        if is_news:
            now = obeyed(self._ledger, now)
        if self._is_at_limit:
            now = told(now, RequestKind.STOP)
        if now != self.worker:
            self.worker = now
            self.beat()

    def _drain(self) -> None:
        """End: what still waits for a person's word is taken up by another at once."""
        self.beat(is_leaving=True)
        for campaign_id, _ in self._client.unfinished([self.worker.id]):
            self._client.adopt(campaign_id)
        self._client.leave(self.worker.id)
        log.info("drained")

    def _say_trouble(self, trouble: str) -> None:
        """Once when it begins and once when it is over, not at every look."""
        if bool(trouble) != bool(self._trouble):
            log.warning("housekeeping: %s", trouble or "the stores answer again")
        self._trouble = trouble

    def beat(self, *, is_leaving: bool = False) -> None:
        self._ledger.heartbeat(replace(self.worker, is_leaving=is_leaving))

    def _has_work(self) -> bool:
        """Whether anything is left that this worker may do."""
        if self._may_run_any():
            return True
        # Said before the last look: what is queued after it finds no worker here and gets one of its own.
        self.beat(is_leaving=True)
        serve_queue_requests(self._ledger, self._client, self.worker.id)
        self._reconciler.look()
        if not self._may_run_any():
            self._client.leave(self.worker.id)
            return False
        self.beat()
        return True

    def _may_run_any(self) -> bool:
        return any(self._may_run(each) for each in self._client.under_way())

    def _may_run(self, campaign_id: str) -> bool:
        """Whether a campaign may run here; what the ledger does not know may, and fails with a word."""
        campaign = self._known.get(campaign_id)
        if campaign is None:
            try:
                campaign = self._known[campaign_id] = self._ledger.campaign(campaign_id)
            except UnknownRecordError:
                return True
        return may_run(self._ledger, campaign, self.worker)

    def take_waiting(self) -> None:
        """Take campaigns that wait and may run here, as many as there is room for.

        One that waits for a person takes no room, except from those on its own lineage: they are to start from the champion
        that the person's word may make. When it is woken it goes on at once, so that for a while more may work than there is
        room for: what a person said is not to wait behind another campaign, and timing is exclusive anyway.
        """
        if self.is_closed():
            return
        asleep = [self._known[each] for each in list(self._asleep) if each in self._known]
        unstarted = self._concurrency - self._client.assigned(self.worker.id)
        room = unstarted + min(len(asleep), MOST_ASLEEP)
        if room <= 0:
            return
        waited_for = {each.lineage for each in asleep}
        for campaign_id in self._client.waiting():
            if not self._may_run(campaign_id):
                continue
            if unstarted <= 0 and self._lineage(campaign_id) in waited_for:
                continue
            is_taken = self._client.assign(campaign_id, self.worker.id)
            room, unstarted = room - is_taken, unstarted - is_taken
            if room == 0:
                return

    def _lineage(self, campaign_id: str) -> str | None:
        campaign = self._known.get(campaign_id)
        return campaign.lineage if campaign else None

    def adopt(self) -> None:
        """Give back to the queue what dead workers had begun, and see to what the engine lost."""
        dead = {each.id: each for each in dead_workers(self._ledger)}
        for campaign_id, executor_id in self._client.unfinished(list(dead)):
            if self._take_over(campaign_id, dead[executor_id], dead.keys()):
                log.info("campaign=%s adopted from a dead worker", campaign_id)
                self._client.adopt(campaign_id)
        self._revive()
        self._reconciler.look()

    @contextmanager
    def holding(self, campaign_id: str) -> Iterator[Ledger]:
        """The ledger of a campaign that this worker runs; its writes end when another takes the campaign.

        Raises:
            CampaignLostError: The engine gave it to another meanwhile.
        """
        self._held.append(campaign_id)
        try:
            fenced = self._ledger.fenced(campaign_id, self._take(campaign_id))
            yield patient_ledger(fenced, campaign_id)
        finally:
            self._held.remove(campaign_id)

    def handing(self, fenced: Ledger, campaign_id: str, durable: Durable) -> Durable:
        """The engine for a campaign that this worker runs until it takes no more."""
        return HandingDurable(
            durable=durable,
            must_hand_on=self.is_closed,
            ledger=fenced,
            campaign_id=campaign_id,
            worker=name_of(self.worker),
            asleep=self._asleep,
        )

    def give_back(self, campaign_id: str) -> None:
        """Put a campaign that was handed on into the queue; where the engine is away, it is found standing still later."""
        with suppress(EngineUnavailableError):
            self._client.adopt(campaign_id)

    def _take(self, campaign_id: str) -> int:
        while True:
            seen = self._ledger.holder(campaign_id)
            if not self._may_run(campaign_id):
                raise CampaignLostError(
                    f"campaign {campaign_id} was begun on another class of machine; it goes back to the queue"
                )
            # After the look: who takes it from now on changes the epoch.
            if not self._client.is_run_by(campaign_id, self.worker.id):
                raise CampaignLostError(f"campaign {campaign_id} was given to another worker")
            epoch = self._ledger.take_campaign(campaign_id, self.worker.id, after_epoch=seen.epoch)
            if epoch is not None:
                return epoch

    def _revive(self) -> None:
        """Give back to the queue what this worker has begun and no thread of it runs any more."""
        own = {campaign_id for campaign_id, _ in self._client.unfinished([self.worker.id])}
        still = own - set(self._held)
        for campaign_id in (
            still & self._still
        ):  # seen twice: at first its thread may not have begun
            log.warning("campaign=%s stands still in this worker; taken up again", campaign_id)
            self._client.adopt(campaign_id)
        self._still = still

    def _take_over(self, campaign_id: str, dead: WorkerRecord, all_dead: Collection[str]) -> bool:
        """Take a campaign from a dead worker, unless another did or it lives after all."""
        seen = self._ledger.holder(campaign_id)
        if not self._may_run(campaign_id):
            return False  # one of its own class takes it up
        if seen.worker_id not in {None, self.worker.id, *all_dead}:
            return False  # another is about to give it back to the queue
        epoch = self._ledger.take_campaign(
            campaign_id, self.worker.id, after_epoch=seen.epoch, from_dead=dead
        )
        return epoch is not None

    def wake(self) -> None:
        """Answer the queue's requests; tell waiting campaigns that somebody decided, asked, resumed or stopped."""
        serve_queue_requests(self._ledger, self._client, self.worker.id)
        for campaign_id in self._client.under_way():
            summary = self._ledger.campaign_summary(campaign_id)
            round_id = summary.latest_round_id
            if summary.state not in OPEN_STATES:
                continue
            for request in self._ledger.requests(unhandled_only=False, campaign_id=campaign_id):
                if request.kind in {RequestKind.RESUME, RequestKind.STOP}:
                    self._client.wake(campaign_id, RESUME_TOPIC, f"request-{request.id}")
                is_for_gate = request.kind in {RequestKind.STOP, RequestKind.AUDIT}
                if is_for_gate and round_id is not None:
                    self._client.wake(campaign_id, round_id, f"request-{request.id}")
            if round_id is not None and summary.latest_step is Step.REVIEW:
                for decision in self._ledger.decisions(round_id):
                    key = f"{decision.action}-{decision.commit}-{decision.is_override}"
                    self._client.wake(campaign_id, round_id, key)
