"""The arms of one pair: run them, grade them, write down what happened.

Does not: choose seeds or order. Invariant: whatever the candidate did becomes an `Outcome`; only the failure of
host or harness is an exception.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from functools import partial
from typing import Protocol, TypeVar, assert_never

from rsi.evals.disturbance import MachineReading, disturbance_between, read_machine
from rsi.evals.errors import MeasurementError
from rsi.evals.types import Arm, Disturbance, Measurement, Outcome, Purpose
from rsi.sandboxes.errors import SandboxError, TurnsAbandonedError
from rsi.sandboxes.turns import Seat, Turns
from rsi.sandboxes.types import Backend, ExecOutcome, FileTree, OnOutput
from rsi.tasks import runner as task_runner
from rsi.tasks.errors import TaskError
from rsi.tasks.types import (
    Budget,
    CandidateRun,
    Clock,
    Grade,
    GradeOutcome,
    Instance,
    Profile,
    Task,
)

T = TypeVar("T")

STOP_POLL_S = 0.25
DETAIL_CHARACTERS = 400
"""How much of the end of a failed run's stderr is kept with the measurement."""


class Runner(Protocol):
    """How a task is run; the real one is `TaskRunner`."""

    @property
    def gpus(self) -> tuple[str, ...]:
        """UUIDs of the GPUs that its runs get."""
        ...

    @property
    def takes_turns(self) -> bool:
        """Whether two runs may be asked for at once, to be run in turns."""
        ...

    def make_instance(
        self, task: Task, profile: Profile, purpose: Purpose, seed: bytes, label: str
    ) -> Instance: ...

    def run_candidate(
        self,
        task: Task,
        profile: Profile,
        tree: FileTree,
        instance: Instance,
        training_seed: int,
        label: str,
        *,
        seat: Seat | None = None,
        on_output: OnOutput | None = None,
    ) -> CandidateRun: ...

    def grade(
        self, task: Task, profile: Profile, instance: Instance, output: FileTree, label: str
    ) -> Grade: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskRunner:
    """Runs tasks for real, in sandboxes of one backend."""

    backend: Backend
    cpus: tuple[int, ...] | None = None
    """Cores that both arms are pinned to; None leaves the choice to the kernel."""
    gpus: tuple[str, ...] = ()
    takes_turns: bool = True

    def make_instance(
        self, task: Task, profile: Profile, purpose: Purpose, seed: bytes, label: str
    ) -> Instance:
        return task_runner.make_instance(
            task, profile, purpose.value, seed, self.backend, label=label
        )

    def run_candidate(
        self,
        task: Task,
        profile: Profile,
        tree: FileTree,
        instance: Instance,
        training_seed: int,
        label: str,
        *,
        seat: Seat | None = None,
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
            seat=seat,
            on_output=on_output,
        )

    def grade(
        self, task: Task, profile: Profile, instance: Instance, output: FileTree, label: str
    ) -> Grade:
        return task_runner.grade(task, profile, instance, output, self.backend, label)


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """Where a run belongs: its purpose, its pair and its place in the pair."""

    arm: Arm
    purpose: Purpose
    pair: int
    position: int
    training_seed: int
    label: str


class Listener(Protocol):
    """Told what runs print, on the threads that run them; it never takes part in a score."""

    def heard(self, slot: Slot, stream: str, chunk: bytes) -> None:
        """A run printed this on "stdout" or "stderr"."""
        ...

    def ended(self, slot: Slot) -> None:
        """A run is over, however it ended."""
        ...


def run_arm(
    runner: Runner,
    task: Task,
    profile: Profile,
    tree: FileTree,
    instance: Instance,
    slot: Slot,
    *,
    listener: Listener | None = None,
) -> Measurement:
    """Run one arm once, alone, and grade it.

    Args:
        runner: How a task is run.
        task: What is run.
        profile: Its size and limits.
        tree: Source of the arm.
        instance: What it runs on.
        slot: Where the run belongs.
        listener: Told what the run prints while it does, for people to read.

    Raises:
        MeasurementError: The sandbox or the harness failed; nothing is known about the candidate.
    """
    try:
        before = read_machine(gpus=runner.gpus)
        run = _run(runner, task, profile, tree, instance, slot, None, listener)
        disturbance = disturbance_between(
            before, read_machine(gpus=runner.gpus), run.execution.cpu_s
        )
        graded = _grade(runner, task, profile, instance, slot, run)
        return _measurement(task, profile, instance, slot, run, graded, disturbance)
    except (SandboxError, TaskError) as error:
        raise _failure(task, slot, error) from error


