"""The Messages API's form of requests; `messages_reply` reads answers. Thinking blocks go back verbatim, as the API demands."""

from collections.abc import Mapping
from typing import assert_never

from rsi.agent.llm.adapters.thinking import Form, Thinking, is_signed
from rsi.agent.llm.adapters.wire.tool_calls import safe_id, safe_name
from rsi.agent.llm.naming.options import ModelOptions
from rsi.agent.llm.types import Block, Message, Reasoning, Request, Role, Text, ToolCall, ToolResult

PROVIDER = "anthropic"
CACHED_TURNS = 2
"""User turns whose end gets a cache mark; with the system prompt's that is 3 of the 4 allowed."""


def request_body(
    request: Request, name: str, options: ModelOptions, thinking: Thinking
) -> dict[str, object]:
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
    asked = thinking.fields(request, PROVIDER)
    body |= asked
    # `forced_tool` is left to the prompt: models that think refuse a forced choice.
    temperature = request.temperature if request.temperature is not None else options.temperature
    if temperature is not None and not asked and thinking.form not in (Form.ADAPTIVE, Form.ALWAYS):
        body["temperature"] = temperature
    return body


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
            is_taken = block.provider == PROVIDER and is_signed(block)
            return dict(block.payload) if is_taken else None
        case ToolCall():
            arguments = dict(block.arguments)
            name, call_id = safe_name(block.name), safe_id(block.id)
            return {"type": "tool_use", "id": call_id, "name": name, "input": arguments}
        case ToolResult():
            return {
                "type": "tool_result",
                "tool_use_id": safe_id(block.call_id),
                "content": block.text or "(no output)",
                "is_error": block.is_error,
            }
        case _:
            assert_never(block)
