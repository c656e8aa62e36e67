"""The proposer's loop: one model, one sandbox, turns until it submits, gives up or runs out.

`propose` prepares and names the outcome; `turns` has the loop itself, `tools` what the model can do.
Invariants: money is reserved before each call (`agent.roles.calls`); whatever the model or the sandbox does ends
as a `Proposal`, only our own failures raise.
"""

import logging
import time
from collections.abc import Callable
from dataclasses import replace

from rsi.agent.llm.base import Model
from rsi.agent.llm.fence import RULE
from rsi.agent.llm.retry import RetryPolicy
from rsi.agent.llm.types import (
    Message,
    Role,
    Text,
)
from rsi.agent.roles.calls import Caller
from rsi.agent.roles.proposer.allowance import ProposerLimits
from rsi.agent.roles.proposer.conversation import Conversation
from rsi.agent.roles.proposer.fitting import Fitting
from rsi.agent.roles.proposer.prompt import first_message, tool_specs
from rsi.agent.roles.proposer.stalls import StallWatch
from rsi.agent.roles.proposer.start import Start
from rsi.agent.roles.proposer.turns import AGENT, End, Loop, patient_sleep
from rsi.agent.roles.proposer.workbench.bench import Bench, Submission
from rsi.agent.roles.proposer.workbench.checks import FreeChecks
from rsi.agent.roles.proposer.workbench.outputs import OutputStore
from rsi.agent.roles.proposer.workbench.workspace import Workspace
from rsi.agent.roles.scaffold.loading import Scaffold
from rsi.agent.types import (
    AgentRole,
    Brief,
    BudgetGuard,
    Measure,
    Proposal,
    ProposalOutcome,
    SearchNotebook,
    Sink,
    Steering,
)
from rsi.sandboxes.types import Sandbox
from rsi.tasks.types import Task

log = logging.getLogger(__name__)

MEASURE_SHARE = 1 / 3
"""Of an agent's time, what measuring may take."""


def propose(
    brief: Brief,
    model: Model,
    task: Task,
    sandbox: Sandbox,
    *,
    sink: Sink,
    budget_guard: BudgetGuard,
    steering: Steering,
    scaffold: Scaffold,
    measure: Measure,
    search_notebook: SearchNotebook,
    limits: ProposerLimits | None = None,
    retry: RetryPolicy | None = None,
    start: Start | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> Proposal:
    """Let a model work on the champion's files until it hands in one idea.

    Args:
        brief: What the model is told; its `base_tree` is put into the sandbox at /work/repo.
        model: Who proposes.
        task: Its rules are checked while the model works; nothing of its harness enters the sandbox.
        sandbox: The agent's own, thrown away afterwards by the caller.
        sink: Receives each step as it happens.
        budget_guard: Reserves and settles each call.
        steering: Pause, stop and messages from a person.
        scaffold: Prompts, tool set and settings.
        measure: Runs a tree on public data.
        search_notebook: Answers the notebook tool.
        limits: Limits; None takes the task's time. The scaffold's settings go over them.
        retry: When failed calls are repeated.
        start: The middle of an earlier run to go on from; its sandbox is this one, already rebuilt.
        clock: Seconds, monotonic.

    Returns:
        The proposal; its outcome says how it ended.

    Raises:
        ModelError: The provider failed for good or for too long.
        ScaffoldError: The scaffold names a tool that does not exist.
    """
    limits = (limits or default_limits(task)).with_settings(scaffold.proposer)
    bench, brief = _bench(sandbox, brief, task, limits, start, measure, search_notebook)
    caller = Caller(
        model=model,
        role=AgentRole.PROPOSER,
        budget_guard=budget_guard,
        sink=sink,
        policy=retry or RetryPolicy(),
        sleep=patient_sleep(steering, time.sleep),
    )
    system, tools = scaffold.render("proposer", data_rule=RULE), tool_specs(scaffold)
    conversation = _conversation(brief, scaffold, limits, start)
    loop = Loop(
        caller=caller,
        bench=bench,
        steering=steering,
        sink=sink,
        limits=limits,
        system=system,
        tools=tools,
        conversation=conversation,
        fitting=Fitting(
            model=model,
            conversation=conversation,
            limits=limits,
            system=system,
            tools=tools,
            sink=sink,
        ),
        stalls=StallWatch(limits.max_repeats),
        clock=clock,
    )
    loop.record_start(brief, scaffold, start)
    ending = loop.run()
    return _proposal(ending, loop, scaffold)


def default_limits(task: Task) -> ProposerLimits:
    """The limits of a proposal when nobody sets any: the task's own time, if it has one."""
    if task.agent_timeout_s is None:
        return ProposerLimits()
    plain = ProposerLimits()
    # A task that gives its agents more time has longer runs.
    measure_s = max(plain.measure_s, MEASURE_SHARE * task.agent_timeout_s)
    return replace(plain, wall_s=task.agent_timeout_s, measure_s=measure_s)


def limits_under(scaffold: Scaffold, task: Task) -> ProposerLimits:
    """The limits of a proposal that a scaffold drives, when nobody sets others."""
    return default_limits(task).with_settings(scaffold.proposer)


def _bench(
    sandbox: Sandbox,
    brief: Brief,
    task: Task,
    limits: ProposerLimits,
    start: Start | None,
    measure: Measure,
    search_notebook: SearchNotebook,
) -> tuple[Bench, Brief]:
    """The tools, and the brief as it is true of what they found."""
    if start is not None:
        return replace(start.bench, measure=measure, search_notebook=search_notebook), brief
    workspace = Workspace(sandbox, limits)
    has_git = workspace.fill(brief.base_tree, base_commit=brief.base_commit, start=brief.start_tree)
    if not has_git:
        # Without it nothing shows what stands there against the champion.
        brief = replace(brief, start_commit=None, start_tree=None)
    bench = Bench(
        workspace=workspace,
        outputs=OutputStore(limits.shown_chars),
        limits=limits,
        measure=measure,
        search_notebook=search_notebook,
        checks=FreeChecks(task=task, champion_tree=brief.champion_tree or brief.base_tree),
    )
    return bench, brief


def _conversation(
    brief: Brief, scaffold: Scaffold, limits: ProposerLimits, start: Start | None
) -> Conversation:
    told = start.brief if start else (first_message(brief, scaffold, limits),)
    first = Message(role=Role.USER, blocks=tuple(Text(text=text) for text in told))
    return Conversation(first, list(start.turns) if start else [])


def _proposal(ending: Submission | End, loop: Loop, scaffold: Scaffold) -> Proposal:
    cost = loop.caller.cost
    if isinstance(ending, End):
        outcome, reason, submission = ending.outcome, ending.reason, None
    elif ending.is_patch:
        outcome, reason, submission = ProposalOutcome.SUBMITTED, "", ending
    else:
        outcome, reason, submission = ProposalOutcome.GAVE_UP, ending.reason, None
    loop.sink(AGENT, "end", {"outcome": outcome.value, "reason": reason, "turns": loop.turns})
    log.info("step=propose outcome=%s turns=%d usd=%s", outcome.value, loop.turns, cost.usd)
    return Proposal(
        outcome=outcome,
        reason=reason,
        tree=submission.tree if submission else (),
        hypothesis=submission.hypothesis if submission else "",
        predicted_ratio=submission.predicted_ratio if submission else None,
        risk=submission.risk if submission else "",
        parts=submission.parts if submission else (),
        cost=cost,
        turns=loop.turns,
        scaffold_digest=scaffold.digest,
        model=loop.caller.model.spec,
    )
