"""The form of a script's TOML file; imported where one is read, since pydantic takes a tenth of a second."""

from typing import Annotated, Self

from pydantic import BeforeValidator, Field, model_validator

from rsi.tasks.format.tables import AnyTable, Listed, MistakeError, Positive, Table, Text, Texts

Names = Annotated[
    Texts,
    BeforeValidator(lambda value: [value] if isinstance(value, str) else value),
    Field(json_schema_extra={"expected": "the name of a patch or a list of names"}),
]
"""Solutions or cheats of the task, or files beside the script; played one after the other."""


class CallTable(Table):
    """One tool call of a turn."""

    tool: Text
    arguments: AnyTable = Field(default_factory=dict)
    """With `_raw` the call is unreadable on purpose."""


class TurnTable(Table):
    """One turn, played as written."""

    text: str = ""
    calls: Listed[CallTable] = ()


class _Asides(Table):
    """What may be left unsaid of a patch."""

    risk: str = "none stated"
    parts: Listed[str] = ()
    measure: bool = False
    """One dev run before submitting."""


class IdeaTable(_Asides):
    """A patch and what its author says of it."""

    patch: Names
    hypothesis: str
    predicted_ratio: Positive


class RoundTable(_Asides):
    """One round: a patch, turns to play, or giving up; and what critic and reviewer say."""

    patch: Names | None = None
    hypothesis: str = ""
    predicted_ratio: Positive = 1.0
    revision: Names = ()
    """Played instead when a critic or a person sent the candidate back; without it the same again."""
    instead: IdeaTable | None = None
    """Played when the champion lacks what `patch` builds on; without it the round is skipped."""
    give_up: Text | None = None
    turn: Listed[TurnTable] = ()
    critique: AnyTable | None = None
    finding: Listed[AnyTable] = ()

    @model_validator(mode="after")
    def _is_one_thing(self) -> Self:
        found = sorted(self.model_fields_set & {"patch", "give_up", "turn"})
        if len(found) != 1:
            what = f"stands beside {' and '.join(found[:-1])}" if found else "is missing"
            key = found[-1] if found else "patch"
            raise MistakeError(key, what, "exactly one of patch, give_up and turn")
        for key in ("hypothesis", "predicted_ratio"):
            if "patch" in found and key not in self.model_fields_set:
                raise MistakeError(key, "is missing", "what the author says of the patch")
        for key in ("revision", "instead"):
            if "patch" not in found and key in self.model_fields_set:
                raise MistakeError(key, "has nothing to stand for", "a patch beside it")
        return self


class ScriptTable(Table):
    """A whole script."""

    round: Annotated[tuple[RoundTable, ...], Field(strict=False, min_length=1)]
