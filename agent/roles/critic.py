"""The critic: another model argues against a candidate, from the notebook, before money is spent on measuring.

Invariants: it may send a candidate back once, so on a second attempt its "revise" counts as "go"; a critic
that says nothing usable stops nothing, since the measurement decides anyway.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from rsi.agent.llm.base import Model
from rsi.agent.llm.fence import RULE, cut, fence
from rsi.agent.llm.retry import RetryPolicy
from rsi.agent.llm.types import ToolSpec
from rsi.agent.roles.answers import ask
from rsi.agent.roles.calls import Caller
from rsi.agent.roles.scaffold.loading import Scaffold
from rsi.agent.store.codec import value_of
from rsi.agent.store.steps.values import Stance
from rsi.agent.types import AgentRole, BudgetGuard, Critique, Sink
from rsi.evals.types import Finding, Severity

DIFF_CHARS = 60_000
REPLY_TOKENS = 4096

CRITIQUE = ToolSpec(
    name="critique",
    description="Say whether the candidate is worth measuring. Call it once.",
    parameters={
        "type": "object",
        "properties": {
            "stance": {"type": "string", "enum": [stance.value for stance in Stance]},
            "text": {"type": "string", "description": "the argument, in a few sentences"},
            "objections": {
                "type": "array",
                "items": {
                    "type": "object",
                    "properties": {
                        "file": {"type": "string"},
                        "line": {"type": "integer"},
                        "message": {"type": "string"},
                    },
                    "required": ["message"],
                },
            },
        },
        "required": ["stance", "text"],
    },
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """What the critic is shown."""

    task: str
    instruction: str
    hypothesis: str
    predicted_ratio: float | None
    risk: str
    diff: str
    score_profile: str
    """How the champion does now."""
    decides: str = ""
    """What a candidate is judged by; this and the two below as the author was told."""
    machine: str = ""
    allowance: str = ""
    measured: Sequence[str] = ()
    """What `measure` answered the author, oldest first."""
    objected: str | None = None
    """Why the critic sent the last version back; None when it did not."""
    feedback: str | None = None
    """What a person asked to be changed; None when nobody did."""
    notebook: str
    """What earlier rounds taught about this idea."""
    duplicates: Sequence[str] = ()
    """One line for each earlier failed idea that this one resembles."""
    attempt: int = 0
    """0-based; above 0 it was sent back before."""


def criticise(
    candidate: Candidate,
    model: Model,
    *,
    sink: Sink,
    budget_guard: BudgetGuard,
    scaffold: Scaffold,
    retry: RetryPolicy | None = None,
) -> Critique:
    """What a critic has against a candidate.

    Returns:
        Its stance and argument; "go" with a note when it gave no usable answer.

    Raises:
        BudgetExceededError: The call does not fit what is left.
        ModelError: The provider failed for good or for too long.
    """
    caller = Caller(
        model=model,
        role=AgentRole.CRITIC,
        budget_guard=budget_guard,
        sink=sink,
        policy=retry or RetryPolicy(),
    )
    answer = ask(
        caller,
        system=scaffold.render("critic", data_rule=RULE),
        prompt=prompt(candidate),
        tool=CRITIQUE,
        scaffold=scaffold.digest,
        tokens=REPLY_TOKENS,
    ).arguments
    if answer is None:
        text = "The critic gave no usable answer; the candidate goes on."
        stance, objections = Stance.GO, tuple[_Objection, ...]()
    else:
        stance, text = Stance(str(answer["stance"])), str(answer["text"])
        objections = value_of(tuple[_Objection, ...], answer.get("objections", []))
        if stance is Stance.REVISE and candidate.attempt > 0:
            stance = Stance.GO
            text += " (It was sent back once already, so it goes on.)"
    sink(AgentRole.CRITIC.value, "end", {"outcome": stance.value, "reason": text, "turns": 1})
    findings = tuple(_finding(objection, model.spec) for objection in objections)
    return Critique(stance=stance, text=text, findings=findings, model=model.spec, cost=caller.cost)


def prompt(candidate: Candidate) -> str:
    """What the critic reads; everything that the author or a program wrote is fenced."""
    duplicates = "\n".join(candidate.duplicates) or "none"
    measured = "\n".join(fence(each, source="measure") for each in candidate.measured)
    predicted = candidate.predicted_ratio
    before = (
        ("# Why you sent its last version back", candidate.objected),
        ("# What a person asked to be changed in the last version", candidate.feedback),
    )
    return "\n\n".join(
        (
            f"# Task {candidate.task}\n{candidate.instruction}",
            f"# What decides\n{candidate.decides}",
            f"# The machine\n{candidate.machine}",
            f"# What is left\n{candidate.allowance}",
            f"# The champion now\n{fence(candidate.score_profile, source='ledger')}",
            *(f"{title}\n{fence(text, source='ledger')}" for title, text in before if text),
            f"# The author's claim\n{fence(candidate.hypothesis, source='author')}\n"
            f"Predicted ratio: {'none' if predicted is None else f'{predicted:g}'}\n"
            f"Risk, in the author's words:\n{fence(candidate.risk, source='author')}",
            f"# The change\n{fence(cut(candidate.diff, DIFF_CHARS), source='diff')}",
            f"# What the author measured\n{measured or 'nothing'}",
            f"# What earlier rounds taught\n{fence(candidate.notebook, source='notebook')}",
            f"# Failed ideas that resemble it\n{fence(duplicates, source='notebook')}",
            "Argue against it, then call `critique`.",
        )
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Objection:
    """One objection as the critic's tool takes it."""

    message: str
    file: str | None = None
    line: int | None = None


def _finding(objection: _Objection, source: str) -> Finding:
    return Finding(
        rule="critic",
        severity=Severity.NOTE,
        file=objection.file,
        line=objection.line,
        message=objection.message,
        source=source,
    )
