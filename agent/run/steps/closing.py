"""Steps 10 to 12: decide, promote, report."""

from dataclasses import asdict

from rsi.agent.errors import StaleChampionError
from rsi.agent.policy.gate import GateError, case_at_gate, decision_on, policy_decision
from rsi.agent.run.contexts import RoundContext
from rsi.agent.run.steps.controlling import control_decision_on
from rsi.agent.run.steps.evidence import measure_more_pairs
from rsi.agent.run.steps.reporting import round_report
from rsi.agent.run.steps.result import StepResult
from rsi.agent.store.champion import move_champion, settle_champion
from rsi.agent.store.records import DecisionAction, DecisionRecord, PromotionRecord, Step, utc_now


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
        decision = policy_decision(case, context.campaign.config.autonomy)
    if decision is None:
        measure_more_pairs(context)
        return "waiting"
    context.ledger.add_decision(decision)
    return "decided"


def decide(context: RoundContext) -> StepResult:
    """Write down what the gate said about exactly this commit and score; nobody said: nobody approved."""
    commit = str(context.payload(Step.COMMIT)["commit"])
    digest = str(context.payload(Step.REVIEW)["score_digest"])
    spoken = decision_on(context.ledger.decisions(context.round_id), commit, digest)
    if spoken is None:
        return StepResult(outcome="stopped", payload={"reason": "stopped before anyone decided"})
    return StepResult(
        outcome=spoken.action.value,
        payload={
            "action": spoken.action.value,
            "actor": spoken.actor,
            "reason": spoken.reason,
            "commit": spoken.commit,
            "score_digest": spoken.score_digest,
            "is_override": spoken.is_override,
        },
    )


def promote(context: RoundContext) -> StepResult:
    """Move the champion, bound to the commit and the score that were approved."""
    campaign_context, decision = context.campaign, context.payload(Step.DECIDE)
    new, old = str(decision["commit"]), context.record.champion_commit
    if decision["action"] != DecisionAction.APPROVE.value:
        raise GateError(
            f"round {context.round_id} was not approved; the champion stays where it is"
        )
    record = PromotionRecord(
        lineage=campaign_context.record.lineage,
        round_id=context.round_id,
        old_commit=old,
        new_commit=new,
        score_digest=str(decision["score_digest"]),
        at=utc_now(),
        actor=str(decision["actor"]),
        reason=str(decision["reason"]),
    )
    try:
        settle_champion(context.ledger, campaign_context.lineage)
        # What was promoted before a crash may have been rolled back since; it is not promoted twice.
        if not context.ledger.promotions(round_id=context.round_id):
            move_champion(context.ledger, campaign_context.lineage, record)
    except StaleChampionError as error:
        return StepResult(outcome="stale", payload={"reason": str(error)})
    return StepResult(outcome="promoted", payload={"old_commit": old, "new_commit": new})


def report(context: RoundContext) -> StepResult:
    """The round as the notebook keeps it, read by the next brief."""
    return StepResult(outcome="ok", payload={"report": asdict(round_report(context))})
