"""One step of a round, done once: its row in the ledger is what says that it was."""

from collections.abc import Callable

from rsi.agent.policy.budget import exhausted
from rsi.agent.policy.limits import spent_now
from rsi.agent.run.contexts import RoundContext
from rsi.agent.run.pausing import HELD_BEFORE
from rsi.agent.run.steps.models import budget_in_force
from rsi.agent.store.records import Step, StepOutcome, utc_now
from rsi.agent.store.steps.facts import AnyFact, Halted
from rsi.agent.store.steps.record import StepRecord

OF_MEASURING = frozenset({"wall_s", "device_s"})
"""Limits that keep what was thought ahead from being measured; the others only keep agents from thinking."""


def record_step(context: RoundContext, name: Step, work: Callable[[RoundContext], AnyFact]) -> str:
    """Run a step unless its row is there already, and write the row."""
    before = context.finished(name)
    if before is not None:
        return before.outcome.value
    started_at, started_s = utc_now(), context.monotonic_s()
    fact = _kept_from(context, name) or work(context)
    context.ledger.add_step(
        StepRecord(
            round_id=context.round_id,
            started_at=started_at,
            wall_s=context.monotonic_s() - started_s,
            attempt=context.attempt,
            fact=fact,
            retry=context.retry,
        )
    )
    context.log_step(name, fact.outcome)
    return fact.outcome.value


def _kept_from(context: RoundContext, name: Step) -> Halted | None:
    """Why a step is not begun: a person's stop, or a limit that was spent while the idea waited for its turn."""
    campaign = context.campaign
    if name in HELD_BEFORE and campaign.steering.is_stopping():
        return Halted(
            step=name, outcome=StepOutcome.STOPPED, reason="a person stopped the campaign"
        )
    if name is not Step.COMMIT or campaign.config.parallel == 1 or context.record.is_control:
        return None
    limit = exhausted(budget_in_force(campaign), spent_now(context.ledger, campaign.record.id))
    if limit not in OF_MEASURING:
        return None
    reason = f"the budget of {limit} was spent before the idea's turn to be measured came"
    return Halted(step=name, outcome=StepOutcome.OUT_OF_BUDGET, reason=reason)
