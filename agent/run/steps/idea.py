"""Steps 1 to 5: open, brief, propose, commit, critique."""

from dataclasses import asdict, replace
from typing import cast

from rsi.agent.errors import LineageTreeError
from rsi.agent.llm.scripted.script import load_script
from rsi.agent.roles.proposer.loop import limits_under
from rsi.agent.roles.proposer.loop import propose as run_proposer
from rsi.agent.roles.proposer.start import Start
from rsi.agent.run.steps.briefing import compose_brief, critique_of, search_notebook
from rsi.agent.run.steps.controlling import planted_control, propose_control
from rsi.agent.run.steps.dev_run import dev_run
from rsi.agent.run.steps.device_time import device_time
from rsi.agent.run.steps.models import model_of, proposer_of, purse_of, script_number, sink_of
from rsi.agent.run.steps.result import StepResult
from rsi.agent.run.steps.searching import plan_round
from rsi.agent.run.workshop import RoundDesk
from rsi.agent.store.records import AgentRole, Step
from rsi.agent.store.tree_blobs import encode_tree
from rsi.agent.trajectory.forking import fork
from rsi.agent.trajectory.recording import last_recording
from rsi.agent.types import Brief, ProposalOutcome
from rsi.evals.measure.floor import measure_floor
from rsi.evals.measure.machine import usable_gpus
from rsi.sandboxes.machine.ceilings import lowered
from rsi.sandboxes.types import FileTree, Sandbox, SandboxSpec
from rsi.tasks.types import Profile, Task

AGENT_WALL_S = 1800.0
AGENT_MEMORY_BYTES = 4 << 30
MAX_MESSAGE_CHARS = 400


def open_round(desk: RoundDesk) -> StepResult:
    """Fix what the round starts from; its seeds derive from the campaign's master seed."""
    lineage = desk.shop.lineage
    return StepResult(
        outcome="ok",
        payload={
            "champion_commit": desk.record.champion_commit,
            "baseline_commit": lineage.baseline(),
            **desk.planned_rates(),
            "floor_s": floor_of(desk),
            "backend": desk.shop.backend.name,
            "assurance": desk.shop.backend.assurance.value,
            "planted": planted_entry(desk),
            "plan": None if desk.record.is_control else _plan(desk),
        },
    )


def _plan(desk: RoundDesk) -> dict[str, object]:
    return asdict(plan_round(desk.shop, desk.record.number, desk.record.champion_commit))


def floor_of(desk: RoundDesk) -> float | None:
    """Seconds of a run that does the least it must, measured once a campaign; None where no host clock decides."""
    for record in desk.ledger.rounds(desk.shop.campaign.id):
        opened = desk.ledger.step(record.id, Step.OPEN)
        if opened is not None and "floor_s" in opened.payload:
            return cast(float | None, opened.payload["floor_s"])
    shop = desk.shop
    baseline = shop.lineage.tree(shop.lineage.baseline())
    begun_s = desk.monotonic_s()
    charge = f"{desk.round_id}/floor"
    with device_time(shop, desk.round_id, charge, lambda: desk.monotonic_s() - begun_s):
        return measure_floor(shop.task, shop.profile, shop.backend, baseline, label=desk.round_id)


def planted_entry(desk: RoundDesk) -> dict[str, object] | None:
    """What a control or a script plants in this round to test the pipeline, named before anything is measured.

    Known only to the ledger: no later step reads it, so a planted cheat is judged like any candidate.
    """
    shop = desk.shop
    if desk.record.is_control:
        return planted_control(desk)
    if not shop.config.proposer.startswith("scripted:"):
        return None
    script = load_script(shop.config.proposer.partition(":")[2], shop.task)
    number = script_number(desk.ledger, desk.record)
    if number > len(script.rounds):
        return None
    label = script.rounds[number - 1].label
    for cheat in shop.task.cheats:
        if cheat.name == label:
            return {"kind": "cheat", "name": label, "expect": list(cheat.expect)}
    for solution in shop.task.solutions:
        if solution.name == label and solution.expect == "same":
            return {"kind": "null", "name": label}
    return None


def write_brief(desk: RoundDesk) -> StepResult:
    """What the proposer is told: instruction, the champion's profile, the notebook."""
    brief = compose_brief(desk)
    return StepResult(
        outcome="ok",
        payload={
            "base_commit": brief.base_commit,
            "score_profile": brief.score_profile,
            "notebook": brief.notebook,
            "inspirations": list(brief.inspirations),
            "last_version": brief.last_version,
            "critique": brief.critique,
            "feedback": brief.feedback,
            "instruction_chars": len(brief.instruction),
        },
    )


