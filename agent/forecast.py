"""Where a campaign's spending is going, and what it may cost before it starts."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from rsi.agent.budget import Budget, charged_usd, spent
from rsi.agent.llm.types import Price, Usage
from rsi.agent.store.records import ChargeRecord

TYPICAL_TURNS = 25
"""Turns of a proposer that reads a few files, edits, measures and submits; a guess until rounds were seen."""
TYPICAL_CONTEXT_TOKENS = 30_000
TYPICAL_REPLY_TOKENS = 700
TYPICAL_CACHED_SHARE = 0.85
"""Share of the input that is read from the cache in a conversation that only grows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """Where a campaign's spending is going."""

    rounds_done: int
    usd_per_round: float | None
    """Mean so far; None before the first round."""
    usd_at_end: float | None
    usd_at_end_high: float | None
    """Upper end of about 95 percent, from the spread between rounds; None below two rounds."""
    tokens_at_end: int | None
    runs_out_after_rounds: int | None
    """Rounds that the dollars still pay for; None when they last, or nothing is limited."""


def forecast(
    charges: Sequence[ChargeRecord], *, rounds_done: int, rounds_planned: int, budget: Budget
) -> Forecast:
    """Where the spending goes if the rounds to come cost what the past ones did.

    Args:
        charges: All charges of the campaign.
        rounds_done: Finished rounds.
        rounds_planned: Rounds in all.
        budget: Limits of the campaign.
    """
    per_round: dict[str, float] = {}
    for charge in charges:
        if charge.round_id is not None:
            usd = charged_usd(charge) or 0.0
            per_round[charge.round_id] = per_round.get(charge.round_id, 0.0) + usd
    used = spent(charges)
    if rounds_done < 1:
        return Forecast(
            rounds_done=0, usd_per_round=None, usd_at_end=None, usd_at_end_high=None,
            tokens_at_end=None, runs_out_after_rounds=None,
        )  # fmt: skip
    mean = used.usd / rounds_done
    left = max(0, rounds_planned - rounds_done)
    values = list(per_round.values())
    high = None
    if len(values) >= 2:
        variance = math.fsum((value - mean) ** 2 for value in values) / (len(values) - 1)
        # Spread of the sum of the rounds to come, and of the mean that it is guessed from.
        spread = math.sqrt(variance * (left + left * left / len(values)))
        high = used.usd + left * mean + 1.96 * spread
    runs_out = None
    if budget.usd is not None and mean > 0:
        affordable = int(max(0.0, budget.usd - used.usd) / mean)
        runs_out = affordable if affordable < left else None
    return Forecast(
        rounds_done=rounds_done,
        usd_per_round=mean,
        usd_at_end=used.usd + left * mean,
        usd_at_end_high=high,
        tokens_at_end=used.tokens + left * (used.tokens // rounds_done),
        runs_out_after_rounds=runs_out,
    )


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
