"""Gets one structured answer out of a model: a single tool call, with one correction when it is malformed."""

from collections.abc import Mapping
from dataclasses import replace

from rsi.agent.llm.arguments import call_problem
from rsi.agent.llm.codec import tool_to_json
from rsi.agent.llm.types import Block, Message, Request, Role, Text, ToolResult, ToolSpec
from rsi.agent.roles.calls import Caller

MAX_CORRECTIONS = 2


def ask(
    caller: Caller, *, system: str, prompt: str, tool: ToolSpec, scaffold: str, tokens: int
) -> Mapping[str, object] | None:
    """The arguments of the one call that the model was asked for; None when it never made a usable one.

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
    for _ in range(1 + MAX_CORRECTIONS):
        reply = caller.complete(request)
        problems: list[Block] = []
        for call in reply.tool_calls:
            problem = call_problem(call, {tool.name: tool})
            if problem is None:
                return call.arguments
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
    return None