def propose(desk: RoundDesk) -> StepResult:
    """The agent edits in its own sandbox and hands in a tree with a hypothesis."""
    shop = desk.shop
    if desk.record.is_control:
        return propose_control(desk)
    brief = _stored_brief(desk)
    model = model_of(desk, AgentRole.PROPOSER, proposer_of(shop.config, desk.opened()))
    spec = agent_spec(shop.task, shop.profile, f"{desk.round_id}/agent")
    purse = purse_of(desk)
    with shop.backend.open(spec) as sandbox:
        proposal = run_proposer(
            brief,
            model,
            shop.task,
            sandbox,
            sink=sink_of(desk),
            purse=purse,
            steering=shop.steering.of_proposal(desk.candidate_ref),
            scaffold=shop.scaffold,
            start=_fork_start(desk, sandbox),
            measure=lambda tree: dev_run(desk, tree),
            search_notebook=lambda words: search_notebook(desk, words),
        )
    is_submitted = proposal.outcome is ProposalOutcome.SUBMITTED
    tree_sha256 = desk.ledger.put_blob(encode_tree(proposal.tree)) if is_submitted else None
    return StepResult(
        outcome="ok" if is_submitted else proposal.outcome.value,
        payload={
            "reason": proposal.reason,
            "hypothesis": proposal.hypothesis,
            "predicted_ratio": proposal.predicted_ratio,
            "risk": proposal.risk,
            "parts": list(proposal.parts),
            "tree_sha256": tree_sha256,
            "turns": proposal.turns,
            "model": proposal.model,
            "scaffold_digest": proposal.scaffold_digest,
            "cost": asdict(proposal.cost),
            "refused": purse.refused,
        },
    )


def commit(desk: RoundDesk) -> StepResult:
    """Keep the candidate for ever, whatever becomes of it."""
    shop, proposed = desk.shop, desk.payload(Step.PROPOSE)
    base = str(desk.payload(Step.BRIEF)["base_commit"])
    tree = desk.proposed_tree()
    if _as_dict(tree) == _as_dict(shop.lineage.tree(base)):
        return StepResult(outcome="empty", payload={"reason": "the candidate changes nothing"})
    hypothesis = str(proposed["hypothesis"])
    try:
        candidate = shop.lineage.commit_candidate(
            desk.round_id,
            base,
            tree,
            hypothesis[:MAX_MESSAGE_CHARS],
            {"Round": desk.round_id, "Model": str(proposed["model"])},
            at=desk.record.created_at,
            attempt=desk.attempt,
        )
    except LineageTreeError as error:
        # What a candidate is made of is the candidate's doing, so it ends the round and not the campaign.
        return StepResult(outcome="not_admitted", payload={"reason": str(error)})
    stats = shop.lineage.diff_stat(base, candidate)
    return StepResult(
        outcome="ok",
        payload={
            "commit": candidate,
            "parent": base,
            # In the ledger too, so that a cockpit on another machine can show it.
            "diff_sha256": desk.ledger.put_blob(
                shop.lineage.diff(base, candidate).encode("utf-8", "backslashreplace")
            ),
            "files": [asdict(each) for each in stats],
            "lines_added": sum(each.added_lines or 0 for each in stats),
            "lines_removed": sum(each.removed_lines or 0 for each in stats),
        },
    )


def critique(desk: RoundDesk) -> StepResult:
    """Another model objects before money is spent; it may send the candidate back once."""
    return critique_of(desk)


def agent_spec(task: Task, profile: Profile, label: str) -> SandboxSpec:
    """The agent's sandbox: the candidate's own room and GPUs, but time to think and no pinned cores.

    The GPUs are not leased: a timing that the agent disturbs is told by its health check and runs again.
    """
    wished = replace(
        profile.limits,
        wall_s=max(AGENT_WALL_S, profile.limits.wall_s),
        memory_bytes=max(AGENT_MEMORY_BYTES, profile.limits.memory_bytes),
        cpus=None,
    )
    return SandboxSpec(
        environment=task.environment, limits=lowered(wished), gpus=usable_gpus(task), label=label
    )


def _fork_start(desk: RoundDesk, sandbox: Sandbox) -> Start | None:
    """The middle of a recorded run, rebuilt in this sandbox, when the campaign is a fork."""
    config = desk.shop.config
    if config.fork_of is None or desk.record.number != 1 or desk.attempt > 0:
        return None
    recording = last_recording(desk.ledger.events(config.fork_of, AgentRole.PROPOSER))
    base_tree = desk.shop.lineage.tree(recording.base_commit)
    return fork(
        recording,
        sandbox,
        base_tree,
        step=config.fork_step,
        say=config.fork_say,
        # A fork keeps the scaffold of the campaign that it comes from, so these drove the recording too.
        limits=limits_under(desk.shop.scaffold, desk.shop.task),
    )


def _stored_brief(desk: RoundDesk) -> Brief:
    stored = desk.payload(Step.BRIEF)
    base = str(stored["base_commit"])
    return Brief(
        round_id=desk.round_id,
        round_number=desk.record.number,
        task=desk.shop.task.name,
        profile=desk.shop.profile.name,
        instruction=desk.shop.task.instruction,
        base_commit=base,
        base_tree=desk.shop.lineage.tree(base),
        score_profile=str(stored["score_profile"]),
        notebook=str(stored["notebook"]),
        inspirations=tuple(cast(list[str], stored["inspirations"])),
        last_version=cast(str | None, stored.get("last_version")),
        critique=cast(str | None, stored["critique"]),
        feedback=cast(str | None, stored["feedback"]),
    )


def _as_dict(tree: FileTree) -> dict[str, tuple[bytes, bool]]:
    return {each.path: (each.content, each.is_executable) for each in tree}
