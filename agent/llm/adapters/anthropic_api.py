"""`anthropic:` models through Anthropic's SDK and its Messages API, streaming.

The SDK is imported when the model is made. Its own retries are off: `agent.calls` retries, so that each
attempt is reserved and settled. Thinking blocks go back verbatim, as the API demands.
"""

import time
from collections.abc import Mapping
from typing import Any, assert_never, cast

from rsi.agent.llm.adapters.hosted import HostedModel
from rsi.agent.llm.adapters.wire import Deadline, ErrorTable, read_call, translated
from rsi.agent.llm.base import Delta, OnDelta
from rsi.agent.llm.errors import (
    ModelAuthError,
    ModelBusyError,
    ModelReplyError,
    ModelRequestError,
    ModelWireError,
)
from rsi.agent.llm.naming.keys import NO_KEY
from rsi.agent.llm.naming.options import ModelOptions
from rsi.agent.llm.types import (
    Block,
    Message,
    Reasoning,
    Reply,
    Request,
    Role,
    StopReason,
    Text,
    ToolCall,
    ToolResult,
    Usage,
)

PROVIDER = "anthropic"
CACHED_TURNS = 2
"""User turns whose end gets a cache mark; with the system prompt's that is 3 of the 4 allowed."""

ERRORS: ErrorTable = {
    "AnthropicError": ModelReplyError,
    "APIError": ModelReplyError,
    "APIStatusError": ModelReplyError,
    "APIConnectionError": ModelWireError,
    "APITimeoutError": ModelWireError,
    "APIResponseValidationError": ModelReplyError,
    "APIWebhookValidationError": ModelReplyError,
    "AuthenticationError": ModelAuthError,
    "PermissionDeniedError": ModelAuthError,
    "PaymentRequiredError": ModelAuthError,
    "CredentialsError": ModelAuthError,
    "IdentityTokenFileError": ModelAuthError,
    "WorkloadIdentityError": ModelAuthError,
    "ClaudeCodeKeyCreatorNotMemberError": ModelAuthError,
    "LinkedOrganizationBillingUnavailableError": ModelAuthError,
    "LinkedOrganizationSpendLimitReachedError": ModelAuthError,
    "ContractSpendLimitReachedError": ModelAuthError,
    "EnforcedSpendLimitReachedError": ModelAuthError,
    "OrganizationOnHoldError": ModelAuthError,
    "OrganizationTypeNotSupportedError": ModelAuthError,
    "ParentOrganizationRequiredError": ModelAuthError,
    "SandboxEgressRestrictedError": ModelAuthError,
    "CMEKKeyDisabledError": ModelAuthError,
    "CMEKKeyNetworkBlockedError": ModelAuthError,
    "BadRequestError": ModelRequestError,
    "NotFoundError": ModelRequestError,
    "PreconditionFailedError": ModelRequestError,
    "UnprocessableEntityError": ModelRequestError,
    "ContentTooLargeError": ModelRequestError,
    "RequestTooLargeError": ModelRequestError,
    "RequestBodyTooLargeAfterDecodingError": ModelRequestError,
    "RequestBodyEncodingInvalidError": ModelRequestError,
    "RequestBodyEncodingUnsupportedError": ModelRequestError,
    "RequestHeaderFieldsTooLargeError": ModelRequestError,
    "ClaudeCodeVersionTooOldError": ModelRequestError,
    "HTTPNotImplementedError": ModelRequestError,
    "ConflictError": ModelBusyError,
    "RateLimitError": ModelBusyError,
    "RampLimitExceededError": ModelBusyError,
    "InternalServerError": ModelBusyError,
    "ServiceUnavailableError": ModelBusyError,
    "CMEKContextUnavailableError": ModelBusyError,
    "CMEKKeyUnreachableError": ModelBusyError,
    "OverloadedError": ModelBusyError,
    "RetryableError": ModelBusyError,
    "RequestTimeoutError": ModelWireError,
    "GatewayTimeoutError": ModelWireError,
    "DeadlineExceededError": ModelWireError,
    "ClientClosedRequestError": ModelWireError,
}
"""Every error class of the SDK by name; a test fails when the SDK grows a new one."""

