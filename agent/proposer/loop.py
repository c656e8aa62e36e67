"""The proposer's loop: one model, one sandbox, turns until it submits, gives up or runs out.

Reads top to bottom: `propose` prepares, `_Loop.run` turns, `_Loop._end` names the outcome.
Invariants: money is reserved before each call (`agent.calls`); each step is in the trajectory before the
next one starts; whatever the model or the sandbox does ends as a `Proposal`, only our own
failures raise.
"""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from rsi.agent.calls import Caller
from rsi.agent.llm.base import Model, OnDelta
from rsi.agent.llm.codec import tool_to_json
from rsi.agent.llm.errors import ContextOverflowError
from rsi.agent.llm.fence import RULE
from rsi.agent.llm.retry import RetryPolicy
from rsi.agent.llm.tokens import request_tokens_estimate
from rsi.agent.llm.types import (
    Block,
    Message,
    Reply,
    Request,
    Role,
    StopReason,
    Text,
    ToolCall,
    ToolResult,
    ToolSpec,
)
from rsi.agent.proposer.conversation import Conversation
from rsi.agent.proposer.limits import ProposerLimits
from rsi.agent.proposer.outputs import OutputStore
from rsi.agent.proposer.stalls import StallWatch
from rsi.agent.proposer.start import Start
from rsi.agent.proposer.tools import TOOLS, Answer, Bench, Submission, answer_call
from rsi.agent.proposer.workspace import SandboxGoneError, Workspace
from rsi.agent.scaffolds import Scaffold, ScaffoldError
from rsi.agent.types import (
    AgentRole,
    Brief,
    BudgetExceededError,
    Measure,
    Proposal,
    ProposalOutcome,
    Purse,
    SearchNotebook,
    Sink,
    Steering,
)
from rsi.sandboxes.errors import SandboxBrokenError
from rsi.sandboxes.types import Sandbox
from rsi.tasks.types import Task

log = logging.getLogger(__name__)

AGENT = AgentRole.PROPOSER.value
ALWAYS_PRESENT = ("submit", "give_up")
"""Tools that every scaffold has, since they are how a round ends."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _End:
    """How the loop ended, when not by the model's own choice."""

    outcome: ProposalOutcome
    reason: str


