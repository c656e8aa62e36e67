"""A model whose turns a test writes down, and a budget guard that only counts."""

from dataclasses import dataclass, field

from rsi.agent.llm.types import FREE, Reply, StopReason, Text, ToolCall, ToolResult, Usage
from rsi.agent.types import BudgetExceededError

GIVE_UP = ("give_up", {"reason": "done"})


class Puppet:
    """Answers with the next of a list: tuples are calls, strings text, exceptions are raised."""

    spec = "puppet"

    def __init__(self, *turns, context_tokens=1_000_000, price=FREE):
        self.turns, self.requests = list(turns), []
        self.context_tokens, self.price = context_tokens, price

    def complete(self, request, *, on_delta=None):
        self.requests.append(request)
        turn = self.turns.pop(0) if self.turns else GIVE_UP
        if isinstance(turn, Exception):
            raise turn
        if isinstance(turn, StopReason):
            return self._reply((), turn)
        items = turn if isinstance(turn, list) else [turn]
        blocks = tuple(self._block(item, n) for n, item in enumerate(items))
        has_calls = any(isinstance(block, ToolCall) for block in blocks)
        return self._reply(blocks, StopReason.TOOL_USE if has_calls else StopReason.END_TURN)

    def _block(self, item, number):
        if isinstance(item, str):
            return Text(text=item)
        if isinstance(item, ToolCall):
            return item
        name, arguments = item
        return ToolCall(id=f"c{len(self.requests)}-{number}", name=name, arguments=arguments)

    def _reply(self, blocks, reason):
        return Reply(
            blocks=blocks, stop_reason=reason, usage=Usage(input_uncached_tokens=10, output_tokens=5),
            request_id=None, model="puppet", latency_s=0.0,
        )  # fmt: skip

    def answers(self, turn=-1):
        """Texts that the model was shown in answer to its last turn."""
        return [
            block.text
            for block in self.requests[turn].messages[-1].blocks
            if isinstance(block, ToolResult | Text)
        ]


@dataclass
class OpenBudgetGuard:
    """Counts; refuses beyond a number of calls."""

    max_calls: int | None = None
    reserved: list = field(default_factory=list)
    settled: list = field(default_factory=list)

    def reserve(self, *, role, model, upper_bound_usd, tokens):
        if self.max_calls is not None and len(self.reserved) >= self.max_calls:
            raise BudgetExceededError("0.00 USD are left of the round's 1.00", limit="usd")
        self.reserved.append((role, model, upper_bound_usd, tokens))
        return f"r{len(self.reserved)}"

    def settle(self, reservation, *, usage, usd):
        self.settled.append((reservation, usage, usd))
