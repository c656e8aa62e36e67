"""TOML tables as typed values: pydantic checks them, and each mistake becomes one sentence of ours.

What a sentence expects is read off the table's JSON schema, so that an editor and a sentence never disagree; a field
whose `json_schema_extra` has "expected" says it in its own words.
Imported where a file is read, never at the top of a module that the command line needs to start.
"""

import math
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Annotated, Any, TypeVar, cast

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
)
from pydantic.json_schema import GenerateJsonSchema

from rsi.tasks.format.toml_files import (
    Place,
    Problems,
    asks,
    did_you_mean,
    key_path,
    read_toml,
    shown,
)

ANY_VALUE = "a text, finite number, truth value, list or table"
Schema = Mapping[str, Any]
"""A JSON schema, or a part of one."""
ModelT = TypeVar("ModelT", bound="Table")
ChoiceT = TypeVar("ChoiceT")

Text = Annotated[str, Field(pattern=r"\S")]
"""A text that is not blank."""
Texts = Annotated[tuple[Text, ...], Field(strict=False)]
Positive = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(ge=1)]
Choice = Annotated[ChoiceT, Field(strict=False)]
"""A member of an enumeration, by its value."""
Listed = Annotated[tuple[ChoiceT, ...], Field(strict=False)]
"""A list; TOML has no other sequence."""


class Table(BaseModel):
    """One table of a TOML file: a key that is not listed is a mistake, and so is a value of another type."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        frozen=True,
        allow_inf_nan=False,
        use_attribute_docstrings=True,
        defer_build=True,
    )


class MistakeError(ValueError):
    """A mistake that takes more than one key to see; raised in a table's validators."""

    def __init__(self, key: str, found: str, expected: str) -> None:
        super().__init__(f"{key} {found}, {asks(expected)}")
        self.key, self.found, self.expected = key, found, expected


class _HintError(ValueError):
    """Why a word that somebody may expect is none of those allowed."""


def _json_only(values: dict[str, Any]) -> dict[str, Any]:
    for path, value in _leaves(values, ""):
        if not isinstance(value, str | bool | int | float) or not _is_finite(value):
            raise MistakeError(path, f"is {shown(value)}", ANY_VALUE)
    return values


def _leaves(value: object, path: str) -> Iterator[tuple[str, object]]:
    match value:
        case dict():
            for key, inner in value.items():
                yield from _leaves(inner, f"{path}.{key}" if path else key)
        case list():
            for number, inner in enumerate(value):
                yield from _leaves(inner, f"{path}[{number}]")
        case _:
            yield path, value


def _is_finite(value: object) -> bool:
    return not isinstance(value, float) or math.isfinite(value)


AnyTable = Annotated[dict[str, Any], AfterValidator(_json_only)]
"""A table that is handed on as it is, if JSON can hold it: no dates, no NaN, no infinities."""


def refusing(words: Mapping[str, str]) -> BeforeValidator:
    """Says of words that are not allowed why they are not."""

    def check(value: object) -> object:
        if isinstance(value, str) and value in words:
            raise _HintError(words[value])
        return value

    return BeforeValidator(check)


def load_table(model: type[ModelT], path: Path, file: str, problems: Problems) -> ModelT | None:
    """A TOML file as a value; None with recorded problems when it is missing, broken or holds mistakes."""
    values = read_toml(path, file, problems)
    return None if values is None else checked(model, values, file, problems)


def checked(
    model: type[ModelT],
    values: Mapping[str, object],
    file: str,
    problems: Problems,
    origins: Mapping[str, str] | None = None,
) -> ModelT | None:
    """A table as a value; None with one recorded problem for each mistake.

    Args:
        model: What the table has to hold.
        values: The table.
        file: What the sentences call the file.
        problems: Receives the sentences.
        origins: Where keys were written that stand elsewhere in `values`.
    """
    try:
        return model.model_validate(values)
    except ValidationError as error:
        told = _Sentences(json_schema(model), origins or {})
        for mistake in error.errors(include_url=False):
            # Pydantic counts the entries that are right; a list that is long enough has told of the others.
            is_told = mistake["type"] == "too_short" and mistake["input"]
            for sentence in () if is_told else told.of(cast(Mapping[str, Any], mistake)):
                problems.add(file, sentence)
        return None


def despite_unknown_keys(model: type[ModelT], values: Mapping[str, object]) -> ModelT | None:
    """The table as if its unknown keys were not there, to look for what else is wrong; None when more is."""
    try:
        return model.model_validate(values, extra="ignore")
    except ValidationError:
        return None


