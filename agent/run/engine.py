"""What runs next: campaigns as durable workflows on DBOS, known to no other module.

A campaign is one workflow; each step of a round is one durable step. After a kill -9 the workflow goes
on from its last finished step, on this worker or on another that adopts it.
Does not: know what a step does. Only ids and short words cross into the engine's store.
"""

import logging
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from rsi.agent.errors import CampaignLostError

APP_VERSION = "rsi-1"
"""Pinned by us: by default an upgrade of the source would strand campaigns that were under way."""
QUEUE = "campaigns"
WORKFLOW = "campaign"
POLL_S = 0.2
NORMAL_PRIORITY = 1_000_000
"""Smaller is sooner; far from both ends of what the engine takes."""
NEVER_S = 10 * 365 * 24 * 3600.0
"""A person may take any time to decide; ten years stand for "until told"."""

log = logging.getLogger(__name__)


class Durable(Protocol):
    """What a campaign needs of the engine."""

    def step(self, name: str, work: Callable[[], str]) -> str:
        """Run `work` once; after a crash its remembered word is returned instead."""
        ...

    def wait(self, topic: str) -> None:
        """Sleep, through restarts, until someone wakes this campaign on `topic`."""
        ...


class EngineClient:
    """Queue, wake and adopt campaigns from any process; the tables are made when missing."""

    def __init__(self, url: str) -> None:
        from dbos import DBOS, DBOSClient

        _quiet()
        DBOS.migrate(url)
        self._client = DBOSClient(system_database_url=url)

    def queue(self, campaign_id: str, sooner: int = 0) -> None:
        """Put a campaign at the end of those as urgent as it; the same id twice is one entry."""
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

    def requeue(self, campaign_id: str, sooner: int = 0) -> None:
        """Queue a campaign again that has ended; what it did is remembered by the ledger alone.

        One that is queued or under way is left as it is, so that the same call again is no change.
        """
        if campaign_id not in self.under_way():
            self._client.delete_workflow(campaign_id)
            self.queue(campaign_id, sooner)

    def reorder(self, campaign_id: str, sooner: int) -> bool:
        """Change the urgency of a campaign that still waits in the queue; False when it does not."""
        # The engine has no call for it; one statement, so that a worker cannot take it in between.
        store = self._client._sys_db
        status = store.tables.workflow_status
        with store.engine.begin() as connection:
            changed = connection.execute(
                status.update()
                .where(status.c.workflow_uuid == campaign_id, status.c.status == "ENQUEUED")
                .values(priority=NORMAL_PRIORITY - sooner)
            )
        return changed.rowcount == 1

    def wake(self, campaign_id: str, topic: str, key: str) -> None:
        """Wake a campaign that waits on `topic`; the same key twice is one call."""
        self._client.send(campaign_id, key, topic, idempotency_key=f"{campaign_id}/{topic}/{key}")

    def unfinished(self, executor_ids: Sequence[str]) -> tuple[tuple[str, str], ...]:
        """Campaigns that these executors had begun and not ended, each with its executor."""
        if not executor_ids:
            return ()
        found = self._client.list_workflows(
            status="PENDING", executor_id=list(executor_ids), load_input=False, load_output=False
        )
        return tuple((each.workflow_id, str(each.executor_id)) for each in found)

    def is_run_by(self, campaign_id: str, executor_id: str) -> bool:
        """Whether a campaign is under way and this executor's."""
        found = self._client.list_workflows(
            workflow_ids=[campaign_id], status="PENDING", executor_id=[executor_id], load_input=False,
            load_output=False,
        )  # fmt: skip
        return bool(found)

    def adopt(self, campaign_id: str) -> None:
        """Give a dead worker's campaign back to the queue; finished steps are not run again."""
        self._client.resume_workflow(campaign_id, queue_name=QUEUE)

    def under_way(self) -> frozenset[str]:
        """Campaigns that are queued or run."""
        found = self._client.list_workflows(
            status=["ENQUEUED", "PENDING"], load_input=False, load_output=False
        )
        return frozenset(each.workflow_id for each in found)

    def close(self) -> None:
        """Close the connections."""
        self._client.destroy()


class _Lost(BaseException):
    """Ends the thread of a campaign that another worker took, past everything that would write its end down."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _DbosDurable:
    on_step: Callable[[str], None]
    """Called before and after each step's work; the crash tests end the process here."""

    def step(self, name: str, work: Callable[[], str]) -> str:
        from dbos import DBOS

        def observed() -> str:
            self.on_step(f"{name}:before")
            try:
                word = work()
            except CampaignLostError as error:
                log.warning("%s", error)
                raise _Lost from error
            self.on_step(f"{name}:after")
            return word

        return DBOS.run_step({"name": name}, observed)

    def wait(self, topic: str) -> None:
        from dbos import DBOS

        DBOS.recv(topic, timeout_seconds=NEVER_S)


def serve(
    url: str,
    *,
    executor_id: str,
    run_campaign: Callable[[str, Durable], None],
    tick: Callable[[], bool],
    concurrency: int = 1,
    on_step: Callable[[str], None] = lambda _: None,
) -> None:
    """Run queued campaigns until `tick`, called a few times a second, returns False.

    Args:
        url: The engine's database.
        executor_id: Unique to this process; others adopt what it leaves when it dies.
        run_campaign: The campaign's body; it returns when the campaign is over.
        tick: The worker's housekeeping; False ends the service.
        concurrency: Campaigns at once on this worker.
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
            log.warning("%s", error)
            raise _Lost from error
        return campaign_id

    DBOS.launch()
    DBOS.register_queue(QUEUE, worker_concurrency=concurrency, polling_interval_sec=POLL_S)
    try:
        while tick():
            time.sleep(POLL_S)
    finally:
        DBOS.destroy(workflow_completion_timeout_sec=0)


def _quiet() -> None:
    # The engine advertises its vendor's console at launch; the operator asked for campaigns.
    logging.getLogger("dbos").setLevel(logging.ERROR)
    os.environ.setdefault("OTEL_SDK_DISABLED", "true")
