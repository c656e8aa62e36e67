"""Steps 1 to 5: open, brief, propose, commit, critique."""

import logging

from rsi.agent.errors import LineageTreeError
from rsi.agent.llm.providers import is_reader
from rsi.agent.llm.scripted.script import load_script
from rsi.agent.policy.vouched import has_passed_floor
from rsi.agent.roles.proposer.loop import limits_under
from rsi.agent.roles.proposer.loop import propose as run_proposer
from rsi.agent.roles.proposer.start import Start
from rsi.agent.roles.proposer.workbench.checks import FreeChecks
from rsi.agent.run.contexts import RoundContext
from rsi.agent.run.steps.briefing import (
    champion_run,
    compose_brief,
    critique_of,
    search_notebook,
)
from rsi.agent.run.steps.controlling import planted_control, propose_control
from rsi.agent.run.steps.development.dev_run import Looks
from rsi.agent.run.steps.development.instance import agent_room, dev_seeds
from rsi.agent.run.steps.device_time import device_time
from rsi.agent.run.steps.models import (
    budget_guard_of,
    model_of,
    proposer_of,
    script_number,
    sink_of,
)
from rsi.agent.run.steps.rebasing import as_dict, placed, rebased_brief, rebased_proposal
from rsi.agent.run.steps.searching import plan_round
from rsi.agent.store.records import AgentRole, Step, StepOutcome
from rsi.agent.store.steps.facts import AnyFact, Briefed, Committed, Halted, Opened, Proposed
from rsi.agent.store.steps.values import Planted
from rsi.agent.store.tree_blobs import encode_tree
from rsi.agent.trajectory.forking import fork
from rsi.agent.trajectory.recorded import last_recording
from rsi.agent.types import Brief, ProposalOutcome
from rsi.evals.measure.floor import measure_floor
from rsi.evals.planted.controls import ControlKind
from rsi.sandboxes.types import Sandbox

log = logging.getLogger(__name__)

MAX_MESSAGE_CHARS = 400


def open_round(context: RoundContext) -> Opened:
    """Fix what the round starts from; its seeds derive from the campaign's master seed."""
    first, *later = context.planned_rates()
    floor_s = floor_of(context)
    return Opened(
        champion_commit=context.record.champion_commit,
        baseline_commit=context.campaign.lineage.baseline(),
        alpha=first,
        revised_alphas=tuple(later),
        floor_s=floor_s,
        is_floor_passed=has_passed_floor(
            context.ledger, context.campaign.record.lineage, context.record.champion_commit, floor_s
        ),
        backend=context.campaign.backend.name,
        assurance=context.campaign.backend.assurance.value,
        planted=planted_entry(context),
        plan=None
        if context.record.is_control
        else plan_round(context.campaign, context.record.number, context.record.champion_commit),
    )


def floor_of(context: RoundContext) -> float | None:
    """Seconds of a run that does the least it must, measured once a campaign; None where no host clock decides."""
    for record in context.ledger.rounds(context.campaign.record.id):
        opened = context.ledger.step(record.id, Step.OPEN)
        if opened is not None:
            return opened.floor_s
    campaign_context = context.campaign
    baseline = campaign_context.lineage.tree(campaign_context.lineage.baseline())
    begun_s = context.monotonic_s()
    charge = f"{context.round_id}/floor"
    with device_time(
        campaign_context, context.round_id, charge, lambda: context.monotonic_s() - begun_s
    ):
        return measure_floor(
            campaign_context.task,
            campaign_context.profile,
            campaign_context.backend,
            baseline,
            label=context.round_id,
        )


