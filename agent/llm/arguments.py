"""Checks a tool call's arguments against the small part of JSON schema that our tools use.

Does not: coerce. A model that sends "3" for 3 is told so and asks again.
"""

import json
import math
import re
from collections.abc import Mapping
from typing import cast

from rsi.agent.llm.types import ToolCall, ToolSpec

_TYPES: Mapping[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "array": (list, tuple),
    "object": (dict,),
}
_LONE_SURROGATE = re.compile(r"[\ud800-\udfff]")
_LARGEST_INTEGER = (1 << 63) - 1
"""Beyond it a number fits no float safely, and Python refuses to print what has thousands of digits."""
_MAX_DEPTH = 32
"""Our deepest tool has arguments three levels deep; far deeper ones end in a full stack somewhere."""


def call_problem(call: ToolCall, tools: Mapping[str, ToolSpec]) -> str | None:
    """What is wrong with a call, as one correction that the model can act on; None when it is fine."""
    tool = tools.get(call.name)
    if tool is None:
        return f"There is no tool {call.name!r}. The tools are: {', '.join(sorted(tools))}."
    if call.problem is not None:
        problem: str | None = call.problem
    else:
        problem = unusable_problem(call.arguments) or value_problem(
            call.arguments, tool.parameters, "arguments"
        )
    if problem is None:
        return None
    return (
        f"The call of {call.name!r} cannot be used: {problem}\n"
        # The ledger does not keep the order of keys, and a replay must get the same words.
        f"Its arguments must be one JSON object matching {json.dumps(tool.parameters, sort_keys=True)}"
    )


def unusable_problem(value: object, where: str = "arguments", depth: int = 0) -> str | None:
    """What no file, ledger or provider could take of a JSON value, as a sentence; None when all can be taken."""
    if depth > _MAX_DEPTH:
        return "its arguments are nested too deeply."
    if isinstance(value, str) and _LONE_SURROGATE.search(value):
        return f"{where} holds half of a character (a lone surrogate); write the whole character."
    if isinstance(value, int) and not -_LARGEST_INTEGER <= value <= _LARGEST_INTEGER:
        return f"{where} is a whole number of more than 64 bits; write a smaller one."
    if isinstance(value, float) and not math.isfinite(value):
        return f"{where} must be a finite number, found {value}."
    if isinstance(value, Mapping):
        items = [(str(name), item) for name, item in value.items()]
        if any(_LONE_SURROGATE.search(name) for name, _ in items):
            return f"{where} has a name with half of a character (a lone surrogate)."
        inner = [(f"{where}.{name}", item) for name, item in items]
    elif isinstance(value, list | tuple):
        inner = [(f"{where}[{index}]", item) for index, item in enumerate(value)]
    else:
        inner = []
    problems = (unusable_problem(item, place, depth + 1) for place, item in inner)
    return next((problem for problem in problems if problem is not None), None)


def value_problem(value: object, schema: Mapping[str, object], where: str) -> str | None:
    """First mismatch between a JSON value and a schema, as a sentence; None when it matches."""
    expected = str(schema.get("type", "object"))
    is_wrong_bool = isinstance(value, bool) and expected != "boolean"
    if is_wrong_bool or not isinstance(value, _TYPES[expected]):
        return f"{where} must be of type {expected}, found {type(value).__name__} {_short(value)}."
    allowed = schema.get("enum")
    if isinstance(allowed, list) and value not in allowed:
        return f"{where} must be one of {allowed}, found {_short(value)}."
    if isinstance(value, Mapping):
        return _object_problem(cast(Mapping[str, object], value), schema, where)
    if isinstance(value, list | tuple) and isinstance(items := schema.get("items"), Mapping):
        for index, item in enumerate(value):
            if problem := value_problem(item, items, f"{where}[{index}]"):
                return problem
    return None


def _object_problem(
    value: Mapping[str, object], schema: Mapping[str, object], where: str
) -> str | None:
    properties = cast(Mapping[str, Mapping[str, object]], schema.get("properties", {}))
    for name in cast(list[str], schema.get("required", [])):
        if name not in value:
            return f"{where} lacks {name!r}."
    for name, item in sorted(value.items()):
        if name not in properties:
            return f"{where} has {name!r}, which is not one of {sorted(properties)}."
        if problem := value_problem(item, properties[name], f"{where}.{name}"):
            return problem
    return None


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
