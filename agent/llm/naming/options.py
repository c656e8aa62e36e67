"""What may be said about a model after its name: `openai:qwen3?base_url=http://localhost:8000/v1&tools=text`.

Invariant: an option that is not known, or not of its kind, is refused by name; nothing is ignored.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from urllib.parse import parse_qsl

from rsi.agent.llm.errors import ModelSpecError

EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelOptions:
    """How one model is reached and driven."""

    base_url: str | None = None
    """Where the provider's API is; None takes the provider's own, or its environment variable."""
    key_env: str | None = None
    """Environment variable whose key is sent. None sends the provider's key, but only to where the provider or the
    environment says that its API is, and to any other `base_url` none."""
    tools: str = "native"
    """"native", or "text" for a model without tool calling."""
    reasoning: str | None = None
    """An effort word, or, for `anthropic:`, a number of thinking tokens; None leaves the provider's default."""
    context_tokens: int | None = None
    """Input and output that fit together; None takes the price table's figure."""
    timeout_s: float = 900.0
    """Longest that one call may take in all."""
    silence_s: float = 180.0
    """Longest wait for the next byte."""
    cache: bool = True
    """Whether prompt-cache marks are sent where the provider wants them."""
    temperature: float | None = None
    price: str | None = None
    """"free" or "<input>/<output>" in dollars per million tokens; None takes the price table's."""

    def __post_init__(self) -> None:
        if self.tools not in ("native", "text"):
            raise ModelSpecError(f"option tools must be native or text, found {self.tools!r}")
        words = self.reasoning
        if words is not None and words not in EFFORTS and not words.isdecimal():
            raise ModelSpecError(
                f"option reasoning must be one of {', '.join(EFFORTS)} or a number of tokens, "
                f"found {words!r}"
            )

    @property
    def thinking_tokens(self) -> int | None:
        """Thinking tokens asked for by number; None when by word or not at all."""
        is_number = self.reasoning is not None and self.reasoning.isdecimal()
        return int(self.reasoning) if is_number and self.reasoning else None


def split_spec(spec: str) -> tuple[str, str, ModelOptions]:
    """Provider, model and options of a model's name.

    Raises:
        ModelSpecError: No provider, no model, or an option that is not known.
    """
    head, _, query = spec.partition("?")
    provider, separator, target = head.partition(":")
    if not separator or not provider:
        raise ModelSpecError(f"model {spec!r} names no provider; write <provider>:<model>")
    pairs = dict(parse_qsl(query, keep_blank_values=True)) if query else {}
    return provider, target, _options(pairs, spec)


def _options(pairs: Mapping[str, str], spec: str) -> ModelOptions:
    known = {field.name for field in fields(ModelOptions)}
    if unknown := set(pairs) - known:
        raise ModelSpecError(
            f"model {spec!r}: unknown option {sorted(unknown)}; known: {', '.join(sorted(known))}"
        )
    typed: dict[str, object] = {}
    for name, text in pairs.items():
        try:
            typed[name] = _typed(name, text)
        except ValueError as error:
            raise ModelSpecError(f"model {spec!r}: option {name}={text!r}: {error}") from error
    return replace(ModelOptions(), **typed)  # type: ignore[arg-type]  # checked name by name above


def _typed(name: str, text: str) -> object:
    match name:
        case "context_tokens":
            return int(text)
        case "timeout_s" | "silence_s" | "temperature":
            return float(text)
        case "cache":
            if text not in ("true", "false"):
                raise ValueError("write true or false")
            return text == "true"
        case _:
            return text
