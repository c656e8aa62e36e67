"""The Chat Completions form of requests and streamed replies, as OpenAI, its many imitators and litellm speak it.

Works on plain dicts, so that one translation serves every client library.
"""

import json
from collections.abc import Mapping
from typing import Any, assert_never

from rsi.agent.llm.adapters.wire import read_call
from rsi.agent.llm.base import Delta, OnDelta
from rsi.agent.llm.errors import ModelWireError
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

_STOPS: Mapping[str, StopReason] = {
    "stop": StopReason.END_TURN,
    "tool_calls": StopReason.TOOL_USE,
    "function_call": StopReason.TOOL_USE,
    "length": StopReason.MAX_TOKENS,
    "content_filter": StopReason.REFUSAL,
}
_REASONING_FIELDS = ("reasoning_content", "reasoning")
"""Where compatible servers put thinking: DeepSeek and vLLM the first, Ollama and OpenRouter the second."""


def chat_messages(request: Request, *, provider: str, cache: bool = False) -> list[dict[str, Any]]:
    """System prompt and messages in Chat Completions form.

    Args:
        request: What to send.
        provider: Adapter name; reasoning of another one is dropped.
        cache: Put Anthropic's cache marks on the system prompt and on the last two answers.
    """
    result: list[dict[str, Any]] = []
    if request.system:
        result.append({"role": "system", "content": _content(request.system, cache=cache)})
    users = [i for i, message in enumerate(request.messages) if message.role is Role.USER]
    marked = set(users[-2:]) if cache else set()
    for index, message in enumerate(request.messages):
        match message.role:
            case Role.ASSISTANT:
                result.append(_assistant(message, provider))
            case Role.USER:
                result += _user(message, cache=index in marked)
            case _:
                assert_never(message.role)
    return result


def chat_tools(request: Request) -> list[dict[str, Any]]:
    """Tool definitions in Chat Completions form."""
    return [
        {
            "type": "function",
            "function": {
                "name": tool.name,
                "description": tool.description,
                "parameters": dict(tool.parameters),
            },
        }
        for tool in request.tools
    ]


def _assistant(message: Message, provider: str) -> dict[str, Any]:
    texts = [block.text for block in message.blocks if isinstance(block, Text)]
    result: dict[str, Any] = {"role": "assistant", "content": "\n\n".join(texts) or None}
    calls = [block for block in message.blocks if isinstance(block, ToolCall)]
    if calls:
        result["tool_calls"] = [_call(call) for call in calls]
    elif not texts:
        result["content"] = "(nothing)"
    for block in message.blocks:
        if isinstance(block, Reasoning) and block.provider == provider:
            result |= block.payload
    return result


def _call(call: ToolCall) -> dict[str, Any]:
    # Arguments that were unreadable go back as an empty object: servers parse what they are sent.
    arguments = json.dumps(dict(call.arguments))
    return {
        "id": call.id,
        "type": "function",
        "function": {"name": call.name, "arguments": arguments},
    }


def _user(message: Message, *, cache: bool) -> list[dict[str, Any]]:
    result: list[dict[str, Any]] = []
    texts: list[str] = []
    for block in message.blocks:
        match block:
            case ToolResult():
                text = f"Error: {block.text}" if block.is_error else block.text
                result.append(
                    {
                        "role": "tool",
                        "tool_call_id": block.call_id,
                        "content": text or "(no output)",
                    }
                )
            case Text():
                texts.append(block.text)
            case Reasoning() | ToolCall():
                raise ValueError(f"a user message cannot hold {type(block).__name__}")
            case _:
                assert_never(block)
    if texts:
        result.append({"role": "user", "content": "\n\n".join(texts)})
    if cache and result:
        result[-1]["content"] = _content(result[-1]["content"], cache=True)
    return result


def _content(text: str, *, cache: bool) -> str | list[dict[str, Any]]:
    if not cache:
        return text
    return [{"type": "text", "text": text, "cache_control": {"type": "ephemeral"}}]


