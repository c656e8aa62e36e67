"""The cockpit's own settings: theme, keymap, refresh; a small TOML file that a person may edit.

Secrets are never read from it, and elsewhere only whether they are set.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path

from rsi.agent.llm.naming.keys import key_variable
from rsi.agent.llm.providers import PROVIDERS
from rsi.tasks.format.toml_files import Problems
from rsi.tui.draw.theme import THEME_NAMES
from rsi.tui.errors import SettingsError

FILE_NAME = "cockpit.toml"
SECRET_VARIABLES = (
    *(key_variable(owner) for each in PROVIDERS for owner in each.key_owners),
    "RSI_DATABASE_URL",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What a person may choose."""

    theme: str = THEME_NAMES[0]
    """One of the cockpit's themes."""
    bell: bool = True
    """Ring the terminal's bell when a candidate arrives at the gate."""
    title: bool = True
    """Say in the terminal's title how much waits at the gate."""
    diff_split: bool = False
    """Show diffs side by side at first."""
    play_speed: float = 2.0
    """Steps per second when a replay plays."""
    budget_usd: float | None = None
    """Dollars that the form for a new campaign starts with; None for no limit."""
    budget_hours: float | None = None
    """Wall hours that the form starts with; None for no limit."""
    keys: Mapping[str, str] = field(default_factory=dict)
    """Keys by command id."""


DESCRIPTIONS: Mapping[str, str] = {
    "theme": "dark, light or without colour",
    "bell": "ring the bell when a candidate arrives at the gate",
    "title": "say in the terminal's title how much waits",
    "diff_split": "show diffs side by side at first",
    "play_speed": "steps per second when a replay plays",
    "budget_usd": "dollars that a new campaign's form starts with",
    "budget_hours": "wall hours that a new campaign's form starts with",
    "keys": "own keys, by command",
}


def settings_path(folder: Path) -> Path:
    """Where the settings file is, in the home folder."""
    return folder / FILE_NAME


def load_settings(path: Path) -> Settings:
    """Read the settings; a file that is not there means all defaults.

    Raises:
        SettingsError: The message names the file, the key, what was found and what was expected.
    """
    if not path.exists():
        return Settings()
    # Here, not above: pydantic takes a tenth of a second to import.
    from rsi.tasks.format.tables import load_table
    from rsi.tui.model.settings_file import SettingsTable

    problems = Problems()
    table = load_table(SettingsTable, path, str(path), problems)
    if table is None:
        raise SettingsError("\n".join(problems.sentences))
    return Settings(**{key: getattr(table, key) for key in table.model_fields_set})


def save_settings(path: Path, settings: Settings) -> None:
    """Write the settings, whole or not at all.

    Raises:
        SettingsError: The file cannot be written.
    """
    rows = ["# Settings of the rsi cockpit. Keys by command id are listed by `rsi tui --keys`."]
    for each in fields(Settings):
        value = getattr(settings, each.name)
        if each.name != "keys" and value is not None:
            rows.append(f"{each.name} = {_toml(value)}")
    if settings.keys:
        rows.append("\n[keys]")
        rows.extend(f'"{name}" = {_toml(keys)}' for name, keys in sorted(settings.keys.items()))
    temporary = path.with_suffix(".tmp")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        temporary.write_text("\n".join(rows) + "\n", encoding="utf-8")
        temporary.replace(path)
    except OSError as error:
        raise SettingsError(f"{path}: cannot be written ({error.strerror})") from error


def secrets_set(environ: Mapping[str, str] | None = None) -> tuple[tuple[str, bool], ...]:
    """Which secrets are set; their values are never looked at."""
    variables = os.environ if environ is None else environ
    return tuple((name, bool(variables.get(name))) for name in SECRET_VARIABLES)


def _toml(value: object) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case int() | float():
            return repr(value)
        case _:
            text = str(value).replace("\\", "\\\\").replace('"', '\\"')
            return f'"{text}"'
