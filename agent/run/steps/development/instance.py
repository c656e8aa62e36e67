"""The instance that agents develop on, and the sandbox in which they do: what a measured run finds, they find."""

from dataclasses import replace

from rsi.evals.measure.machine import usable_gpus
from rsi.evals.measure.session import training_seed
from rsi.evals.types import Purpose
from rsi.sandboxes.machine.ceilings import lowered
from rsi.sandboxes.types import Backend, FileEntry, Sandbox, SandboxSpec
from rsi.tasks.files.trees import below
from rsi.tasks.harness_kit.seeds import derive_instance_seed
from rsi.tasks.running.runner import make_instance
from rsi.tasks.running.served import kit_variables, link_files
from rsi.tasks.running.variables import candidate_variables
from rsi.tasks.types import Profile, Task

AGENT_WALL_S = 1800.0
AGENT_MEMORY_BYTES = 4 << 30


def dev_seeds(secret: bytes, task: Task, lineage: str) -> tuple[bytes, int]:
    """Seed of a campaign's development instance, and the RSI_SEED of its runs; no score ever uses either."""
    names = {"task": task.name, "lineage": lineage, "round_id": "dev"}
    return (
        derive_instance_seed(secret, **names, pair=0, purpose=Purpose.DEV.value),
        training_seed(secret, **names, purpose=Purpose.DEV, pair=0),
    )


def agent_spec(task: Task, profile: Profile, label: str, *, chance: int) -> SandboxSpec:
    """The agent's sandbox: the candidate's own room, variables and GPUs, but time to think and no pinned cores.

    The GPUs are not leased: a timing that the agent disturbs is told by its health check and runs again.
    """
    wished = replace(
        profile.limits,
        wall_s=max(AGENT_WALL_S, profile.limits.wall_s),
        memory_bytes=max(AGENT_MEMORY_BYTES, profile.limits.memory_bytes),
        cpus=None,
    )
    return SandboxSpec(
        environment=task.environment,
        limits=lowered(wished),
        variables=candidate_variables(profile, chance)
        | (kit_variables() if task.pattern.rules.is_linked else {}),
        gpus=usable_gpus(task),
        keeps_processes=True,
        label=label,
    )


def put_instance(
    sandbox: Sandbox, backend: Backend, task: Task, profile: Profile, seed: bytes, label: str
) -> None:
    """Give an agent the public part of the development instance, where a measured run finds its own.

    With a task whose runs talk to their harness, its half of the talk too: what builds and imports there does so here. A
    harness answers in measured runs alone, those of the `measure` tool among them.

    Raises:
        HarnessError: The harness failed.
    """
    if task.pattern.rules.is_linked:
        sandbox.put(link_files())
    instance = make_instance(task, profile, Purpose.DEV.value, seed, backend, label=label)
    sandbox.put(below("io/public", instance.public))
    sandbox.put((FileEntry(path="io/out/.keep", content=b""),))