def propose(
    brief: Brief,
    model: Model,
    task: Task,
    sandbox: Sandbox,
    *,
    sink: Sink,
    purse: Purse,
    steering: Steering,
    scaffold: Scaffold,
    measure: Measure,
    search_notebook: SearchNotebook,
    limits: ProposerLimits | None = None,
    retry: RetryPolicy | None = None,
    on_delta: OnDelta | None = None,
    start: Start | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> Proposal:
    """Let a model work on the champion's files until it hands in one idea.

    Args:
        brief: What the model is told; its `base_tree` is put into the sandbox at /work/repo.
        model: Who proposes.
        task: Rules shown to the model; nothing of its harness enters the sandbox.
        sandbox: The agent's own, thrown away afterwards by the caller.
        sink: Receives each step as it happens.
        purse: Reserves and settles each call.
        steering: Pause, stop and messages from a person.
        scaffold: Prompts, tool set and settings.
        measure: Runs a tree on public data.
        search_notebook: Answers the notebook tool.
        limits: Limits; the scaffold's settings go over them.
        retry: When failed calls are repeated.
        on_delta: Receives streaming pieces for a live view.
        start: The middle of an earlier run to go on from; its sandbox is this one, already rebuilt.
        clock: Seconds, monotonic.

    Returns:
        The proposal; its outcome says how it ended.

    Raises:
        ModelError: The provider failed for good or for too long.
        ScaffoldError: The scaffold names a tool that does not exist.
    """
    limits = (limits or ProposerLimits()).with_settings(scaffold.proposer)
    bench = _bench(sandbox, brief, limits, start, measure, search_notebook)
    caller = Caller(
        model=model,
        role=AgentRole.PROPOSER,
        purse=purse,
        sink=sink,
        policy=retry or RetryPolicy(),
    )
    loop = _Loop(
        caller=caller,
        bench=bench,
        steering=steering,
        sink=sink,
        limits=limits,
        system=scaffold.render("proposer", data_rule=RULE),
        tools=tool_specs(scaffold),
        conversation=_conversation(brief, task, scaffold, limits, start),
        stalls=StallWatch(limits.max_repeats),
        on_delta=on_delta,
        clock=clock,
    )
    loop.record_start(brief, scaffold, start)
    ending = loop.run()
    return _proposal(ending, loop, scaffold)


def _bench(
    sandbox: Sandbox,
    brief: Brief,
    limits: ProposerLimits,
    start: Start | None,
    measure: Measure,
    search_notebook: SearchNotebook,
) -> Bench:
    if start is not None:
        return replace(start.bench, measure=measure, search_notebook=search_notebook)
    workspace = Workspace(sandbox, limits)
    workspace.fill(brief.base_tree)
    return Bench(
        workspace=workspace,
        outputs=OutputStore(limits.shown_chars),
        limits=limits,
        measure=measure,
        search_notebook=search_notebook,
    )


def _conversation(
    brief: Brief, task: Task, scaffold: Scaffold, limits: ProposerLimits, start: Start | None
) -> Conversation:
    told = start.brief if start else (first_message(brief, task, scaffold, limits),)
    first = Message(role=Role.USER, blocks=tuple(Text(text=text) for text in told))
    return Conversation(first, list(start.turns) if start else [])


def tool_specs(scaffold: Scaffold) -> tuple[ToolSpec, ...]:
    """The tools that a scaffold shows to the model.

    Raises:
        ScaffoldError: A name that is no tool, or no way to end the round.
    """
    if unknown := [name for name in scaffold.tools if name not in TOOLS]:
        raise ScaffoldError(
            f"scaffold {scaffold.name!r} names unknown tools {unknown}; known: {sorted(TOOLS)}"
        )
    if absent := [name for name in ALWAYS_PRESENT if name not in scaffold.tools]:
        raise ScaffoldError(f"scaffold {scaffold.name!r} lacks {absent}: a round could not end")
    return tuple(TOOLS[name][0] for name in scaffold.tools)


def first_message(brief: Brief, task: Task, scaffold: Scaffold, limits: ProposerLimits) -> str:
    """The brief as the model reads it."""
    rules, metric = task.candidate, task.metric
    extra = "".join(
        f"\n## {title}\n{text}\n"
        for title, text in (
            ("Other candidates worth borrowing from", "\n\n".join(brief.inspirations)),
            ("Your last version was sent back by a critic", brief.critique or ""),
            ("A person asked for this change", brief.feedback or ""),
        )
        if text
    )
    return scaffold.render(
        "task",
        task=brief.task,
        profile=brief.profile,
        instruction=brief.instruction,
        editable=", ".join(rules.editable),
        protected=", ".join(rules.protected) or "nothing",
        max_source_bytes=rules.max_source_bytes,
        max_literal_bytes=rules.max_literal_bytes,
        max_files_added=rules.max_files_added,
        entry=" ".join(rules.entry),
        metric=f"{metric.name} in {metric.unit}, {metric.direction.value} is better; "
        f"a gain below {metric.minimum_effect:.1%} is not promoted",
        base_commit=brief.base_commit[:12],
        score_profile=brief.score_profile,
        notebook=brief.notebook or "Nothing yet.",
        extra=extra,
        max_turns=limits.max_turns,
        max_measures=limits.max_measures,
    )


@dataclass(slots=True, kw_only=True)
class _Loop:
    caller: Caller
    bench: Bench
    steering: Steering
    sink: Sink
    limits: ProposerLimits
    system: str
    tools: tuple[ToolSpec, ...]
    conversation: Conversation
    stalls: StallWatch
    on_delta: OnDelta | None
    clock: Callable[[], float]
    turns: int = 0
    idle: int = 0
    malformed: int = 0
    worked_s: float = 0.0
    said: list[str] = field(default_factory=list)
    """Our own warnings, waiting for the next message to the model."""

    def record_start(self, brief: Brief, scaffold: Scaffold, start: Start | None) -> None:
        """Write down everything that the model starts with, what it takes over included."""
        self.sink(
            AGENT,
            "system",
            {
                "model": self.caller.model.spec,
                "scaffold": scaffold.name,
                "scaffold_digest": scaffold.digest,
                "system": self.system,
                "tools": [tool_to_json(tool) for tool in self.tools],
                "base_commit": brief.base_commit,
                "forked_from": start.origin if start else None,
            },
        )
        for block in self.conversation.first.blocks:
            if isinstance(block, Text):
                self.sink(AGENT, "user", {"text": block.text, "source": "brief"})
        for kind, payload in start.events if start else ():
            self.sink(AGENT, kind, payload)
        if start is not None and start.say is not None:
            self.said.append(f"Message from the person in charge: {start.say}")

    def run(self) -> Submission | _End:
        while True:
            if not self.steering.wait_for_go():
                return _End(outcome=ProposalOutcome.STOPPED, reason="a person stopped the round")
            if end := self._limit_reached():
                return end
            started = self.clock()
            try:
                ending = self._turn()
            except BudgetExceededError as error:
                return _End(outcome=ProposalOutcome.OUT_OF_BUDGET, reason=str(error))
            except (SandboxGoneError, SandboxBrokenError) as error:
                return _End(
                    outcome=ProposalOutcome.NO_PATCH, reason=f"its sandbox is lost: {error}"
                )
            self.worked_s += self.clock() - started
            if ending is not None:
                return ending

    def _limit_reached(self) -> _End | None:
        if self.turns >= self.limits.max_turns:
            reason = f"{self.turns} turns passed without a submission"
        elif self.worked_s >= self.limits.wall_s:
            reason = f"{self.worked_s:.0f} s of work passed without a submission"
        else:
            return None
        return _End(outcome=ProposalOutcome.OUT_OF_BUDGET, reason=reason)

    def _turn(self) -> Submission | _End | None:
        self._hear()
        reply = self._ask()
        self.turns += 1
        if reply.stop_reason is StopReason.REFUSAL:
            return _End(outcome=ProposalOutcome.NO_PATCH, reason="the model refused to go on")
        if not reply.tool_calls:
            return self._nudge(reply)
        self.idle = 0
        results: list[Block] = []
        ending: Submission | _End | None = None
        for call in reply.tool_calls:
            if isinstance(ending, Submission):
                results.append(_result(call, Answer(text="Not run: the round had ended.")))
                continue
            answer, end = self._run_tool(call)
            results.append(_result(call, answer))
            ending = answer.ending or end or ending
        notes = [Text(text=note) for note in self._status()]
        self._answer(reply, (*results, *notes))
        return ending

    def _hear(self) -> None:
        """Put what a person said, and our own warnings, at the end of what the model reads next."""
        for text in self.said:
            self.sink(AGENT, "user", {"text": text, "source": "rsi"})
        heard = [f"Message from the person in charge: {w}" for w in self.steering.messages()]
        for text in heard:
            self.sink(AGENT, "user", {"text": text, "source": "person"})
        if not (spoken := tuple(Text(text=text) for text in (*self.said, *heard))):
            return
        self.said.clear()
        if self.conversation.turns:
            reply, answer = self.conversation.turns[-1]
            answer = Message(role=Role.USER, blocks=(*answer.blocks, *spoken))
            self.conversation.turns[-1] = (reply, answer)
        else:
            first = self.conversation.first
            self.conversation.first = Message(role=Role.USER, blocks=(*first.blocks, *spoken))

    def _ask(self) -> Reply:
        self._compact_if_full()
        try:
            return self.caller.complete(self._request(), on_delta=self.on_delta)
        except ContextOverflowError:
            if not self._drop_turns(keep=2):
                raise
            return self.caller.complete(self._request(), on_delta=self.on_delta)

    def _request(self) -> Request:
        return Request(
            system=self.system,
            messages=self.conversation.messages(),
            tools=self.tools,
            max_output_tokens=self.limits.max_output_tokens,
        )

    def _compact_if_full(self) -> None:
        ceiling = int(self.caller.model.context_tokens * self.limits.context_share)
        if request_tokens_estimate(self._request()) <= ceiling:
            return
        cut = self.conversation.shorten(self.limits.keep_recent_turns)
        note = {"note": "compaction", "shortened_blocks": cut, "ceiling_tokens": ceiling}
        self.sink(AGENT, "note", note | {"kept_turns": self.limits.keep_recent_turns})
        keep = self.limits.keep_recent_turns
        while request_tokens_estimate(self._request()) > ceiling and keep > 0:
            self._drop_turns(keep)
            keep //= 2

    def _drop_turns(self, keep: int) -> int:
        count = self.conversation.drop(keep)
        note = {"note": "compaction", "dropped_turns": count, "kept_turns": keep}
        self.sink(AGENT, "note", note)
        return count

    def _nudge(self, reply: Reply) -> _End | None:
        self.idle += 1
        if self.idle > self.limits.max_idle:
            return _End(
                outcome=ProposalOutcome.NO_PATCH,
                reason=f"the model talked for {self.idle} turns without using a tool",
            )
        if reply.stop_reason is StopReason.MAX_TOKENS:
            text = (
                "Your reply was cut at the output limit. Go on in smaller steps, with a tool call."
            )
        else:
            text = "You called no tool. Work with the tools; end the round with submit or give_up."
        blocks = reply.blocks or (Text(text="(nothing)"),)
        self._answer(reply, (Text(text=text),), blocks)
        return None

    def _run_tool(self, call: ToolCall) -> tuple[Answer, _End | None]:
        answer = answer_call(self.bench, call, self.tools)
        end: _End | None = None
        if answer.is_malformed:
            self.malformed += 1
            if self.malformed > self.limits.max_malformed:
                end = _End(
                    outcome=ProposalOutcome.NO_PATCH,
                    reason=f"{self.malformed} tool calls in a row could not be used: {answer.text}",
                )
        else:
            self.malformed = 0
            end = self._watched(call, answer)
        self.sink(AGENT, "tool_result", _answer_to_json(call, answer))
        return answer, end

    def _watched(self, call: ToolCall, answer: Answer) -> _End | None:
        repeats = self.stalls.note(call, answer.text, is_error=answer.is_error)
        if self.stalls.is_stalled(repeats):
            reason = f"it called {call.name!r} the same way {repeats} times with the same answer"
            return _End(outcome=ProposalOutcome.NO_PATCH, reason=reason)
        if warning := self.stalls.warning(repeats):
            self.said.append(warning)
        return None

    def _status(self) -> list[str]:
        left = self.limits.max_turns - self.turns
        if left in (10, 3, 1):
            return [f"{left} turns are left. Submit what you have, or give_up."]
        return []

    def _answer(
        self, reply: Reply, answer: tuple[Block, ...], blocks: tuple[Block, ...] | None = None
    ) -> None:
        self.conversation.add(blocks or reply.blocks, answer)
        for block in answer:
            if isinstance(block, Text):
                self.sink(AGENT, "user", {"text": block.text, "source": "rsi"})


def _result(call: ToolCall, answer: Answer) -> ToolResult:
    return ToolResult(call_id=call.id, text=answer.text, is_error=answer.is_error)


def _answer_to_json(call: ToolCall, answer: Answer) -> dict[str, object]:
    return {
        "call_id": call.id,
        "tool": call.name,
        "text": answer.text,
        "is_error": answer.is_error,
        "facts": None if answer.facts is None else dict(answer.facts),
    }


def _proposal(ending: Submission | _End, loop: _Loop, scaffold: Scaffold) -> Proposal:
    cost = loop.caller.cost
    if isinstance(ending, _End):
        outcome, reason, submission = ending.outcome, ending.reason, None
    elif ending.is_patch:
        outcome, reason, submission = ProposalOutcome.SUBMITTED, "", ending
    else:
        outcome, reason, submission = ProposalOutcome.NO_PATCH, ending.reason, None
    loop.sink(AGENT, "end", {"outcome": outcome.value, "reason": reason, "turns": loop.turns})
    log.info("step=propose outcome=%s turns=%d usd=%s", outcome.value, loop.turns, cost.usd)
    return Proposal(
        outcome=outcome,
        reason=reason,
        tree=submission.tree if submission else (),
        hypothesis=submission.hypothesis if submission else "",
        predicted_ratio=submission.predicted_ratio if submission else None,
        risk=submission.risk if submission else "",
        parts=submission.parts if submission else (),
        cost=cost,
        turns=loop.turns,
        scaffold_digest=scaffold.digest,
        model=loop.caller.model.spec,
    )
