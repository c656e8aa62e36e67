"""The verb horizon: how long a task may take an expert and still be finished by a model."""

import argparse

from rsi.agent.cli.context import emit, open_to_read, table
from rsi.agent.memory.horizon import Horizon, horizons


def horizon(args: argparse.Namespace) -> int:
    """The 50 % and 80 % horizons by model, profile and machine; exit status 1 when there is none."""
    with open_to_read() as ledger:
        found = horizons(ledger)
    lines = [line for each in found for line in _lines(each)]
    if not found:
        lines = [
            "no finished campaign on a task whose ladder says how long its rungs take an expert (`expert_min`)"
        ]
    emit(args, {"horizons": found}, lines)
    return 0 if any(each.half for each in found) else 1


def _lines(found: Horizon) -> list[str]:
    label = f"{found.model}, profile {found.profile}" + (", scripted" if found.is_scripted else "")
    said = (
        [f"50 %: {found.half.text}   80 %: {found.four_fifths.text}"]
        if found.half and found.four_fifths
        else [f"no horizon: {found.reason}"]
    )
    rows = [
        (
            each.family,
            each.rung,
            f"{each.minutes:g} min",
            each.source,
            "yes" if each.succeeded else "no",
        )
        for each in sorted(found.attempts, key=lambda each: (each.minutes, each.family))
    ]
    return [label, *said, *table(("task", "rung", "expert time", "source", "climbed"), rows), ""]
