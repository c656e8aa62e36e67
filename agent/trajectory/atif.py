"""Harbor's ATIF (Agent Trajectory Interchange Format), version 1.7, out and in.

Out: system prompt, tool definitions, every call with its result, tokens, dollars. What ATIF has no field
for goes into `extra.rsi`, so our own files come back exactly. In: files of any version 1.x; what
another agent did not record is empty.
Source: Harbor, RFC 0001 (trajectory format); checked against the models of harbor 0.25.0.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from rsi.agent.llm.codec import block_from_json, block_to_json, usage_to_json
from rsi.agent.llm.types import Block, Reply, StopReason, ToolCall, ToolSpec, Usage
from rsi.agent.trajectory.chat_log import amount, plain, thought, words
from rsi.agent.trajectory.recorded import (
    Recording,
    RecordingError,
    ToolAnswer,
    Turn,
    calls_of,
    reasoning_text,
)

SCHEMA_VERSION = "ATIF-v1.7"
AGENT_NAME = "rsi"
MAKER, NOTES, METRICS = "agent", "notes", "final_metrics"
"""Keys of a recording's `extra` under which stands what another program wrote of itself, noted and summed up."""
CONTINUED = "continued_trajectory_ref"
"""Key under which stands the file in which another program's run goes on."""
_OWN_PLACES = frozenset({MAKER, NOTES, METRICS, CONTINUED})

Json = dict[str, Any]


def to_atif(recording: Recording, *, version: str) -> Json:
    """A recording as an ATIF document.

    Args:
        recording: One run.
        version: Of this program, for the record.
    """
    steps: list[Json] = [{"source": "system", "message": recording.system}]
    steps += [{"source": "user", "message": text} for text in recording.brief]
    if recording.at is not None:
        steps[0]["timestamp"] = recording.at.isoformat()
    for turn in recording.turns:
        steps.append(_agent_step(turn))
        steps += [{"source": "user", "message": text} for text in turn.told]
    extra = {name: value for name, value in recording.extra.items() if name not in _OWN_PLACES}
    maker = _maker(recording, version)
    document: Json = {
        "schema_version": SCHEMA_VERSION,
        "session_id": recording.round_id,
        "trajectory_id": recording.name,
        "agent": {
            **maker,
            "model_name": recording.model,
            "tool_definitions": [_definition(tool) for tool in recording.tools],
            "extra": {
                **maker.get("extra", {}),
                "role": recording.agent,
                "scaffold": recording.scaffold,
                "scaffold_digest": recording.scaffold_digest,
            },
        },
        "steps": [{"step_id": number, **step} for number, step in enumerate(steps, start=1)],
        "final_metrics": _final_metrics(recording, len(steps)),
        "extra": {
            "outcome": recording.outcome,
            "reason": recording.reason,
            "base_commit": recording.base_commit,
            **extra,
        },
    }
    document |= {key: recording.extra[key] for key in (NOTES, CONTINUED) if key in recording.extra}
    return document


def _maker(recording: Recording, version: str) -> Json:
    """Name and version of the program that ran the agent."""
    told = recording.extra.get(MAKER)
    return dict(told) if isinstance(told, Mapping) else {"name": AGENT_NAME, "version": version}


def is_atif(document: object) -> bool:
    """Whether a document says that it is one."""
    return isinstance(document, Mapping) and str(document.get("schema_version", "")).startswith(
        "ATIF-"
    )


def from_document(document: Mapping[str, Any]) -> Recording:
    """The recording in an ATIF document.

    Raises:
        RecordingError: Not ATIF 1.x, or a step breaks the format.
    """
    schema = str(document["schema_version"])
    if not schema.startswith("ATIF-v1."):
        raise RecordingError(f"schema_version is {schema!r}; this reads ATIF-v1.x")
    try:
        return _read(document)
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError, IndexError) as error:
        raise RecordingError(f"this ATIF document breaks its format: {error!r}") from error


