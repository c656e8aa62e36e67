"""The rules by which the real APIs refuse a request, so that what passes the fake one passes them too."""

import re

SAFE = re.compile(r"[a-zA-Z0-9_-]{1,64}\Z")
MESSAGES_FIELDS = {
    "model", "max_tokens", "messages", "system", "tools", "tool_choice", "thinking", "output_config", "temperature",
    "stream", "metadata", "stop_sequences", "top_p", "top_k",
}  # fmt: skip
CLAUDE = re.compile(r"claude-(?:([a-z]+)-)?(\d+)(?:-(\d{1,2})(?!\d))?")


def messages_problem(body: dict, signed: dict[str, str]) -> str | None:
    """What Anthropic's API would refuse, in about its words; None when it takes the request.

    Args:
        body: The request.
        signed: Thinking by its signature, of all replies so far; it must come back unchanged.
    """
    if unknown := set(body) - MESSAGES_FIELDS:
        return f"{sorted(unknown)}: Extra inputs are not permitted"
    marks = str(body).count("'cache_control'")
    if marks > 4:
        return f"A maximum of 4 blocks with cache_control may be provided. Found {marks}."
    return (
        thinking_problem(body)
        or turns_problem(body["messages"], signed)
        or chain_problem(body)
        or next(
            (
                f"tools: bad name {t['name']!r}"
                for t in body.get("tools", ())
                if not SAFE.match(t["name"])
            ),
            None,
        )
    )


def thinking_problem(body: dict) -> str | None:
    thinking = body.get("thinking") or {}
    kind, budget = thinking.get("type"), thinking.get("budget_tokens", 0)
    found = CLAUDE.match(body["model"])
    version = (int(found[2]), int(found[3] or 0)) if found else (0, 0)
    always = body["model"].startswith(("claude-fable", "claude-mythos"))
    match kind:
        case "enabled" if version >= (4, 7) or always:
            return '"thinking.type.enabled" is not supported for this model. Use "thinking.type.adaptive"'
        case "enabled" if budget < 1024:
            return "thinking.enabled.budget_tokens: Input should be greater than or equal to 1024"
        case "enabled" if budget >= body["max_tokens"]:
            return "`max_tokens` must be greater than `thinking.budget_tokens`"
        case "adaptive" if found and version < (4, 6) and not always:
            return "adaptive thinking is not supported on this model"
        case "disabled" if always:
            return '"thinking.type.disabled" is not supported for this model'
        case None if "output_config" in body and version < (4, 5):
            return "output_config: Extra inputs are not permitted"
        case _:
            pass
    is_thinking = kind in ("enabled", "adaptive")
    if body.get("temperature") is not None and (version >= (4, 7) or always):
        return "`temperature` is deprecated for this model."
    if is_thinking and body.get("temperature") not in (None, 1):
        return "`temperature` may only be set to 1 when thinking is enabled."
    if is_thinking and (body.get("tool_choice") or {}).get("type") in ("any", "tool"):
        return "Thinking may not be enabled when tool_choice forces tool use."
    return None


def turns_problem(messages: list[dict], signed: dict[str, str]) -> str | None:
    if messages[0]["role"] != "user":
        return "messages: first message must use the user role"
    if messages[-1]["role"] != "user":
        return "This model does not support assistant message prefill"
    seen: set[str] = set()
    waiting: list[str] = []
    for place, message in enumerate(messages):
        content = message["content"]
        blocks = [{"type": "text", "text": content}] if isinstance(content, str) else content
        if not blocks:
            return f"messages.{place}: all messages must have non-empty content"
        results = [block["tool_use_id"] for block in blocks if block["type"] == "tool_result"]
        if waiting and set(results) != set(waiting):
            return f"messages.{place}: tool_use ids {waiting} were found without tool_result blocks, found {results}"
        if not waiting and results:
            return (
                f"messages.{place}: unexpected tool_use_id found in tool_result blocks: {results}"
            )
        if [block["type"] for block in blocks[: len(results)]] != ["tool_result"] * len(results):
            return f"messages.{place}: tool_result blocks must come first"
        waiting = []
        for block in blocks:
            if problem := block_problem(block, signed):
                return f"messages.{place}: {problem}"
            if block["type"] == "tool_use":
                if block["id"] in seen:
                    return "messages: `tool_use` ids must be unique"
                seen.add(block["id"])
                waiting.append(block["id"])
    return None


def block_problem(block: dict, signed: dict[str, str]) -> str | None:
    match block["type"]:
        case "text" if not block["text"].strip():
            return "text content blocks must contain non-whitespace text"
        case "tool_use" if not (SAFE.match(block["id"]) and SAFE.match(block["name"])):
            return (
                f"tool_use: String should match pattern, found {block['id']!r}, {block['name']!r}"
            )
        case "tool_use" if not isinstance(block["input"], dict):
            return "tool_use.input: Input should be a valid dictionary"
        case "tool_result" if not block["content"]:
            return "tool_result: content must be non-empty"
        case "thinking" if not block.get("signature"):
            return "thinking.signature: Field required"
        case "thinking" if signed.get(block["signature"], block["thinking"]) != block["thinking"]:
            return "`thinking` blocks in the latest assistant message cannot be modified"
        case "redacted_thinking" if not block.get("data"):
            return "redacted_thinking.data: Field required"
        case _:
            return None


def chain_problem(body: dict) -> str | None:
    """With a budget, the tool uses that are going on must have begun with thinking."""
    if (body.get("thinking") or {}).get("type") != "enabled":
        return None
    first: dict | None = None
    for message in reversed(body["messages"]):
        blocks = message["content"] if isinstance(message["content"], list) else []
        if message["role"] == "user" and not any(
            block["type"] == "tool_result" for block in blocks
        ):
            break
        if message["role"] == "assistant":
            first = blocks[0]
    if first is not None and first["type"] not in ("thinking", "redacted_thinking"):
        return f"Expected `thinking` or `redacted_thinking`, but found `{first['type']}`."
    return None


def chat_problem(body: dict) -> str | None:
    """What OpenAI's API would refuse; None when it takes the request."""
    if {"max_tokens", "max_completion_tokens"} <= set(body):
        return "Setting 'max_tokens' and 'max_completion_tokens' at the same time is not supported."
    waiting: list[str] = []
    for place, message in enumerate(body["messages"]):
        if message["role"] == "tool":
            if message["tool_call_id"] not in waiting:
                return f"messages.{place}: 'tool' must follow an assistant message with its 'tool_calls'"
            waiting.remove(message["tool_call_id"])
            continue
        if waiting:
            return f"messages.{place}: 'tool_calls' must be followed by tool messages, lacking {waiting}"
        waiting = [call["id"] for call in message.get("tool_calls") or ()]
        if not message.get("content") and not waiting:
            return f"messages.{place}.content: expected a string, got null"
        for call in message.get("tool_calls") or ():
            if not SAFE.match(call["function"]["name"]):
                return f"messages.{place}: bad function name {call['function']['name']!r}"
    return None
