"""Values that the ledger stores and returns.

Times are aware UTC datetimes; payloads are plain JSON (str keys; dict, list, str, int, finite float,
bool, None). Does not: touch a database, derive states (`rsi.agent.store.state` does).
Invariant: a record says one thing that happened; it is never changed afterwards.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum

from rsi.agent.store.codec import Stored, own_fields
from rsi.agent.store.config import CampaignConfig
from rsi.sandboxes.machine.hardware import Hardware

Json = Mapping[str, object]


def utc_now() -> datetime:
    """The wall clock, for callers that were given no clock of their own."""
    return datetime.now(UTC)


def round_id_of(campaign_id: str, number: int) -> str:
    """The id of a campaign's n-th round (1-based); also the last part of its candidate's git ref."""
    return f"{campaign_id}-{number:04d}"


# --- campaigns and rounds -------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class CampaignRecord:
    """What was asked for; the campaign's state is derived from its events."""

    id: str
    """Letters, digits, "-" and "_"; part of git ref names."""
    created_at: datetime
    task: str
    task_digest: str
    track: str
    profile: str
    lineage: str
    """Name of the git repository whose champion this campaign moves."""
    seed_commitment: str
    """sha256 of the campaign's master seed."""
    config: CampaignConfig


class CampaignEventKind(StrEnum):
    """A change in a campaign's life."""

    QUEUED = "queued"
    STARTED = "started"
    PAUSED = "paused"
    RESUMED = "resumed"
    PARKED = "parked"
    """Something on our side keeps it from going on, such as a full disk; it goes on by itself when that passed."""
    AUDITED = "audited"
    """The champion was measured against the baseline between two rounds; the campaign goes on."""
    STOPPED = "stopped"
    FINISHED = "finished"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundRecord:
    """One idea, opened."""

    id: str
    """`round_id_of(campaign_id, number)`."""
    campaign_id: str
    number: int
    """1-based within the campaign."""
    champion_commit: str
    """The champion it is measured against."""
    created_at: datetime
    parent_commit: str | None = None
    """The commit that the idea starts from; None means the champion."""
    is_control: bool = False
    """True for a null patch or a planted cheat that measures the pipeline itself."""


class Step(StrEnum):
    """The twelve steps of a round, in order."""

    OPEN = "open"
    BRIEF = "brief"
    PROPOSE = "propose"
    COMMIT = "commit"
    CRITIQUE = "critique"
    ADMIT = "admit"
    MEASURE = "measure"
    SCORE = "score"
    REVIEW = "review"
    DECIDE = "decide"
    PROMOTE = "promote"
    REPORT = "report"


class StepOutcome(StrEnum):
    """How a step ended; every word but a few ends the attempt."""

    OK = "ok"
    STOPPED = "stopped"
    """By a person, before it was done."""
    HARNESS_ERROR = "harness_error"
    """Our failure: never held against the candidate."""
    GAVE_UP = "gave_up"
    """The agent's own word that its idea does not work; rounds of older versions have "no_patch" for it."""
    NO_PATCH = "no_patch"
    OUT_OF_BUDGET = "out_of_budget"
    DOES_NOT_APPLY = "does_not_apply"
    EMPTY = "empty"
    NOT_ADMITTED = "not_admitted"
    WITHDRAWN = "withdrawn"
    CRASHED = "crashed"
    TIMEOUT = "timeout"
    OOM = "oom"
    INVALID_OUTPUT = "invalid_output"
    TAMPERED = "tampered"
    OUT_OF_TURN = "out_of_turn"
    SUPPORTED = "supported"
    REFUTED = "refuted"
    INCONCLUSIVE = "inconclusive"
    INVALID = "invalid"
    HELD = "held"
    """For a person: policy alone may not promote it."""
    REJECTED = "rejected"
    APPROVE = "approve"
    REJECT = "reject"
    REVISE = "revise"
    """Sent back, by the critic or at the gate."""
    STALE = "stale"
    PROMOTED = "promoted"

    @property
    def goes_on(self) -> bool:
        """Whether the next step runs."""
        return self in _GOES_ON