def run_in_turns(
    runner: Runner,
    task: Task,
    profile: Profile,
    arms: Sequence[tuple[Slot, FileTree]],
    instance: Instance,
    *,
    needs_s: Sequence[float | None],
    listener: Listener | None = None,
    should_stop: Callable[[], bool] = lambda: False,
) -> list[Measurement]:
    """Run the arms of a pair in alternating slices on the same cores, and grade them when both have ended.

    Args:
        runner: How a task is run; it has to take turns.
        task: What is run.
        profile: Its size and limits.
        arms: Where each run belongs and its source, in the order of their first slices.
        instance: What they run on.
        needs_s: CPU seconds that each arm is thought to need; None while nothing is known.
        listener: As for `run_arm`.
        should_stop: Asked several times a second; True ends both runs.

    Returns:
        The measurements in the order of `arms`; empty when stopped. A candidate that failed is alone: its champion
        was ended with it.

    Raises:
        MeasurementError: As for `run_arm`.
    """
    decisive = next(at for at, (slot, _) in enumerate(arms) if slot.arm is Arm.CANDIDATE)
    before = read_machine(gpus=runner.gpus)
    with Turns(needs_s, decisive=decisive) as turns, ThreadPoolExecutor(len(arms)) as pool:

        def go(
            slot: Slot, tree: FileTree, seat: Seat
        ) -> tuple[CandidateRun, Grade | None, MachineReading] | None:
            try:
                run = _run(runner, task, profile, tree, instance, slot, seat, listener)
                after = read_machine(gpus=runner.gpus)
                # Both runs are over: grading them at once disturbs nobody.
                return run, _grade(runner, task, profile, instance, slot, run), after
            except TurnsAbandonedError:
                return None
            except BaseException:
                turns.abandon()
                raise
            finally:
                seat.leave()

        futures = [
            pool.submit(go, slot, tree, seat)
            for (slot, tree), seat in zip(arms, turns.seats, strict=True)
        ]
        try:
            is_stopped = _watch(futures, turns, should_stop)
        except BaseException:
            turns.abandon()  # or leaving the pool would wait for both whole runs
            raise
    runs = []
    for (slot, _), future in zip(arms, futures, strict=True):
        try:
            runs.append((slot, future.result()))
        except (SandboxError, TaskError) as error:
            raise _failure(task, slot, error) from error
    if is_stopped:
        return []
    ended = [(slot, *found) for slot, found in runs if found is not None]
    spent_s = sum(run.execution.cpu_s for _, run, _, _ in ended)
    after = min((reading for *_, reading in ended), key=lambda reading: reading.at_s)
    disturbance = disturbance_between(before, after, spent_s)
    return [
        _measurement(task, profile, instance, slot, run, graded, disturbance)
        for slot, run, graded, _ in ended
    ]


def _run(
    runner: Runner,
    task: Task,
    profile: Profile,
    tree: FileTree,
    instance: Instance,
    slot: Slot,
    seat: Seat | None,
    listener: Listener | None,
) -> CandidateRun:
    on_output = None if listener is None else partial(listener.heard, slot)
    try:
        return runner.run_candidate(
            task,
            profile,
            tree,
            instance,
            slot.training_seed,
            slot.label,
            seat=seat,
            on_output=on_output,
        )
    finally:
        if listener is not None:
            listener.ended(slot)


def _watch(futures: Sequence[Future[T]], turns: Turns, should_stop: Callable[[], bool]) -> bool:
    """Wait for all; True when they were ended because somebody asked for it."""
    is_stopped = False
    while wait(futures, timeout=STOP_POLL_S).not_done:
        if not is_stopped and should_stop():
            is_stopped = True
            turns.abandon()
    return is_stopped


