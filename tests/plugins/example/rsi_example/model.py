"""A provider: a model that knows one improvement, writes it and hands it over."""

from dataclasses import dataclass

from rsi.agent.llm.base import OnDelta
from rsi.agent.llm.providers import ModelContext
from rsi.agent.llm.types import (
    Price,
    Rates,
    Reply,
    Request,
    Role,
    StopReason,
    ToolCall,
    Usage,
)

IMPROVED = '''"""Count the ones of a number."""


def ones(number: int) -> int:
    """How many bits are set."""
    return number.bit_count()
'''


PRICE = Price(rates=Rates(input_usd=1.0, cache_read_usd=1.0, cache_write_usd=1.0, output_usd=2.0))


def make(context: ModelContext) -> "ExampleModel":
    """The model that `example:<anything>` means."""
    return ExampleModel(spec=context.spec)


@dataclass(frozen=True, kw_only=True)
class ExampleModel:
    """Two turns: write the file, submit it."""

    spec: str
    context_tokens: int = 100_000
    price: Price = PRICE

    def complete(self, request: Request, *, on_delta: OnDelta | None = None) -> Reply:
        """The next turn, from how many there were."""
        del on_delta
        turn = sum(each.role is Role.ASSISTANT for each in request.messages)
        call = (
            ToolCall(id="1", name="write", arguments={"path": "counter.py", "content": IMPROVED})
            if turn == 0
            else ToolCall(
                id="2",
                name="submit",
                arguments={
                    "hypothesis": "Odd numbers have ones too.",
                    "predicted_ratio": 2.0,
                    "risk": "none",
                },
            )
        )
        return Reply(
            blocks=(call,),
            stop_reason=StopReason.TOOL_USE,
            usage=Usage(input_uncached_tokens=1000, output_tokens=100),
            request_id=None,
            model="example",
            latency_s=0.0,
        )
