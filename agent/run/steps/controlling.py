"""A control's part in the steps of its round: its patch in place of an idea, and its word at the gate."""

from collections.abc import Mapping
from dataclasses import asdict

from rsi.agent.errors import AgentError
from rsi.agent.policy.controls import (
    ACTOR,
    CLAIM,
    Slot,
    control_decision,
    control_tree,
    planted_facts,
    schedule,
)
from rsi.agent.policy.gate import GateCase
from rsi.agent.run.contexts import RoundContext
from rsi.agent.run.steps.result import StepResult
from rsi.agent.store.records import DecisionRecord, Step
from rsi.agent.store.tree_blobs import encode_tree
from rsi.agent.types import Cost
from rsi.tasks.errors import PatchError

PREDICTED_RATIO = 1.1
"""Said of every control alike, so that the prediction gives nothing away."""


def planted_control(context: RoundContext) -> dict[str, object]:
    """What this control is, written down before anything is measured."""
    slot = _slot(context)
    if slot.control is None:
        raise AgentError(f"round {context.round_id} is an idea, not a control")
    return {**planted_facts(slot.control), "after_round": slot.ideas_before}


def propose_control(context: RoundContext) -> StepResult:
    """Hand in the control's tree under the words that every control uses."""
    slot = _slot(context)
    base = context.campaign.lineage.tree(str(context.payload(Step.BRIEF)["base_commit"]))
    payload = {
        "reason": "",
        "hypothesis": CLAIM,
        "predicted_ratio": PREDICTED_RATIO,
        "risk": "none stated",
        "parts": [],
        "tree_sha256": None,
        "turns": 0,
        "model": ACTOR,
        "scaffold_digest": "",
        "cost": asdict(Cost()),
    }
    if slot.control is None:
        raise AgentError(f"round {context.round_id} is an idea, not a control")
    try:
        tree = control_tree(context.campaign.task, slot.control, base)
    except PatchError as error:
        return StepResult(outcome="does_not_apply", payload={**payload, "reason": str(error)})
    sha256 = context.ledger.put_blob(encode_tree(tree))
    return StepResult(outcome="ok", payload={**payload, "tree_sha256": sha256})


def control_decision_on(context: RoundContext, case: GateCase) -> DecisionRecord:
    """A control that came to the gate goes no further."""
    planted = context.opened().get("planted")
    return control_decision(
        planted if isinstance(planted, Mapping) else {},
        case.round_id,
        case.commit,
        case.score_digest,
        is_held=bool(case.held_by),
    )


def _slot(context: RoundContext) -> Slot:
    config = context.campaign.config
    for slot in schedule(context.campaign.task, config.rounds, config.control_every):
        if slot.number == context.record.number:
            return slot
    raise AgentError(f"round {context.round_id} is not in its campaign's schedule")
