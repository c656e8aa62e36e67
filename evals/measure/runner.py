"""How a task is run: the protocol that measuring asks for, and the real thing.

Does not: time or judge. Invariant: once an instance is made, nothing is being started that could disturb a run.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from typing import Protocol

from rsi.evals.measure.machine import Cores
from rsi.evals.types import Purpose
from rsi.sandboxes.pool import SandboxPool
from rsi.sandboxes.time_slices import TimeSlot
from rsi.sandboxes.types import Backend, FileTree, OnOutput
from rsi.tasks.running import runner as task_runner
from rsi.tasks.running.harness_sandbox import harness_spec
from rsi.tasks.types import CandidateRun, Grade, Instance, Profile, RepoTestRun, Task


class Runner(Protocol):
    """How a task is run; the real one is `TaskRunner`."""

    @property
    def gpus(self) -> tuple[str, ...]:
        """UUIDs of the GPUs that its runs get."""
        ...

    @property
    def takes_time_slices(self) -> bool:
        """Whether two runs may be asked for at once, to be run in turns."""
        ...

    def ready(
        self, task: Task, profile: Profile, training_seed: int, label: str, *, arms: int
    ) -> AbstractContextManager["Runner"]:
        """The same runner, with the sandboxes of so many runs and their grading on their way."""
        ...

    def make_instance(
        self, task: Task, profile: Profile, purpose: Purpose, seed: bytes, label: str
    ) -> Instance:
        """Make what a pair runs on; after it nothing is being started that could disturb a run."""
        ...

    def run_candidate(
        self,
        task: Task,
        profile: Profile,
        tree: FileTree,
        instance: Instance,
        training_seed: int,
        label: str,
        *,
        time_slot: TimeSlot | None = None,
        on_output: OnOutput | None = None,
    ) -> CandidateRun: ...

    def grade(
        self, task: Task, profile: Profile, instance: Instance, output: FileTree, label: str
    ) -> Grade: ...

    def test(self, task: Task, profile: Profile, tree: FileTree, label: str) -> RepoTestRun | None:
        """The repo's own tests on a tree; None where the task has none."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskRunner:
    """Runs tasks for real, in sandboxes of one backend."""

    backend: Backend
    cpus: Cores = None
    """Cores that both arms are pinned to; None leaves the choice to the kernel."""
    gpus: tuple[str, ...] = ()
    takes_time_slices: bool = True

    @contextmanager
    def ready(
        self, task: Task, profile: Profile, training_seed: int, label: str, *, arms: int
    ) -> Iterator["TaskRunner"]:
        run = task_runner.run_spec(
            task, profile, training_seed, label, cpus=self.cpus, gpus=self.gpus
        )
        harness = harness_spec(task, profile, label)
        specs = (harness, *[run] * arms, *[harness] * arms)  # instance, runs, grades
        if task.pattern.rules.is_linked:
            specs = (harness,)  # the others share a folder that is made with them
        with SandboxPool(self.backend, specs) as pool:
            yield replace(self, backend=pool)

    def make_instance(
        self, task: Task, profile: Profile, purpose: Purpose, seed: bytes, label: str
    ) -> Instance:
        instance = task_runner.make_instance(
            task, profile, purpose.value, seed, self.backend, label=label
        )
        if isinstance(self.backend, SandboxPool):
            self.backend.settle()
        return instance

    def run_candidate(
        self,
        task: Task,
        profile: Profile,
        tree: FileTree,
        instance: Instance,
        training_seed: int,
        label: str,
        *,
        time_slot: TimeSlot | None = None,
        on_output: OnOutput | None = None,
    ) -> CandidateRun:
        return task_runner.run_candidate(
            task,
            profile,
            tree,
            instance,
            training_seed,
            self.backend,
            label,
            cpus=self.cpus,
            gpus=self.gpus,
            time_slot=time_slot,
            on_output=on_output,
        )

    def grade(
        self, task: Task, profile: Profile, instance: Instance, output: FileTree, label: str
    ) -> Grade:
        return task_runner.grade(task, profile, instance, output, self.backend, label)

    def test(self, task: Task, profile: Profile, tree: FileTree, label: str) -> RepoTestRun | None:
        return task_runner.run_tests(task, profile, tree, self.backend, label, gpus=self.gpus)