def _grade(
    runner: Runner,
    task: Task,
    profile: Profile,
    instance: Instance,
    slot: Slot,
    run: CandidateRun,
) -> Grade | None:
    """What the harness says about what the run left; None when it left nothing."""
    if run.output is None:
        return None
    return runner.grade(task, profile, instance, run.output, slot.label)


def _failure(task: Task, slot: Slot, error: Exception) -> MeasurementError:
    return MeasurementError(f"{task.name}, pair {slot.pair} of {slot.purpose}, {slot.arm}: {error}")


def _measurement(
    task: Task,
    profile: Profile,
    instance: Instance,
    slot: Slot,
    run: CandidateRun,
    graded: Grade | None,
    disturbance: Disturbance,
) -> Measurement:
    outcome, detail = _outcome(run, graded, profile.budget)
    execution = run.execution
    has_ended = execution.outcome in {ExecOutcome.OK, ExecOutcome.CRASHED}
    value = _deciding_value(task.metric.clock, run, graded) if outcome is Outcome.OK else None
    if outcome is Outcome.OK and value is None:
        raise MeasurementError(
            f"{task.name}: the harness graded a run as ok without a value of {task.metric.name!r}; "
            f"the clock {task.metric.clock} needs one in the result file"
        )
    return Measurement(
        arm=slot.arm,
        purpose=slot.purpose,
        pair=slot.pair,
        position=slot.position,
        outcome=outcome,
        cpu_s=execution.cpu_s if has_ended else None,
        wall_s=execution.wall_s,
        max_rss_bytes=execution.max_rss_bytes,
        metric_value=value,
        quality=dict(graded.quality_values) if graded is not None else {},
        result=dict(graded.result) if graded is not None else {},
        detail=detail,
        backend=run.backend,
        assurance=run.assurance,
        seed_commitment=instance.seed_commitment,
        disturbance=disturbance,
    )


def _deciding_value(clock: Clock, run: CandidateRun, graded: Grade | None) -> float | None:
    match clock:
        case Clock.CPU_S:
            return run.execution.cpu_s
        case Clock.WALL_S:
            return run.execution.wall_s
        case Clock.RESULT:
            return graded.metric_value if graded is not None else None
        case _:
            assert_never(clock)


def _outcome(run: CandidateRun, graded: Grade | None, budget: Budget | None) -> tuple[Outcome, str]:
    """How the run ended, and one sentence about what went wrong."""
    execution = run.execution
    match execution.outcome:
        case ExecOutcome.TIMEOUT:
            return Outcome.TIMEOUT, f"stopped after {execution.wall_s:.0f} s{_ending(run)}"
        case ExecOutcome.OOM:
            return Outcome.OOM, f"went over its memory limit{_ending(run)}"
        case ExecOutcome.CRASHED:
            return Outcome.CRASHED, f"exit status {execution.exit_code}{_ending(run)}"
        case ExecOutcome.OUTPUT_LIMIT:
            return Outcome.CRASHED, f"printed more than is allowed{_ending(run)}"
        case ExecOutcome.OK:
            pass
        case _:
            assert_never(execution.outcome)
    if budget is not None and (overspent := budget.overspent(execution)):
        return Outcome.TIMEOUT, f"over its budget: {overspent}"
    if graded is None:
        return Outcome.INVALID_OUTPUT, run.output_problem
    match graded.outcome:
        case GradeOutcome.OK:
            return Outcome.OK, ""
        case GradeOutcome.OUT_OF_BUDGET:
            return Outcome.TIMEOUT, f"over its budget: {graded.reason}"
        case _:
            return Outcome(graded.outcome.value), graded.reason


def _ending(run: CandidateRun) -> str:
    """The end of what it printed on stderr; escaping for a terminal is the reader's job."""
    text = run.execution.stderr.decode("utf-8", errors="replace").strip()
    return f": {text[-DETAIL_CHARACTERS:]}" if text else ""
