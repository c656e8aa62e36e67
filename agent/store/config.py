"""What a campaign was asked to do: its settings, stored whole in its record."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from enum import IntEnum
from typing import Self

from rsi.agent.store.codec import Stored, own_fields, stored_fields
from rsi.tasks.choices import Start

MAX_PARALLEL = 8
"""Agents of one campaign that may think at once: so many ideas are open behind the one that is measured."""


class Autonomy(IntEnum):
    """Who decides at the gate."""

    EACH_RUN = 0
    """A person lets each candidate be measured, and approves each promotion."""
    PERSON = 1
    """A person approves each promotion."""
    LOW_RISK = 2
    """Policy promotes candidates without findings; a person sees the others."""
    POLICY = 3
    """Policy promotes; a person audits afterwards."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CampaignConfig(Stored):
    """Settings of one campaign; stored whole in its record."""

    task_root: str = ""
    """Folder of the task; a worker loads it from there and compares the digest. Empty in a recording."""
    rounds: int
    proposer: str
    """Model spec, such as "scripted:demo" or "anthropic:<model>"."""
    parallel: int = 1
    """Agents that may think at once, each about an idea of its own; what they propose is measured one after the other."""
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
    start: Start = Start.EASY
    """What the lineage begins from."""
    backend: str = "auto"
    on: tuple[str, ...] = ()
    """Machines that it asks for, each wish as "KEY=VALUE"; a worker's has to answer all of them. Empty takes any."""
    strategy: str = "greedy"
    """Empty until it is queued means the scaffold's."""
    scaffold: str | None = None
    """Folder that a person named for the scaffold; None means the version in use."""
    driver_digests: Mapping[str, str] = field(default_factory=dict)
    """What drives it, by kind: "scaffold" and "reviewer", each by the digest of its files, under which the ledger keeps
    them. Empty for campaigns that were queued before, which read the folder."""
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
    seed: str = ""
    """Master seed, hex; every instance and training seed derives from it. Never enters a sandbox, nor a recording; empty
    until the campaign is queued."""

    def to_stored(self) -> Mapping[str, object]:
        return stored_fields(self)

    @classmethod
    def from_stored(cls, raw: object) -> Self:
        """Settings that only a newer version knows are passed over: they are wishes, not facts."""
        known = {each.name for each in fields(cls)}
        if isinstance(raw, Mapping):
            raw = {name: value for name, value in raw.items() if name in known}
        return own_fields(cls, raw)
