"""One paid, recorded model call: reserve, send, settle, record, retry.

Every call of every role goes through here. Invariants: nothing is sent before its most expensive
outcome is reserved, each attempt on its own; an attempt whose cost is unknown keeps its reservation
whole; the request is recorded before it is sent and the reply before anybody acts on it.
"""

import logging
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from rsi.agent.llm.base import Model
from rsi.agent.llm.codec import block_to_json, usage_to_json
from rsi.agent.llm.errors import ModelError
from rsi.agent.llm.retry import RetryPolicy, with_retries
from rsi.agent.llm.tokens import request_tokens_bound
from rsi.agent.llm.types import Reply, Request, Usage
from rsi.agent.store.steps.values import Cost
from rsi.agent.types import AgentRole, BudgetGuard, Sink

log = logging.getLogger(__name__)


@dataclass(slots=True, kw_only=True)
class Caller:
    """Calls one model for one role of one round, and adds up what it cost."""

    model: Model
    role: AgentRole
    budget_guard: BudgetGuard
    sink: Sink
    policy: RetryPolicy = field(default_factory=RetryPolicy)
    sleep: Callable[[float], None] = time.sleep
    draw: random.Random = field(default_factory=random.Random)
    """Of the jitter only; workers must not all come back at once."""
    cost: Cost = field(default_factory=Cost)

    def complete(self, request: Request) -> Reply:
        """Send a request, with retries; each attempt is reserved and settled by itself.

        Raises:
            BudgetExceededError: An attempt does not fit what is left.
            ModelError: The last attempt's error.
        """
        return with_retries(
            lambda: self._attempt(request),
            policy=self.policy,
            sleep=self.sleep,
            draw=self.draw,
            on_wait=self._note_wait,
        )

    def _attempt(self, request: Request) -> Reply:
        bound = upper_bound(request)
        price = self.model.price
        reservation = self.budget_guard.reserve(
            role=self.role,
            model=self.model.spec,
            upper_bound_usd=None if price is None else price.bound_usd(bound),
            tokens=bound.total_tokens,
        )
        started = time.monotonic()
        try:
            reply = self.model.complete(request)
        except ModelError as error:
            # What may have been billed stays reserved in full; what was turned away costs nothing.
            usage = error.usage or (None if error.may_have_cost else Usage())
            self._settle(reservation, usage, bound, time.monotonic() - started)
            failure = {"error": str(error), "status": error.status, "class": type(error).__name__}
            self.sink(self.role.value, "error", failure)
            raise
        cost = self._settle(reservation, reply.usage, bound, reply.latency_s)
        for kind, payload in reply_events(reply, cost):
            self.sink(self.role.value, kind, payload)
        return reply

    def _settle(self, reservation: str, usage: Usage | None, bound: Usage, wall_s: float) -> Cost:
        price = self.model.price
        if usage is None:
            usd = None if price is None else price.bound_usd(bound)
            cost = Cost(
                usd=usd,
                calls=1,
                wall_s=wall_s,
                reserved_usd=usd or 0.0,
                reserved_tokens=bound.total_tokens,
            )
        else:
            usd = None if price is None else price.cost_usd(usage)
            cost = Cost(usd=usd, usage=usage, calls=1, wall_s=wall_s)
        self.budget_guard.settle(reservation, usage=usage, usd=None if usage is None else usd)
        self.cost = self.cost + cost
        return cost

    def _note_wait(self, error: ModelError, wait_s: float) -> None:
        log.warning("model=%s retry_in_s=%.1f error=%s", self.model.spec, wait_s, error)
        retry = {"note": "retry", "text": str(error), "wait_s": round(wait_s, 3)}
        self.sink(self.role.value, "note", retry)


def upper_bound(request: Request) -> Usage:
    """Most tokens that one attempt can use."""
    return Usage(
        input_uncached_tokens=request_tokens_bound(request),
        output_tokens=request.max_output_tokens,
    )


def reply_events(reply: Reply, cost: Cost) -> list[tuple[str, dict[str, object]]]:
    """A reply as its trajectory events: one "model" event, then its thinking and its tool calls.

    `layout` in the first names the order of all blocks, so that `trajectory.messages` can put the
    reply together again exactly.
    """
    names = {"text": "model", "reasoning": "thinking", "tool_call": "tool_call"}
    blocks = [block_to_json(block) for block in reply.blocks]
    head: dict[str, object] = {
        "texts": [block["text"] for block in blocks if block["type"] == "text"],
        "layout": [block["type"] for block in blocks],
        "stop_reason": reply.stop_reason.value,
        "usage": None if reply.usage is None else usage_to_json(reply.usage),
        # What nobody told is reserved, and must not be taken for what was paid.
        "usd": None if reply.usage is None else cost.usd,
        "reserved_usd": cost.usd if reply.usage is None else None,
        "request_id": reply.request_id,
        "model": reply.model,
        "latency_s": round(reply.latency_s, 3),
    }
    rest = [(names[str(block["type"])], block) for block in blocks if block["type"] != "text"]
    return [("model", head), *rest]
