"""Whether sending a candidate back for another attempt wins more than asking for a fresh idea, at equal tokens.

A first attempt is a sample; a later one refines what was sent back. An attempt wins when its evidence brings it to the gate.
What was planted, and a change that was only put onto a new champion, is neither.
Each kind's wins are compared over the tokens that its proposals cost, on one task and with one model. Ideas are not assigned
to either kind by chance, so this is what was seen, and no experiment.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from rsi.agent.store.ledger import Ledger
from rsi.agent.store.records import CampaignRecord, Step, StepOutcome
from rsi.agent.store.steps.facts import Opened, Proposed
from rsi.agent.store.steps.record import StepRecord
from rsi.evals.planted.controls import exact_rate

PER_TOKENS = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """The attempts of one kind."""

    attempts: int
    wins: int
    tokens: int

    @property
    def text(self) -> str:
        """Such as "3 of 10 attempts won, 1.5 for 100,000 tokens"."""
        rate = (
            f", {self.wins * PER_TOKENS / self.tokens:.3g} for {PER_TOKENS:,} tokens"
            if self.tokens
            else ""
        )
        return f"{self.wins} of {self.attempts} attempts won{rate}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Refinement:
    """Attempts that refine against fresh ones."""

    fresh: Tried
    refined: Tried
    ratio: float | None
    """Wins per token of refining over those of sampling; None where one of them says nothing."""
    low: float | None
    high: float | None
    """Its exact 95 % interval; `high` is None where it has no end."""

    @property
    def is_empty(self) -> bool:
        """Whether refining surely wins less than a fresh idea for the same tokens."""
        return self.high is not None and self.high < 1.0

    @property
    def lines(self) -> tuple[str, ...]:
        """Sentences for people; the last one says what follows."""
        if not self.refined.attempts:
            return ("refinement: no candidate was sent back for another attempt",)
        said = f"refinement: fresh ideas: {self.fresh.text}; sent back: {self.refined.text}"
        if self.ratio is None or self.low is None:
            return (said, "too few wins, or tokens that nobody told: nothing can be compared")
        end = "beyond" if self.high is None else f"{self.high:.3g}"
        ratio = f"at equal tokens refining wins {self.ratio:.3g} times as often, 95% {self.low:.3g} to {end}"
        if self.is_empty:
            return (
                said,
                f"{ratio}: EMPTY, a fresh idea is worth more; use a scaffold whose critic sends less back",
            )
        return (said, ratio)


def refinement_of(ledger: Ledger, campaign: CampaignRecord) -> Refinement:
    """Attempts in all campaigns on a campaign's task (version, track, profile) with its model."""
    fresh, refined = [0, 0, 0], [0, 0, 0]
    for each in ledger.campaigns():
        if _key(each.record) != _key(campaign):
            continue
        steps = ledger.steps_of(campaign_id=each.record.id)
        won, planted, moved = _won(steps), _planted(steps), _moved(steps)
        for step in steps:
            if not isinstance(step.fact, Proposed) or step.fact.model != campaign.config.proposer:
                continue
            if step.round_id in planted or (step.round_id, step.attempt) in moved:
                continue
            cost, kind = step.fact.cost, refined if step.attempt else fresh
            kind[0] += 1
            kind[1] += (step.round_id, step.attempt) in won
            kind[2] += cost.usage.total_tokens + cost.reserved_tokens
    return compared(
        Tried(attempts=fresh[0], wins=fresh[1], tokens=fresh[2]),
        Tried(attempts=refined[0], wins=refined[1], tokens=refined[2]),
    )


def compared(fresh: Tried, refined: Tried) -> Refinement:
    """Both kinds with the ratio of their rates.

    Of all wins, those of refining are a binomial share: its exact interval is that of the ratio of two Poisson rates.
    Source: Przyborowski and Wilenski, Biometrika 31 (1940), 313-323.
    """
    wins = fresh.wins + refined.wins
    if not wins or not fresh.tokens or not refined.tokens:
        return Refinement(fresh=fresh, refined=refined, ratio=None, low=None, high=None)
    scale, share = fresh.tokens / refined.tokens, exact_rate(refined.wins, wins)
    return Refinement(
        fresh=fresh,
        refined=refined,
        ratio=scale * refined.wins / fresh.wins if fresh.wins else None,
        low=scale * share.low / (1 - share.low) if share.low < 1 else None,
        high=scale * share.high / (1 - share.high) if share.high < 1 else None,
    )


def _won(steps: Iterable[StepRecord]) -> set[tuple[str, int]]:
    return {
        (each.round_id, each.attempt)
        for each in steps
        if each.step is Step.REVIEW and each.outcome.goes_on
    }


def _planted(steps: Iterable[StepRecord]) -> set[str]:
    """Rounds that test the pipeline."""
    return {
        each.round_id
        for each in steps
        if isinstance(each.fact, Opened) and each.fact.planted is not None
    }


def _moved(steps: Iterable[StepRecord]) -> set[tuple[str, int]]:
    """Attempts that are the one before, put onto the champion that came in between: no model was asked."""
    return {
        (each.round_id, each.attempt + 1)
        for each in steps
        if each.step is Step.PROMOTE and each.outcome is StepOutcome.REVISE
    }


def _key(record: CampaignRecord) -> tuple[str, str, str]:
    return record.task_digest, record.track, record.profile
