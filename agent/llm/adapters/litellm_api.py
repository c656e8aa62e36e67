"""`litellm:` models: every provider that litellm knows, through litellm.

Imported when the model is made, since the import costs seconds; its price map is read from the package,
not fetched. Releases 1.82.7 and 1.82.8 carried a stolen-credentials payload and are refused by
name as well as by the package's own bounds. Its own retries are off.
"""

import importlib.metadata
import os
from collections.abc import Iterator, Mapping
from itertools import chain, islice
from typing import Any, cast
from urllib.parse import urlsplit

from rsi.agent.llm.adapters.hosted import HostedModel
from rsi.agent.llm.adapters.litellm_tap import LiteLLMChunks, Tap, taps
from rsi.agent.llm.adapters.thinking import Form, beta_headers
from rsi.agent.llm.adapters.transport.failures import ErrorTable, body_of, failure
from rsi.agent.llm.adapters.transport.network import check_network
from rsi.agent.llm.adapters.wire.chat_reply import ChatReply
from rsi.agent.llm.adapters.wire.chat_wire import chat_messages, chat_tools
from rsi.agent.llm.adapters.wire.messages_reply import MessagesReply
from rsi.agent.llm.adapters.wire.reading import Answer, Gathering, answer_of
from rsi.agent.llm.base import OnDelta
from rsi.agent.llm.errors import (
    ContextOverflowError,
    ModelAuthError,
    ModelBusyError,
    ModelReplyError,
    ModelRequestError,
    ModelSpecError,
    ModelWireError,
)
from rsi.agent.llm.naming.prices import Listed
from rsi.agent.llm.types import Price, Rates, Request

PROVIDER = "litellm"
COMPROMISED = frozenset({"1.82.7", "1.82.8"})

ERRORS: ErrorTable = {
    "OpenAIError": ModelReplyError,
    "APIError": ModelReplyError,
    "APIConnectionError": ModelWireError,
    "Timeout": ModelWireError,
    "APIResponseValidationError": ModelReplyError,
    "JSONSchemaValidationError": ModelReplyError,
    "AuthenticationError": ModelAuthError,
    "PermissionDeniedError": ModelAuthError,
    "PaymentRequiredError": ModelAuthError,
    "BudgetExceededError": ModelAuthError,
    "BadRequestError": ModelRequestError,
    "InvalidRequestError": ModelRequestError,
    "NotFoundError": ModelRequestError,
    "UnprocessableEntityError": ModelRequestError,
    "UnsupportedParamsError": ModelRequestError,
    "ImageFetchError": ModelRequestError,
    "RejectedRequestError": ModelRequestError,
    "ContentPolicyViolationError": ModelRequestError,
    "LiteLLMUnknownProvider": ModelRequestError,
    "ModelNotMappedError": ModelRequestError,
    "ContextWindowExceededError": ContextOverflowError,
    "RateLimitError": ModelBusyError,
    "InternalServerError": ModelBusyError,
    "ServiceUnavailableError": ModelBusyError,
    "BadGatewayError": ModelBusyError,
    "MidStreamFallbackError": ModelWireError,
    "MockException": ModelReplyError,
    "BlockedPiiEntityError": ModelRequestError,
    "GuardrailRaisedException": ModelRequestError,
    "ModifyResponseException": ModelReplyError,
    "SensitiveDataRouteException": ModelRequestError,
    "VectorStoreSearchError": ModelReplyError,
}
"""Every error class of litellm by name; a test fails when it grows a new one."""


