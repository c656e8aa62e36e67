"""The proposer's `measure` tool: one cheap run on public data, with seeds that no score ever uses."""

import uuid

from rsi.agent.run.contexts import RoundContext
from rsi.agent.run.steps.device_time import device_time
from rsi.agent.types import DevRun
from rsi.evals.measure.machine import timing_gpus, timing_machine
from rsi.evals.measure.runner import TaskRunner
from rsi.evals.measure.session import training_seed
from rsi.evals.types import Purpose
from rsi.sandboxes.types import FileTree
from rsi.tasks.harness_kit.seeds import derive_instance_seed

TAIL_CHARS = 2000
STOPPED = "not measured: the campaign was stopped while another one used the machine"


def dev_run(context: RoundContext, tree: FileTree) -> DevRun:
    """Run a tree once on the development instance of its campaign and say how it did.

    Takes its turn on the machine, so that it disturbs no timing of a campaign beside this one.
    """
    campaign_context = context.campaign
    names = {
        "task": campaign_context.task.name,
        "lineage": campaign_context.record.lineage,
        "round_id": "dev",
    }
    seed = derive_instance_seed(campaign_context.secret, **names, pair=0, purpose=Purpose.DEV.value)
    label = f"{context.round_id}/dev"
    chance = training_seed(campaign_context.secret, **names, purpose=Purpose.DEV, pair=0)
    # In the order of `measure`, GPU first: two campaigns must not each hold what the other waits for.
    with (
        timing_gpus(
            campaign_context.task, should_stop=campaign_context.steering.is_stopping
        ) as gpus,
        timing_machine(should_stop=campaign_context.steering.is_stopping) as is_held,
    ):
        if gpus is None or not is_held:
            return DevRun(is_ok=False, summary=STOPPED, facts={"outcome": "stopped"})
        # A step that runs again after a crash runs for real, so its charges get new names.
        charge, begun_s = f"{label}/{uuid.uuid4().hex}", context.monotonic_s()
        plain = TaskRunner(backend=campaign_context.backend, gpus=gpus)
        with (
            device_time(
                campaign_context, context.round_id, charge, lambda: context.monotonic_s() - begun_s
            ),
            plain.ready(
                campaign_context.task, campaign_context.profile, chance, label, arms=1
            ) as runner,
        ):
            instance = runner.make_instance(
                campaign_context.task, campaign_context.profile, Purpose.DEV, seed, label
            )
            run = runner.run_candidate(
                campaign_context.task, campaign_context.profile, tree, instance, chance, label
            )
            graded = tested = None
            if run.output is not None:
                graded = runner.grade(
                    campaign_context.task, campaign_context.profile, instance, run.output, label
                )
                tested = runner.test(campaign_context.task, campaign_context.profile, tree, label)
    execution = run.execution
    facts: dict[str, object] = {
        "outcome": execution.outcome.value,
        "exit_code": execution.exit_code,
        "cpu_s": round(execution.cpu_s, 3),
        "wall_s": round(execution.wall_s, 3),
        "max_rss_bytes": execution.max_rss_bytes,
    }
    spent = f"{execution.cpu_s:.2f} CPU-s, {execution.wall_s:.2f} s wall"
    if graded is None:
        tail = (execution.stderr or execution.stdout).decode("utf-8", "replace")[-TAIL_CHARS:]
        why = run.output_problem or execution.outcome.value
        return DevRun(is_ok=False, summary=f"{why} after {spent}\n{tail}", facts=facts)
    facts |= {"grade": graded.outcome.value, "quality": dict(graded.quality_values)}
    quality = ", ".join(
        f"{each.name} {each.value:.4f}"
        + (f" (limit {each.limit:g})" if each.limit is not None else "")
        for each in graded.quality
        if each.value is not None
    )
    summary = f"{graded.outcome.value}: {spent}; {quality or graded.reason}"
    if tested is not None:
        facts["tests_passed"] = tested.is_passed
        summary += (
            "; the repo's own tests pass"
            if tested.is_passed
            else f"\nthe repo's own tests fail: {tested.detail}"
        )
    return DevRun(
        is_ok=graded.outcome.value == "ok" and (tested is None or tested.is_passed),
        summary=summary,
        facts=facts,
    )
