"""The form of a scaffold's TOML files; imported where one is read, since pydantic takes a tenth of a second."""

from typing import Literal

from pydantic import Field

from rsi.tasks.format.tables import AnyTable, Table, Text, Texts


class ScaffoldTable(Table):
    """scaffold.toml: name, tools and limits of the proposer."""

    name: Text
    version: Text
    tools: Texts
    """names of the proposer's tools, in the order shown to the model"""
    proposer: AnyTable = Field(default_factory=dict)
    """limits of the proposer loop"""


class NotebookTable(Table):
    """[notebook] of search.toml."""

    repeats: Literal["tell", "withdraw"] = "tell"
    """what becomes of an idea that nearly repeats a failed one"""


class ScreeningTable(Table):
    """[screening] of search.toml."""

    pairs: int = Field(default=0, ge=0, le=8)
    """pairs after which a candidate that is behind is given up; 0 leaves it to the gate"""
    drop_below: float = Field(default=1.0, ge=0.8, le=1.05)
    """ratio below which it is behind"""


class SearchTable(Table):
    """search.toml: what the campaigns of the task `scaffold` exercise."""

    search: AnyTable = Field(default_factory=dict)
    """strategy and its settings"""
    notebook: NotebookTable = Field(default_factory=NotebookTable)
    screening: ScreeningTable = Field(default_factory=ScreeningTable)
