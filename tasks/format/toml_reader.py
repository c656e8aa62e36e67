"""Read TOML tables strictly and collect every mistake as one sentence.

Does not: know what a task is.
Invariant: a reading that fails returns a placeholder of the right type and records a problem, so that
one pass finds every mistake; whoever owns the `Problems` raises before a placeholder can be used.
"""

import math
from collections.abc import Mapping, Sequence
from enum import StrEnum
from types import MappingProxyType
from typing import Final, TypeVar, overload

from rsi.tasks.format.toml_files import Problems, asks, did_you_mean, shown

EnumT = TypeVar("EnumT", bound=StrEnum)


class _Required:
    """Marks a key without a default."""


REQUIRED: Final = _Required()


def overlaid(
    base: Mapping[str, object],
    overlay: Mapping[str, object],
    origins: dict[str, str],
    *,
    at: str,
    overlay_at: str,
) -> dict[str, object]:
    """`base` with `overlay` merged over it, tables deeply.

    Args:
        base: Table that is read at key path `at`.
        overlay: Table written at key path `overlay_at`.
        origins: Filled with merged key path -> written key path, so that messages name what was written.
        at: Key path of the base.
        overlay_at: Key path of the overlay.
    """
    merged = dict(base)
    for key, value in overlay.items():
        target, source = f"{at}.{key}", f"{overlay_at}.{key}"
        present = merged.get(key)
        if isinstance(value, dict):
            below = present if isinstance(present, dict) else {}
            merged[key] = overlaid(below, value, origins, at=target, overlay_at=source)
            if not isinstance(present, dict):
                origins[target] = source
        else:
            merged[key] = value
            origins[target] = source
    return merged


