"""What a campaign is asked to do: its settings, and how it enters the queue.

Invariant: a queued campaign is complete; a worker on another machine needs nothing but the ledger, the
lineage's repository and the task's folder.
"""

import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from datetime import datetime
from enum import IntEnum
from pathlib import Path
from typing import cast

from rsi.agent.errors import AgentError
from rsi.agent.store.events import CampaignEvent
from rsi.agent.store.ledger import Ledger
from rsi.agent.store.records import CampaignEventKind, CampaignRecord, utc_now
from rsi.tasks.format.loader import load_task
from rsi.tasks.types import Task

DEFAULT_AUDIT_EVERY = 5
"""Promotions between two audits of a campaign that is queued now: few enough that a drift is found while it can be
undone by one rollback, and one more measurement for some thirty of the same size."""


class Autonomy(IntEnum):
    """Who decides at the gate. Level 0, a person's word before each measurement, does not exist yet."""

    PERSON = 1
    """A person approves each promotion."""
    LOW_RISK = 2
    """Policy promotes candidates without findings; a person sees the others."""
    POLICY = 3
    """Policy promotes; a person audits afterwards."""


class CampaignConfigError(AgentError, ValueError):
    """The settings of a campaign contradict each other or the task."""


class TaskChangedError(AgentError):
    """The task on disk is not the one that the campaign was queued with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CampaignConfig:
    """Settings of one campaign; stored whole in its record."""

    task_root: str
    """Folder of the task; a worker loads it from there and compares the digest."""
    rounds: int
    proposer: str
    """Model spec, such as "scripted:demo" or "anthropic:<model>"."""
    other_proposers: tuple[str, ...] = ()
    """More models to choose from, round by round, by gain per dollar."""
    fork_of: str | None = None
    """Round whose proposer's run the first round goes on from; None starts afresh."""
    fork_step: int = 0
    """Turn of that run after which it goes on."""
    fork_say: str | None = None
    """Words for the agent at that point."""
    critic: str = "none"
    reviewer: str = "rules"
    """"rules" reviews by the deterministic rules alone; a model spec adds votes."""
    autonomy: int = Autonomy.PERSON
    is_autonomy_granted: bool = False
    """Policy decides at levels 2 and 3 although no controls have earned it yet."""
    backend: str = "auto"
    strategy: str = "greedy"
    scaffold: str | None = None
    """Folder of the scaffold; None means the one that ships with rsi."""
    budget_usd: float | None = None
    budget_tokens: int | None = None
    budget_wall_s: float | None = None
    budget_device_s: float | None = None
    """Seconds of timed runs, the agent's own included."""
    round_budget_usd: float | None = None
    """Dollars that the models may cost in any one round, all its attempts together."""
    review_votes: int = 1
    """Independent looks of the reviewer model."""
    is_unknown_price_allowed: bool = False
    campaign_alpha: float = 0.01
    """Chance of any false promotion in the whole campaign."""
    control_every: int = 0
    """Ideas between two control times, the first one before any idea; 0 plans none. `rsi run` asks for some by
    default; this default is for campaigns that were queued when there were none, which must go on as begun."""
    audit_every: int = 0
    """Promotions of this campaign after which its champion is measured against the baseline again, and so on; 0 only at
    the end. `rsi run` asks for some by default; this default is for campaigns that were queued without the setting."""
    seed: str = field(default_factory=lambda: secrets.token_hex(16))
    """Master seed, hex; every instance and training seed derives from it. Never enters a sandbox."""

    @classmethod
    def from_json(cls, stored: Mapping[str, object]) -> "CampaignConfig":
        """Read back what `to_json` wrote; unknown keys of newer versions are ignored."""
        known = {each.name for each in fields(cls)}
        read = {key: value for key, value in stored.items() if key in known}
        # JSON has lists only.
        read["other_proposers"] = tuple(cast(list[str], read.get("other_proposers", [])))
        return cls(**read)  # type: ignore[arg-type]  # JSON that `to_json` wrote

    def to_json(self) -> dict[str, object]:
        """Plain JSON for the ledger."""
        return asdict(self)


def check_config(config: CampaignConfig, task: Task, profile: str) -> None:
    """Refuse settings that cannot work, before anything is queued.

    Raises:
        CampaignConfigError: The message names the setting, what was given and what would do.
    """
    if profile not in task.profiles:
        known = ", ".join(task.profiles)
        raise CampaignConfigError(f"task {task.name!r} has no profile {profile!r}; it has {known}")
    if config.rounds < 1:
        raise CampaignConfigError(f"rounds is {config.rounds}; a campaign needs at least 1")
    if config.autonomy not in tuple(Autonomy):
        raise CampaignConfigError(f"autonomy is {config.autonomy}; the levels are 1, 2 and 3")
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
    config = CampaignConfig.from_json(campaign.config)
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
    record = CampaignRecord(
        id=new_campaign_id(at),
        created_at=at,
        task=task.name,
        task_digest=task.digest,
        track=task.track,
        profile=profile,
        lineage=lineage,
        seed_commitment=hashlib.sha256(bytes.fromhex(config.seed)).hexdigest(),
        config=config.to_json(),
    )
    ledger.add_campaign(record)
    ledger.add_campaign_event(
        CampaignEvent(campaign_id=record.id, kind=CampaignEventKind.QUEUED, at=at)
    )
    return record


def new_campaign_id(at: datetime) -> str:
    """Sortable by day, short enough to type: "c1120-4f2a"."""
    return f"c{at:%m%d}-{secrets.token_hex(2)}"


def default_lineage(task: Task, profile: str) -> str:
    """Tasks, tracks and profiles never share a champion unless a person says so."""
    return f"{task.name}-{task.track}-{profile}"