class GatheredChat:
    """The reply so far, put together from Chat Completions chunks."""

    def __init__(self, provider: str, on_delta: OnDelta | None) -> None:
        self._provider = provider
        self._on_delta = on_delta
        self._text: list[str] = []
        self._refusal: list[str] = []
        self._thinking: dict[str, list[str]] = {}
        self._thinking_blocks: list[dict[str, Any]] = []
        self._calls: dict[int, dict[str, str]] = {}
        self._usage: Mapping[str, Any] | None = None
        self._finish: str | None = None
        self._model = ""
        self.has_started = False

    def add(self, chunk: Mapping[str, Any]) -> None:
        """Take in one chunk."""
        self.has_started = True
        self._model = chunk.get("model") or self._model
        self._usage = chunk.get("usage") or self._usage
        for choice in chunk.get("choices") or ():
            self._add_delta(choice.get("delta") or {})
            self._finish = choice.get("finish_reason") or self._finish

    def _add_delta(self, delta: Mapping[str, Any]) -> None:
        if text := delta.get("content"):
            self._text.append(text)
            self._tell("text", text)
        if refusal := delta.get("refusal"):
            self._refusal.append(refusal)
        for field in _REASONING_FIELDS:
            if isinstance(text := delta.get(field), str) and text:
                self._thinking.setdefault(field, []).append(text)
                self._tell("reasoning", text)
        self._thinking_blocks += delta.get("thinking_blocks") or ()
        for call in delta.get("tool_calls") or ():
            self._add_call(call)

    def _add_call(self, call: Mapping[str, Any]) -> None:
        index = call.get("index")
        if index is None:
            # Some servers send whole calls without an index.
            index = len(self._calls)
        known = self._calls.setdefault(int(index), {"id": "", "name": "", "arguments": ""})
        function = call.get("function") or {}
        known["id"] = call.get("id") or known["id"]
        known["name"] = function.get("name") or known["name"]
        if piece := function.get("arguments"):
            known["arguments"] += piece if isinstance(piece, str) else json.dumps(piece)
            self._tell("tool_call", str(piece))

    def _tell(self, kind: str, text: str) -> None:
        if self._on_delta is not None:
            self._on_delta(Delta(kind=kind, text=text))

    def reply(self, request_id: str | None, latency_s: float) -> Reply:
        """The finished reply.

        Raises:
            ModelWireError: The stream ended before the model said why it stopped.
        """
        if self._finish is None:
            raise ModelWireError(
                f"{self._provider}: the stream was cut before its end",
                request_id=request_id,
                may_have_cost=True,
            )
        stop = _STOPS.get(self._finish, StopReason.OTHER)
        if self._refusal:
            stop = StopReason.REFUSAL
        elif self._calls and stop is StopReason.END_TURN:
            stop = StopReason.TOOL_USE
        return Reply(
            blocks=self._blocks(),
            stop_reason=stop,
            usage=chat_usage(self._usage),
            request_id=request_id,
            model=self._model,
            latency_s=latency_s,
            notes={"finish_reason": self._finish},
        )

    def _blocks(self) -> tuple[Block, ...]:
        blocks: list[Block] = []
        if self._thinking or self._thinking_blocks:
            payload: dict[str, Any] = {n: "".join(t) for n, t in self._thinking.items()}
            text = next(iter(payload.values()), "")
            if self._thinking_blocks:
                payload["thinking_blocks"] = joined_thinking(self._thinking_blocks)
            blocks.append(Reasoning(provider=self._provider, text=text, payload=payload))
        if text := "".join(self._text) + "".join(self._refusal):
            blocks.append(Text(text=text))
        for index in sorted(self._calls):
            call = self._calls[index]
            blocks.append(read_call(call["id"] or f"call-{index}", call["name"], call["arguments"]))
        return tuple(blocks)


def joined_thinking(pieces: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Whole thinking blocks from streamed pieces: text adds up until a signature closes a block."""
    blocks: list[dict[str, Any]] = []
    is_open = False
    for piece in pieces:
        if piece.get("type") != "thinking":
            blocks.append(dict(piece))
            is_open = False
            continue
        if not is_open:
            blocks.append({"type": "thinking", "thinking": "", "signature": ""})
        blocks[-1]["thinking"] += piece.get("thinking") or ""
        blocks[-1]["signature"] += piece.get("signature") or ""
        is_open = not piece.get("signature")
    return blocks


def chat_usage(usage: Mapping[str, Any] | None) -> Usage | None:
    """Token counts; here the prompt's count includes what came from a cache."""
    if not usage or usage.get("prompt_tokens") is None or usage.get("completion_tokens") is None:
        return None
    prompt = usage.get("prompt_tokens_details") or {}
    completion = usage.get("completion_tokens_details") or {}
    read = int(prompt.get("cached_tokens") or usage.get("cache_read_input_tokens") or 0)
    written = int(
        prompt.get("cache_creation_tokens")
        or prompt.get("cache_write_tokens")
        or usage.get("cache_creation_input_tokens")
        or 0
    )
    return Usage(
        input_uncached_tokens=max(0, int(usage["prompt_tokens"]) - read - written),
        cache_read_tokens=read,
        cache_write_tokens=written,
        output_tokens=int(usage["completion_tokens"]),
        reasoning_tokens=int(completion.get("reasoning_tokens") or 0),
    )
