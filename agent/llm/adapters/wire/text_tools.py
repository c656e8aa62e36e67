"""Tools for a model that has no tool calling of its own: calls and results as marked text.

Wraps any model. Outwards it is a model with native tools; inwards it sends none.
Arguments are raw text between marks, since weak models escape JSON strings badly.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import cast

from rsi.agent.llm.arguments import unusable_problem
from rsi.agent.llm.base import OnDelta, WrappedModel
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
    ToolSpec,
)

_CALL = re.compile(r'<tool name="([^"]*)">(.*?)</tool>', re.DOTALL)
_ARGUMENT = re.compile(r'<arg name="([^"]*)">(.*?)</arg>', re.DOTALL)
_OPEN = re.compile(r'<tool name="([^"]*)">')
_INVENTED = "<result "
"""A model that goes on to write results itself is cut off there."""

_EXPLANATION = """
# Tools
You have no built-in tools. To use one, write a block in exactly this form, one argument per <arg>:

<tool name="NAME">
<arg name="ARGUMENT">
value, as plain text without quotes or escapes; numbers, true/false and lists as JSON
</arg>
</tool>

The line breaks right after <arg ...> and right before </arg> are not part of the value. You may write
several blocks; stop after the last one. The answers come as <result ...> blocks; never write those yourself.

The tools:
"""


class TextToolsModel(WrappedModel):
    """A model without native tools, made to look as if it had them."""

    def complete(self, request: Request, *, on_delta: OnDelta | None = None) -> Reply:
        """One call with tools as text; see `Model.complete`."""
        if not request.tools:
            return self._inner.complete(request, on_delta=on_delta)
        reply = self._inner.complete(as_text(request), on_delta=on_delta)
        turn = sum(message.role is Role.ASSISTANT for message in request.messages)
        return read_calls(reply, request.tools, turn)


def as_text(request: Request) -> Request:
    """The request without tools: definitions in the system prompt, calls and results as text."""
    system = request.system + "\n" + _EXPLANATION + "\n".join(_describe(t) for t in request.tools)
    if request.forced_tool is not None:
        system += f"\nYour next message must use the tool {request.forced_tool}."
    names = {
        block.id: block.name
        for message in request.messages
        for block in message.blocks
        if isinstance(block, ToolCall)
    }
    return replace(
        request,
        system=system,
        tools=(),
        forced_tool=None,
        messages=tuple(_message(message, names) for message in request.messages),
    )


def read_calls(reply: Reply, tools: tuple[ToolSpec, ...], turn: int) -> Reply:
    """The reply with its written calls as tool calls."""
    text = reply.text.split(_INVENTED)[0]
    schemas = {tool.name: tool.parameters for tool in tools}
    calls: list[ToolCall] = []
    first, end = len(text), 0
    for number, match in enumerate(_CALL.finditer(text), start=1):
        first, end = min(first, match.start()), match.end()
        name = match[1]
        arguments = {
            found[1]: _value(found[2], schemas.get(name, {}), found[1])
            for found in _ARGUMENT.finditer(match[2])
        }
        problem = unusable_problem(arguments)
        calls.append(
            ToolCall(
                id=f"text-{turn + 1}-{number}",
                name=name,
                arguments={} if problem else arguments,
                raw_arguments=match[2] if problem else "",
                problem=problem,
            )
        )
    if (cut := _OPEN.search(text, end)) is not None:
        first = min(first, cut.start())
        calls.append(
            ToolCall(
                id=f"text-{turn + 1}-{len(calls) + 1}",
                name=cut[1],
                arguments={},
                raw_arguments=text[cut.end() :],
                problem="its block does not end with </tool>.",
            )
        )
    kept = tuple(block for block in reply.blocks if isinstance(block, Reasoning))
    words = text[:first].strip()
    blocks: tuple[Block, ...] = (*kept, *((Text(text=words),) if words else ()), *calls)
    stop = StopReason.TOOL_USE if calls else reply.stop_reason
    return replace(reply, blocks=blocks, stop_reason=stop)


def _describe(tool: ToolSpec) -> str:
    properties = cast(Mapping[str, Mapping[str, object]], tool.parameters.get("properties", {}))
    required = cast(list[str], tool.parameters.get("required", []))
    lines = [f"## {tool.name}", tool.description]
    for name, schema in properties.items():
        need = "" if name in required else ", may be left out"
        details = schema.get("description") or json.dumps(schema)
        lines.append(f"- {name} ({schema.get('type')}{need}): {details}")
        if "properties" in str(schema):
            lines.append(f"  JSON schema: {json.dumps(schema)}")
    return "\n".join(lines) + "\n"


def _value(raw: str, schema: Mapping[str, object], name: str) -> object:
    text = raw.removeprefix("\n").removesuffix("\n")
    properties = cast(Mapping[str, Mapping[str, object]], schema.get("properties", {}))
    if properties.get(name, {}).get("type", "string") == "string":
        return text
    try:
        return cast(object, json.loads(text))
    except (ValueError, RecursionError):
        return text  # the check of arguments says what type was expected


def _message(message: Message, names: Mapping[str, str]) -> Message:
    parts: list[str] = []
    kept: list[Block] = []
    for block in message.blocks:
        match block:
            case Text():
                parts.append(block.text)
            case ToolCall():
                parts.append(_written(block))
            case ToolResult():
                kind = "error" if block.is_error else "ok"
                name = names.get(block.call_id, "tool")
                parts.append(f'<result of="{name}" status="{kind}">\n{block.text}\n</result>')
            case Reasoning():
                kept.append(block)
    return replace(message, blocks=(*kept, Text(text="\n\n".join(parts) or "(nothing)")))


def _written(call: ToolCall) -> str:
    if call.problem is not None:
        return f'<tool name="{call.name}">\n{call.raw_arguments}\n</tool>'
    arguments = "".join(
        f'<arg name="{name}">\n{value if isinstance(value, str) else json.dumps(value)}\n</arg>\n'
        for name, value in call.arguments.items()
    )
    return f'<tool name="{call.name}">\n{arguments}</tool>'
