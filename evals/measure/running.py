"""The arms of pairs: run them, grade them, write down what happened.

Does not: choose seeds or order. Invariant: whatever the candidate did becomes an `Outcome`; only the failure of
host or harness is an exception.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from functools import partial
from typing import Protocol, TypeVar, assert_never

from rsi.evals.errors import MeasurementError
from rsi.evals.measure.disturbance import MachineReading, disturbance_between, read_machine
from rsi.evals.measure.overlap import checked_overlap
from rsi.evals.measure.runner import Runner
from rsi.evals.types import Arm, Disturbance, Measurement, Outcome, Purpose
from rsi.sandboxes.errors import SandboxError, TimeSlicesAbandonedError
from rsi.sandboxes.time_slices import TimeSlices, TimeSlot
from rsi.sandboxes.types import ExecOutcome, FileTree
from rsi.tasks.choices import Clock
from rsi.tasks.errors import TaskError
from rsi.tasks.guards import TESTS
from rsi.tasks.types import (
    Budget,
    CandidateRun,
    Grade,
    GradeOutcome,
    Instance,
    Profile,
    RepoTestRun,
    Task,
)

T = TypeVar("T")

STOP_POLL_S = 0.25
DETAIL_CHARACTERS = 400
"""How much of the end of a failed run's stderr is kept with the measurement."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """Where a run belongs: its purpose, its pair and its place in the pair."""

    arm: Arm
    purpose: Purpose
    pair: int
    position: int
    training_seed: int
    label: str
    is_tested: bool = False
    """Whether the repo's own tests run on the tree as well."""


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
        graded = _grade(runner, task, profile, tree, instance, slot, run)
        return _measurement(task, profile, instance, slot, run, graded, disturbance)
    except (SandboxError, TaskError) as error:
        raise _failure(task, slot, error) from error


@dataclass(frozen=True, slots=True, kw_only=True)
class Lane:
    """One pair that runs in turns, on cores of its own."""

    runner: Runner
    """It has to take turns."""
    arms: Sequence[tuple[Slot, FileTree]]
    """Where each run belongs and its source, in the order of their first slices."""
    instance: Instance
    needs_s: Sequence[float | None]
    """Seconds of slices that each arm is thought to need; None while nothing is known."""
    max_slice_s: float
    """The longest slice of the arm that needs less."""

    def turns(self) -> TimeSlices:
        """A table for the arms; without the candidate's result nobody needs the champion's."""
        decisive = next(at for at, (slot, _) in enumerate(self.arms) if slot.arm is Arm.CANDIDATE)
        return TimeSlices(self.needs_s, max_slice_s=self.max_slice_s, decisive=decisive)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ended:
    """A run that is over, and the machine at that moment."""

    run: CandidateRun
    after: MachineReading


def run_time_sliced(
    task: Task,
    profile: Profile,
    lanes: Sequence[Lane],
    *,
    listener: Listener | None = None,
    should_stop: Callable[[], bool] = lambda: False,
) -> list[Measurement]:
    """Run pairs beside each other, the arms of each in alternating slices on the same cores; grade when all have ended.

    Args:
        task: What is run.
        profile: Its size and limits.
        lanes: The pairs; their runners share no cores.
        listener: As for `run_arm`.
        should_stop: Asked several times a second; True ends all runs.

    Returns:
        The measurements lane by lane, in the order of each one's `arms`; empty when stopped. A candidate that failed
        is alone: its champion was ended with it.

    Raises:
        MeasurementError: As for `run_arm`.
    """
    gpus = tuple(uuid for lane in lanes for uuid in lane.runner.gpus)
    placed = [(lane, slot, tree) for lane in lanes for slot, tree in lane.arms]
    before = read_machine(gpus=gpus)
    with ExitStack() as tables, ThreadPoolExecutor(len(placed)) as pool:
        turns = [tables.enter_context(lane.turns()) for lane in lanes]
        time_slots = [time_slot for table in turns for time_slot in table.time_slots]

        def abandon() -> None:
            for table in turns:
                table.abandon()

        def go(lane: Lane, slot: Slot, tree: FileTree, time_slot: TimeSlot) -> _Ended | None:
            try:
                run = _run(
                    lane.runner, task, profile, tree, lane.instance, slot, time_slot, listener
                )
                return _Ended(run=run, after=read_machine(gpus=gpus))
            except TimeSlicesAbandonedError:
                return None
            except BaseException:
                abandon()
                raise
            finally:
                time_slot.leave()

        futures = [
            pool.submit(go, *place, time_slot)
            for place, time_slot in zip(placed, time_slots, strict=True)
        ]
        try:
            is_stopped = _watch(futures, abandon, should_stop)
        except BaseException:
            abandon()  # or leaving the pool would wait for all the runs
            raise
        ended = []
        for (lane, slot, tree), future in zip(placed, futures, strict=True):
            found = _result(task, slot, future)
            if found is not None:
                ended.append((lane, slot, tree, found))
        if is_stopped or not ended:
            return []
        spent_s = sum(found.run.execution.cpu_s for *_, found in ended)
        after = min((found.after for *_, found in ended), key=lambda reading: reading.at_s)
        disturbance = disturbance_between(before, after, spent_s)
        # Nothing is timed any more: grading all at once disturbs nobody.
        grades = [
            pool.submit(_grade, lane.runner, task, profile, tree, lane.instance, slot, found.run)
            for lane, slot, tree, found in ended
        ]
        pairs: dict[int, list[Measurement]] = {}
        for (lane, slot, _, found), graded in zip(ended, grades, strict=True):
            run = _measurement(
                task,
                profile,
                lane.instance,
                slot,
                found.run,
                _result(task, slot, graded),
                disturbance,
            )
            pairs.setdefault(slot.pair, []).append(run)
        return [run for pair in pairs.values() for run in checked_overlap(pair)]


