"""Orders of the list of campaigns, and which of them a click on a column's head asks for."""

from collections.abc import Callable, Mapping

from rsi.agent.store.records import CampaignState, CampaignSummary
from rsi.agent.store.state import ENDED_STATES
from rsi.tui.model.view import View

OPEN_STATES = frozenset(CampaignState) - ENDED_STATES
SORTINGS: tuple[tuple[str, Callable[[CampaignSummary, View], tuple[float | str, float]]], ...] = (
    ("newest first", lambda each, _: (-each.record.created_at.timestamp(), 0.0)),
    (
        "open first",
        lambda each, _: (float(each.state not in OPEN_STATES), -each.changed_at.timestamp()),
    ),
    ("most promoted", lambda each, _: (-float(each.promoted), -each.changed_at.timestamp())),
    ("largest gain first", lambda each, view: (-_total(each, view), -each.changed_at.timestamp())),
    ("dearest first", lambda each, _: (-each.spend_usd, 0.0)),
    ("by task", lambda each, _: (each.record.task, -each.changed_at.timestamp())),
    ("most rounds", lambda each, _: (-float(each.rounds), -each.changed_at.timestamp())),
)
SORTED_BY: Mapping[str, str] = {
    "state": "open first", "now": "open first", "prom": "most promoted", "gain": "largest gain first",
    "rise": "largest gain first", "cost": "dearest first", "task": "by task", "round": "most rounds",
    "campaign": "newest first", "age": "newest first",
}  # fmt: skip
"""What a click on a column's head sorts by."""


def _total(each: CampaignSummary, view: View) -> float:
    """Gain over the baseline for sorting; campaigns without one come last."""
    found = view.speedups.get(each.record.id)
    return 0.0 if found is None else found.estimate
