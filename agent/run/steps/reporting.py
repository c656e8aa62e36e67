"""The structured report of one round: what was tried, what was predicted, what was measured, why."""

import math

from rsi.agent.llm.types import Usage
from rsi.agent.memory.notebook import accuracy_of, lesson_of
from rsi.agent.policy.budget import usage_of
from rsi.agent.run.contexts import RoundContext
from rsi.agent.store.facts.charge_facts import BOUND, charged_usd, reserved_part_usd
from rsi.agent.store.ledger import Ledger
from rsi.agent.store.records import ChargeRole, Step, StepOutcome
from rsi.agent.store.state import Attempt
from rsi.agent.store.steps.facts import (
    Admitted,
    AnyFact,
    Committed,
    Critiqued,
    Decided,
    Halted,
    Measured,
    Promoted,
    Proposed,
    Reviewed,
    Scored,
)
from rsi.agent.store.steps.values import Cost, RoundReport
from rsi.evals.types import Severity


def round_report(context: RoundContext) -> RoundReport:
    """Put the round's steps together for the notebook."""
    latest = Attempt(
        number=context.attempt,
        steps={
            each.step: each
            for each in context.ledger.steps(context.round_id)
            if each.attempt == context.attempt
        },
    )
    proposed, committed = latest.left(Proposed), latest.left(Committed)
    outcome, effect, why = context.ended_as(), latest.effect, _why(latest)
    predicted = None if proposed is None else proposed.predicted_ratio
    commit = None if committed is None else committed.commit
    base = context.record.champion_commit if committed is None else committed.parent
    return RoundReport(
        round_id=context.round_id,
        round_number=context.record.number,
        task=context.campaign.task.name,
        outcome=outcome,
        hypothesis="" if proposed is None else proposed.hypothesis,
        changed=_changed(committed),
        diff=context.campaign.lineage.diff(base, commit) if commit else "",
        predicted_ratio=predicted,
        effect=effect,
        verdict=latest.outcome(Step.SCORE),
        why=why,
        lesson=lesson_of(outcome, predicted, effect, why),
        accuracy=accuracy_of(predicted, effect),
        cost=round_cost(context.ledger, context.round_id),
        base_commit=base,
        commit=commit,
        is_promoted=outcome == "promoted",
    )


def round_cost(ledger: Ledger, round_id: str) -> Cost:
    """What all models of a round cost, in all its attempts, calls that a crash cut off included."""
    charges = [
        each
        for each in ledger.charges(round_id=round_id)
        # One that did not fit was settled at nothing and never sent.
        if each.role is not ChargeRole.DEVICE
        and (charged_usd(each) != 0 or any(each.tokens.values()))
    ]
    usd = [charged_usd(each) for each in charges]
    known = [each for each in usd if each is not None]
    thinking_s = (
        each.fact.cost.wall_s
        for each in ledger.steps(round_id)
        if isinstance(each.fact, (Proposed, Critiqued, Reviewed)) and each.fact.cost is not None
    )
    return Cost(
        usd=math.fsum(known) if len(known) == len(usd) else None,
        usage=sum((usage_of(each) for each in charges), start=Usage()),
        calls=len(charges),
        wall_s=math.fsum(thinking_s),
        reserved_usd=math.fsum(map(reserved_part_usd, charges)),
        reserved_tokens=sum(each.tokens.get(BOUND, 0) for each in charges),
    )


def _changed(committed: Committed | None) -> str:
    if committed is None or not committed.files:
        return "nothing"
    names = ", ".join(each.path for each in committed.files)
    return f"{names}: +{committed.lines_added} -{committed.lines_removed} lines"


def _why(latest: Attempt) -> str:
    """The last step's own words about how it ended."""
    for step in reversed(Step):
        outcome = latest.outcome(step)
        if outcome not in {None, StepOutcome.OK, StepOutcome.SUPPORTED}:
            fact = latest.steps[step].fact
            return _words(fact, latest) or ("" if isinstance(fact, Promoted) else str(outcome))
    return ""


def _words(fact: AnyFact, latest: Attempt) -> str:
    match fact:
        case Admitted():
            blocking = [each for each in fact.findings if each.severity is Severity.BLOCK]
            return "; ".join(each.text for each in blocking[:3])
        case Scored():
            return fact.score.reason
        case Measured():
            return fact.detail
        case Critiqued():
            return fact.text
        case Halted() | Proposed() | Reviewed() | Decided():
            return fact.reason
        case Promoted():
            decided = latest.left(Decided)
            return "" if decided is None else decided.reason
        case _:
            return ""
