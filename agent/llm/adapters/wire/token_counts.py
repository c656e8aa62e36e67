"""Token counts of one call as servers report them, checked for sense.

Invariant: a count that cannot be true makes the whole usage unknown (None), never 0: the caller then keeps the
reservation, so a cap binds whatever a server says.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import cast

from rsi.agent.llm.types import Usage

MOST_TOKENS = 100_000_000
"""No single call has more; a greater count is an error of the server's."""

Report = Mapping[str, object]
_Reader = Callable[[Report], Usage | None]
_CLAUDE_INPUT = ("input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")
_CACHE_READ = (
    "prompt_tokens_details.cached_tokens",
    "input_tokens_details.cached_tokens",
    "prompt_cache_hit_tokens",  # DeepSeek
    "cached_tokens",  # Moonshot
    "cache_read_input_tokens",
    "cached_content_token_count",
)
_CACHE_WRITTEN = (
    "prompt_tokens_details.cache_creation_tokens",
    "prompt_tokens_details.cache_write_tokens",
    "cache_creation_input_tokens",
    "cache_write_tokens",
)
_REASONING = (
    "completion_tokens_details.reasoning_tokens",
    "output_tokens_details.reasoning_tokens",
    "output_tokens_details.thinking_tokens",
    "reasoning_tokens",
)


class _NonsenseError(ValueError):
    """A count that no call can have."""


def chat_usage(reports: Sequence[object], *, has_output: bool) -> Usage | None:
    """Tokens of a Chat Completions call, whose prompt count includes what came from a cache; None when unknown.

    Args:
        reports: Every usage object of the reply, in order.
        has_output: Whether the reply says anything, which then has tokens.
    """
    return _sensible(reports, _chat, has_output=has_output)


def claude_usage(reports: Sequence[object], *, has_output: bool) -> Usage | None:
    """Tokens of a Messages call, whose counts are disjoint; None when unknown.

    Args:
        reports: The usage objects in order; what the first of a stream says of the output is left out by the caller.
        has_output: Whether the reply says anything, which then has tokens.
    """
    return _sensible(reports, _claude, has_output=has_output)


def _sensible(reports: Sequence[object], read: _Reader, *, has_output: bool) -> Usage | None:
    try:
        usage = read(_merged([cast(Report, each) for each in reports if isinstance(each, Mapping)]))
    except _NonsenseError:
        return None
    if usage is None or not usage.total_tokens - usage.output_tokens:
        return None  # every request has some input
    return None if has_output and not usage.output_tokens else usage


def _chat(counts: Report) -> Usage | None:
    prompt = _first(counts, ("prompt_tokens", "input_tokens"))
    completion = _first(counts, ("completion_tokens", "output_tokens"))
    total = _first(counts, ("total_tokens",))
    if prompt is None and completion is not None and total is not None:
        prompt = total - completion
    if completion is None and prompt is not None and total is not None:
        completion = total - prompt
    if prompt is None or completion is None:
        return None
    read, written = _first(counts, _CACHE_READ) or 0, _first(counts, _CACHE_WRITTEN) or 0
    if read + written <= prompt:
        prompt -= read + written  # else the server counts them outside the prompt
    reasoning = _first(counts, _REASONING) or 0
    outside = (total or 0) - prompt - read - written - completion
    if outside <= 0 and reasoning > completion:
        outside = reasoning
    return Usage(
        input_uncached_tokens=_possible(prompt),
        cache_read_tokens=read,
        cache_write_tokens=written,
        output_tokens=_possible(completion + max(0, outside)),
        reasoning_tokens=reasoning,
    )


def _claude(counts: Report) -> Usage | None:
    if "input_tokens" not in counts and "prompt_tokens" in counts:
        return _chat(counts)
    uncached, output = _first(counts, ("input_tokens",)), _first(counts, ("output_tokens",))
    if uncached is None or output is None:
        return None
    lives = counts.get("cache_creation")
    by_life = (
        sum(_count(n) for n in lives.values() if n is not None) if isinstance(lives, Mapping) else 0
    )
    return Usage(
        input_uncached_tokens=uncached,
        cache_read_tokens=_first(counts, ("cache_read_input_tokens",)) or 0,
        cache_write_tokens=_first(counts, ("cache_creation_input_tokens",)) or by_life,
        output_tokens=output,
        reasoning_tokens=_first(counts, _REASONING) or 0,
    )


def _merged(reports: Sequence[Report]) -> Report:
    """Reports over each other: a later count stands, but a later 0 or nothing takes no count back."""
    merged: dict[str, object] = {}
    for report in reports:
        if any(isinstance(n := report.get(name), int) and n > 0 for name in _CLAUDE_INPUT):
            # Input that moved into a cache is 0 where it was, and says so in the same breath.
            merged = {k: v for k, v in merged.items() if k not in _CLAUDE_INPUT or k not in report}
        for name, value in report.items():
            old = merged.get(name)
            if isinstance(value, Mapping) and isinstance(old, Mapping):
                merged[name] = _merged([cast(Report, old), cast(Report, value)])
            elif name not in merged or value not in (0, None, {}):
                merged[name] = value
    return merged


def _first(counts: Report, paths: Sequence[str]) -> int | None:
    """The first of several places that has a count above 0, else 0 if any has one, else None."""
    found: int | None = None
    for path in paths:
        value: object = counts
        for name in path.split("."):
            value = value.get(name) if isinstance(value, Mapping) else None
        if value is not None and not isinstance(value, Mapping):
            found = _count(value)
        if found:
            return found
    return found


def _count(value: object) -> int:
    """A token count.

    Raises:
        _NonsenseError: It is none, or one that no call can have.
    """
    try:
        number = float(cast(float, value))
    except (TypeError, ValueError, OverflowError) as error:
        raise _NonsenseError(f"{value!r}") from error
    if isinstance(value, bool) or not math.isfinite(number):
        raise _NonsenseError(f"{value!r}")
    return _possible(int(number))


def _possible(number: int) -> int:
    if not 0 <= number <= MOST_TOKENS:
        raise _NonsenseError(f"{number}")
    return number
