"""The structured report of one round: what was tried, what was predicted, what was measured, why."""

import math
from collections.abc import Mapping
from typing import cast

from rsi.agent.llm.types import Usage
from rsi.agent.memory.notebook import accuracy_of, lesson_of
from rsi.agent.policy.budget import charged_usd, usage_of
from rsi.agent.policy.claims import claimed_effect
from rsi.agent.run.contexts import RoundContext
from rsi.agent.store.ledger import Ledger
from rsi.agent.store.records import ChargeRole, Step, StepRecord
from rsi.agent.types import Cost, RoundReport


def round_report(context: RoundContext) -> RoundReport:
    """Put the round's steps together for the notebook."""
    steps = {
        each.step: each
        for each in context.ledger.steps(context.round_id)
        if each.attempt == context.attempt
    }
    proposed = steps[Step.PROPOSE].payload if Step.PROPOSE in steps else {}
    committed = steps[Step.COMMIT].payload if Step.COMMIT in steps else {}
    commit = cast(str | None, committed.get("commit"))
    outcome = context.ended_as()
    effect = claimed_effect(steps)
    predicted = cast(float | None, proposed.get("predicted_ratio"))
    why = _why(steps)
    base = str(committed.get("parent") or context.record.champion_commit)
    return RoundReport(
        round_id=context.round_id,
        round_number=context.record.number,
        task=context.campaign.task.name,
        outcome=outcome,
        hypothesis=str(proposed.get("hypothesis", "")),
        changed=_changed(committed),
        diff=context.campaign.lineage.diff(base, commit) if commit else "",
        predicted_ratio=predicted,
        effect=effect,
        verdict=steps[Step.SCORE].outcome if Step.SCORE in steps else None,
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
    costs = [
        cast(Mapping[str, float], each.payload["cost"])
        for each in ledger.steps(round_id)
        if "cost" in each.payload
    ]
    return Cost(
        usd=math.fsum(known) if len(known) == len(usd) else None,
        usage=sum((usage_of(each) for each in charges), start=Usage()),
        calls=len(charges),
        wall_s=math.fsum(each["wall_s"] for each in costs),
    )


def _changed(committed: Mapping[str, object]) -> str:
    files = cast(list[Mapping[str, object]], committed.get("files", []))
    if not files:
        return "nothing"
    names = ", ".join(str(each["path"]) for each in files)
    return f"{names}: +{committed['lines_added']} -{committed['lines_removed']} lines"


def _why(steps: Mapping[Step, StepRecord]) -> str:
    """The last step's own words about how it ended."""
    for step in reversed(Step):
        record = steps.get(step)
        if record is None or record.outcome in {"ok", "supported"}:
            continue
        payload = record.payload
        if step is Step.ADMIT:
            blocking = [
                each for each in _mappings(payload, "findings") if each["severity"] == "block"
            ]
            return "; ".join(f"{each['rule']}: {each['message']}" for each in blocking[:3])
        if step is Step.SCORE:
            return str(cast(Mapping[str, object], payload["score"])["reason"])
        for key in ("reason", "detail", "text"):
            if payload.get(key):
                return str(payload[key])
        if step is Step.PROMOTE:
            return str(steps[Step.DECIDE].payload["reason"])
        return record.outcome
    return ""


def _mappings(payload: Mapping[str, object], key: str) -> list[Mapping[str, object]]:
    return cast(list[Mapping[str, object]], payload.get(key, []))
