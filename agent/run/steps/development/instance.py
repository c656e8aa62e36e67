"""The instance that agents develop on, and the sandbox in which they do: what a measured run finds, they find."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace

from rsi.evals.measure.machine import usable_gpus
from rsi.evals.measure.session import training_seed
from rsi.evals.types import Purpose
from rsi.sandboxes.machine.ceilings import lowered
from rsi.sandboxes.types import Backend, FileEntry, Mount, Sandbox, SandboxSpec
from rsi.tasks.files.trees import below
from rsi.tasks.harness_kit.seeds import derive_instance_seed
from rsi.tasks.running.runner import make_instance
from rsi.tasks.running.served import (
    LINK,
    Server,
    developing,
    kit_variables,
    link_files,
    link_variables,
    shared_folder,
)
from rsi.tasks.running.variables import candidate_variables
from rsi.tasks.types import Instance, Profile, Task

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
    gpus = usable_gpus(task)
    return SandboxSpec(
        environment=task.environment,
        limits=lowered(wished),
        variables=candidate_variables(profile, chance, gpus)
        | (kit_variables() if task.pattern.rules.is_linked else {}),
        gpus=gpus,
        keeps_processes=True,
        label=label,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentRoom:
    """Where an agent works."""

    sandbox: Sandbox
    harness: Server | None
    """What answers its own runs; None where the pattern has none, or nothing was put in."""


@contextmanager
def agent_room(
    backend: Backend,
    task: Task,
    profile: Profile,
    label: str,
    *,
    seeds: tuple[bytes, int],
    has_instance: bool,
) -> Iterator[AgentRoom]:
    """The agent's sandbox, with the development instance where one is wanted, and the harness that serves it there.

    Args:
        backend: Where both run.
        task: The task.
        profile: Its size.
        label: Owner of the sandboxes.
        seeds: As `dev_seeds` gives them.
        has_instance: Whether who works there reads what a run is given.

    Raises:
        HarnessError: The harness failed.
        SandboxError: A sandbox could not be opened.
    """
    seed, chance = seeds
    spec = agent_spec(task, profile, label, chance=chance)
    if not has_instance:
        with backend.open(spec) as sandbox:
            yield AgentRoom(sandbox=sandbox, harness=None)
        return
    with ExitStack() as stack:
        instance = make_instance(task, profile, Purpose.DEV.value, seed, backend, label=label)
        harness = None
        if task.pattern.rules.develop_verb is not None:
            folder = stack.enter_context(shared_folder())
            harness = stack.enter_context(
                developing(task, profile, instance, backend, label, folder=folder)
            )
            spec = replace(
                spec,
                mounts=(Mount(source=folder, target=LINK),),
                variables={**spec.variables, **link_variables()},
            )
        sandbox = stack.enter_context(backend.open(spec))
        put_instance(sandbox, task, instance)
        yield AgentRoom(sandbox=sandbox, harness=harness)


def put_instance(sandbox: Sandbox, task: Task, instance: Instance) -> None:
    """Give an agent the public part of the development instance, where a measured run finds its own.

    With a task whose runs talk to their harness, its half of the talk too: what builds and imports there does so here.
    """
    if task.pattern.rules.is_linked:
        sandbox.put(link_files())
    sandbox.put(below("io/public", instance.public))
    sandbox.put((FileEntry(path="io/out/.keep", content=b""),))
