"""Thinking of Claude models: which form a model takes, and how much of it a request may ask for.

Invariant: thinking is on wherever a model has it and nobody said otherwise, and what is asked for is what the API takes:
a budget below `max_tokens`, no temperature beside it, no form that the model does not know.
Source: Anthropic's documentation of extended and adaptive thinking, read in November 2026.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from rsi.agent.llm.errors import ModelRequestError, ModelSpecError
from rsi.agent.llm.naming.options import ModelOptions
from rsi.agent.llm.types import Message, Reasoning, Request, Role, ToolCall, ToolResult

INTERLEAVED = "interleaved-thinking-2025-05-14"
"""Beta by which models with a budget think between tool calls too; the others do anyway."""
LEAST_BUDGET_TOKENS = 1024
"""The API refuses less."""
DEFAULT_BUDGET_TOKENS = 8192
BUDGETS: Mapping[str, int] = {
    "minimal": LEAST_BUDGET_TOKENS,
    "low": 4096,
    "medium": DEFAULT_BUDGET_TOKENS,
    "high": 16_384,
    "xhigh": 24_576,
    "max": 32_768,
}
"""Thinking tokens that an effort word means to a model that knows budgets alone."""
ANSWER_TOKENS = 1024
"""Room that a budget leaves for the answer, which `max_tokens` includes."""
_NAME = re.compile(
    r"claude-(?:(?P<family>[a-z]+)-)?(?P<major>\d+)(?:[-.](?P<minor>\d{1,2})(?!\d))?"
)
_ALWAYS = re.compile(r"claude-(?:fable|mythos)\b")


class Form(StrEnum):
    """How a model thinks."""

    UNKNOWN = "unknown"
    """No Claude model by its name: nothing is asked for unless an option does."""
    NEVER = "never"
    BUDGET = "budget"
    """With a budget of tokens."""
    EITHER = "either"
    ADAPTIVE = "adaptive"
    """As much as it finds right; an effort word steers it, and no temperature."""
    ALWAYS = "always"
    """Adaptive, and it cannot be turned off."""


def form_of(name: str) -> Form:
    """The form of a model, by its name at any provider."""
    if _ALWAYS.search(name):
        return Form.ALWAYS
    if (found := _NAME.search(name)) is None:
        return Form.UNKNOWN
    version = (int(found["major"]), int(found["minor"] or 0))
    if version < (3, 7):
        return Form.NEVER
    if version < (4, 6):
        return Form.BUDGET
    return Form.EITHER if version == (4, 6) else Form.ADAPTIVE


@dataclass(slots=True)
class Thinking:
    """What one model is asked for."""

    name: str
    options: ModelOptions
    form: Form = field(init=False)
    has_given_way: bool = False
    """Whether the server refused thinking that nobody had asked for."""

    def __post_init__(self) -> None:
        self.form = form_of(self.name)
        self._check()

    def _check(self) -> None:
        """Refuse options that the API would refuse.

        Raises:
            ModelSpecError: The model does not take them.
        """
        words, number = self.options.reasoning, self.options.thinking_tokens
        problem = None
        match self.form:
            case Form.ALWAYS if words == "none":
                problem = "reasoning=none: this model always thinks; reasoning=low is the least"
            case Form.ADAPTIVE | Form.ALWAYS if number is not None:
                problem = f"reasoning={words}: this model takes no number of tokens, but low, medium, high, xhigh or max"
            case Form.ADAPTIVE | Form.ALWAYS if self.options.temperature is not None:
                problem = "temperature: this model takes none"
            case Form.EITHER | Form.ADAPTIVE | Form.ALWAYS if words == "minimal":
                problem = "reasoning=minimal: this model takes low, medium, high, xhigh or max"
            case Form.EITHER if words == "xhigh":
                problem = "reasoning=xhigh: this model takes low, medium, high or max"
            case Form.NEVER if words not in (None, "none"):
                problem = f"reasoning={words}: this model does not think"
            case _ if number is not None and number < LEAST_BUDGET_TOKENS:
                problem = f"reasoning={words}: the least is {LEAST_BUDGET_TOKENS} tokens"
            case _ if words not in (None, "none") and self.options.temperature is not None:
                problem = "temperature: a model that thinks takes none; say reasoning=none or leave it out"
            case _:
                pass
        if problem is not None:
            raise ModelSpecError(f"model {self.name!r}: option {problem}")

    def fields(self, request: Request, provider: str) -> dict[str, object]:
        """What a request's body says of thinking; empty when it says nothing."""
        words = self.options.reasoning
        if words == "none":
            return {"thinking": {"type": "disabled"}} if self.form is Form.ADAPTIVE else {}
        if words is None and (self.has_given_way or self.form in (Form.UNKNOWN, Form.NEVER)):
            return {}
        if words is None and self.options.temperature is not None:
            return {}
        if self.form is Form.BUDGET or self.options.thinking_tokens is not None:
            return self._budget(request, provider)
        asked: dict[str, object] = {"thinking": {"type": "adaptive", "display": "summarized"}}
        return asked | ({"output_config": {"effort": words}} if words is not None else {})

    def _budget(self, request: Request, provider: str) -> dict[str, object]:
        number, words = self.options.thinking_tokens, self.options.reasoning
        asked = number or BUDGETS.get(words or "", DEFAULT_BUDGET_TOKENS)
        # The limit of the reply stays as asked: it is what was reserved.
        room = request.max_output_tokens - ANSWER_TOKENS
        budget = min(asked, room if words is not None else request.max_output_tokens // 2)
        if budget < LEAST_BUDGET_TOKENS or budget > room:
            return {}
        if not _began_with_thinking(request.messages, provider):
            return {}
        return {"thinking": {"type": "enabled", "budget_tokens": budget}}

    def gives_way(self, error: ModelRequestError) -> bool:
        """Whether a refusal is of thinking that nobody had asked for, which is then left out from now on."""
        is_of_thinking = re.search(r"thinking|output_config", str(error)) is not None
        if self.has_given_way or self.options.reasoning is not None or not is_of_thinking:
            return False
        self.has_given_way = True
        return True


def beta_headers(thinking: Thinking, body: Mapping[str, object]) -> dict[str, str]:
    """Headers that a request with these fields needs."""
    is_budget = thinking.form is Form.BUDGET and "thinking" in body
    return {"anthropic-beta": INTERLEAVED} if is_budget else {}


def is_signed(block: Reasoning) -> bool:
    """Whether the API takes a block of thinking back; servers that only speak its protocol may sign none."""
    match block.payload.get("type"):
        case "thinking":
            return bool(block.payload.get("signature"))
        case "redacted_thinking":
            return bool(block.payload.get("data"))
        case _:
            return True


def _began_with_thinking(messages: tuple[Message, ...], provider: str) -> bool:
    """Whether the tool uses that are going on, if any, began with thinking, as a budget demands.

    They did not where an earlier turn was another model's, or was made without thinking.
    """
    first: Message | None = None
    for message in reversed(messages):
        if message.role is Role.ASSISTANT:
            first = message
        elif not any(isinstance(block, ToolResult) for block in message.blocks):
            break
    if first is None or not any(isinstance(block, ToolCall) for block in first.blocks):
        return True
    block = first.blocks[0]
    return isinstance(block, Reasoning) and block.provider == provider and is_signed(block)