def planted_entry(context: RoundContext) -> Planted | None:
    """What a control or a script plants in this round to test the pipeline, named before anything is measured.

    Known only to the ledger: no later step reads it, so a planted cheat is judged like any candidate.
    """
    campaign_context = context.campaign
    if context.record.is_control:
        return planted_control(context)
    if not campaign_context.config.proposer.startswith("scripted:"):
        return None
    script = load_script(campaign_context.config.proposer.partition(":")[2], campaign_context.task)
    number = script_number(context.ledger, context.record)
    if number > len(script.rounds):
        return None
    label = script.rounds[number - 1].label
    for cheat in campaign_context.task.cheats:
        if cheat.name == label:
            return Planted(kind=ControlKind.CHEAT, name=label, expect=cheat.expect)
    for solution in campaign_context.task.solutions:
        if solution.name == label and solution.expect == "same":
            return Planted(kind=ControlKind.NULL, name=label)
    return None


def write_brief(context: RoundContext) -> Briefed:
    """What the proposer is told: instruction, the champion's profile, the notebook."""
    if context.is_rebased:
        return rebased_brief(context)
    run = champion_run(context)
    brief = compose_brief(context, run)
    return Briefed(
        base_commit=brief.base_commit,
        score_profile=brief.score_profile,
        decides=brief.decides,
        machine=brief.machine,
        allowance=brief.allowance,
        beside=brief.beside,
        champion_run=run,
        notebook=brief.notebook,
        inspirations=brief.inspirations,
        last_version=brief.last_version,
        critique=brief.critique,
        feedback=brief.feedback,
        instruction_chars=len(brief.instruction),
    )


def propose(context: RoundContext) -> AnyFact:
    """The agent edits in its own sandbox and hands in a tree with a hypothesis."""
    campaign_context = context.campaign
    if context.record.is_control:
        return propose_control(context)
    if context.is_rebased:
        return rebased_proposal(context)
    brief = _stored_brief(context)
    model = model_of(
        context, AgentRole.PROPOSER, proposer_of(campaign_context.config, context.opened())
    )
    task, profile = campaign_context.task, campaign_context.profile
    budget_guard = budget_guard_of(context)
    looks = Looks(context, champion_tree=context.champion_tree)
    with agent_room(
        campaign_context.backend,
        task,
        profile,
        f"{context.round_id}/agent",
        seeds=dev_seeds(campaign_context.secret, task, campaign_context.record.lineage),
        has_instance=is_reader(model.spec) or campaign_context.config.fork_of is not None,
    ) as room:
        proposal = run_proposer(
            brief,
            model,
            campaign_context.task,
            room.sandbox,
            sink=sink_of(context),
            budget_guard=budget_guard,
            steering=campaign_context.steering.of_proposal(context.candidate_ref),
            scaffold=campaign_context.scaffold,
            start=_fork_start(context, room.sandbox),
            measure=looks.look,
            search_notebook=lambda words: search_notebook(context, words),
        )
        use = None if room.harness is None else room.harness.use()
    if use is not None and use.problem:
        log.warning("round=%s step=propose %s", context.round_id, use.problem)
    is_submitted = proposal.outcome is ProposalOutcome.SUBMITTED
    tree_sha256 = context.ledger.put_blob(encode_tree(proposal.tree)) if is_submitted else None
    return Proposed(
        outcome=StepOutcome.OK if is_submitted else StepOutcome(proposal.outcome.value),
        reason=proposal.reason,
        hypothesis=proposal.hypothesis,
        predicted_ratio=proposal.predicted_ratio,
        risk=proposal.risk,
        parts=proposal.parts,
        tree_sha256=tree_sha256,
        turns=proposal.turns,
        model=proposal.model,
        scaffold_digest=proposal.scaffold_digest,
        cost=proposal.cost,
        refused=budget_guard.refused,
        development_calls=None if use is None else use.calls,
        development_problem="" if use is None else use.problem,
    )


