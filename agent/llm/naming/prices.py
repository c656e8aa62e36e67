"""What models cost: a dated table in this folder, and a user's own file over it.

Invariant: a model that is not in the table has no price. Nobody guesses one.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from rsi.agent.llm.errors import ModelSpecError
from rsi.agent.llm.types import FREE, Price, Rates
from rsi.tasks.format.toml_files import Problems, read_toml

if TYPE_CHECKING:
    from rsi.agent.llm.naming.price_file import PriceEntry, RatesTable

TABLE = Path(__file__).parent / "prices.toml"
OVERRIDE_VARIABLE = "RSI_PRICES"


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
    # Here, not above: pydantic takes a tenth of a second to import.
    from rsi.agent.llm.naming.price_file import PriceFile
    from rsi.tasks.format.tables import checked

    problems, file = Problems(), f"price table {path}"
    content = read_toml(path, file, problems) or {}
    date = content.pop("date", None)
    if date is None and not problems.sentences:
        problems.add(file, "date is missing, expected the day its numbers were read.")
    # An entry is at the top of the file, whatever model it is of.
    found = checked(PriceFile, {"models": content}, file, problems, {"models": ""})
    if found is None or problems.sentences:
        raise ModelSpecError("\n".join(problems.sentences))
    return {name: _listed(entry, f"{path.name}, {date}") for name, entry in found.models.items()}


def _listed(entry: "PriceEntry", source: str) -> Listed:
    long = entry.long
    price = Price(
        rates=_rates(entry),
        long_rates=None if long is None else _rates(long),
        long_above_tokens=0 if long is None else long.above_tokens,
        source=source,
    )
    return Listed(price=price, context_tokens=entry.context_tokens)


def _rates(entry: "RatesTable") -> Rates:
    return Rates(
        input_usd=entry.input,
        cache_read_usd=entry.cache_read,
        cache_write_usd=entry.cache_write,
        output_usd=entry.output,
    )