_STOPS: Mapping[str, StopReason] = {
    "end_turn": StopReason.END_TURN,
    "stop_sequence": StopReason.END_TURN,
    "tool_use": StopReason.TOOL_USE,
    "max_tokens": StopReason.MAX_TOKENS,
    "model_context_window_exceeded": StopReason.CONTEXT_FULL,
    "refusal": StopReason.REFUSAL,
}


class AnthropicModel(HostedModel):
    """One model of Anthropic's."""

    def _connect(self) -> None:
        import anthropic

        self._sdk_error = anthropic.AnthropicError
        self._client = anthropic.Anthropic(
            api_key=self.key or NO_KEY,
            base_url=self.base_url,
            max_retries=0,
            timeout=self.options.silence_s,
        )

    def complete(self, request: Request, *, on_delta: OnDelta | None = None) -> Reply:
        """One streamed call; see `Model.complete`."""
        started = time.monotonic()
        gathered = _Gathered(on_delta)
        with (
            Deadline(self.options.timeout_s) as deadline,
            translated(
                PROVIDER,
                sdk_errors=(self._sdk_error,),
                table=ERRORS,
                redactor=self.redactor,
                deadline=deadline,
                has_started=lambda: gathered.has_started,
                has_key=self.has_key,
            ),
        ):
            body = cast(Any, request_body(request, self.name, self.options))
            with self._client.messages.create(**body, stream=True) as stream:
                deadline.watch(stream.response.close)
                request_id = stream.response.headers.get("request-id")
                for event in stream:
                    deadline.check()
                    gathered.add(cast(Any, event).model_dump(mode="json", exclude_unset=True))
            deadline.check()
            return gathered.reply(request_id, time.monotonic() - started)


def request_body(request: Request, name: str, options: ModelOptions) -> dict[str, object]:
    """A request in the Messages API's form."""
    body: dict[str, object] = {
        "model": name,
        "max_tokens": request.max_output_tokens,
        "messages": _messages(request.messages, cache=options.cache),
    }
    if request.system:
        system: dict[str, object] = {"type": "text", "text": request.system}
        body["system"] = [_marked(system) if options.cache else system]
    if request.tools:
        body["tools"] = [
            {
                "name": tool.name,
                "description": tool.description,
                "input_schema": dict(tool.parameters),
            }
            for tool in request.tools
        ]
    is_thinking = _add_reasoning(body, options, request.max_output_tokens)
    # `forced_tool` is left to the prompt: models that always think refuse a forced choice.
    temperature = request.temperature if request.temperature is not None else options.temperature
    if temperature is not None and not is_thinking:
        body["temperature"] = temperature
    return body


def _add_reasoning(body: dict[str, object], options: ModelOptions, max_tokens: int) -> bool:
    if options.thinking_tokens is not None:
        # The API wants at least 1024 and less than max_tokens, which includes the thinking. The
        # limit stays as asked: it is what was reserved.
        budget = max(1024, min(options.thinking_tokens, max_tokens - 1024))
        body["thinking"] = {"type": "enabled", "budget_tokens": budget}
        return True
    if options.reasoning is not None:
        body["thinking"] = {"type": "adaptive"}
        body["output_config"] = {"effort": options.reasoning}
        return True
    return False


def _messages(messages: tuple[Message, ...], *, cache: bool) -> list[dict[str, object]]:
    result: list[dict[str, object]] = []
    users = [i for i, message in enumerate(messages) if message.role is Role.USER]
    marked = set(users[-CACHED_TURNS:]) if cache else set()
    for index, message in enumerate(messages):
        content = [block for b in message.blocks if (block := _block(b)) is not None]
        if not content:
            content = [{"type": "text", "text": "(nothing)"}]
        if index in marked:
            content[-1] = _marked(content[-1])
        result.append({"role": message.role.value, "content": content})
    return result


def _marked(block: Mapping[str, object]) -> dict[str, object]:
    return {**block, "cache_control": {"type": "ephemeral"}}


