"""Values to canonical JSON text and back, equal and of the declared types.

Canonical: sorted keys, no spaces, ASCII (so that NUL and lone surrogates survive both databases), finite numbers.
Invariant: `decode(type(v), encode(v)) == v` for every frozen value made of JSON, enums, datetimes and tuples.
"""

# ruff: noqa: ANN401  # JSON of an annotated type has no narrower type than Any before it is converted

import json
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from datetime import UTC, datetime
from enum import Enum
from functools import cache
from types import NoneType, UnionType
from typing import Any, Self, TypeVar, Union, get_args, get_origin, get_type_hints

from rsi.agent.errors import LedgerCorruptError, LedgerSchemaError, LedgerValueError

T = TypeVar("T")
Converter = Callable[[Any], Any]


class Stored(ABC):
    """A value whose stored shape is not field for field its own."""

    __slots__ = ()

    @abstractmethod
    def to_stored(self) -> Mapping[str, object]:
        """The object that is stored; its parts are encoded like any value."""

    @classmethod
    @abstractmethod
    def from_stored(cls, raw: object) -> Self:
        """The value of a stored object, as it came out of the JSON."""


ADDED = "added"
"""Key of a field's metadata by which it alone is not stored while it has its default: older rows lack it."""


class Sparse:
    """A dataclass of which a field is not stored while it has its default."""

    __slots__ = ()


def encode(value: object) -> str:
    """Canonical JSON of a value.

    Raises:
        LedgerValueError: NaN, infinity, a naive datetime, a non-text key or a type JSON does not have.
    """
    return json.dumps(
        _plain(value, type(value).__name__), sort_keys=True, separators=(",", ":"), allow_nan=False
    )


def decode(cls: type[T], text: str) -> T:
    """The value that `encode` made the text from.

    Raises:
        LedgerCorruptError: The text is not JSON, lacks a field, or has a value of another type.
        LedgerSchemaError: It has a field or a word that this version does not know.
    """
    try:
        raw = json.loads(text)
    except ValueError as error:
        raise LedgerCorruptError(
            f"a stored {cls.__name__} is not JSON ({error}); check the ledger with `rsi doctor`"
        ) from error
    return value_of(cls, raw)


def value_of(cls: type[T], raw: object) -> T:
    """The value of what came out of stored JSON; errors are those of `decode`."""
    value: T = _converter(cls)(raw)
    return value


def stored_fields(value: Any) -> dict[str, object]:
    """The fields of a dataclass that are stored, as they are."""
    is_sparse = isinstance(value, Sparse)
    values = {each: getattr(value, each.name) for each in fields(value)}
    return {
        each.name: item
        for each, item in values.items()
        if not ((is_sparse or ADDED in each.metadata) and _is_default(each, item))
    }


def own_fields(cls: type[T], raw: object) -> T:
    """A dataclass read field by field, whatever its own `from_stored` does besides."""
    value: T = _dataclass(cls)(raw)
    return value


def time_text(moment: datetime) -> str:
    """Fixed-width ISO 8601 in UTC with microseconds: sorts as text.

    Raises:
        LedgerValueError: The datetime has no time zone.
    """
    if moment.tzinfo is None:
        raise LedgerValueError(f"time {moment!r} has no time zone; use datetime.now(UTC)")
    return moment.astimezone(UTC).isoformat(timespec="microseconds")


def stored_text(value: str, field: str) -> str:
    """The text itself, if every database can hold it in a text column.

    Raises:
        LedgerValueError: It holds NUL or a lone surrogate, or is longer than an index takes.
    """
    is_storable = "\0" not in value and len(value) <= 1000
    if not is_storable or any(0xD800 <= ord(char) <= 0xDFFF for char in value):
        raise LedgerValueError(
            f"{field} {value[:80]!r} cannot be stored: NUL, surrogate or over 1000 characters"
        )
    return value


def _plain(value: object, path: str) -> object:
    match value:
        case None | bool():
            return value
        case Enum():
            return _plain(value.value, path)
        case str() | int():
            return value
        case float():
            return _finite(value, path)
        case datetime():
            return time_text(value)
        case Mapping():
            return {_key(key, path): _plain(item, f"{path}.{key}") for key, item in value.items()}
        case list() | tuple():
            return [_plain(item, f"{path}[{number}]") for number, item in enumerate(value)]
    if isinstance(value, Stored):
        return _plain(value.to_stored(), path)
    if is_dataclass(value):
        stored = stored_fields(value)
        return {name: _plain(item, f"{path}.{name}") for name, item in stored.items()}
    raise LedgerValueError(
        f"{path} is a {type(value).__name__}, which cannot be stored; give plain JSON values"
    )


