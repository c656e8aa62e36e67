"""Reads a scaffold's search.toml: the settings that this evaluator exercises, and nothing else.

Invariant: what cannot change a simulated campaign is refused, because nothing here would be evidence for it.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from harness_kit import InvalidArtifact
from harness_kit.artifacts import read_file

MAX_BYTES = 4_000
STRATEGIES: Mapping[str, Mapping[str, tuple[float, float]]] = {
    "greedy": {},
    "best_of_n": {"n": (1, 32)},
    "tree": {"temperature": (0.001, 1.0)},
}
"""Strategies that are simulated, with the settings of each and their bounds."""
REPEATS = ("tell", "withdraw")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What drives a campaign, besides the model and its prompts."""

    strategy: str = "greedy"
    n: int = 4
    temperature: float = 0.1
    repeats: str = "tell"
    screen_pairs: int = 0
    """Pairs after which a candidate that is behind is given up; 0 never looks."""
    drop_below: float = 1.0
    """Ratio below which it is behind."""


def read_settings(folder: Path) -> Settings:
    """The settings in a folder's search.toml.

    Raises:
        InvalidArtifact: It cannot be read, or holds a key or a value that is not exercised here.
    """
    text = read_file(folder, "search.toml", max_bytes=MAX_BYTES)
    try:
        tables = tomllib.loads(text.decode("utf-8"))
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InvalidArtifact(f"search.toml cannot be read: {error}") from None
    known = {"search", "notebook", "screening"}
    if set(tables) - known or not all(isinstance(each, dict) for each in tables.values()):
        raise InvalidArtifact(
            f"search.toml has {', '.join(sorted(tables))}; only the tables {', '.join(sorted(known))} are exercised here"
        )
    return Settings(
        **_search(tables.get("search", {})),
        **_notebook(tables.get("notebook", {})),
        **_screening(tables.get("screening", {})),
    )


def _search(table: Mapping[str, object]) -> dict[str, object]:
    strategy = table.get("strategy", "greedy")
    if not isinstance(strategy, str) or strategy not in STRATEGIES:
        raise InvalidArtifact(
            f"strategy {strategy!r:.40} is not exercised here; {', '.join(STRATEGIES)} are"
        )
    bounds = STRATEGIES[strategy]
    _only(table, "search", {"strategy", *bounds})
    found: dict[str, object] = {"strategy": strategy}
    for name, (low, high) in bounds.items():
        if name in table:
            number = _number(table[name], name, low, high, is_whole=name == "n")
            found[name] = number
    return found


def _notebook(table: Mapping[str, object]) -> dict[str, object]:
    _only(table, "notebook", {"repeats"})
    repeats = table.get("repeats", "tell")
    if repeats not in REPEATS:
        raise InvalidArtifact(f"repeats is {repeats!r:.40}; it may be {' or '.join(REPEATS)}")
    return {"repeats": repeats}


def _screening(table: Mapping[str, object]) -> dict[str, object]:
    _only(table, "screening", {"pairs", "drop_below"})
    found: dict[str, object] = {}
    if "pairs" in table:
        found["screen_pairs"] = _number(table["pairs"], "pairs", 0, 8, is_whole=True)
    if "drop_below" in table:
        found["drop_below"] = _number(table["drop_below"], "drop_below", 0.8, 1.05)
    return found


def _only(table: Mapping[str, object], name: str, known: set[str]) -> None:
    if unknown := sorted(set(table) - known):
        raise InvalidArtifact(
            f"[{name}] has {', '.join(unknown)}, which is not exercised here; it may have {', '.join(sorted(known))}"
        )


def _number(
    value: object, name: str, low: float, high: float, *, is_whole: bool = False
) -> int | float:
    if isinstance(value, bool) or not isinstance(value, int if is_whole else (int, float)):
        raise InvalidArtifact(f"{name} is {value!r:.40}; it must be a number")
    if not low <= value <= high:
        raise InvalidArtifact(f"{name} is {value}; it may be from {low:g} to {high:g}")
    return value