def _agent_step(turn: Turn) -> Json:
    blocks = turn.reply.blocks
    step: Json = {
        "source": "agent",
        "message": turn.reply.text,
        "llm_call_count": 1,
        "is_copied_context": turn.is_copied,
        "extra": {
            "rsi": {
                "blocks": [block_to_json(block) for block in blocks],
                "stop_reason": turn.reply.stop_reason.value,
                "request_id": turn.reply.request_id,
                "latency_s": turn.reply.latency_s,
                "answers": [
                    {"call_id": a.call_id, "tool": a.tool, "is_error": a.is_error}
                    for a in turn.answers
                ],
            }
        },
    }
    if turn.reply.model:
        step["model_name"] = turn.reply.model
    if turn.at is not None:
        step["timestamp"] = turn.at.isoformat()
    if thought := reasoning_text(blocks):
        step["reasoning_content"] = thought
    if calls := calls_of(blocks):
        step["tool_calls"] = [
            {
                "tool_call_id": call.id,
                "function_name": call.name,
                "arguments": dict(call.arguments),
            }
            for call in calls
        ]
    if turn.answers:
        step["observation"] = {
            "results": [
                {"source_call_id": answer.call_id, "content": answer.text}
                for answer in turn.answers
            ]
        }
    if metrics := _metrics(turn):
        step["metrics"] = metrics
    return step


def _metrics(turn: Turn) -> Json:
    metrics: Json = {}
    usage = turn.reply.usage
    if usage is not None:
        metrics = {
            "prompt_tokens": _prompt_tokens(usage),
            "completion_tokens": usage.output_tokens,
            "cached_tokens": usage.cache_read_tokens,
            "extra": dict(usage_to_json(usage)),
        }
    if turn.usd is not None:
        metrics["cost_usd"] = turn.usd
    return metrics


def _final_metrics(recording: Recording, steps: int) -> Json:
    usages = [turn.reply.usage for turn in recording.turns if turn.reply.usage is not None]
    costs = [turn.usd for turn in recording.turns]
    told = recording.extra.get(METRICS)
    metrics: Json = {
        "total_prompt_tokens": sum(_prompt_tokens(usage) for usage in usages),
        "total_completion_tokens": sum(usage.output_tokens for usage in usages),
        "total_cached_tokens": sum(usage.cache_read_tokens for usage in usages),
        "total_steps": steps,
    }
    if all(cost is not None for cost in costs):
        metrics["total_cost_usd"] = sum(cost for cost in costs if cost is not None)
    # What another program summed up stands: it may know of calls whose steps tell nothing.
    return metrics | (dict(told) if isinstance(told, Mapping) else {})


def _prompt_tokens(usage: Usage) -> int:
    """ATIF counts cached tokens as part of the prompt."""
    return usage.total_tokens - usage.output_tokens


def _definition(tool: ToolSpec) -> Json:
    return {
        "type": "function",
        "function": {
            "name": tool.name,
            "description": tool.description,
            "parameters": dict(tool.parameters),
        },
    }


def _read(document: Mapping[str, Any]) -> Recording:
    agent = document["agent"]
    about = agent.get("extra") or {}
    extra: dict[str, Any] = dict(document.get("extra") or {})
    extra |= {key: str(document[key]) for key in (NOTES, CONTINUED) if document.get(key)}
    if agent.get("name") != AGENT_NAME:
        maker: Json = {each: str(agent.get(each) or "unknown") for each in ("name", "version")}
        extra[MAKER] = maker | ({"extra": dict(about)} if about else {})
        if document.get(METRICS):
            extra[METRICS] = dict(document[METRICS])
    steps: Sequence[Mapping[str, Any]] = document["steps"]
    first = next((i for i, s in enumerate(steps) if s["source"] == "agent"), len(steps))
    systems = [plain(s["message"]) for s in steps[:first] if s["source"] == "system"]
    return Recording(
        round_id=str(document.get("session_id") or ""),
        agent=str(about.get("role", "proposer")),
        model=str(agent.get("model_name") or ""),
        scaffold=str(about.get("scaffold", "")),
        scaffold_digest=str(about.get("scaffold_digest", "")),
        system="\n\n".join(systems),
        tools=tuple(_tool(definition) for definition in agent.get("tool_definitions") or ()),
        brief=tuple(plain(s["message"]) for s in steps[:first] if s["source"] == "user"),
        turns=_turns(steps[first:]),
        outcome=extra.pop("outcome", None),
        reason=str(extra.pop("reason", "") or ""),
        base_commit=str(extra.pop("base_commit", "") or ""),
        at=_time(steps[0].get("timestamp")) if steps else None,
        extra=extra,
    )


def _turns(steps: Sequence[Mapping[str, Any]]) -> tuple[Turn, ...]:
    turns: list[Turn] = []
    told: list[list[str]] = []
    for step in steps:
        if step["source"] == "agent":
            turns.append(_turn(step, len(turns) + 1))
            told.append([])
        else:
            told[-1] += _words(step)
    return tuple(
        Turn(
            number=turn.number,
            reply=turn.reply,
            usd=turn.usd,
            answers=turn.answers,
            told=(*turn.told, *words),
            at=turn.at,
            is_copied=turn.is_copied,
        )
        for turn, words in zip(turns, told, strict=True)
    )