def _is_default(each: Field[Any], item: object) -> bool:
    if each.default_factory is not MISSING:
        return bool(item == each.default_factory())
    return each.default is not MISSING and bool(item == each.default)


def _finite(value: float, path: str) -> float:
    if not math.isfinite(value):
        raise LedgerValueError(
            f"{path} is {value!r}, which a ledger cannot hold; store None and say why beside it"
        )
    return float(value)


def _key(key: object, path: str) -> str:
    if not isinstance(key, str):
        raise LedgerValueError(f"{path} has the key {key!r}; keys must be text")
    return key


def _converter(hint: Any) -> Converter:
    return _built_converter(hint)


@cache
def _built_converter(hint: Any) -> Converter:
    """How the plain JSON of one annotated type becomes the value again."""
    origin = get_origin(hint)
    if origin in {Union, UnionType}:
        return _optional([part for part in get_args(hint) if part is not NoneType])
    if origin is tuple:
        return _tuple(get_args(hint)[0])
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return _mapping(get_args(hint)[1])
    if not isinstance(hint, type):
        return _same
    if hint is datetime:
        return _moment
    if issubclass(hint, Enum):
        return lambda raw: _enum(hint, raw)
    if issubclass(hint, Stored):
        return hint.from_stored
    if is_dataclass(hint):
        return _dataclass(hint)
    return _scalar(hint) if hint in _SCALARS else _same


_SCALARS: Mapping[type, tuple[type, ...]] = {
    str: (str,), bool: (bool,), int: (int,), float: (float, int),
}  # fmt: skip


def _same(raw: Any) -> Any:
    return raw


def _scalar(cls: type) -> Converter:
    allowed = _SCALARS[cls]

    def check(raw: Any) -> Any:
        if type(raw) not in allowed:
            raise _wrong(raw, cls.__name__)
        return raw

    return check


def _moment(raw: object) -> datetime:
    try:
        return datetime.fromisoformat(str(raw))
    except ValueError as error:
        raise _wrong(raw, "time") from error


def _optional(parts: list[Any]) -> Converter:
    if len(parts) != 1:
        return _same
    inner = _converter(parts[0])
    return lambda raw: None if raw is None else inner(raw)


def _tuple(item_hint: Any) -> Converter:
    inner = _converter(item_hint)

    def build(raw: Any) -> Any:
        if not isinstance(raw, list):
            raise _wrong(raw, "list")
        return tuple(raw) if inner is _same else tuple(inner(item) for item in raw)

    return build


def _mapping(value_hint: Any) -> Converter:
    inner = _converter(value_hint)

    def build(raw: Any) -> Any:
        if not isinstance(raw, dict):
            raise _wrong(raw, "object")
        return raw if inner is _same else {key: inner(item) for key, item in raw.items()}

    return build


def _enum(cls: type[Enum], raw: object) -> Enum:
    try:
        return cls(raw)
    except ValueError as error:
        raise LedgerSchemaError(
            f"{raw!r} is no {cls.__name__} that this version of rsi knows; upgrade rsi"
        ) from error


def _dataclass(cls: type[Any]) -> Converter:
    hints = get_type_hints(cls)
    known = fields(cls)
    converters = {f.name: _converter(hints[f.name]) for f in known}
    required = {f.name for f in known if f.default is MISSING and f.default_factory is MISSING}

    def build(raw: Any) -> Any:
        if not isinstance(raw, dict) or not required <= raw.keys():
            lacking = sorted(required - raw.keys()) if isinstance(raw, dict) else "everything"
            raise LedgerCorruptError(f"a stored {cls.__name__} lacks {lacking}; run `rsi doctor`")
        unknown = raw.keys() - converters.keys()
        if unknown:
            raise LedgerSchemaError(
                f"a stored {cls.__name__} has {sorted(unknown)}, written by a newer rsi; upgrade"
            )
        return cls(**{name: converters[name](item) for name, item in raw.items()})

    return build


def _wrong(raw: object, wanted: str) -> LedgerCorruptError:
    return LedgerCorruptError(
        f"a stored value is {repr(raw)[:80]} where a {wanted} belongs; run `rsi doctor`"
    )