class Table:
    """One TOML table being read; `finish` reports the keys that nobody asked for."""

    def __init__(
        self,
        values: Mapping[str, object],
        *,
        path: str,
        file: str,
        problems: Problems,
        origins: Mapping[str, str] | None = None,
    ) -> None:
        self._values = values
        self._path = path
        self._file = file
        self._problems = problems
        self._origins = origins if origins is not None else {}
        self._asked: dict[str, None] = {}

    def __contains__(self, key: str) -> bool:
        return key in self._values

    def keys(self) -> tuple[str, ...]:
        return tuple(self._values)

    def key_path(self, key: str) -> str:
        """The key path as the author wrote it."""
        path = f"{self._path}.{key}" if self._path else key
        return self._origins.get(path, path)

    def problem(self, key: str, found: str, expected: str) -> None:
        """Record that `key` is `found` where `expected` was expected."""
        self._problems.add(self._file, f"{self.key_path(key)} {found}, {asks(expected)}")

    @overload
    def text(self, key: str) -> str: ...
    @overload
    def text(self, key: str, default: str) -> str: ...
    @overload
    def text(self, key: str, default: None) -> str | None: ...
    def text(self, key: str, default: str | _Required | None = REQUIRED) -> str | None:
        """A text that is not empty."""
        expected = "a text"
        if not self._has(key, expected, is_required=isinstance(default, _Required)):
            return "" if isinstance(default, _Required) else default
        value = self._values[key]
        if isinstance(value, str) and value.strip():
            return value
        self.problem(key, f"is {shown(value)}", expected)
        return ""

    @overload
    def number(
        self,
        key: str,
        *,
        above: float | None = None,
        below: float | None = None,
        minimum: float | None = None,
    ) -> float: ...
    @overload
    def number(
        self,
        key: str,
        *,
        default: None,
        above: float | None = None,
        below: float | None = None,
        minimum: float | None = None,
    ) -> float | None: ...
    @overload
    def number(
        self,
        key: str,
        *,
        default: float,
        above: float | None = None,
        below: float | None = None,
        minimum: float | None = None,
    ) -> float: ...
    def number(
        self,
        key: str,
        *,
        default: float | _Required | None = REQUIRED,
        above: float | None = None,
        below: float | None = None,
        minimum: float | None = None,
    ) -> float | None:
        """A finite number inside open bounds `above` and `below` and closed bound `minimum`."""
        expected = _number_words("a number", above=above, below=below, minimum=minimum)
        if not self._has(key, expected, is_required=isinstance(default, _Required)):
            return 1.0 if isinstance(default, _Required) else default
        value = self._values[key]
        if (
            isinstance(value, bool)
            or not isinstance(value, int | float)
            or not math.isfinite(value)
        ):
            self.problem(key, f"is {shown(value)}", expected)
            return 1.0
        is_inside = (
            (above is None or value > above)
            and (below is None or value < below)
            and (minimum is None or value >= minimum)
        )
        if not is_inside:
            self.problem(key, f"is {shown(value)}", expected)
        return float(value)

    def integer(self, key: str, *, minimum: int, default: int | _Required = REQUIRED) -> int:
        """A whole number of at least `minimum`."""
        expected = f"a whole number of at least {minimum}"
        if not self._has(key, expected, is_required=isinstance(default, _Required)):
            return minimum if isinstance(default, _Required) else default
        value = self._values[key]
        if isinstance(value, int) and not isinstance(value, bool) and value >= minimum:
            return value
        self.problem(key, f"is {shown(value)}", expected)
        return minimum

    def choice(
        self,
        key: str,
        options: type[EnumT],
        default: EnumT | _Required = REQUIRED,
        refused: Mapping[str, str] = MappingProxyType({}),
    ) -> EnumT:
        """One member of an enumeration, by its value; `refused` says of other words why they are none."""
        names = [member.value for member in options]
        fallback = default if isinstance(default, _Required) else default.value
        return options(self.word(key, names, fallback, refused))

    def word(
        self,
        key: str,
        options: Sequence[str],
        default: str | _Required = REQUIRED,
        refused: Mapping[str, str] = MappingProxyType({}),
    ) -> str:
        """One of a few words; `refused` says of other words why they are none."""
        expected = f"one of {', '.join(options)}"
        if not self._has(key, expected, is_required=isinstance(default, _Required)):
            return options[0] if isinstance(default, _Required) else default
        value = self._values[key]
        if isinstance(value, str) and value in options:
            return value
        guess = did_you_mean(value, options) if isinstance(value, str) else ""
        if isinstance(value, str) and value in refused:
            guess = f"; {refused[value]}"
        self.problem(key, f"is {shown(value)}", expected + guess)
        return options[0]

    def texts(
        self,
        key: str,
        *,
        default: tuple[str, ...] | _Required = REQUIRED,
        minimum: int = 0,
        options: Sequence[str] | None = None,
    ) -> tuple[str, ...]:
        """A list of texts, each one of `options` if given."""
        expected = "a list of texts" if options is None else f"a list of {', '.join(options)}"
        if minimum:
            expected += f" with at least {minimum}"
        if not self._has(key, expected, is_required=isinstance(default, _Required)):
            return () if isinstance(default, _Required) else default
        value = self._values[key]
        if not isinstance(value, list) or len(value) < minimum:
            self.problem(key, f"is {shown(value)}", expected)
            return ()
        found = []
        for number, item in enumerate(value):
            if (
                not isinstance(item, str)
                or not item.strip()
                or (options is not None and item not in options)
            ):
                guess = did_you_mean(item, options) if isinstance(item, str) and options else ""
                self.problem(f"{key}[{number}]", f"is {shown(item)}", expected + guess)
            else:
                found.append(item)
        return tuple(found)

    def table(self, key: str, *, is_required: bool = True) -> "Table":
        """A table; an empty one when it is absent."""
        values: Mapping[str, object] = {}
        if self._has(key, "a table", is_required=is_required):
            value = self._values[key]
            if isinstance(value, dict):
                values = value
            else:
                self.problem(key, f"is {shown(value)}", "a table")
        return self._below(key, values)

    def tables(self, key: str, *, minimum: int = 0) -> "tuple[Table, ...]":
        """An array of tables, written `[[key]]`."""
        expected = f"an array of tables, written [[{self.key_path(key)}]]"
        if not self._has(key, expected, is_required=minimum > 0):
            return ()
        value = self._values[key]
        if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
            self.problem(key, f"is {shown(value)}", expected)
            return ()
        return tuple(self._below(f"{key}[{number}]", item) for number, item in enumerate(value))

    def raw(self, key: str) -> Mapping[str, object]:
        """A table handed on as it is, if JSON can hold it."""
        table = self.table(key, is_required=False)
        for name, value in table._values.items():
            table.check_json(name, value)
        return table._values

    def check_json(self, key: str, value: object) -> None:
        """Record a problem for each value that JSON cannot hold: dates, times, NaN, infinities."""
        match value:
            case dict():
                for name, inner in value.items():
                    self.check_json(f"{key}.{name}", inner)
            case list():
                for number, inner in enumerate(value):
                    self.check_json(f"{key}[{number}]", inner)
            case bool() | int() | str():
                pass
            case float() if math.isfinite(value):
                pass
            case _:
                expected = "a text, finite number, truth value, list or table"
                self.problem(key, f"is {shown(value)}", expected)

    def skip(self, *keys: str) -> None:
        """Say that these keys are read elsewhere."""
        self._asked.update(dict.fromkeys(keys))

    def finish(self) -> None:
        """Report every key that was not asked for."""
        for key in self._values:
            if key not in self._asked:
                known = tuple(self._asked)
                expected = did_you_mean(key, known).removeprefix("; ")
                expected = expected or f"one of {', '.join(sorted(known))}"
                written = self.key_path(key)
                self._problems.add(self._file, f"{written} is not a known key, {asks(expected)}")

    def _has(self, key: str, expected: str, *, is_required: bool) -> bool:
        self._asked[key] = None
        if key in self._values:
            return True
        if is_required:
            self.problem(key, "is missing", expected)
        return False

    def _below(self, key: str, values: Mapping[str, object]) -> "Table":
        path = f"{self._path}.{key}" if self._path else key
        return Table(
            values, path=path, file=self._file, problems=self._problems, origins=self._origins
        )


def _number_words(
    what: str, *, above: float | None, below: float | None, minimum: float | None
) -> str:
    bounds = []
    if above is not None:
        bounds.append(f"greater than {above:g}")
    if minimum is not None:
        bounds.append(f"of at least {minimum:g}")
    if below is not None:
        bounds.append(f"less than {below:g}")
    return what + (" " + " and ".join(bounds) if bounds else "")
