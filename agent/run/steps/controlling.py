"""A control's part in the steps of its round: its patch in place of an idea, and its word at the gate."""

from dataclasses import replace

from rsi.agent.errors import AgentError
from rsi.agent.policy.controls import (
    ACTOR,
    CLAIM,
    Slot,
    control_decision,
    control_tree,
    planted_by,
    schedule,
)
from rsi.agent.run.contexts import RoundContext
from rsi.agent.store.records import DecisionRecord, StepOutcome
from rsi.agent.store.rounds import GateCase
from rsi.agent.store.steps.facts import Briefed, Proposed
from rsi.agent.store.steps.values import Cost, Planted
from rsi.agent.store.tree_blobs import encode_tree
from rsi.evals.planted.controls import Control
from rsi.tasks.errors import PatchError

PREDICTED_RATIO = 1.1
"""Said of every control alike, so that the prediction gives nothing away."""


def planted_control(context: RoundContext) -> Planted:
    """What this control is, written down before anything is measured."""
    slot = _slot(context)
    return planted_by(_control(context, slot), after_round=slot.ideas_before)


def propose_control(context: RoundContext) -> Proposed:
    """Hand in the control's tree under the words that every control uses."""
    base = context.campaign.lineage.tree(context.left(Briefed).base_commit)
    handed_in = Proposed(
        reason="",
        hypothesis=CLAIM,
        predicted_ratio=PREDICTED_RATIO,
        risk="none stated",
        parts=(),
        tree_sha256=None,
        turns=0,
        model=ACTOR,
        scaffold_digest="",
        cost=Cost(),
    )
    try:
        tree = control_tree(context.campaign.task, _control(context, _slot(context)), base)
    except PatchError as error:
        return replace(handed_in, outcome=StepOutcome.DOES_NOT_APPLY, reason=str(error))
    return replace(handed_in, tree_sha256=context.ledger.put_blob(encode_tree(tree)))


def control_decision_on(context: RoundContext, case: GateCase) -> DecisionRecord:
    """A control that came to the gate goes no further."""
    planted = context.opened().planted
    if planted is None:
        raise AgentError(f"round {context.round_id} is an idea, not a control")
    return control_decision(
        planted,
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


def _control(context: RoundContext, slot: Slot) -> Control:
    if slot.control is None:
        raise AgentError(f"round {context.round_id} is an idea, not a control")
    return slot.control
