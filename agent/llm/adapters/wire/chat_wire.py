"""The Chat Completions form of requests, as OpenAI, its many imitators and litellm take it; `chat_reply` reads answers.

Works on plain dicts, so that one translation serves every client library.
"""

import json
from collections.abc import Mapping
from typing import Any, assert_never

from rsi.agent.llm.adapters.thinking import is_signed
from rsi.agent.llm.adapters.wire.tool_calls import BESIDE_CALLS, safe_name
from rsi.agent.llm.types import Message, Reasoning, Request, Role, Text, ToolCall, ToolResult


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
            _add_reasoning(result, block)
    return result


def _add_reasoning(message: dict[str, Any], block: Reasoning) -> None:
    """Put thinking back; several blocks of it follow each other, as they came."""
    if "type" in block.payload:
        # A block of the Messages form, which litellm takes in a list of its own.
        if is_signed(block):
            message.setdefault("thinking_blocks", []).append(dict(block.payload))
        return
    for field, value in block.payload.items():
        if field == BESIDE_CALLS and isinstance(value, Mapping):
            for call in message.get("tool_calls", ()):
                call |= value.get(call["id"], {})
        else:
            message[field] = message[field] + value if field in message else value


def _call(call: ToolCall) -> dict[str, Any]:
    # Arguments that were unreadable go back as an empty object: servers parse what they are sent.
    arguments = json.dumps(dict(call.arguments))
    return {
        "id": call.id,
        "type": "function",
        "function": {"name": safe_name(call.name), "arguments": arguments},
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
        last = result[-1]
        if last["role"] == "tool":
            # The API caches no part of a tool's result, only the whole.
            last["cache_control"] = {"type": "ephemeral"}
        else:
            last["content"] = _content(last["content"], cache=True)
    return result


def _content(text: str, *, cache: bool) -> str | list[dict[str, Any]]:
    if not cache:
        return text
    return [{"type": "text", "text": text, "cache_control": {"type": "ephemeral"}}]
