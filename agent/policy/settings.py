"""What a campaign is asked to do: its settings, and how it enters the queue.

Invariant: a queued campaign is complete; a worker on another machine needs nothing but the ledger, the
lineage's repository and the task's folder.
"""

import hashlib
import secrets
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from rsi.agent.errors import AgentError
from rsi.agent.policy.placing import wish_problem
from rsi.agent.store.config import MAX_PARALLEL, Autonomy, CampaignConfig
from rsi.agent.store.events import CampaignEvent
from rsi.agent.store.ledger import Ledger
from rsi.agent.store.records import CampaignEventKind, CampaignRecord, utc_now
from rsi.tasks.choices import Start
from rsi.tasks.drivers import driver_of
from rsi.tasks.format.loader import load_task
from rsi.tasks.running.starts import strongest
from rsi.tasks.types import Task

DEFAULT_AUDIT_EVERY = 5
"""Promotions between two audits of a campaign that is queued now: few enough that a drift is found while it can be
undone by one rollback, and one more measurement for some thirty of the same size."""


class CampaignConfigError(AgentError, ValueError):
    """The settings of a campaign contradict each other or the task."""


class TaskChangedError(AgentError):
    """The task on disk is not the one that the campaign was queued with."""


def check_config(config: CampaignConfig, task: Task, profile: str) -> None:
    """Refuse settings that cannot work, before anything is queued.

    Raises:
        CampaignConfigError: The message names the setting, what was given and what would do.
    """
    if profile not in task.profiles:
        known = ", ".join(task.profiles)
        raise CampaignConfigError(f"task {task.name!r} has no profile {profile!r}; it has {known}")
    if config.start is Start.HARD and strongest(task)[1] is None:
        raise CampaignConfigError(
            f"task {task.name!r} (track {task.track}) has no solution that gains anything; start from its repo, `--start easy`"
        )
    if problem := wish_problem(config.on):
        raise CampaignConfigError(problem)
    if config.rounds < 1:
        raise CampaignConfigError(f"rounds is {config.rounds}; a campaign needs at least 1")
    if not 1 <= config.parallel <= MAX_PARALLEL:
        raise CampaignConfigError(
            f"parallel is {config.parallel}; 1 to {MAX_PARALLEL} agents of a campaign can think at once"
        )
    if config.autonomy not in tuple(Autonomy):
        raise CampaignConfigError(f"autonomy is {config.autonomy}; the levels are 0, 1, 2 and 3")
    if config.control_every < 0:
        raise CampaignConfigError(
            f"control_every is {config.control_every}; give the ideas between two control times, or 0 for none"
        )
    if config.audit_every < 0:
        raise CampaignConfigError(
            f"audit_every is {config.audit_every}; give the promotions between two audits, or 0 for one at the end only"
        )
    for name in (
        "budget_usd", "budget_tokens", "budget_wall_s", "budget_device_s", "round_budget_usd", "review_votes",
    ):  # fmt: skip
        value = getattr(config, name)
        if value is not None and value <= 0:
            raise CampaignConfigError(
                f"{name} is {value}; give a positive number or leave it out for no limit"
            )


def task_of(campaign: CampaignRecord) -> Task:
    """The task of a campaign, as it was when the campaign was queued.

    Raises:
        TaskChangedError: Its folder holds another version now.
        TaskError: It cannot be loaded any more.
    """
    config = campaign.config
    task = load_task(Path(config.task_root), track=campaign.track)
    if task.digest != campaign.task_digest:
        raise TaskChangedError(
            f"task {task.name!r} in {config.task_root} changed since campaign {campaign.id} was queued "
            f"(digest {task.digest[:12]}, was {campaign.task_digest[:12]}): what it measures now is not what was "
            "measured then; put the old version back, or queue a campaign anew"
        )
    return task


def queue_campaign(
    ledger: Ledger,
    task: Task,
    *,
    profile: str,
    lineage: str,
    config: CampaignConfig,
    now: datetime | None = None,
) -> CampaignRecord:
    """Write the campaign and its first event; the caller then puts its id into the engine's queue.

    Args:
        ledger: Where facts go.
        task: The loaded task, in the track to work on.
        profile: Size of the task.
        lineage: Whose champion it starts from and moves.
        config: Settings, already complete.
        now: Creation time, the present when None.

    Raises:
        CampaignConfigError: See `check_config`.
    """
    check_config(config, task, profile)
    at = now or utc_now()
    config = replace(config, seed=config.seed or secrets.token_hex(16))
    record = CampaignRecord(
        id=new_campaign_id(at),
        created_at=at,
        task=task.name,
        task_digest=task.digest,
        track=task.track,
        profile=profile,
        lineage=lineage,
        seed_commitment=hashlib.sha256(bytes.fromhex(config.seed)).hexdigest(),
        config=config,
    )
    ledger.add_campaign(record)
    ledger.add_campaign_event(
        CampaignEvent(campaign_id=record.id, kind=CampaignEventKind.QUEUED, at=at)
    )
    return record


def new_campaign_id(at: datetime) -> str:
    """Sortable by day, short enough to type: "c1120-4f2a"."""
    return f"c{at:%m%d}-{secrets.token_hex(2)}"


def default_lineage(task: Task, profile: str, start: Start = Start.EASY) -> str:
    """Tasks, tracks, profiles and starts never share a champion unless a person says so.

    What drives campaigns has one lineage, whatever the size at which its gains were shown; sizes that claim nothing keep
    their own. A hard start has one of its own too, which drives nothing.
    """
    driver = driver_of(task)
    if start is Start.EASY and driver is not None and task.profiles[profile].claim != "none":
        return driver.lineage
    plain = f"{task.name.replace('@', '-')}-{task.track}-{profile}"
    return plain if start is Start.EASY else f"{plain}-{start.value}"
