"""What the proposer and the critic are told, put together from the ledger's facts."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace

from rsi.agent.memory import brief as briefs
from rsi.agent.memory import notebook
from rsi.agent.policy.audits import audits_in
from rsi.agent.policy.rollbacks import rolled_back
from rsi.agent.roles.critic import Candidate, criticise
from rsi.agent.run.contexts import RoundContext
from rsi.agent.run.steps.models import budget_guard_of, model_of, sink_of
from rsi.agent.run.steps.result import StepResult
from rsi.agent.store.codec import decode, encode
from rsi.agent.store.records import AgentRole, PromotionRecord, Step
from rsi.agent.store.state import latest_steps, round_state
from rsi.agent.types import Brief, BudgetExceededError, RoundReport, Stance
from rsi.evals.types import Arm, Outcome, Purpose, QualityResult, Score

NO_CRITIC = "none"
OUTCOME_BY_STANCE = {Stance.GO: "ok", Stance.REVISE: "revise", Stance.WITHDRAW: "withdrawn"}


def compose_brief(context: RoundContext) -> Brief:
    """The brief of this attempt: where to start, how the champion does, what the past taught."""
    reports = past_reports(context)
    base = context.record.parent_commit or context.record.champion_commit
    return briefs.compose(
        task=context.campaign.task,
        profile=context.campaign.profile.name,
        round_id=context.round_id,
        round_number=context.record.number,
        base_commit=base,
        base_tree=context.campaign.lineage.tree(base),
        champion=_champion_facts(context, reports),
        reports=reports,
        inspirations=_inspirations(context, reports),
        last_version=_last_version(context),
        critique=_sent_back(context, Step.CRITIQUE, "text"),
        feedback=_sent_back(context, Step.DECIDE, "reason"),
    )


def search_notebook(context: RoundContext, words: str) -> str:
    """The notebook tool: past rounds of this lineage that are about these words."""
    return notebook.search(past_reports(context), words)


def critique_of(context: RoundContext) -> StepResult:
    """The critic's objection to this attempt, and failed ideas that resemble it.

    Without a critic the round goes on, and what was tried before is still pointed out.
    """
    campaign_context, proposed = context.campaign, context.payload(Step.PROPOSE)
    committed = context.payload(Step.COMMIT)
    reports = past_reports(context)
    hypothesis = str(proposed["hypothesis"])
    diff = campaign_context.lineage.diff(str(committed["parent"]), str(committed["commit"]))
    alike = [each.text for each in notebook.duplicates(reports, hypothesis=hypothesis, diff=diff)]
    # A control measures the evaluator; a critic could only keep it away from there.
    if campaign_context.config.critic == NO_CRITIC or context.record.is_control:
        return StepResult(
            outcome="ok",
            payload={"stance": "go", "text": "", "model": NO_CRITIC, "duplicates": alike},
        )
    predicted = proposed["predicted_ratio"]
    candidate = Candidate(
        task=campaign_context.task.name,
        instruction=campaign_context.task.instruction,
        hypothesis=hypothesis,
        predicted_ratio=predicted if isinstance(predicted, float) else None,
        risk=str(proposed["risk"]),
        diff=diff,
        score_profile=str(context.payload(Step.BRIEF)["score_profile"]),
        notebook=notebook.search(reports, hypothesis),
        duplicates=alike,
        attempt=context.attempt,
    )
    budget_guard = budget_guard_of(context)
    try:
        critique = criticise(
            candidate,
            model_of(context, AgentRole.CRITIC, campaign_context.config.critic),
            sink=sink_of(context),
            budget_guard=budget_guard,
            scaffold=campaign_context.scaffold,
        )
    except BudgetExceededError as error:
        return StepResult(
            outcome="out_of_budget", payload={"reason": str(error), "refused": budget_guard.refused}
        )
    return StepResult(
        outcome=OUTCOME_BY_STANCE[critique.stance],
        payload={
            "stance": critique.stance.value,
            "text": critique.text,
            "model": critique.model,
            "duplicates": alike,
            "findings": [asdict(each) for each in critique.findings],
            "cost": asdict(critique.cost),
        },
    )


def past_reports(context: RoundContext) -> tuple[RoundReport, ...]:
    """Reports of all ideas on this lineage that are finished, oldest first, negatives included.

    A promotion that was rolled back since is told as that: what a report praised must not be tried again.
    Controls are left out: they are no ideas, and who proposes must not learn what is planted.
    """
    lineage = context.campaign.record.lineage
    steps = context.ledger.steps_of(lineage=lineage, step=Step.REPORT)
    undone = rolled_back(context.campaign.lineage, context.ledger.promotions(lineage))
    reports = tuple(
        decode(RoundReport, encode(each.payload["report"]))
        for each in steps
        if "report" in each.payload and each.round_id != context.round_id
    )
    return tuple(
        _told(each, undone.get(each.commit or "")) for each in reports if each.round_number > 0
    )


def _told(report: RoundReport, undone: PromotionRecord | None) -> RoundReport:
    """The report, with the rollback of its promotion if there was one."""
    if undone is None:
        return report
    why = f"Rolled back by {undone.actor}: {undone.reason}"
    return replace(
        report,
        outcome=notebook.ROLLED_BACK,
        is_promoted=False,
        why=why,
        lesson=f"{why}. At first: {report.lesson}",
    )


def _inspirations(context: RoundContext, reports: Sequence[RoundReport]) -> tuple[RoundReport, ...]:
    """Rounds that the search strategy wants shown, in its order."""
    plan = context.opened().get("plan")
    wanted = plan.get("inspirations", ()) if isinstance(plan, Mapping) else ()
    by_id = {each.round_id: each for each in reports}
    return tuple(by_id[each] for each in wanted if each in by_id)


def _champion_facts(context: RoundContext, reports: Sequence[RoundReport]) -> briefs.ChampionFacts:
    """How the champion did on the screen of its promotion; the baseline was not measured by itself."""
    promoted = [each for each in reports if each.is_promoted]
    last = next((each for each in promoted if each.commit == context.record.champion_commit), None)
    if last is None:
        return briefs.ChampionFacts(
            promotions=len(promoted), metric_value=None, against_baseline=None, last_effect=None
        )
    steps = context.ledger.steps(last.round_id)
    attempt = round_state(steps).attempt
    runs = [
        each.metric_value
        for each in context.ledger.measurements(last.round_id, Purpose.SCREEN, attempt=attempt)
        if each.arm is Arm.CANDIDATE
        and each.outcome is Outcome.OK
        and each.metric_value is not None
    ]
    scored = latest_steps(steps).get(Step.SCORE)
    audited = {
        each.commit: each.effect if each.is_supported else None
        for each in audits_in(context.ledger.campaign_events(context.record.campaign_id))
    }
    return briefs.ChampionFacts(
        promotions=len(promoted),
        metric_value=sorted(runs)[len(runs) // 2] if runs else None,
        against_baseline=audited.get(context.record.champion_commit),
        last_effect=last.effect,
        quality=() if scored is None else _quality(scored.payload),
    )


def _quality(payload: Mapping[str, object]) -> tuple[QualityResult, ...]:
    stored = payload.get("score")
    return decode(Score, encode(stored)).quality if isinstance(stored, Mapping) else ()


def _last_version(context: RoundContext) -> str | None:
    """What the attempt before this one proposed: an agent begins anew and has seen nothing of it."""
    if context.attempt == 0:
        return None
    proposed = context.step(Step.PROPOSE, context.attempt - 1)
    committed = context.step(Step.COMMIT, context.attempt - 1)
    if proposed is None or committed is None:
        return None
    ends = (str(committed.payload[name]) for name in ("parent", "commit"))
    return briefs.last_version(
        str(proposed.payload["hypothesis"]), context.campaign.lineage.diff(*ends)
    )


def _sent_back(context: RoundContext, step: Step, key: str) -> str | None:
    """Why the attempt before this one was sent back, by the critic or at the gate."""
    before = context.step(step, context.attempt - 1) if context.attempt else None
    return str(before.payload[key]) if before and before.outcome == "revise" else None