def expected(model: type[Table], place: Place) -> str:
    """What is expected at a place of a table, in the words of the sentences."""
    return _Sentences(json_schema(model), {}).words(place)


class _PlainSchema(GenerateJsonSchema):
    """Without titles, which would be the names of keys again."""

    def field_title_should_be_set(self, schema: object) -> bool:
        return False


@cache
def json_schema(model: type[Table]) -> dict[str, Any]:
    """The table's JSON schema; what may be left out is not shown as null, which TOML does not have."""
    return cast(
        dict[str, Any], _without_null(model.model_json_schema(schema_generator=_PlainSchema))
    )


def _without_null(node: object) -> object:
    if isinstance(node, list):
        return [_without_null(each) for each in node]
    if not isinstance(node, dict):
        return node
    pairs = ((key, _without_null(each)) for key, each in node.items())
    plain = {key: each for key, each in pairs if (key, each) != ("default", None)}
    match plain.get("anyOf"):
        case [dict() as option, {"type": "null"}]:
            del plain["anyOf"]
            return plain | option
        case _:
            return plain


class _Sentences:
    """Turns pydantic's mistakes into sentences, by the schema of the table."""

    def __init__(self, schema: Schema, origins: Mapping[str, str]) -> None:
        self._schema = schema
        self._origins = origins

    def of(self, mistake: Mapping[str, Any]) -> Iterator[str]:
        place, found = tuple(mistake["loc"]), shown(mistake["input"])
        error = mistake.get("ctx", {}).get("error")
        if isinstance(error, MistakeError):
            yield f"{self._path((*place, error.key))} {error.found}, {asks(error.expected)}"
        elif mistake["type"] == "missing":
            yield from self._missing(place)
        elif mistake["type"] == "extra_forbidden":
            known = tuple(self._node(place[:-1]).get("properties", {}))
            near = did_you_mean(str(place[-1]), known).removeprefix("; ")
            expected = near or f"one of {', '.join(sorted(known))}"
            yield f"{self._path(place)} is not a known key, {asks(expected)}"
        else:
            options = self._node(place).get("enum", ())
            hint = f"; {error}" if isinstance(error, _HintError) else ""
            hint = hint or did_you_mean(str(mistake["input"]), options)
            yield f"{self._path(place)} is {found}, {asks(self.words(place) + hint)}"

    def _missing(self, place: Place) -> Iterator[str]:
        """A table that is missing lacks all that it must hold."""
        yield f"{self._path(place)} is missing, {asks(self.words(place))}"
        for key in self._node(place).get("required", ()):
            yield from self._missing((*place, key))

    def _path(self, place: Place) -> str:
        return key_path(place, self._origins)

    def _node(self, place: Place) -> Schema:
        """The schema of the value at a place."""
        node = self._schema
        for part in place:
            if isinstance(part, int):
                below = node.get("items")
            else:
                below = node.get("properties", {}).get(part) or node.get("additionalProperties")
            node = below if isinstance(below, dict) else {}
            if name := node.get("$ref"):
                node = self._schema["$defs"][name.rsplit("/", 1)[-1]] | node
        return node

    def words(self, place: Place) -> str:
        """What is expected at a place."""
        node = self._node(place)
        if place and isinstance(place[-1], int) and node.get("type") != "object":
            return self.words(place[:-1])
        match node:
            case {"expected": str(words)}:
                return words
            case {"const": word}:
                return repr(word)
            case {"enum": options}:
                return f"one of {', '.join(options)}"
            case {"type": "string"}:
                return "a text"
            case {"type": "boolean"}:
                return "true or false"
            case {"type": "integer" | "number" as kind}:
                return ("a whole number" if kind == "integer" else "a number") + _bounds(node)
            case {"type": "array"}:
                return self._list_words(place, node)
            case {"type": "object"}:
                return "a table"
            case _:
                return ANY_VALUE

    def _list_words(self, place: Place, node: Schema) -> str:
        item = self._node((*place, 0))
        at_least = f" with at least {node['minItems']}" if "minItems" in node else ""
        if item.get("type") == "object":
            return f"an array of tables, written [[{self._path(place)}]]{at_least}"
        return f"a list of {', '.join(item.get('enum', ['texts']))}{at_least}"


def _bounds(node: Schema) -> str:
    words = {
        "exclusiveMinimum": "greater than",
        "minimum": "of at least",
        "exclusiveMaximum": "less than",
        "maximum": "of at most",
    }
    bounds = [f"{says} {node[key]:g}" for key, says in words.items() if key in node]
    return f" {' and '.join(bounds)}" if bounds else ""
