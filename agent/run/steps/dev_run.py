"""The proposer's `measure` tool: one cheap run on public data, with seeds that no score ever uses."""

import uuid

from rsi.agent.run.steps.device_time import device_time
from rsi.agent.run.workshop import RoundDesk
from rsi.agent.types import DevRun
from rsi.evals.measure.machine import timing_gpus, timing_machine
from rsi.evals.measure.runner import TaskRunner
from rsi.evals.measure.session import training_seed
from rsi.evals.types import Purpose
from rsi.sandboxes.types import FileTree
from rsi.tasks.harness_kit.seeds import derive_instance_seed

TAIL_CHARS = 2000
STOPPED = "not measured: the campaign was stopped while another one used the machine"


def dev_run(desk: RoundDesk, tree: FileTree) -> DevRun:
    """Run a tree once on the development instance of its campaign and say how it did.

    Takes its turn on the machine, so that it disturbs no timing of a campaign beside this one.
    """
    shop = desk.shop
    names = {"task": shop.task.name, "lineage": shop.campaign.lineage, "round_id": "dev"}
    seed = derive_instance_seed(shop.secret, **names, pair=0, purpose=Purpose.DEV.value)
    label = f"{desk.round_id}/dev"
    chance = training_seed(shop.secret, **names, purpose=Purpose.DEV, pair=0)
    # In the order of `measure`, GPU first: two campaigns must not each hold what the other waits for.
    with (
        timing_gpus(shop.task, should_stop=shop.steering.is_stopping) as gpus,
        timing_machine(should_stop=shop.steering.is_stopping) as is_held,
    ):
        if gpus is None or not is_held:
            return DevRun(is_ok=False, summary=STOPPED, facts={"outcome": "stopped"})
        # A step that runs again after a crash runs for real, so its charges get new names.
        charge, begun_s = f"{label}/{uuid.uuid4().hex}", desk.monotonic_s()
        plain = TaskRunner(backend=shop.backend, gpus=gpus)
        with (
            device_time(shop, desk.round_id, charge, lambda: desk.monotonic_s() - begun_s),
            plain.ready(shop.task, shop.profile, chance, label, arms=1) as runner,
        ):
            instance = runner.make_instance(shop.task, shop.profile, Purpose.DEV, seed, label)
            run = runner.run_candidate(shop.task, shop.profile, tree, instance, chance, label)
            graded = tested = None
            if run.output is not None:
                graded = runner.grade(shop.task, shop.profile, instance, run.output, label)
                tested = runner.test(shop.task, shop.profile, tree, label)
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
