"""Reads the JSON that steps leave in the ledger; what is missing is None, never a guess.

A ledger may be older or newer than this cockpit, so every key is optional here.
"""

import json
from collections.abc import Mapping, Sequence
from typing import TypeVar

from rsi.agent.errors import LedgerError
from rsi.agent.store.codec import decode
from rsi.agent.store.records import Json
from rsi.evals.types import Finding, Score

T = TypeVar("T")


def text_of(payload: Json, *keys: str) -> str:
    """The first of some keys that holds text, or ""."""
    for key in keys:
        value = payload.get(key)
        if isinstance(value, str) and value:
            return value
    return ""


def number_of(payload: Json, *keys: str) -> float | None:
    """The first of some keys that holds a number."""
    for key in keys:
        value = payload.get(key)
        if isinstance(value, int | float) and not isinstance(value, bool):
            return float(value)
    return None


def int_of(payload: Json, key: str, fallback: int) -> int:
    """A whole number, or the fallback."""
    value = payload.get(key)
    return value if isinstance(value, int) and not isinstance(value, bool) else fallback


def mapping_of(payload: Json, key: str) -> Json:
    """An object, or an empty one."""
    value = payload.get(key)
    return value if isinstance(value, Mapping) else {}


def list_of(payload: Json, key: str) -> Sequence[object]:
    """A list, or an empty one."""
    value = payload.get(key)
    return value if isinstance(value, Sequence) and not isinstance(value, str) else ()


def texts_of(payload: Json, key: str) -> tuple[str, ...]:
    """A list of texts; other things in it are left out."""
    return tuple(each for each in list_of(payload, key) if isinstance(each, str))


def value_of(kind: type[T], raw: object) -> T | None:
    """A stored value of one of our types; None when it is not there or not of that shape."""
    if not isinstance(raw, Mapping):
        return None
    try:
        return decode(kind, json.dumps(raw))
    except (LedgerError, TypeError, ValueError, KeyError):
        return None


def score_of(payload: Json) -> Score | None:
    """The score in a step's payload: under "score", or the payload itself."""
    return value_of(Score, payload.get("score")) or value_of(Score, payload)


def findings_of(payload: Json) -> tuple[Finding, ...]:
    """Findings in a payload."""
    found = (value_of(Finding, each) for each in list_of(payload, "findings"))
    return tuple(each for each in found if each is not None)
