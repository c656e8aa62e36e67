"""Rough token counts, without a tokenizer: good for budgets and for knowing when a context fills.

Figures: byte-pair tokenizers give 3.3 to 4.5 bytes per token on English and on source code, and
worse on dense text such as hex. A bound must hold for the worse case.
"""

import json
from typing import assert_never

from rsi.agent.llm.types import Block, Reasoning, Request, Text, ToolCall, ToolResult

TYPICAL_BYTES_PER_TOKEN = 3.6
BOUND_BYTES_PER_TOKEN = 2.0
_OVERHEAD_TOKENS = 400
"""Tool-use preambles that providers add by themselves are a few hundred tokens."""


def request_tokens_estimate(request: Request) -> int:
    """About how many input tokens a request has."""
    return _OVERHEAD_TOKENS + int(_request_bytes(request) / TYPICAL_BYTES_PER_TOKEN)


def request_tokens_bound(request: Request) -> int:
    """More input tokens than a request has."""
    return _OVERHEAD_TOKENS + int(_request_bytes(request) / BOUND_BYTES_PER_TOKEN)


def block_bytes(block: Block) -> int:
    """UTF-8 bytes that a block adds to a request."""
    match block:
        case Text():
            return len(block.text.encode("utf-8", "replace"))
        case Reasoning():
            return len(json.dumps(dict(block.payload), default=str)) or len(block.text)
        case ToolCall():
            arguments = json.dumps(dict(block.arguments)) + block.raw_arguments
            return len(block.name) + len(arguments)
        case ToolResult():
            return len(block.text.encode("utf-8", "replace"))
        case _:
            assert_never(block)


def _request_bytes(request: Request) -> int:
    tools = sum(
        len(tool.name) + len(tool.description) + len(json.dumps(dict(tool.parameters)))
        for tool in request.tools
    )
    blocks = sum(block_bytes(block) for message in request.messages for block in message.blocks)
    return len(request.system.encode()) + tools + blocks
