"""What the proposer and the critic are told, put together from the ledger's facts."""

from collections.abc import Sequence
from dataclasses import replace
from statistics import median

from rsi.agent.llm.fence import fence, shortened
from rsi.agent.llm.providers import is_reader
from rsi.agent.memory import brief as briefs
from rsi.agent.memory import notebook
from rsi.agent.policy.audits import audits_in
from rsi.agent.policy.limits import spent_now
from rsi.agent.policy.rollbacks import rolled_back
from rsi.agent.roles.critic import Candidate, criticise
from rsi.agent.roles.proposer.workbench.checks import finding_line
from rsi.agent.run.contexts import RoundContext
from rsi.agent.run.steps.beside import others_at_work
from rsi.agent.run.steps.development.dev_run import Looks
from rsi.agent.run.steps.models import (
    budget_guard_of,
    budget_in_force,
    model_of,
    proposer_of,
    sink_of,
)
from rsi.agent.store.records import AgentRole, PromotionKind, PromotionRecord, Step, StepOutcome
from rsi.agent.store.state import latest_attempt
from rsi.agent.store.steps.facts import (
    AnyFact,
    Briefed,
    Committed,
    Critiqued,
    Halted,
    Proposed,
    Reported,
)
from rsi.agent.store.steps.values import RoundReport, Stance
from rsi.agent.trajectory.recorded import last_recording
from rsi.agent.types import Brief, BudgetExceededError, Look
from rsi.evals.types import Arm, Finding, Outcome, Purpose
from rsi.sandboxes.machine.devices import find_gpus
from rsi.sandboxes.machine.processors import find_processors
from rsi.tasks.choices import Device
from rsi.tasks.harness_kit.developing import MAX_CALLS
from rsi.tasks.types import Task

NO_CRITIC = "none"
MEASURE = "measure"
"""The tool whose answers say what the author measured."""
MEASURED_CHARS = 1500
"""Of one such answer: its numbers come first, what was printed after them."""
IN_THE_SHELL = (
    "In the author's shell the run's own command is answered too, by a harness of the same kind that serves the development "
    "instance: one run at a time (a new connection ends the one before), as often as wanted up to "
    f"{MAX_CALLS} calls. `python -m harness_link` there prints how the last run did."
)
"""Told where a harness answers the author's own runs."""
OUTCOME_BY_STANCE = {
    Stance.GO: StepOutcome.OK,
    Stance.REVISE: StepOutcome.REVISE,
    Stance.WITHDRAW: StepOutcome.WITHDRAWN,
}


def compose_brief(context: RoundContext, champion_run: str | None = None) -> Brief:
    """The brief of this attempt: what decides, where to start, how the champion does, what the past taught.

    Args:
        context: The round.
        champion_run: A run of the champion on the development instance, in words; None when there is none.
    """
    reports = past_reports(context)
    base = context.record.parent_commit or context.record.champion_commit
    return briefs.compose(
        task=context.campaign.task,
        profile=context.campaign.profile,
        round_id=context.round_id,
        round_number=context.record.number,
        base_commit=base,
        base_tree=context.campaign.lineage.tree(base),
        champion=replace(_champion_facts(context, reports), run=champion_run),
        allowance=_allowance(context),
        machine=machine_text(context.campaign.task),
        beside=others_at_work(context),
        reports=reports,
        inspirations=_inspirations(context, reports),
        last_version=_last_version(context),
        critique=_critique(context),
        feedback=_feedback(context),
    )


def search_notebook(context: RoundContext, words: str) -> str:
    """The notebook tool: past rounds of this lineage that are about these words."""
    found = notebook.search(past_reports(context), words)
    return "\n\n".join(filter(None, (found, others_at_work(context))))


