"""`openai:` models and everything that speaks Chat Completions (vLLM, Ollama, LM Studio), through OpenAI's SDK.

The SDK is imported when the model is made. Its own retries are off: `agent.roles.calls` retries, so that each
attempt is reserved and settled.
"""

from typing import Any, cast

from rsi.agent.llm.adapters.hosted import HostedModel
from rsi.agent.llm.adapters.transport.failures import ErrorTable
from rsi.agent.llm.adapters.wire.chat_reply import ChatReply
from rsi.agent.llm.adapters.wire.chat_wire import chat_messages, chat_tools
from rsi.agent.llm.adapters.wire.reading import Answer, answer_of
from rsi.agent.llm.base import OnDelta
from rsi.agent.llm.errors import (
    ModelAuthError,
    ModelBusyError,
    ModelReplyError,
    ModelRequestError,
    ModelWireError,
)
from rsi.agent.llm.types import Request

PROVIDER = "openai"

ERRORS: ErrorTable = {
    "OpenAIError": ModelReplyError,
    "APIError": ModelReplyError,
    "APIStatusError": ModelReplyError,
    "APIConnectionError": ModelWireError,
    "APITimeoutError": ModelWireError,
    "APIResponseValidationError": ModelReplyError,
    "AuthenticationError": ModelAuthError,
    "OAuthError": ModelAuthError,
    "PermissionDeniedError": ModelAuthError,
    "BadRequestError": ModelRequestError,
    "NotFoundError": ModelRequestError,
    "UnprocessableEntityError": ModelRequestError,
    "ConflictError": ModelBusyError,
    "RateLimitError": ModelBusyError,
    "InternalServerError": ModelBusyError,
    "ContentFilterFinishReasonError": ModelReplyError,
    "LengthFinishReasonError": ModelReplyError,
    "InvalidWebhookSignatureError": ModelReplyError,
    "WebSocketConnectionClosedError": ModelWireError,
    "WebSocketQueueFullError": ModelWireError,
    "_AmbiguousModuleClientUsageError": ModelRequestError,
}
"""Every error class of the SDK by name; a test fails when the SDK grows a new one."""


class OpenAIModel(HostedModel):
    """One model behind a Chat Completions API."""

    def _connect(self) -> None:
        import openai

        self.provider, self.errors = PROVIDER, ERRORS
        self.sdk_errors = (openai.OpenAIError,)
        self._client = openai.OpenAI(**self._sdk_arguments(openai))

    def _send(self, request: Request) -> Answer:
        body = cast(Any, self._body(request))
        sent = self._client.chat.completions.with_streaming_response.create(**body, stream=True)
        return answer_of(PROVIDER, sent.__enter__())  # the answer's `close` is its exit

    def _gathering(self, answer: Answer, request: Request, on_delta: OnDelta | None) -> ChatReply:
        return ChatReply(PROVIDER, request, on_delta)

    @property
    def _limit_field(self) -> str:
        """Reasoning models of OpenAI refuse the old name, behind proxies too; many local servers only know it."""
        is_refused = "max_completion_tokens" in self.refused_fields
        return "max_completion_tokens" if self.is_own_api or is_refused else "max_tokens"

    def _body(self, request: Request) -> dict[str, object]:
        body: dict[str, object] = {
            "model": self.name,
            "messages": chat_messages(request, provider=PROVIDER),
            self._limit_field: request.max_output_tokens,
        }
        if "stream_options" not in self.refused_fields:
            body["stream_options"] = {"include_usage": True}
        if request.tools:
            body["tools"] = chat_tools(request)
        if request.forced_tool is not None:
            body["tool_choice"] = {"type": "function", "function": {"name": request.forced_tool}}
        if self.options.reasoning is not None:
            body["reasoning_effort"] = self.options.reasoning
        temperature = request.temperature
        if temperature is None:
            temperature = self.options.temperature
        if temperature is not None:
            body["temperature"] = temperature
        return body