class LiteLLMModel(HostedModel):
    """One model through litellm."""

    def _connect(self) -> None:
        version = importlib.metadata.version("litellm")
        if version in COMPROMISED:
            raise ModelSpecError(f"litellm {version} is a compromised release; remove it at once")
        os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")
        import litellm

        litellm.suppress_debug_info = True
        litellm.telemetry = False
        self._litellm = cast(Any, litellm)
        # Its connections are made once for the process, and what they raise becomes one of litellm's own errors.
        check_network(os.environ)
        self._taps = taps()
        self.http = self._litellm.client_session
        self.provider, self.errors = PROVIDER, ERRORS
        self.sdk_errors = _base_errors(self._litellm.exceptions)

    def _send(self, request: Request) -> Answer:
        with self._taps.open() as tap:
            chunks = self._chunks(tap, request)
        if tap.error is not None:
            raise tap.error
        if tap.refused is not None:
            raise failure(
                PROVIDER,
                body_of(tap.refused),
                redactor=self.redactor,
                status=tap.refused.status_code,
                headers=tap.refused.headers,
            )
        if tap.response is not None:
            return answer_of(PROVIDER, tap.response)
        return Answer(
            provider=PROVIDER,
            url=self.name,
            headers={},
            stream=LiteLLMChunks(chunks),
            close=lambda: None,
        )

    def _chunks(self, tap: Tap, request: Request) -> Iterator[Any]:
        """Litellm's own reading of the answer, begun far enough that the request is sent."""
        try:
            chunks = iter(self._litellm.completion(**self._body(request)))
            # Some providers' requests are sent when the first chunk is asked for.
            first = [] if tap.response is not None else list(islice(chunks, 1))
        except self.sdk_errors:
            if tap.error is None and tap.refused is None:
                raise
            return iter(())
        return chain(first, chunks)

    def _gathering(self, answer: Answer, request: Request, on_delta: OnDelta | None) -> Gathering:
        if urlsplit(answer.url).path.endswith("/messages"):
            return MessagesReply(PROVIDER, request, on_delta)
        return ChatReply(PROVIDER, request, on_delta)

    def _body(self, request: Request) -> dict[str, object]:
        is_claude = self.thinking.form is not Form.UNKNOWN
        body: dict[str, object] = {
            "model": self.name,
            "messages": chat_messages(
                request, provider=PROVIDER, cache=is_claude and self.options.cache
            ),
            "max_tokens": request.max_output_tokens,
            "stream": True,
            "timeout": self.options.silence_s,
            "max_retries": 0,
            "num_retries": 0,
            "drop_params": True,
            # We never use litellm's MCP gateway, and merely looking for it needs a package (`mcp`)
            # that a plain install does not bring (seen with 1.106.2).
            "_skip_mcp_handler": True,
        }
        if "stream_options" not in self.refused_fields:
            body["stream_options"] = {"include_usage": True}
        if self.key is not None:
            body["api_key"] = self.key
        if self.base_url is not None:
            body["api_base"] = self.base_url
        if request.tools:
            body["tools"] = chat_tools(request)
        asked = self.thinking.fields(request, PROVIDER)
        if headers := beta_headers(self.thinking, asked):
            body["extra_headers"] = headers
        body |= asked
        if request.forced_tool is not None and not is_claude:
            # Claude models that think refuse a forced choice, so the prompt alone asks.
            body["tool_choice"] = {"type": "function", "function": {"name": request.forced_tool}}
        if self.options.reasoning is not None and not is_claude:
            body["reasoning_effort"] = self.options.reasoning
        temperature = request.temperature
        if temperature is None:
            temperature = self.options.temperature
        if temperature is not None and not asked:
            body["temperature"] = temperature
        return body


def _base_errors(exceptions: Any) -> tuple[type[Exception], ...]:  # noqa: ANN401 (a module)
    """Classes that no other of litellm's error classes derives from, so that all are caught."""
    return tuple(
        value
        for value in vars(exceptions).values()
        if isinstance(value, type) and issubclass(value, Exception)
    )


def listed_price(name: str) -> Listed | None:
    """A model's price by the map inside the installed litellm; None when it has none."""
    os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")
    import litellm

    table = cast(Mapping[str, Mapping[str, Any]], litellm.model_cost)
    entry = table.get(name) or table.get(name.partition("/")[2])
    if not entry or not entry.get("input_cost_per_token") or not entry.get("output_cost_per_token"):
        return None
    if any("_above_" in key and "input_cost_per_token" in key for key in entry):
        return None  # rates by length are not read from here; list the model in RSI_PRICES
    input_usd = float(entry["input_cost_per_token"]) * 1e6
    read, write = "cache_read_input_token_cost", "cache_creation_input_token_cost"
    rates = Rates(
        input_usd=input_usd,
        cache_read_usd=float(entry[read]) * 1e6 if entry.get(read) else input_usd,
        cache_write_usd=float(entry[write]) * 1e6 if entry.get(write) else input_usd,
        output_usd=float(entry["output_cost_per_token"]) * 1e6,
    )
    source = f"litellm {importlib.metadata.version('litellm')}"
    context = entry.get("max_input_tokens") or entry.get("max_tokens")
    return Listed(
        price=Price(rates=rates, source=source),
        context_tokens=int(context) if context else None,
    )
