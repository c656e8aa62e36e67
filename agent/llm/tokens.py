"""Token counts without a tokenizer: a typical one to know when a context fills, and a bound for budgets.

Figures: byte-pair tokenizers give 3.3 to 4.5 bytes per token on English and on source code, 1 to 3 on digits, hex and
rare scripts. The tokens of a byte-level tokenizer hold at least one byte each, so bytes bound tokens for any text.
"""

import json
from typing import assert_never

from rsi.agent.llm.types import Block, Reasoning, Request, Text, ToolCall, ToolResult

TYPICAL_BYTES_PER_TOKEN = 3.6
_OVERHEAD_TOKENS = 400
"""Tool-use preambles that providers add by themselves are a few hundred tokens."""
_FRAME_TOKENS = 16
"""Marks that a provider puts around one message, block or tool: a role, a name, a few special tokens."""


def request_tokens_estimate(request: Request) -> int:
    """About how many input tokens a request has."""
    return _OVERHEAD_TOKENS + int(_request_bytes(request) / TYPICAL_BYTES_PER_TOKEN)


def request_tokens_bound(request: Request) -> int:
    """At least as many input tokens as a request has, whatever it is made of.

    A token for each byte, and what stands around them. On plain code that is three to four times what is billed, and
    it is given back when the call is settled; a smaller figure would let a campaign pass its limit.
    """
    blocks = sum(len(message.blocks) for message in request.messages)
    frames = len(request.messages) + blocks + len(request.tools)
    return _OVERHEAD_TOKENS + _FRAME_TOKENS * frames + _request_bytes(request)


def block_bytes(block: Block) -> int:
    """UTF-8 bytes that a block adds to a request."""
    match block:
        case Text():
            return _bytes(block.text)
        case Reasoning():
            return max(len(json.dumps(dict(block.payload), default=str)), _bytes(block.text))
        case ToolCall():
            arguments = json.dumps(dict(block.arguments)) + block.raw_arguments
            return _bytes(block.id + block.name + arguments)
        case ToolResult():
            return _bytes(block.call_id + block.text)
        case _:
            assert_never(block)


def _request_bytes(request: Request) -> int:
    tools = sum(
        len(json.dumps([tool.name, tool.description, dict(tool.parameters)]))
        for tool in request.tools
    )
    blocks = sum(block_bytes(block) for message in request.messages for block in message.blocks)
    return _bytes(request.system) + tools + blocks


def _bytes(text: str) -> int:
    return len(text.encode("utf-8", "surrogatepass"))
