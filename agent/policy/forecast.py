"""Where a campaign's spending is going, and what it may cost before it starts."""

from collections.abc import Sequence
from dataclasses import dataclass

from rsi.agent.llm.types import Price, Usage
from rsi.agent.policy.budget import Budget, spent
from rsi.agent.store.ledger import Ledger
from rsi.agent.store.records import CampaignRecord, ChargeRecord
from rsi.agent.store.steps.record import StepRecord

TYPICAL_TURNS = 25
"""Turns of a proposer that reads a few files, edits, measures and submits; a guess until rounds were seen."""
TYPICAL_CONTEXT_TOKENS = 30_000
TYPICAL_REPLY_TOKENS = 700
TYPICAL_CACHED_SHARE = 0.85
"""Share of the input that is read from the cache in a conversation that only grows."""
LATEST = 5
"""Past campaigns looked at; older ones ran on other code."""


def rounds_paid_for(
    charges: Sequence[ChargeRecord], *, rounds_done: int, rounds_planned: int, budget: Budget
) -> int | None:
    """Rounds that the dollars left still pay for, if those to come cost what the past ones did.

    Args:
        charges: All charges of the campaign.
        rounds_done: Finished rounds.
        rounds_planned: Rounds in all.
        budget: Limits of the campaign.

    Returns:
        None when they last to the end, nothing is limited, or no round is finished yet.
    """
    used = spent(charges)
    if rounds_done < 1 or budget.usd is None or used.usd <= 0:
        return None
    affordable = int(max(0.0, budget.usd - used.usd) / (used.usd / rounds_done))
    return affordable if affordable < max(0, rounds_planned - rounds_done) else None


def usd_before_start(
    price: Price | None, *, rounds: int, turns: int = TYPICAL_TURNS
) -> float | None:
    """A rough cost of a campaign's proposals before any round was seen; None when the price is unknown.

    Args:
        price: Of the proposer's model.
        rounds: Rounds planned.
        turns: Turns a round.
    """
    if price is None:
        return None
    cached = int(TYPICAL_CONTEXT_TOKENS * TYPICAL_CACHED_SHARE)
    turn = Usage(
        input_uncached_tokens=0,
        cache_read_tokens=cached,
        cache_write_tokens=TYPICAL_CONTEXT_TOKENS - cached,
        output_tokens=TYPICAL_REPLY_TOKENS,
    )
    return rounds * turns * price.cost_usd(turn)


@dataclass(frozen=True, slots=True, kw_only=True)
class PastRounds:
    """What a round took and cost in campaigns of the same kind."""

    campaigns: int
    """Past campaigns it rests on; 0 means that nothing is known."""
    rounds: int
    wall_s: float
    """Seconds a round took, waiting for a person left out."""
    usd: float
    """Dollars a round cost."""


def past_rounds(ledger: Ledger, *, task: str, profile: str, model: str) -> PastRounds:
    """Look at the latest campaigns with the same task, size and model."""
    past = [
        each
        for each in ledger.campaigns(limit=200)
        if (each.record.task, each.record.profile) == (task, profile)
        and each.record.config.proposer == model
        and each.rounds
    ][:LATEST]
    rounds = sum(each.rounds for each in past)
    if not rounds:
        return PastRounds(campaigns=0, rounds=0, wall_s=0.0, usd=0.0)
    steps: list[StepRecord] = []
    for each in past:
        steps.extend(ledger.steps_of(campaign_id=each.record.id))
    return PastRounds(
        campaigns=len(past),
        rounds=rounds,
        wall_s=sum(each.wall_s for each in steps) / rounds,
        usd=sum(each.spend_usd for each in past) / rounds,
    )


def expectation(ledger: Ledger, campaign: CampaignRecord, price: Price | None) -> str:
    """What a campaign will probably take and cost, in one line, before its first round.

    Args:
        ledger: Where campaigns of the same kind may be.
        campaign: The campaign that is about to start.
        price: Of the dearest proposer; None when it is unknown.
    """
    config = campaign.config
    past = past_rounds(ledger, task=campaign.task, profile=campaign.profile, model=config.proposer)
    ideas = "1 round" if config.rounds == 1 else f"{config.rounds} rounds"
    if past.campaigns:
        usd: float | None = past.usd * config.rounds
        text = (
            f"about ${usd:.2f} and {_span(past.wall_s * config.rounds)} for {ideas}, "
            f"as the last {past.rounds} of this kind went"
        )
    elif (usd := usd_before_start(price, rounds=config.rounds)) is not None:
        text = (
            f"about ${usd:.2f} for the proposals of {ideas}, guessed from the model's price; "
            "how long they take is not known yet"
        )
    else:
        text = f"nothing is known yet about dollars and time of {ideas}"
    is_over = usd is not None and config.budget_usd is not None and usd > config.budget_usd
    return f"expected: {text}" + (f"; the budget is ${config.budget_usd:g}" if is_over else "")


def _span(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
