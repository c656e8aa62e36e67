"""Bounds of the cockpit's settings that are numbers."""

from collections.abc import Mapping

HIGHEST: Mapping[str, float] = {"play_speed": 100.0, "budget_usd": 1e6, "budget_hours": 1e4}
"""Settings that are numbers above 0, and what would surely be a slip of the finger."""


def is_possible(name: str, value: object) -> bool:
    """Whether a setting that is a number may have this value."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return 0 < value <= HIGHEST[name]
