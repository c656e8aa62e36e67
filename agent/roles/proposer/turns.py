"""The proposer's turns: ask, run the calls, answer, until an end is reached.

Invariants: each step is in the trajectory before the next one starts; whatever the model or the sandbox
does is a `Submission` or an `End`, only our own failures raise.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from rsi.agent.llm.codec import tool_to_json
from rsi.agent.llm.errors import ContextOverflowError
from rsi.agent.llm.types import (
    Block,
    Message,
    Reply,
    Role,
    StopReason,
    Text,
    ToolCall,
    ToolResult,
    ToolSpec,
)
from rsi.agent.roles.calls import Caller
from rsi.agent.roles.proposer.allowance import ProposerLimits
from rsi.agent.roles.proposer.conversation import Conversation
from rsi.agent.roles.proposer.fitting import MOST_SHORTENINGS, Fitting
from rsi.agent.roles.proposer.stalls import StallWatch
from rsi.agent.roles.proposer.start import Start
from rsi.agent.roles.proposer.workbench.answered import SandboxGoneError
from rsi.agent.roles.proposer.workbench.bench import Answer, Bench, Submission
from rsi.agent.roles.proposer.workbench.toolbox import answer_call
from rsi.agent.roles.scaffold.loading import Scaffold
from rsi.agent.types import (
    AgentRole,
    Brief,
    BudgetExceededError,
    ProposalOutcome,
    Sink,
    Steering,
)
from rsi.sandboxes.errors import SandboxBrokenError

AGENT = AgentRole.PROPOSER.value
NAP_S = 1.0
WORKBENCH = 2
"""Version of what a sandbox holds and tools answer; a recording without one had neither git nor free checks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """How the loop ended, when not by the model's own choice."""

    outcome: ProposalOutcome
    reason: str


class StoppedError(Exception):
    """A person stopped the round while a call waited to be repeated."""


def patient_sleep(steering: Steering, sleep: Callable[[float], None]) -> Callable[[float], None]:
    """A sleep that a person can end: waits for a provider may take minutes.

    Raises (when called):
        StoppedError: The round must stop now.
    """

    def nap(seconds: float) -> None:
        left = seconds
        while left > 0:
            if not steering.wait_for_go():
                raise StoppedError
            sleep(min(left, NAP_S))
            left -= NAP_S

    return nap


@dataclass(slots=True, kw_only=True)
class Loop:
    """One conversation with one model about one sandbox."""

    caller: Caller
    bench: Bench
    steering: Steering
    sink: Sink
    limits: ProposerLimits
    system: str
    tools: tuple[ToolSpec, ...]
    conversation: Conversation
    fitting: Fitting
    stalls: StallWatch
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
                "start_commit": brief.start_commit,
                "workbench": WORKBENCH,
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

    def run(self) -> Submission | End:
        """Turn until the model ends the round, or something else does."""
        while True:
            if not self.steering.wait_for_go():
                return End(outcome=ProposalOutcome.STOPPED, reason="a person stopped the round")
            if end := self._limit_reached():
                return end
            started = self.clock()
            try:
                ending = self._turn()
            except StoppedError:
                return End(outcome=ProposalOutcome.STOPPED, reason="a person stopped the round")
            except BudgetExceededError as error:
                return End(outcome=ProposalOutcome.OUT_OF_BUDGET, reason=str(error))
            except (SandboxGoneError, SandboxBrokenError) as error:
                return End(outcome=ProposalOutcome.NO_PATCH, reason=f"its sandbox is lost: {error}")
            self.worked_s += self.clock() - started
            if ending is not None:
                return ending

    def _limit_reached(self) -> End | None:
        if self.turns >= self.limits.max_turns:
            reason = f"{self.turns} turns passed without a submission"
        elif self.worked_s >= self.limits.wall_s:
            reason = f"{self.worked_s:.0f} s of work passed without a submission"
        else:
            return None
        return End(outcome=ProposalOutcome.OUT_OF_BUDGET, reason=reason)

    def _turn(self) -> Submission | End | None:
        self._hear()
        reply = self._ask()
        self.turns += 1
        if reply.stop_reason is StopReason.REFUSAL:
            return End(outcome=ProposalOutcome.NO_PATCH, reason="the model refused to go on")
        if not reply.tool_calls:
            return self._nudge(reply)
        self.idle = 0
        results: list[Block] = []
        ending: Submission | End | None = None
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
        heard: list[str] = []
        for words in self.steering.messages():
            heard.append(f"Message from the person in charge: {words}")
            self.sink(AGENT, "user", {"text": heard[-1], "source": "person"})
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
        self.fitting.make_room()
        for _ in range(MOST_SHORTENINGS):
            request = self.fitting.request()
            try:
                return self.caller.complete(request)
            except ContextOverflowError as error:
                if not self.fitting.shorten(request, error):
                    raise
        return self.caller.complete(self.fitting.request())

    def _nudge(self, reply: Reply) -> End | None:
        self.idle += 1
        if self.idle > self.limits.max_idle:
            return End(
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

    def _run_tool(self, call: ToolCall) -> tuple[Answer, End | None]:
        answer = answer_call(self.bench, call, self.tools)
        end: End | None = None
        if answer.is_malformed:
            self.malformed += 1
            if self.malformed > self.limits.max_malformed:
                end = End(
                    outcome=ProposalOutcome.NO_PATCH,
                    reason=f"{self.malformed} tool calls in a row could not be used: {answer.text}",
                )
        else:
            self.malformed = 0
            end = self._watched(call, answer)
        self.sink(AGENT, "tool_result", _answer_to_json(call, answer))
        return answer, end

    def _watched(self, call: ToolCall, answer: Answer) -> End | None:
        repeats = self.stalls.note(call, answer.text, is_error=answer.is_error)
        if self.stalls.is_stalled(repeats):
            reason = f"it called {call.name!r} the same way {repeats} times with the same answer"
            return End(outcome=ProposalOutcome.NO_PATCH, reason=reason)
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
