"""What runs next: campaigns as durable workflows on DBOS, known to no other module.

A campaign is one workflow; each step of a round is one durable step. After a kill -9 the workflow goes
on from its last finished step, on this worker or on another that adopts it.
Does not: know what a step does. Only ids and short words cross into the engine's store.
"""

import logging
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from rsi.agent.errors import AgentError, CampaignLostError

if TYPE_CHECKING:
    from dbos import WorkflowStatus

APP_VERSION = "rsi-1"
"""Pinned by us: by default an upgrade of the source would strand campaigns that were under way."""
QUEUE = "campaigns"
"""Where campaigns wait; no worker listens to it. Each takes from it what its machine fits, into a queue of its own."""
WORKFLOW = "campaign"
POLL_S = 0.2
NORMAL_PRIORITY = 1_000_000
"""Smaller is sooner; far from both ends of what the engine takes."""
NEVER_S = 10 * 365 * 24 * 3600.0
"""A person may take any time to decide; ten years stand for "until told"."""

log = logging.getLogger(__name__)


def queue_of(executor_id: str) -> str:
    """The queue that one worker alone listens to."""
    return f"{QUEUE}/{executor_id}"


class Durable(Protocol):
    """What a campaign needs of the engine."""

    def step(self, name: str, work: Callable[[], str]) -> str:
        """Run `work` once; after a crash its remembered word is returned instead."""
        ...

    def wait(self, topic: str) -> None:
        """Sleep, through restarts, until someone wakes this campaign on `topic`."""
        ...


class EngineUnavailableError(AgentError):
    """The engine's store cannot be used now; what was asked of it may be asked again."""


class EngineClient:
    """Queue, wake and adopt campaigns from any process; the tables are made when missing.

    Every call raises EngineUnavailableError when the engine's store is away or its disk is full.
    """

    def __init__(self, url: str) -> None:
        from dbos import DBOS, DBOSClient

        _quiet()
        with _clear_errors():
            DBOS.migrate(url)
            # An unreachable store is an error here: whoever asks decides whether to wait.
            self._client = DBOSClient(system_database_url=url, retry_connection_errors=False)

    def queue(self, campaign_id: str, sooner: int = 0) -> None:
        """Put a campaign at the end of those as urgent as it; the same id twice is one entry."""
        with _clear_errors():
            self._client.enqueue(
                {
                    "queue_name": QUEUE,
                    "workflow_name": WORKFLOW,
                    "workflow_id": campaign_id,
                    "app_version": APP_VERSION,
                    "priority": NORMAL_PRIORITY - sooner,
                },
                campaign_id,
            )

    def waiting(self) -> tuple[str, ...]:
        """Campaigns that wait for a worker, the most urgent first, then as they came."""
        from sqlalchemy import select

        store = self._client._sys_db
        status = store.tables.workflow_status
        with _clear_errors(), store.engine.begin() as connection:
            found = connection.scalars(
                select(status.c.workflow_uuid)
                .where(status.c.queue_name == QUEUE, status.c.status == "ENQUEUED")
                .order_by(status.c.priority, status.c.created_at)
            )
            return tuple(found)

    def assign(self, campaign_id: str, executor_id: str) -> bool:
        """Give a campaign that waits to one worker alone; False when another was quicker."""
        return self._changed_while_waiting(campaign_id, queue_name=queue_of(executor_id))

    def withdraw(self, campaign_id: str) -> bool:
        """Take a campaign that waits out of the queue; False when it does not wait any more."""
        return self._changed_while_waiting(campaign_id, status="CANCELLED")

    def _changed_while_waiting(self, campaign_id: str, **values: str) -> bool:
        # One statement, so that a worker cannot take it in between.
        store = self._client._sys_db
        status = store.tables.workflow_status
        with _clear_errors(), store.engine.begin() as connection:
            changed = connection.execute(
                status.update()
                .where(
                    status.c.workflow_uuid == campaign_id,
                    status.c.status == "ENQUEUED",
                    status.c.queue_name == QUEUE,
                )
                .values(**values)
            )
        return changed.rowcount == 1

    def assigned(self, executor_id: str) -> int:
        """How many campaigns are a worker's, begun or not."""
        found = self._listed(queue_name=queue_of(executor_id), status=["ENQUEUED", "PENDING"])
        return len(found)

    def leave(self, executor_id: str) -> None:
        """Give back what was given to a worker and not begun, and forget the worker's own queue."""
        for each in self._listed(queue_name=queue_of(executor_id), status="ENQUEUED"):
            self.adopt(each.workflow_id)
        with _clear_errors():
            self._client.delete_queue(queue_of(executor_id))

    def requeue(self, campaign_id: str, sooner: int = 0) -> None:
        """Queue a campaign again that has ended; what it did is remembered by the ledger alone.

        One that is queued or under way is left as it is, so that the same call again is no change.
        """
        if campaign_id not in self.under_way():
            with _clear_errors():
                self._client.delete_workflow(campaign_id)
            self.queue(campaign_id, sooner)

    def reorder(self, campaign_id: str, sooner: int) -> bool:
        """Change the urgency of a campaign that still waits in the queue; False when it does not."""
        # The engine has no call for it; one statement, so that a worker cannot take it in between.
        store = self._client._sys_db
        status = store.tables.workflow_status
        with _clear_errors(), store.engine.begin() as connection:
            changed = connection.execute(
                status.update()
                .where(status.c.workflow_uuid == campaign_id, status.c.status == "ENQUEUED")
                .values(priority=NORMAL_PRIORITY - sooner)
            )
        return changed.rowcount == 1

    def wake(self, campaign_id: str, topic: str, key: str) -> None:
        """Wake a campaign that waits on `topic`; the same key twice is one call."""
        with _clear_errors():
            self._client.send(
                campaign_id, key, topic, idempotency_key=f"{campaign_id}/{topic}/{key}"
            )

    def unfinished(self, executor_ids: Sequence[str]) -> tuple[tuple[str, str], ...]:
        """Campaigns that these executors had begun and not ended, or were given and never began, each with its executor."""
        if not executor_ids:
            return ()
        begun = self._listed(status="PENDING", executor_id=list(executor_ids))
        by_queue = {queue_of(each): each for each in executor_ids}
        given = self._listed(status="ENQUEUED", queue_name=list(by_queue))
        return (
            *((each.workflow_id, str(each.executor_id)) for each in begun),
            *((each.workflow_id, by_queue[str(each.queue_name)]) for each in given),
        )

    def is_run_by(self, campaign_id: str, executor_id: str) -> bool:
        """Whether a campaign is under way and this executor's."""
        return bool(
            self._listed(workflow_ids=[campaign_id], status="PENDING", executor_id=[executor_id])
        )

    def adopt(self, campaign_id: str) -> None:
        """Give a dead worker's campaign back to the queue; finished steps are not run again."""
        with _clear_errors():
            self._client.resume_workflow(campaign_id, queue_name=QUEUE)

    def under_way(self) -> frozenset[str]:
        """Campaigns that are queued or run."""
        found = self._listed(status=["ENQUEUED", "PENDING"])
        return frozenset(each.workflow_id for each in found)

    def _listed(self, **wanted: Any) -> "list[WorkflowStatus]":  # noqa: ANN401  the engine's own filters
        with _clear_errors():
            return self._client.list_workflows(**wanted, load_input=False, load_output=False)

    def close(self) -> None:
        """Close the connections."""
        self._client.destroy()


