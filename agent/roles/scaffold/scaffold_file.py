"""The form of scaffold.toml; imported where one is read, since pydantic takes a tenth of a second."""

from pydantic import Field

from rsi.tasks.format.tables import AnyTable, Table, Text, Texts


class ScaffoldTable(Table):
    """What drives a model, apart from the prompts beside it."""

    name: Text
    version: Text
    tools: Texts
    """names of the proposer's tools, in the order shown to the model"""
    proposer: AnyTable = Field(default_factory=dict)
    """limits of the proposer loop"""
    search: AnyTable = Field(default_factory=dict)
    """strategy and its settings"""
