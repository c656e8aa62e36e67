"""The form of a price table's TOML file; imported where one is read, since pydantic takes a tenth of a second."""

from typing import Annotated

from pydantic import Field

from rsi.tasks.format.tables import Count, Table

Dollars = Annotated[
    float,
    Field(ge=0, lt=1e6, json_schema_extra={"expected": "dollars per million tokens, 0 or more"}),
]


class RatesTable(Table):
    """Dollars per million tokens."""

    input: Dollars
    cache_read: Dollars
    cache_write: Dollars
    output: Dollars


class LongTable(RatesTable):
    """Rates of requests with more input tokens than that."""

    above_tokens: Count


class PriceEntry(RatesTable):
    """What one model costs."""

    context_tokens: Count | None = None
    long: LongTable | None = None


class PriceFile(Table):
    """Entries by model, such as "openai:gpt-5"."""

    models: dict[str, PriceEntry]