class _Ended(BaseException):
    """Ends the thread of a campaign past everything that would write its end down: it is another's, or goes on later."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _DbosDurable:
    on_step: Callable[[str], None]
    """Called before and after each step's work; the crash tests end the process here."""

    def step(self, name: str, work: Callable[[], str]) -> str:
        from dbos import DBOS

        failed: list[Exception] = []

        def observed() -> str:
            self.on_step(f"{name}:before")
            try:
                word = work()
            except CampaignLostError as error:
                raise _ended(error) from error
            except Exception as error:
                failed.append(error)
                raise
            self.on_step(f"{name}:after")
            return word

        with _interrupted(failed):
            return DBOS.run_step({"name": name}, observed)

    def wait(self, topic: str) -> None:
        from dbos import DBOS

        with _interrupted():
            DBOS.recv(topic, timeout_seconds=NEVER_S)


@contextmanager
def _interrupted(failed: Sequence[Exception] = ()) -> Iterator[None]:
    """End a campaign's thread when the engine cannot remember: it is taken up again from what it remembers then.

    Args:
        failed: What the campaign's own work raised, which is not the engine's trouble.
    """
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except SQLAlchemyError as error:
        if error in failed:
            raise
        raise _ended(error) from error


def _ended(error: Exception) -> _Ended:
    log.warning("a campaign's thread ends: %s", _first_line(error))
    return _Ended()


@contextmanager
def _clear_errors() -> Iterator[None]:
    """One sentence of ours for what the engine's store says."""
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except SQLAlchemyError as error:
        said = _first_line(error.__cause__ or error)
        raise EngineUnavailableError(
            f"the engine's store cannot be used ({said}); campaigns stand still until it can"
        ) from error


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def serve(
    url: str,
    *,
    executor_id: str,
    run_campaign: Callable[[str, Durable], None],
    tick: Callable[[], bool],
    most_at_once: int = 1,
    on_step: Callable[[str], None] = lambda _: None,
) -> None:
    """Run the campaigns that are assigned to a worker until `tick`, called a few times a second, returns False.

    Args:
        url: The engine's database.
        executor_id: Unique to this process; others adopt what it leaves when it dies.
        run_campaign: The campaign's body; it returns when the campaign is over.
        tick: The worker's housekeeping; False ends the service.
        most_at_once: Campaigns that this worker has begun and not ended, also those that sleep.
        on_step: Observer of durable steps.
    """
    from dbos import DBOS

    _quiet()
    DBOS(
        config={
            "name": "rsi",
            "system_database_url": url,
            "executor_id": executor_id,
            "application_version": APP_VERSION,
            "log_level": "ERROR",
            "console_log_level": "ERROR",
            "notification_listener_polling_interval_sec": POLL_S,
        }
    )

    @DBOS.workflow(name=WORKFLOW)
    def campaign(campaign_id: str) -> str:
        try:
            run_campaign(campaign_id, _DbosDurable(on_step=on_step))
        except CampaignLostError as error:
            raise _ended(error) from error
        return campaign_id

    DBOS.listen_queues([queue_of(executor_id)])
    DBOS.launch()
    DBOS.register_queue(
        queue_of(executor_id), worker_concurrency=most_at_once, polling_interval_sec=POLL_S
    )
    try:
        while tick():
            time.sleep(POLL_S)
    finally:
        DBOS.destroy(workflow_completion_timeout_sec=0)


def _quiet() -> None:
    # The engine advertises its vendor's console at launch; the operator asked for campaigns.
    logging.getLogger("dbos").setLevel(logging.ERROR)
    os.environ.setdefault("OTEL_SDK_DISABLED", "true")