def _block(block: Block) -> dict[str, object] | None:
    match block:
        case Text():
            # The API refuses empty text, and whitespace alone.
            return {"type": "text", "text": block.text} if block.text.strip() else None
        case Reasoning():
            return dict(block.payload) if block.provider == PROVIDER else None
        case ToolCall():
            arguments = dict(block.arguments)
            return {"type": "tool_use", "id": block.id, "name": block.name, "input": arguments}
        case ToolResult():
            return {
                "type": "tool_result",
                "tool_use_id": block.call_id,
                "content": block.text or "(no output)",
                "is_error": block.is_error,
            }
        case _:
            assert_never(block)


class _Gathered:
    """The reply so far, put together from stream events."""

    def __init__(self, on_delta: OnDelta | None) -> None:
        self._on_delta = on_delta
        self._blocks: dict[int, dict[str, Any]] = {}
        self._inputs: dict[int, str] = {}
        self._usage: dict[str, Any] = {}
        self._model = ""
        self._stop: str | None = None
        self._is_ended = False
        self.has_started = False

    def add(self, event: Mapping[str, Any]) -> None:
        match event["type"]:
            case "message_start":
                self.has_started = True
                message = event["message"]
                self._model = str(message.get("model", ""))
                self._note_usage(message.get("usage"))
            case "content_block_start":
                self._blocks[event["index"]] = dict(event["content_block"])
            case "content_block_delta":
                self._extend(event["index"], event["delta"])
            case "message_delta":
                self._stop = event["delta"].get("stop_reason") or self._stop
                self._note_usage(event.get("usage"))
            case "message_stop":
                self._is_ended = True
            case _:
                pass  # content_block_stop, and kinds that a newer API may add

    def _note_usage(self, usage: Mapping[str, Any] | None) -> None:
        # Counts in later events are cumulative; a field that is missing keeps its last value.
        self._usage |= {name: n for name, n in (usage or {}).items() if n is not None}

    def _extend(self, index: int, delta: Mapping[str, Any]) -> None:
        block = self._blocks[index]
        match delta["type"]:
            case "text_delta":
                block["text"] = block.get("text", "") + delta["text"]
                self._tell("text", delta["text"])
            case "thinking_delta":
                block["thinking"] = block.get("thinking", "") + delta["thinking"]
                self._tell("reasoning", delta["thinking"])
            case "signature_delta":
                block["signature"] = block.get("signature", "") + delta["signature"]
            case "input_json_delta":
                self._inputs[index] = self._inputs.get(index, "") + delta["partial_json"]
                self._tell("tool_call", delta["partial_json"])
            case _:
                pass  # citations and kinds that a newer API may add

    def _tell(self, kind: str, text: str) -> None:
        if self._on_delta is not None and text:
            self._on_delta(Delta(kind=kind, text=text))

    def reply(self, request_id: str | None, latency_s: float) -> Reply:
        if not self._is_ended:
            raise ModelWireError(
                "anthropic: the stream was cut before its end",
                request_id=request_id,
                may_have_cost=True,
            )
        return Reply(
            blocks=tuple(self._finished(index) for index in sorted(self._blocks)),
            stop_reason=_STOPS.get(self._stop or "", StopReason.OTHER),
            usage=_usage(self._usage),
            request_id=request_id,
            model=self._model,
            latency_s=latency_s,
            notes={"stop_reason": self._stop},
        )

    def _finished(self, index: int) -> Block:
        block = self._blocks[index]
        match block["type"]:
            case "text":
                return Text(text=block["text"])
            case "tool_use":
                return read_call(block["id"], block["name"], self._inputs.get(index, ""))
            case _:
                # Thinking, redacted thinking and kinds we do not know all go back as they came.
                text = str(block.get("thinking", ""))
                return Reasoning(provider=PROVIDER, text=text, payload=block)


def _usage(counts: Mapping[str, Any]) -> Usage | None:
    if "output_tokens" not in counts or "input_tokens" not in counts:
        return None
    details = counts.get("output_tokens_details") or {}
    return Usage(
        input_uncached_tokens=int(counts["input_tokens"]),
        cache_read_tokens=int(counts.get("cache_read_input_tokens") or 0),
        cache_write_tokens=int(counts.get("cache_creation_input_tokens") or 0),
        output_tokens=int(counts["output_tokens"]),
        reasoning_tokens=int(details.get("thinking_tokens") or 0),
    )
