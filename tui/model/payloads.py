"""Reads the JSON of a trajectory's events; what is missing is empty, never a guess.

What agents said may be of any version, so every key is optional here, and what is not understood is shown as it is.
"""

from collections.abc import Mapping, Sequence

from rsi.agent.store.records import Json


def text_of(payload: Json, *keys: str) -> str:
    """The first of some keys that holds text, or ""."""
    for key in keys:
        value = payload.get(key)
        if isinstance(value, str) and value:
            return value
    return ""


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
