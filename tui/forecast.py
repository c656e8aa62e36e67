"""What a campaign will probably take and cost, from campaigns of the same kind that were run before."""

from dataclasses import dataclass

from rsi.agent.store.ledger import Ledger
from rsi.agent.store.records import StepRecord
from rsi.tui import payloads

LATEST = 5
"""Past campaigns looked at; older ones ran on other code."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """Per round, from the past."""

    campaigns: int
    """Past campaigns it rests on; 0 means that nothing is known."""
    rounds: int
    wall_s: float
    """Seconds a round took, waiting for a person left out."""
    usd: float
    """Dollars a round cost."""


def forecast(ledger: Ledger, *, task: str, profile: str, model: str) -> Forecast:
    """Look at the latest campaigns with the same task, size and model."""
    past = []
    for each in ledger.campaigns(limit=200):
        record = each.record
        is_like = record.task == task and record.profile == profile and each.rounds
        if is_like and payloads.text_of(record.config, "proposer") == model:
            past.append(each)
        if len(past) == LATEST:
            break
    rounds = sum(each.rounds for each in past)
    if not rounds:
        return Forecast(campaigns=0, rounds=0, wall_s=0.0, usd=0.0)
    steps: list[StepRecord] = []
    for each in past:
        steps.extend(ledger.steps_of(campaign_id=each.record.id))
    return Forecast(
        campaigns=len(past),
        rounds=rounds,
        wall_s=sum(each.wall_s for each in steps) / rounds,
        usd=sum(each.spend_usd for each in past) / rounds,
    )
