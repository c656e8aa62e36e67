"""What models cost: a dated table in this folder, and a user's own file over it.

Invariant: a model that is not in the table has no price. Nobody guesses one.
"""

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

from rsi.agent.llm.errors import ModelSpecError
from rsi.agent.llm.types import FREE, Price, Rates

TABLE = Path(__file__).parent / "prices.toml"
OVERRIDE_VARIABLE = "RSI_PRICES"
_RATE_KEYS = ("input", "cache_read", "cache_write", "output")
_OTHER_KEYS = frozenset({"context_tokens", "long"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """One model of the table."""

    price: Price
    context_tokens: int | None
    """None when the table does not say."""


@dataclass(frozen=True, slots=True)
class PriceTable:
    """Prices by model spec without options, such as "openai:gpt-5"."""

    models: Mapping[str, Listed] = field(default_factory=dict)

    def find(self, name: str) -> Listed | None:
        """A model's entry; `litellm:openai/x` finds `openai:x` as well."""
        if name in self.models:
            return self.models[name]
        provider, _, target = name.partition(":")
        inner, slash, model = target.partition("/")
        if provider == "litellm" and slash:
            return self.models.get(f"{inner}:{model}")
        return None


def load_prices(environ: Mapping[str, str] | None = None) -> PriceTable:
    """The table that ships, with the file named by RSI_PRICES over it.

    Raises:
        ModelSpecError: The user's file cannot be read, or an entry is wrong; the message names it.
    """
    models = _read(TABLE)
    override = (os.environ if environ is None else environ).get(OVERRIDE_VARIABLE)
    if override:
        models |= _read(Path(override))
    return PriceTable(models)


def price_option(text: str) -> Price:
    """A price given with the model's name: "free", or "3/15" for input and output per million tokens.

    Raises:
        ModelSpecError: It is neither.
    """
    if text == "free":
        return FREE
    try:
        input_usd, output_usd = (float(part) for part in text.split("/"))
    except ValueError as error:
        raise ModelSpecError(
            f"option price must be free, or dollars per million tokens such as 3/15; found {text!r}"
        ) from error
    if not (0 <= input_usd < 1e6 and 0 <= output_usd < 1e6):
        raise ModelSpecError(f"option price={text!r}: dollars must be 0 or more")
    rates = Rates(
        input_usd=input_usd,
        cache_read_usd=input_usd,
        cache_write_usd=input_usd,
        output_usd=output_usd,
    )
    return Price(rates=rates, source="given with the model's name")


def _read(path: Path) -> dict[str, Listed]:
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ModelSpecError(f"price table {path} cannot be read: {error}") from error
    date = content.pop("date", None)
    if date is None:
        raise ModelSpecError(f"price table {path}: needs `date`, the day its numbers were read")
    return {
        name: _listed(entry, f"price table {path}, {name!r}", f"{path.name}, {date}")
        for name, entry in content.items()
    }


def _listed(entry: object, where: str, source: str) -> Listed:
    if not isinstance(entry, dict):
        raise ModelSpecError(f"{where}: expected a table, found {entry!r}")
    if unknown := set(entry) - set(_RATE_KEYS) - _OTHER_KEYS:
        raise ModelSpecError(f"{where}: unknown key {sorted(unknown)}")
    rates = _rates(entry, where)
    long = entry.get("long")
    long_rates = None
    above = 0
    if long is not None:
        if not isinstance(long, dict) or not isinstance(long.get("above_tokens"), int):
            raise ModelSpecError(f"{where}: long needs above_tokens and rates, found {long!r}")
        above = long["above_tokens"]
        long_rates = _rates(long, f"{where}, long")
    context = entry.get("context_tokens")
    if context is not None and (not isinstance(context, int) or context <= 0):
        raise ModelSpecError(
            f"{where}: context_tokens must be a positive number, found {context!r}"
        )
    price = Price(rates=rates, long_rates=long_rates, long_above_tokens=above, source=source)
    return Listed(price=price, context_tokens=context)


def _rates(entry: Mapping[str, object], where: str) -> Rates:
    values: dict[str, float] = {}
    for key in _RATE_KEYS:
        value = entry.get(key)
        if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value < 1e6:
            raise ModelSpecError(
                f"{where}: {key} must be dollars per million tokens, found {value!r}"
            )
        values[f"{key}_usd"] = float(cast(float, value))
    return Rates(**values)
