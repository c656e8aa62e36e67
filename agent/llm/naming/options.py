"""What may be said about a model after its name: `openai:qwen3?base_url=http://localhost:8000/v1&tools=text`.

Invariant: an option that is not known, or not of its kind, is refused by name; nothing is ignored.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from urllib.parse import parse_qsl, urlsplit

from rsi.agent.llm.errors import ModelSpecError

ENDPOINTS = (
    "/chat/completions",
    "/completions",
    "/messages",
    "/responses",
    "/embeddings",
    "/models",
)
"""Ends of addresses that clients add to a base URL themselves."""
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
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
        for name, value in (("timeout_s", self.timeout_s), ("silence_s", self.silence_s)):
            if not 0 < value < math.inf:
                raise ModelSpecError(f"option {name} must be seconds above 0, found {value:g}")
        if self.context_tokens is not None and self.context_tokens <= 0:
            raise ModelSpecError(
                f"option context_tokens must be tokens above 0, found {self.context_tokens}"
            )
        if self.temperature is not None and not 0 <= self.temperature < math.inf:
            raise ModelSpecError(
                f"option temperature must be 0 or more, found {self.temperature:g}"
            )
        if self.key_env is not None and not _VARIABLE.fullmatch(self.key_env):
            raise ModelSpecError(
                f"option key_env must be the name of an environment variable, found {len(self.key_env)} characters that "
                "are none (a key itself has no place in a model's name)"
            )
        if self.base_url is not None and (problem := base_url_problem(self.base_url)):
            raise ModelSpecError(f"option base_url={self.base_url!r} {problem}")

    @property
    def thinking_tokens(self) -> int | None:
        """Thinking tokens asked for by number; None when by word or not at all."""
        is_number = self.reasoning is not None and self.reasoning.isdecimal()
        return int(self.reasoning) if is_number and self.reasoning else None


def base_url_problem(url: str, added_path: str = "") -> str:
    """What keeps an address from being where an API is, as the end of a sentence; empty when nothing does.

    Args:
        url: The address.
        added_path: What the provider's client adds to it, such as "/v1/messages".
    """
    if not url.strip():
        return "is empty; write an address such as http://localhost:8000/v1"
    try:
        parts = urlsplit(url)
        has_host = bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        return "is no address; write one such as http://localhost:8000/v1"
    if parts.scheme not in ("http", "https"):
        return f"has no scheme; write http://{url} or https://{url}" if "://" not in url else (
            f"has the scheme {parts.scheme!r}; it must be http or https"
        )  # fmt: skip
    if not has_host or re.search(r"\s", url):
        return "is no address; write one such as http://localhost:8000/v1"
    if parts.query or parts.fragment:
        return "has a question mark or a hash; only the address of the API belongs here"
    path = parts.path.rstrip("/")
    steps = [
        added_path[:at] for at in range(2, len(added_path) + 1) if added_path[at:][:1] in ("", "/")
    ]
    for end in sorted({*ENDPOINTS, *steps}, key=len, reverse=True):
        if path.endswith(end):
            base = url.rstrip("/").removesuffix(end)
            return f"ends in {end}, which is added by itself; write {base}"
    return ""


def split_spec(spec: str) -> tuple[str, str, ModelOptions]:
    """Provider, model and options of a model's name.

    Raises:
        ModelSpecError: No provider, no model, or an option that is not known.
    """
    head, _, query = spec.partition("?")
    provider, separator, target = head.partition(":")
    if not separator or not provider:
        raise ModelSpecError(f"model {spec!r} names no provider; write <provider>:<model>")
    listed = parse_qsl(query, keep_blank_values=True) if query else []
    pairs = dict(listed)
    if len(pairs) < len(listed):
        twice = sorted({name for name, _ in listed if sum(name == each for each, _ in listed) > 1})
        raise ModelSpecError(f"model {spec!r}: option {', '.join(twice)} is named twice")
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
    try:
        return replace(ModelOptions(), **typed)  # type: ignore[arg-type]  # checked name by name above
    except ModelSpecError as error:
        shown = spec.partition("?")[0]  # the query may hold what is no name of a variable
        raise ModelSpecError(f"model {shown!r}: {error}") from None


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
