"""Blocks and requests as plain JSON values and back: the form in which trajectories keep them."""

from collections.abc import Mapping
from typing import assert_never, cast

from rsi.agent.llm.types import (
    Block,
    Reasoning,
    Text,
    ToolCall,
    ToolResult,
    ToolSpec,
    Usage,
)


def block_to_json(block: Block) -> dict[str, object]:
    """One block as a JSON object with a `type`."""
    match block:
        case Text():
            return {"type": "text", "text": block.text}
        case Reasoning():
            return {
                "type": "reasoning",
                "provider": block.provider,
                "text": block.text,
                "payload": dict(block.payload),
            }
        case ToolCall():
            call: dict[str, object] = {
                "type": "tool_call",
                "id": block.id,
                "name": block.name,
                "arguments": dict(block.arguments),
            }
            if block.problem is not None:
                call |= {"problem": block.problem, "raw_arguments": block.raw_arguments}
            return call
        case ToolResult():
            return {
                "type": "tool_result",
                "call_id": block.call_id,
                "text": block.text,
                "is_error": block.is_error,
            }
        case _:
            assert_never(block)


def block_from_json(value: Mapping[str, object]) -> Block:
    """The block that `block_to_json` wrote.

    Raises:
        ValueError: The object has a type that no block has.
    """
    match value.get("type"):
        case "text":
            return Text(text=str(value["text"]))
        case "reasoning":
            return Reasoning(
                provider=str(value["provider"]),
                text=str(value["text"]),
                payload=cast(Mapping[str, object], value["payload"]),
            )
        case "tool_call":
            problem = value.get("problem")
            return ToolCall(
                id=str(value["id"]),
                name=str(value["name"]),
                arguments=cast(Mapping[str, object], value["arguments"]),
                raw_arguments=str(value.get("raw_arguments", "")),
                problem=None if problem is None else str(problem),
            )
        case "tool_result":
            return ToolResult(
                call_id=str(value["call_id"]),
                text=str(value["text"]),
                is_error=bool(value["is_error"]),
            )
        case other:
            raise ValueError(f"no block has type {other!r}; the trajectory is of a newer version")


def tool_to_json(tool: ToolSpec) -> dict[str, object]:
    """A tool definition as a JSON object."""
    return {
        "name": tool.name,
        "description": tool.description,
        "parameters": dict(tool.parameters),
    }


def usage_to_json(usage: Usage) -> dict[str, int]:
    """Token counts as a JSON object."""
    return {
        "input_uncached_tokens": usage.input_uncached_tokens,
        "cache_read_tokens": usage.cache_read_tokens,
        "cache_write_tokens": usage.cache_write_tokens,
        "output_tokens": usage.output_tokens,
        "reasoning_tokens": usage.reasoning_tokens,
    }


def usage_from_json(value: Mapping[str, object]) -> Usage:
    """The counts that `usage_to_json` wrote."""
    return Usage(**{name: int(str(value.get(name, 0))) for name in usage_to_json(Usage())})