def critique_of(context: RoundContext) -> AnyFact:
    """The critic's objection to this attempt, and failed ideas that resemble it.

    Without a critic the round goes on, and what was tried before is still pointed out.
    """
    campaign_context, proposed = context.campaign, context.left(Proposed)
    committed = context.left(Committed)
    reports = past_reports(context)
    diff = campaign_context.lineage.diff(committed.parent, committed.commit)
    found = notebook.duplicates(reports, hypothesis=proposed.hypothesis, diff=diff)
    alike = tuple(each.text for each in found)
    # A control measures the evaluator; a critic could only keep it away from there.
    if campaign_context.scaffold.is_repeat_withdrawn and not context.record.is_control:
        repeated = next((each.text for each in found if each.is_settled), None)
        if repeated is not None:
            return Critiqued(
                outcome=StepOutcome.WITHDRAWN,
                stance=Stance.WITHDRAW,
                text=f"The scaffold withdraws repeats: {repeated}",
                model=NO_CRITIC,
                duplicates=alike,
            )
    # What was put onto another champion went by the critic before.
    is_heard = context.record.is_control or context.is_rebased
    if campaign_context.config.critic == NO_CRITIC or is_heard:
        return Critiqued(stance=Stance.GO, text="", model=NO_CRITIC, duplicates=alike)
    brief = context.left(Briefed)
    candidate = Candidate(
        task=campaign_context.task.name,
        instruction=campaign_context.task.instruction,
        decides=brief.decides,
        machine=brief.machine,
        allowance=brief.allowance,
        hypothesis=proposed.hypothesis,
        predicted_ratio=proposed.predicted_ratio,
        risk=proposed.risk,
        diff=diff,
        measured=_measured_by_author(context),
        score_profile=brief.score_profile,
        notebook=search_notebook(context, proposed.hypothesis),
        duplicates=alike,
        objected=brief.critique,
        feedback=brief.feedback,
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
        return Halted(
            step=Step.CRITIQUE,
            outcome=StepOutcome.OUT_OF_BUDGET,
            reason=str(error),
            refused=budget_guard.refused,
        )
    return Critiqued(
        outcome=OUTCOME_BY_STANCE[critique.stance],
        stance=critique.stance,
        text=critique.text,
        model=critique.model,
        duplicates=alike,
        findings=critique.findings,
        cost=critique.cost,
    )


def machine_text(task: Task) -> str:
    """What the runs of a task happen on, in words."""
    usable = () if task.device is Device.CPU else find_gpus()
    gpus = "; ".join(f"{each.name}, {each.memory_bytes / (1 << 30):.0f} GiB" for each in usable)
    held = f"GPU, one for a run: {gpus}." if gpus else "Runs get no GPU."
    reached = "" if task.pattern.rules.develop_verb is None else f"\n{IN_THE_SHELL}"
    return f"{find_processors().text}.\n{held}{reached}"


def champion_run(context: RoundContext) -> str | None:
    """A run of the champion on the development instance, in words; None when nobody would read it.

    With where its time goes, for Python programs. Made once for each champion of a campaign, at the price of two runs; for
    a control too, which must look like an idea.
    """
    proposer = proposer_of(context.campaign.config, context.opened())
    if not is_reader(proposer):
        return None
    champion = context.record.champion_commit
    for record in context.ledger.rounds(context.campaign.record.id):
        told, opened = (
            context.ledger.step(record.id, Step.BRIEF),
            context.ledger.step(record.id, Step.OPEN),
        )
        if told and opened and told.champion_run and opened.champion_commit == champion:
            return told.champion_run
    run = Looks(context, champion_tree=None).look(
        context.champion_tree, Look(repeats=1, is_profiled=True)
    )
    return None if run.facts.get("outcome") == StepOutcome.STOPPED else run.summary


def _measured_by_author(context: RoundContext) -> tuple[str, ...]:
    """What `measure` answered while this attempt was written, oldest first."""
    recording = last_recording(context.ledger.events(context.round_id, AgentRole.PROPOSER))
    return tuple(
        shortened(answer.text, MEASURED_CHARS)
        for turn in recording.turns
        for answer in turn.answers
        if answer.tool == MEASURE
    )


def _allowance(context: RoundContext) -> briefs.Allowance:
    """What the campaign has left now."""
    config, limits = context.campaign.config, budget_in_force(context.campaign).limits()
    used = spent_now(context.ledger, context.campaign.record.id)
    return briefs.Allowance(
        round_number=context.record.number,
        rounds=config.rounds,
        limits=limits,
        used={name: used.amount(name) for name in limits},
        round_usd=config.round_budget_usd,
    )


def past_reports(context: RoundContext) -> tuple[RoundReport, ...]:
    """Reports of all ideas on this lineage that are finished, oldest first, negatives included.

    A promotion that was rolled back since is told as that: what a report praised must not be tried again.
    Controls are left out: they are no ideas, and who proposes must not learn what is planted.
    """
    lineage = context.campaign.record.lineage
    steps = context.ledger.steps_of(lineage=lineage, step=Step.REPORT)
    undone = rolled_back(context.campaign.lineage, context.ledger.promotions(lineage))
    reports = (
        each.fact.report
        for each in steps
        if isinstance(each.fact, Reported) and each.round_id != context.round_id
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
    plan = context.opened().plan
    wanted = () if plan is None else plan.inspirations
    by_id = {each.round_id: each for each in reports}
    return tuple(by_id[each] for each in wanted if each in by_id)


def _champion_facts(context: RoundContext, reports: Sequence[RoundReport]) -> briefs.ChampionFacts:
    """How the champion did on the screen of its promotion; the baseline was not measured by itself."""
    champion = context.record.champion_commit
    facts = briefs.ChampionFacts(
        commit=champion,
        start=context.record.parent_commit,
        promotions=_promotions_below(context, champion),
        floor_s=context.opened().floor_s,
    )
    last = next((each for each in reports if each.is_promoted and each.commit == champion), None)
    if last is None:
        return facts
    attempt = latest_attempt(context.ledger.steps(last.round_id))
    runs = [
        each.metric_value
        for each in context.ledger.measurements(
            last.round_id, Purpose.SCREEN, attempt=attempt.number
        )
        if each.arm is Arm.CANDIDATE
        and each.outcome is Outcome.OK
        and each.metric_value is not None
    ]
    audited = {
        each.commit: each.effect if each.is_supported else None
        for each in audits_in(context.ledger.campaign_events(context.record.campaign_id))
    }
    return replace(
        facts,
        metric_value=median(runs) if runs else None,
        against_baseline=audited.get(champion),
        last_effect=last.effect,
        quality=() if attempt.searched is None else attempt.searched.quality,
    )


def _promotions_below(context: RoundContext, commit: str) -> int:
    """How many promotions a commit is the result of."""
    below = {each.commit for each in context.campaign.lineage.history(commit)}
    moves = context.ledger.promotions(context.campaign.record.lineage)
    promoted = {each.new_commit for each in moves if each.kind is PromotionKind.PROMOTE}
    return len(promoted & below)


def _last_version(context: RoundContext) -> str | None:
    """What the attempt before this one proposed: an agent begins anew and has seen nothing of it."""
    if context.attempt == 0:
        return None
    proposed = context.ledger.step(context.round_id, Step.PROPOSE, context.attempt - 1)
    committed = context.ledger.step(context.round_id, Step.COMMIT, context.attempt - 1)
    if proposed is None or committed is None:
        return None
    diff = context.campaign.lineage.diff(committed.parent, committed.commit)
    return briefs.last_version(proposed.hypothesis, diff)


def _critique(context: RoundContext) -> str | None:
    """Why the critic sent the attempt before this one back; None when it did not."""
    before = context.ledger.step(context.round_id, Step.CRITIQUE, context.attempt - 1)
    if before is None or before.outcome is not StepOutcome.REVISE:
        return None
    return _with_findings(before.text, before.findings)


def _feedback(context: RoundContext) -> str | None:
    """Why the attempt before this one was sent back at the gate; None when it was not."""
    before = context.ledger.step(context.round_id, Step.DECIDE, context.attempt - 1)
    if before is None or before.outcome is not StepOutcome.REVISE:
        return None
    reviewed = context.ledger.step(context.round_id, Step.REVIEW, context.attempt - 1)
    return _with_findings(before.reason, () if reviewed is None else reviewed.findings)


def _with_findings(said: str, findings: Sequence[Finding]) -> str:
    """Words, and the places that they are about."""
    if not findings:
        return said
    lines = "\n".join(finding_line(each) for each in findings)
    return f"{said}\n{fence(lines, source='findings')}"
