"""The form of the cockpit's settings file; imported where there is one, since pydantic takes a tenth of a second."""

from typing import Annotated, Self

from pydantic import AfterValidator, Field, model_validator

from rsi.tasks.format.tables import MistakeError, Table
from rsi.tui.draw.theme import THEME_NAMES
from rsi.tui.model.commands import BY_ID, clashes
from rsi.tui.model.setting_bounds import HIGHEST


def _known_theme(name: str) -> str:
    if name not in THEME_NAMES:
        raise ValueError(name)
    return name


Theme = Annotated[
    str, AfterValidator(_known_theme), Field(json_schema_extra={"enum": list(THEME_NAMES)})
]
Keys = Annotated[
    str, Field(pattern=r"\S", json_schema_extra={"expected": "key names, such as 'ctrl+a'"})
]


class SettingsTable(Table):
    """What a person may choose; a key that is left out keeps its default."""

    theme: Theme | None = None
    bell: bool | None = None
    title: bool | None = None
    diff_split: bool | None = None
    play_speed: Annotated[float, Field(gt=0, le=HIGHEST["play_speed"])] | None = None
    budget_usd: Annotated[float, Field(gt=0, le=HIGHEST["budget_usd"])] | None = None
    budget_hours: Annotated[float, Field(gt=0, le=HIGHEST["budget_hours"])] | None = None
    keys: dict[str, Keys] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _keys_are_of_commands(self) -> Self:
        for name in self.keys:
            if name not in BY_ID:
                expected = "the name of a command, as `rsi tui --keys` lists them"
                raise MistakeError(f"keys.{name}", "is no command", expected)
        if found := clashes(self.keys):
            raise MistakeError("keys", f"clash: {found[0]}", "each key once")
        return self
