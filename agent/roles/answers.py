"""Gets one structured answer out of a model: a single tool call, with one correction when it is malformed.

A question that is longer than the model's context is asked again in short, and the answer says how much it did not see.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from rsi.agent.llm.arguments import call_problem
from rsi.agent.llm.codec import tool_to_json
from rsi.agent.llm.errors import ContextOverflowError
from rsi.agent.llm.fence import shortened
from rsi.agent.llm.tokens import block_bytes, request_tokens_estimate
from rsi.agent.llm.types import Block, Message, Reply, Request, Role, Text, ToolResult, ToolSpec
from rsi.agent.roles.calls import Caller

MAX_CORRECTIONS = 2
MOST_SHORTENINGS = 6
"""Refusals after which a model's context is held to be too small for the question."""
_SHORTER_BY = 0.6
_LEAST_REPLY_TOKENS = 1024
_REPLY_SHARE = 1 / 3
"""Most of a context that is known to be small that the reply may have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """What a model was brought to say."""

    arguments: Mapping[str, object] | None
    """Of the one call that it was asked for; None when it never made a usable one."""
    unseen_chars: int
    """Characters of the question that did not fit the model's context."""


def ask(
    caller: Caller, *, system: str, prompt: str, tool: ToolSpec, scaffold: str, tokens: int
) -> Answered:
    """The arguments of the one call that the model was asked for.

    Args:
        caller: Pays and records.
        system: System prompt.
        prompt: The question, with everything untrusted fenced.
        tool: The only tool; its call is the answer.
        scaffold: Digest of the scaffold that the prompts are from, for the record.
        tokens: Longest reply.

    Raises:
        BudgetExceededError: The call does not fit what is left.
        ModelError: The provider failed for good or for too long.
    """
    agent = caller.role.value
    caller.sink(
        agent,
        "system",
        {
            "model": caller.model.spec,
            "scaffold_digest": scaffold,
            "system": system,
            "tools": [tool_to_json(tool)],
        },
    )
    caller.sink(agent, "user", {"text": prompt, "source": "brief"})
    request = Request(
        system=system,
        messages=(Message(role=Role.USER, blocks=(Text(text=prompt),)),),
        tools=(tool,),
        forced_tool=tool.name,
        max_output_tokens=tokens,
    )
    unseen = 0
    for _ in range(1 + MAX_CORRECTIONS):
        reply, request, left_out = _fitting(caller, request)
        unseen += left_out
        problems: list[Block] = []
        for call in reply.tool_calls:
            problem = call_problem(call, {tool.name: tool})
            if problem is None:
                return Answered(arguments=call.arguments, unseen_chars=unseen)
            problems.append(ToolResult(call_id=call.id, text=problem, is_error=True))
            caller.sink(
                agent,
                "tool_result",
                {"call_id": call.id, "tool": call.name, "text": problem, "is_error": True},
            )
        if not problems:
            text = f"Answer by calling {tool.name!r}; nothing else is read."
            problems.append(Text(text=text))
            caller.sink(agent, "user", {"text": text, "source": "rsi"})
        said = Message(role=Role.ASSISTANT, blocks=reply.blocks or (Text(text="(nothing)"),))
        answer = Message(role=Role.USER, blocks=tuple(problems))
        request = replace(request, messages=(*request.messages, said, answer))
    return Answered(arguments=None, unseen_chars=unseen)


def _fitting(caller: Caller, request: Request) -> tuple[Reply, Request, int]:
    """The reply to a request, the request as it was answered, and how many characters were left out of it.

    Raises:
        ContextOverflowError: It does not fit, however short.
    """
    unseen = 0
    for _ in range(MOST_SHORTENINGS):
        try:
            return caller.complete(request), request, unseen
        except ContextOverflowError as error:
            shorter, left_out = _shorter(request, error)
            if not left_out and shorter.max_output_tokens >= request.max_output_tokens:
                raise
            request, unseen = shorter, unseen + left_out
            note = {"note": "compaction", "left_out_chars": left_out}
            caller.sink(caller.role.value, "note", note)
    return caller.complete(request), request, unseen


def _shorter(request: Request, error: ContextOverflowError) -> tuple[Request, int]:
    """The request with a shorter question, and how many characters that left out."""
    first = request.messages[0]
    size, told = request_tokens_estimate(request), error.context_tokens
    share = _SHORTER_BY * min(1.0, (told or size) / size)
    blocks = tuple(
        replace(block, text=shortened(block.text, int(len(block.text) * share)))
        if isinstance(block, Text)
        else block
        for block in first.blocks
    )
    left_out = sum(map(block_bytes, first.blocks)) - sum(map(block_bytes, blocks))
    room = int((told or 2 * request.max_output_tokens) * _REPLY_SHARE)
    tokens = min(request.max_output_tokens, max(_LEAST_REPLY_TOKENS, room))
    messages = (replace(first, blocks=blocks), *request.messages[1:])
    return replace(request, messages=messages, max_output_tokens=tokens), left_out