def _turn(step: Mapping[str, Any], number: int) -> Turn:
    own = (step.get("extra") or {}).get("rsi") or {}
    metrics = step.get("metrics") or {}
    calls = tuple(
        ToolCall(
            id=str(call["tool_call_id"]),
            name=str(call["function_name"]),
            arguments=_object(call["arguments"], f"arguments of {call['function_name']!r}"),
        )
        for call in step.get("tool_calls") or ()
    )
    text = plain(step["message"])
    reasoned = thought(plain(step.get("reasoning_content")))
    blocks: tuple[Block, ...] = (*reasoned, *words(text), *calls)
    if "blocks" in own:
        blocks = tuple(block_from_json(block) for block in own["blocks"])
        for made in calls_of(blocks):
            _object(made.arguments, f"arguments of {made.name!r}")
    errors = {answer["call_id"]: bool(answer["is_error"]) for answer in own.get("answers", ())}
    answers, seen = _answers(step, calls_of(blocks), errors)
    natural = StopReason.TOOL_USE if calls else StopReason.END_TURN
    return Turn(
        number=number,
        reply=Reply(
            blocks=blocks,
            stop_reason=StopReason(own.get("stop_reason", natural.value)),
            usage=_usage(metrics),
            request_id=own.get("request_id"),
            model=str(step.get("model_name") or ""),
            latency_s=float(own.get("latency_s", 0.0)),
        ),
        usd=amount(metrics.get("cost_usd"), "cost_usd"),
        answers=answers,
        told=seen,
        at=_time(step.get("timestamp")),
        is_copied=bool(step.get("is_copied_context")),
    )


def _answers(
    step: Mapping[str, Any], calls: Sequence[ToolCall], errors: Mapping[str, bool]
) -> tuple[tuple[ToolAnswer, ...], tuple[str, ...]]:
    """What the calls of a step were answered, and what was observed besides."""
    names = {call.id: call.name for call in calls}
    answers: list[ToolAnswer] = []
    seen: list[str] = []
    for result in (step.get("observation") or {}).get("results") or ():
        call_id = str(result.get("source_call_id") or (calls[0].id if len(calls) == 1 else ""))
        text = _observed(result)
        if call_id in names:
            is_error = errors.get(call_id, False)
            tool = names[call_id]
            answers.append(ToolAnswer(call_id=call_id, tool=tool, text=text, is_error=is_error))
        else:
            seen.append(text)
    return tuple(answers), tuple(seen)


def _observed(result: Mapping[str, Any]) -> str:
    """What one result of an observation says; another agent's run that it points to is named."""
    refs = result.get("subagent_trajectory_ref") or ()
    named = [f"[run of another agent: {_reference(each)}]" for each in refs]
    return "\n".join(filter(None, (plain(result.get("content")), *named)))


def _reference(ref: Mapping[str, Any]) -> str:
    names = [str(ref[key]) for key in ("trajectory_id", "session_id") if ref.get(key)][:1]
    path = ref.get("trajectory_path")
    return ", ".join([*names, *([str(path)] if path else [])]) or "?"


def _words(step: Mapping[str, Any]) -> list[str]:
    """What a step says that is no reply: its message and what was observed."""
    _, seen = _answers(step, (), {})
    return [text for text in (plain(step["message"]), *seen) if text]


def _usage(metrics: Mapping[str, Any]) -> Usage | None:
    own = metrics.get("extra") or {}
    if "input_uncached_tokens" in own:
        return Usage(**{name: int(own[name]) for name in usage_to_json(Usage())})
    if metrics.get("prompt_tokens") is None or metrics.get("completion_tokens") is None:
        return None
    cached = int(metrics.get("cached_tokens") or 0)
    return Usage(
        input_uncached_tokens=max(0, int(metrics["prompt_tokens"]) - cached),
        cache_read_tokens=cached,
        output_tokens=int(metrics["completion_tokens"]),
    )


def _tool(definition: Mapping[str, Any]) -> ToolSpec:
    function = definition.get("function", definition)
    return ToolSpec(
        name=str(function["name"]),
        description=str(function.get("description", "")),
        parameters=_object(
            function.get("parameters") or {"type": "object", "properties": {}},
            f"parameters of {function['name']!r}",
        ),
    )


def _object(value: object, what: str) -> Mapping[str, Any]:
    """The value, which must be a JSON object.

    Raises:
        TypeError: It is none.
    """
    if not isinstance(value, Mapping):
        raise TypeError(f"{what} must be an object, found {type(value).__name__}")
    return value


def _time(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
