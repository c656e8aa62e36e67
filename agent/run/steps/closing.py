"""Steps 10 to 12: decide, promote, report."""

from rsi.agent.errors import StaleChampionError
from rsi.agent.policy.controls import autonomy_standing
from rsi.agent.policy.gate import GateError, policy_decision
from rsi.agent.run.contexts import RoundContext
from rsi.agent.run.steps.controlling import control_decision_on
from rsi.agent.run.steps.evidence import measure_more_pairs
from rsi.agent.run.steps.rebasing import again
from rsi.agent.run.steps.reporting import round_report
from rsi.agent.store.champion import move_champion, settle_champion
from rsi.agent.store.config import Autonomy
from rsi.agent.store.records import (
    DecisionAction,
    DecisionRecord,
    PromotionRecord,
    Step,
    StepOutcome,
    utc_now,
)
from rsi.agent.store.rounds import case_at_gate, decision_on
from rsi.agent.store.steps.facts import (
    AnyFact,
    Committed,
    Decided,
    Halted,
    Promoted,
    Reported,
    Reviewed,
)


def look_at_gate(context: RoundContext) -> str:
    """Say "waiting" until policy or a person has spoken about what lies there or the campaign stops."""
    case = case_at_gate(
        context.ledger.steps(context.round_id), context.ledger.decisions(context.round_id)
    )
    if case is None or context.campaign.steering.is_stopping():
        return "decided"
    if context.record.is_control:
        decision: DecisionRecord | None = control_decision_on(context, case)
    elif case.unearned:
        decision = None
    else:
        decision = policy_decision(case, _level_in_force(context))
    if decision is None:
        measure_more_pairs(context)
        return "waiting"
    context.ledger.add_decision(decision)
    return "decided"


def _level_in_force(context: RoundContext) -> int:
    """The level of autonomy now, which may have fallen since the candidate was reviewed."""
    campaign, config = context.campaign, context.campaign.config
    if config.autonomy <= Autonomy.PERSON:
        return config.autonomy
    return autonomy_standing(context.ledger, campaign.record, config, campaign.profile).in_force


def decide(context: RoundContext) -> AnyFact:
    """Write down what the gate said about exactly this commit and score; nobody said: nobody approved."""
    commit, digest = context.left(Committed).commit, context.left(Reviewed).score_digest
    spoken = decision_on(context.ledger.decisions(context.round_id), commit, digest)
    if spoken is None:
        return Halted(
            step=Step.DECIDE, outcome=StepOutcome.STOPPED, reason="stopped before anyone decided"
        )
    return Decided(
        outcome=StepOutcome(spoken.action.value),
        action=spoken.action,
        actor=spoken.actor,
        reason=spoken.reason,
        commit=spoken.commit,
        score_digest=spoken.score_digest,
        is_override=spoken.is_override,
    )


def promote(context: RoundContext) -> AnyFact:
    """Move the champion, bound to the commit and the score that were approved."""
    campaign_context, decision = context.campaign, context.left(Decided)
    new, old = decision.commit, context.record.champion_commit
    if decision.action is not DecisionAction.APPROVE or new is None:
        raise GateError(
            f"round {context.round_id} was not approved; the champion stays where it is"
        )
    record = PromotionRecord(
        lineage=campaign_context.record.lineage,
        round_id=context.round_id,
        old_commit=old,
        new_commit=new,
        score_digest=decision.score_digest,
        at=utc_now(),
        actor=decision.actor,
        reason=decision.reason,
    )
    try:
        settle_champion(context.ledger, campaign_context.lineage)
        # What was promoted before a crash may have been rolled back since; it is not promoted twice.
        if not context.ledger.promotions(round_id=context.round_id):
            move_champion(context.ledger, campaign_context.lineage, record)
    except StaleChampionError as error:
        return again(context, str(error))
    return Promoted(outcome=StepOutcome.PROMOTED, old_commit=old, new_commit=new)


def report(context: RoundContext) -> Reported:
    """The round as the notebook keeps it, read by the next brief."""
    return Reported(report=round_report(context))