def _result(task: Task, slot: Slot, future: Future[T]) -> T:
    try:
        return future.result()
    except (SandboxError, TaskError) as error:
        raise _failure(task, slot, error) from error


def _run(
    runner: Runner,
    task: Task,
    profile: Profile,
    tree: FileTree,
    instance: Instance,
    slot: Slot,
    time_slot: TimeSlot | None,
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
            time_slot=time_slot,
            on_output=on_output,
        )
    finally:
        if listener is not None:
            listener.ended(slot)


def _watch(
    futures: Sequence[Future[T]], abandon: Callable[[], None], should_stop: Callable[[], bool]
) -> bool:
    """Wait for all; True when they were ended because somebody asked for it."""
    is_stopped = False
    while wait(futures, timeout=STOP_POLL_S).not_done:
        if not is_stopped and should_stop():
            is_stopped = True
            abandon()
    return is_stopped


@dataclass(frozen=True, slots=True, kw_only=True)
class _Graded:
    """What the harness says about what a run left, and what the repo's own tests say about its source."""

    grade: Grade
    tested: RepoTestRun | None

    @property
    def result(self) -> dict[str, object]:
        """The harness's result file, with the tests beside it."""
        return dict(self.grade.result) | (
            {} if self.tested is None else {TESTS: asdict(self.tested)}
        )


def _grade(
    runner: Runner,
    task: Task,
    profile: Profile,
    tree: FileTree,
    instance: Instance,
    slot: Slot,
    run: CandidateRun,
) -> _Graded | None:
    """None when the run left nothing to grade."""
    if run.output is None:
        return None
    grade = runner.grade(task, profile, instance, run.output, slot.label)
    tested = runner.test(task, profile, tree, slot.label) if slot.is_tested else None
    return _Graded(grade=grade, tested=tested)


def _failure(task: Task, slot: Slot, error: Exception) -> MeasurementError:
    return MeasurementError(f"{task.name}, pair {slot.pair} of {slot.purpose}, {slot.arm}: {error}")


def _measurement(
    task: Task,
    profile: Profile,
    instance: Instance,
    slot: Slot,
    run: CandidateRun,
    graded: _Graded | None,
    disturbance: Disturbance,
) -> Measurement:
    grade = None if graded is None else graded.grade
    outcome, detail = _outcome(run, grade, profile.budget)
    execution = run.execution
    has_ended = execution.outcome in {ExecOutcome.OK, ExecOutcome.CRASHED}
    value = deciding_value(task.metric.clock, run, grade) if outcome is Outcome.OK else None
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
        quality=dict(grade.quality_values) if grade is not None else {},
        result=graded.result if graded is not None else {},
        detail=detail,
        backend=run.backend,
        assurance=run.assurance,
        seed_commitment=instance.seed_commitment,
        disturbance=disturbance,
        slices=execution.slices,
    )


def deciding_value(clock: Clock, run: CandidateRun, graded: Grade | None) -> float | None:
    """The value of the deciding metric of a run that ended well; None when its harness states none."""
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
        outcome = Outcome.TAMPERED if run.is_tampered else Outcome.INVALID_OUTPUT
        return outcome, run.output_problem
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