_GOES_ON = frozenset(
    {
        StepOutcome.OK, StepOutcome.SUPPORTED, StepOutcome.HELD, StepOutcome.APPROVE,
        StepOutcome.PROMOTED,
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Reopening:
    """A round that failed on our side is run again: where it broke counts no more, what it did before counts on."""

    round_id: str
    number: int
    """1-based within the round."""
    actor: str
    at: datetime
    reason: str
    """Where and why it had failed."""


class AgentRole(StrEnum):
    """Who thinks."""

    PROPOSER = "proposer"
    CRITIC = "critic"
    REVIEWER = "reviewer"


class TrajectoryKind(StrEnum):
    """What one trajectory event is."""

    SYSTEM = "system"
    USER = "user"
    MODEL = "model"
    THINKING = "thinking"
    TOOL_CALL = "tool_call"
    TOOL_RESULT = "tool_result"
    NOTE = "note"
    ERROR = "error"
    END = "end"


@dataclass(frozen=True, slots=True, kw_only=True)
class TrajectoryEvent:
    """One step of one agent in one round; unique by (round_id, agent, seq)."""

    round_id: str
    agent: AgentRole
    seq: int
    """0-based; `Ledger.next_event_seq` says where to go on after a crash."""
    at: datetime
    kind: TrajectoryKind
    payload: Json = field(default_factory=dict)
    input_tokens: int | None = None
    output_tokens: int | None = None
    cost_usd: float | None = None
    """Dollars of this turn; None when it cost nothing to know or the price is unknown."""


# --- decisions and promotions: the chained facts ---------------------------------------


class DecisionAction(StrEnum):
    """What the gate said."""

    APPROVE = "approve"
    REJECT = "reject"
    REVISE = "revise"


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionRecord:
    """The gate's word on exactly what was shown; one per (round, commit, score digest, is_override)."""

    round_id: str
    action: DecisionAction
    actor: str
    """"person:<name>" or "policy:<level>"."""
    reason: str
    commit: str | None
    """The commit that was shown; None when the round never had one."""
    score_digest: str | None
    """The score that was shown; None when the decision came before measuring."""
    at: datetime
    is_override: bool = False
    """True when it goes against the verdict or an earlier decision."""


class PromotionKind(StrEnum):
    """Which way the champion moved."""

    PROMOTE = "promote"
    ROLLBACK = "rollback"


@dataclass(frozen=True, slots=True, kw_only=True)
class PromotionRecord:
    """The champion moved; a lineage's promotions form one line, each starting where the last ended."""

    lineage: str
    round_id: str
    old_commit: str
    new_commit: str
    score_digest: str | None
    """The score that was approved; None for a rollback."""
    at: datetime
    kind: PromotionKind = PromotionKind.PROMOTE
    actor: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LineageMoves:
    """How the champion of one lineage moved."""

    done: tuple[PromotionRecord, ...]
    """Oldest first."""
    announced: tuple[PromotionRecord, ...]
    """Every one that was announced, oldest first; versions before announced none."""
    under_way: PromotionRecord | None
    """Announced, and perhaps carried out in git, but not recorded as done."""

    @property
    def champion(self) -> str | None:
        """Where the last move ended; None while the baseline is the champion."""
        return self.done[-1].new_commit if self.done else None

    @property
    def needed(self) -> tuple[str, ...]:
        """Commits that a repository must have to go on: both ends of the last move; none without one."""
        last = self.under_way or (self.done[-1] if self.done else None)
        return () if last is None else (last.old_commit, last.new_commit)


# --- requests -------------------------------------------------------------------------


class RequestKind(StrEnum):
    """What a person asks of a running campaign."""

    PAUSE = "pause"
    RESUME = "resume"
    STOP = "stop"
    MESSAGE = "message"
    BUDGET = "budget"
    PRIORITY = "priority"
    RETRY = "retry"
    AUDIT = "audit"


@dataclass(frozen=True, slots=True, kw_only=True)
class HandledMark:
    """Who took a request and how it ended; the first mark wins."""

    request_id: int
    at: datetime
    actor: str
    outcome: str
    """"done", "refused" or one word of the handler."""
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked(Stored):
    """What a request says besides its kind; a limit is stored under its setting's name."""

    text: str = ""
    """Words for the agent."""
    by: int = 0
    """Places to move up in the queue; below 0 to move down."""
    limits: Mapping[str, float | None] = field(default_factory=dict)
    """New limits by their setting's name, such as "budget_usd"; None lifts one."""

    def to_stored(self) -> Json:
        words = {"text": self.text} if self.text else {}
        return {**words, **({"by": self.by} if self.by else {}), **self.limits}

    @classmethod
    def from_stored(cls, raw: object) -> "Asked":
        if not isinstance(raw, Mapping):
            return own_fields(cls, raw)
        said = dict(raw)
        words = {name: said.pop(name) for name in ("text", "by") if name in said}
        return own_fields(cls, {**words, "limits": said})


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestRecord:
    """One wish, written by the CLI or the TUI, taken by a worker."""

    id: int
    """Given by the ledger, rising."""
    kind: RequestKind
    actor: str
    at: datetime
    campaign_id: str | None = None
    round_id: str | None = None
    payload: Asked = field(default_factory=Asked)
    handled: HandledMark | None = None
    """None while nobody took it."""


# --- workers, money, logs -------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerRecord:
    """A worker and its last sign of life."""

    id: str
    """Host, pid and a random part, so that no two workers ever share one."""
    host: str
    """Its name, for people; two machines may share it."""
    pid: int
    """Within its PID namespace."""
    started_at: datetime
    heartbeat_at: datetime
    """By the database's clock."""
    version: str
    boot_id: str = ""
    """Of the running kernel; empty in records of older versions."""
    pid_namespace: str = ""
    """In which `pid` means something; empty in records of older versions."""
    start_tick: int | None = None
    """When the process started, in clock ticks since boot: tells a reused pid."""
    is_leaving: bool = False
    """It takes nothing new; what is queued from now on needs another."""
    hardware: Hardware | None = None
    """None in records of older versions."""
    is_paused: bool = False
    """It takes nothing new and hands on what it runs, until it is resumed."""
    is_draining: bool = False
    """It takes nothing new, hands on what it runs and ends."""
    labels: tuple[str, ...] = ()
    """What its operator calls it, for campaigns that ask for such a machine."""


class ChargeRole(StrEnum):
    """What money or device time was spent on."""

    PROPOSER = "proposer"
    CRITIC = "critic"
    REVIEWER = "reviewer"
    DEVICE = "device"


class ChargeStatus(StrEnum):
    """How far a charge got."""

    RESERVED = "reserved"
    """Counts in full: the call may have been made."""
    SETTLED = "settled"
    """Counts what it really cost."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChargeRecord:
    """One reservation and, once the call is over, what it came to."""

    id: str
    """Chosen by the caller before the call, the same when the step runs again."""
    campaign_id: str
    round_id: str | None
    role: ChargeRole
    model: str
    reserved_usd: float | None
    """Dollars; None when the price is unknown and the user said to go on."""
    reserved_at: datetime
    status: ChargeStatus = ChargeStatus.RESERVED
    actual_usd: float | None = None
    """Dollars; None while reserved, or when the price is unknown."""
    tokens: Mapping[str, int] = field(default_factory=dict)
    """Count by kind: "input", "output", "cache_read", "cache_write", "reasoning"."""
    device_s: float | None = None
    """Seconds a device was held; None for model calls."""
    settled_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LogChunk:
    """A piece of output, kept as the bytes that came; unique by (round_id, stream, seq)."""

    round_id: str
    stream: str
    """Such as "measure/candidate/3/stdout"."""
    seq: int
    at: datetime
    content: bytes


# --- what list queries return ---------------------------------------------------------


class CampaignState(StrEnum):
    """Where a campaign is, derived from its latest event."""

    QUEUED = "queued"
    RUNNING = "running"
    PAUSED = "paused"
    PARKED = "parked"
    STOPPED = "stopped"
    FINISHED = "finished"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class CampaignSummary:
    """One line of the campaign list."""

    record: CampaignRecord
    state: CampaignState
    changed_at: datetime
    """When the latest event happened; the creation time when there is none."""
    rounds: int
    promoted: int
    """Rounds of this campaign that promoted; rollbacks are not subtracted."""
    spend_usd: float
    """Real dollars plus what is only reserved, in full."""
    reserved_usd: float
    """The part of it that is reserved: calls under way, and calls whose cost nobody told."""
    latest_round_id: str | None
    latest_step: Step | None
    """The latest finished step of the latest round."""
    latest_outcome: StepOutcome | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Spend:
    """What one role cost so far."""

    role: ChargeRole
    calls: int
    spent_usd: float
    """Real dollars plus what is only reserved, in full."""
    reserved_usd: float
    """The part of it that is reserved: calls under way, and calls whose cost nobody told."""
    unknown_calls: int
    """Calls whose price nobody knows; not in the sum."""
    tokens: Mapping[str, int]
    """Real ones, by kind."""
    reserved_tokens: int
    device_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainReport:
    """Whether decisions and promotions are as they were written."""

    is_intact: bool
    rows: int
    head: str
    """Hash of the last row; 64 zeros when there is none."""
    broken_at: int | None
    """Position of the first bad row, None when intact."""
    reason: str
    """One sentence."""