def commit(context: RoundContext) -> AnyFact:
    """Keep the candidate for ever, whatever becomes of it."""
    campaign_context, proposed = context.campaign, context.left(Proposed)
    was_at = context.left(Briefed).base_commit
    if as_dict(context.proposed_tree()) == as_dict(campaign_context.lineage.tree(was_at)):
        return Halted(
            step=Step.COMMIT, outcome=StepOutcome.EMPTY, reason="the candidate changes nothing"
        )
    found = placed(context)
    if found.problem:
        return Halted(step=Step.COMMIT, outcome=StepOutcome.STALE, reason=found.problem)
    base = found.base
    trailers = {"Round": context.round_id, "Model": proposed.model}
    if found.rebased_from is not None:
        trailers["Rebased-from"] = found.rebased_from
    try:
        candidate = campaign_context.lineage.commit_candidate(
            context.round_id,
            base,
            found.tree,
            proposed.hypothesis[:MAX_MESSAGE_CHARS],
            trailers,
            at=context.record.created_at,
            attempt=context.attempt,
        )
    except LineageTreeError as error:
        # What a candidate is made of is the candidate's doing, so it ends the round and not the campaign.
        return Halted(step=Step.COMMIT, outcome=StepOutcome.NOT_ADMITTED, reason=str(error))
    stats = campaign_context.lineage.diff_stat(base, candidate)
    return Committed(
        commit=candidate,
        parent=base,
        diff_sha256=context.ledger.put_blob(
            campaign_context.lineage.diff(base, candidate).encode("utf-8", "backslashreplace")
        ),
        files=stats,
        lines_added=sum(each.added_lines or 0 for each in stats),
        lines_removed=sum(each.removed_lines or 0 for each in stats),
        rebased_from=found.rebased_from,
    )


def critique(context: RoundContext) -> AnyFact:
    """Another model objects before money is spent; it may send the candidate back once."""
    return critique_of(context)


def _fork_start(context: RoundContext, sandbox: Sandbox) -> Start | None:
    """The middle of a recorded run, rebuilt in this sandbox, when the campaign is a fork."""
    config = context.campaign.config
    if config.fork_of is None or context.record.number != 1 or context.attempt > 0:
        return None
    recording = last_recording(context.ledger.events(config.fork_of, AgentRole.PROPOSER))
    base_tree = context.campaign.lineage.tree(recording.base_commit)
    return fork(
        recording,
        sandbox,
        base_tree,
        step=config.fork_step,
        say=config.fork_say,
        # A fork keeps the scaffold of the campaign that it comes from, so these drove the recording too.
        limits=limits_under(context.campaign.scaffold, context.campaign.task),
        checks=FreeChecks(task=context.campaign.task, champion_tree=context.champion_tree),
        start_tree=None
        if recording.start_commit is None
        else context.campaign.lineage.tree(recording.start_commit),
    )


def _stored_brief(context: RoundContext) -> Brief:
    stored = context.left(Briefed)
    sent_back = _sent_back(context, stored.base_commit)
    return Brief(
        round_id=context.round_id,
        round_number=context.record.number,
        task=context.campaign.task.name,
        profile=context.campaign.profile.name,
        instruction=context.campaign.task.instruction,
        base_commit=stored.base_commit,
        base_tree=context.campaign.lineage.tree(stored.base_commit),
        champion_tree=context.champion_tree,
        start_commit=sent_back,
        start_tree=None if sent_back is None else context.campaign.lineage.tree(sent_back),
        score_profile=stored.score_profile,
        decides=stored.decides,
        machine=stored.machine,
        allowance=stored.allowance,
        beside=stored.beside,
        notebook=stored.notebook,
        inspirations=stored.inspirations,
        last_version=stored.last_version,
        critique=stored.critique,
        feedback=stored.feedback,
    )


def _sent_back(context: RoundContext, base_commit: str) -> str | None:
    """The commit of the attempt before this one, made from the same base; None when there is none."""
    if context.attempt == 0:
        return None
    before = context.ledger.step(context.round_id, Step.COMMIT, context.attempt - 1)
    if not isinstance(before, Committed) or before.parent != base_commit:
        return None
    return before.commit
