"""Values and protocols that the parts of the agent room share.

Invariant: a proposal that failed is a value with an outcome and a reason, never an exception.
Does not: know the ledger, the engine or any provider.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from rsi.agent.llm.types import Usage
from rsi.agent.store.records import AgentRole as AgentRole  # one list of names for all
from rsi.agent.store.steps.values import Cost, Stance
from rsi.evals.types import Finding
from rsi.sandboxes.types import FileTree

Sink = Callable[[str, str, Mapping[str, object]], None]
"""Receives trajectory events as they happen: agent name, kind, JSON payload.

Agent names are the values of `AgentRole`, kinds those of the ledger's `TrajectoryKind`:
system     model, scaffold, scaffold_digest, system (prompt), tools (definitions)
user       text, source ("brief", "person" or "rsi"): what the model is told between turns
model      texts, layout, stop_reason, usage (token counts), usd, request_id, model, latency_s
thinking   provider, text, payload: a reasoning block, verbatim
tool_call  id, name, arguments, and problem with raw_arguments when they could not be read
tool_result  call_id, tool, text, is_error, facts
note       note ("compaction" or "retry") and its numbers
error      error, class, status: a failed attempt
end        outcome, reason, turns
"""


class BudgetExceededError(RuntimeError):
    """A reservation does not fit what is left; nothing was sent and nothing is owed."""

    def __init__(self, message: str, *, limit: str, is_of_round: bool = False) -> None:
        super().__init__(message)
        self.limit = limit
        """Name of the limit that stopped it, such as "usd" or "tokens"."""
        self.is_of_round = is_of_round
        """Whether it was the round's own limit, so that another round may well start."""


class BudgetGuard(Protocol):
    """Money and tokens of one round; each attempt is reserved before it is sent."""

    def reserve(
        self, *, role: AgentRole, model: str, upper_bound_usd: float | None, tokens: int
    ) -> str:
        """Set aside the most that one attempt can cost, durably.

        Args:
            role: Who asks.
            model: Model spec.
            upper_bound_usd: Most that it can cost; None when the price is unknown and waived.
            tokens: Most tokens that can pass, in and out.

        Returns:
            The reservation's id.

        Raises:
            BudgetExceededError: It does not fit.
        """
        ...

    def settle(self, reservation: str, *, usage: Usage | None, usd: float | None) -> None:
        """Replace a reservation by what it really cost.

        Args:
            reservation: Id from `reserve`.
            usage: Tokens; None when unknown, which keeps the reservation whole.
            usd: Dollars; None when the price is unknown.
        """
        ...


class Steering(Protocol):
    """What a person says to a running agent."""

    def wait_for_go(self) -> bool:
        """Block while paused; False when the round must stop now."""
        ...

    def messages(self) -> Iterable[str]:
        """Messages since the last call, oldest first; each is delivered once, when it was dealt with before the next."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class DevRun:
    """A cheap run on the public split, as the agent sees it."""

    is_ok: bool
    summary: str
    """What the agent reads: numbers, or what went wrong with the end of the output."""
    facts: Mapping[str, object] = field(default_factory=dict)
    """The same as JSON, for the record."""
    device_s: float = 0.0
    """Wall seconds that its runs took."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What an agent wants to know of its version."""

    repeats: int = 1
    """Runs of it."""
    is_profiled: bool = False
    """Whether one run more happens under a profiler."""


Measure = Callable[[FileTree, Look], DevRun]
SearchNotebook = Callable[[str], str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Brief:
    """Everything that the proposer is told before it starts."""

    round_id: str
    round_number: int
    """1-based within its campaign."""
    task: str
    profile: str
    instruction: str
    base_commit: str
    base_tree: FileTree
    """Files of the commit to start from."""
    champion_tree: FileTree | None = None
    """Files of the champion, which the change is admitted against; None when that is the commit to start from."""
    score_profile: str
    """How the champion does now, in words and numbers."""
    start_commit: str | None = None
    """The version that was sent back, which the files stand at; None when they stand at `base_commit`."""
    start_tree: FileTree | None = None
    """Its files."""
    decides: str = ""
    """What a candidate is judged by: track, metric, qualities, guards, limits."""
    machine: str = ""
    """What the runs happen on."""
    allowance: str = ""
    """Rounds and money that are left."""
    beside: str = ""
    """What the other agents of the campaign are at; empty where they think one at a time."""
    notebook: str
    """What past rounds taught, already chosen and cut to size."""
    inspirations: tuple[str, ...] = ()
    """Diffs and results of other candidates worth borrowing from."""
    last_version: str | None = None
    """Claim and diff of the version that was sent back; None the first time."""
    critique: str | None = None
    """Why the critic sent the last version back; None the first time."""
    feedback: str | None = None
    """What a person asked to be changed; None when nobody did."""


class ProposalOutcome(StrEnum):
    """How proposing ended."""

    SUBMITTED = "submitted"
    GAVE_UP = "gave_up"
    """The agent said that its idea does not work, which is a result."""
    NO_PATCH = "no_patch"
    """It handed nothing in for another reason: it only talked, refused, or lost its sandbox."""
    OUT_OF_BUDGET = "out_of_budget"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """What the proposer hands over."""

    outcome: ProposalOutcome
    reason: str
    """One sentence: why it ended so; empty when submitted."""
    tree: FileTree
    """The repo as the agent left it; empty unless submitted."""
    hypothesis: str
    predicted_ratio: float | None
    """Expected improvement over the champion, 1.10 means 10 percent better; None when not submitted."""
    risk: str
    parts: tuple[str, ...]
    """The separable parts of the change, in the agent's words."""
    cost: Cost
    turns: int
    scaffold_digest: str
    model: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Critique:
    """What the critic said before money was spent on measuring."""

    stance: Stance
    text: str
    findings: tuple[Finding, ...]
    model: str
    cost: Cost = field(default_factory=Cost)
