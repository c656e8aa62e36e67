"""Values of a conversation with a model, the same for every provider.

Does not: know any provider. Adapters translate; nobody else sees a wire format.
Invariant: `Usage` counts are disjoint: cached input is never inside `input_uncached_tokens`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Role(StrEnum):
    """Who speaks."""

    USER = "user"
    ASSISTANT = "assistant"


class StopReason(StrEnum):
    """Why the model stopped."""

    END_TURN = "end_turn"
    TOOL_USE = "tool_use"
    MAX_TOKENS = "max_tokens"
    """The reply was cut at the output limit."""
    CONTEXT_FULL = "context_full"
    REFUSAL = "refusal"
    OTHER = "other"


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """Words for the reader."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Reasoning:
    """A provider's thinking, kept verbatim so that it can be passed back."""

    provider: str
    """Adapter that produced it; other adapters drop it."""
    text: str
    """What may be read of it; empty when it is hidden or encrypted."""
    payload: Mapping[str, object]
    """The provider's own block, opaque to us."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCall:
    """The model asks for one tool to run."""

    id: str
    name: str
    arguments: Mapping[str, object]
    """Parsed arguments; empty when `problem` says why they could not be parsed."""
    raw_arguments: str = ""
    """The arguments as they came, kept when they could not be parsed."""
    problem: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolResult:
    """What a tool answered."""

    call_id: str
    text: str
    is_error: bool = False


Block = Text | Reasoning | ToolCall | ToolResult


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One turn of one side."""

    role: Role
    blocks: tuple[Block, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolSpec:
    """A tool as the model sees it."""

    name: str
    description: str
    parameters: Mapping[str, object]
    """JSON schema of an object."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One call of a model."""

    system: str
    messages: tuple[Message, ...]
    tools: tuple[ToolSpec, ...] = ()
    max_output_tokens: int = 8192
    forced_tool: str | None = None
    """Name of the tool that should be called. Not every provider can enforce it, so the prompt must say it
    too; None leaves the choice to the model."""
    temperature: float | None = None
    """None leaves the provider's default."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Tokens of one call; the four counts are disjoint, reasoning is part of the output."""

    input_uncached_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    output_tokens: int = 0
    reasoning_tokens: int = 0
    """Part of `output_tokens`; zero where the provider does not tell them apart."""

    @property
    def total_tokens(self) -> int:
        """Every token that passed, in or out."""
        return (
            self.input_uncached_tokens
            + self.cache_read_tokens
            + self.cache_write_tokens
            + self.output_tokens
        )

    def __add__(self, other: "Usage") -> "Usage":
        return Usage(
            input_uncached_tokens=self.input_uncached_tokens + other.input_uncached_tokens,
            cache_read_tokens=self.cache_read_tokens + other.cache_read_tokens,
            cache_write_tokens=self.cache_write_tokens + other.cache_write_tokens,
            output_tokens=self.output_tokens + other.output_tokens,
            reasoning_tokens=self.reasoning_tokens + other.reasoning_tokens,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """Dollars per million tokens."""

    input_usd: float
    cache_read_usd: float
    cache_write_usd: float
    output_usd: float

    def cost_usd(self, usage: Usage) -> float:
        """Dollars of one call at these rates."""
        return (
            usage.input_uncached_tokens * self.input_usd
            + usage.cache_read_tokens * self.cache_read_usd
            + usage.cache_write_tokens * self.cache_write_usd
            + usage.output_tokens * self.output_usd
        ) / 1e6


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """What a model's tokens cost."""

    rates: Rates
    long_rates: Rates | None = None
    """Rates of requests with more input than `long_above_tokens`; None when there is one rate only."""
    long_above_tokens: int = 0
    source: str = ""
    """Where the numbers are from, with a date."""

    def cost_usd(self, usage: Usage) -> float:
        """Dollars of one call."""
        return self._rates_for(usage).cost_usd(usage)

    def bound_usd(self, bound: Usage) -> float:
        """Most dollars of a call within a bound: all its input at the dearest class."""
        rates = self._rates_for(bound)
        dearest = max(rates.input_usd, rates.cache_read_usd, rates.cache_write_usd)
        return (
            bound.input_uncached_tokens * dearest + bound.output_tokens * rates.output_usd
        ) / 1e6

    def _rates_for(self, usage: Usage) -> Rates:
        input_tokens = usage.total_tokens - usage.output_tokens
        if self.long_rates is not None and input_tokens > self.long_above_tokens:
            return self.long_rates
        return self.rates


FREE = Price(
    rates=Rates(input_usd=0.0, cache_read_usd=0.0, cache_write_usd=0.0, output_usd=0.0),
    source="runs here",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What a model answered."""

    blocks: tuple[Block, ...]
    stop_reason: StopReason
    usage: Usage | None
    """None when the provider reported none; the reservation is then kept whole."""
    request_id: str | None
    model: str
    """Model as the provider named it in the reply."""
    latency_s: float
    notes: Mapping[str, object] = field(default_factory=dict)
    """The provider's own words worth keeping, such as its stop reason."""

    @property
    def text(self) -> str:
        """All text blocks, joined by blank lines."""
        return "\n\n".join(block.text for block in self.blocks if isinstance(block, Text))

    @property
    def tool_calls(self) -> tuple[ToolCall, ...]:
        """All tool calls in order."""
        return tuple(block for block in self.blocks if isinstance(block, ToolCall))
