"""Measure a candidate against a champion in interleaved pairs until the evidence suffices.

Both arms of a pair share the instance and the training seed. Where CPU seconds decide they run at the same time in
alternating slices on the same cores, one at a time, and several pairs beside each other where the profile allows it and
cores are free; on other clocks back to back, alone on the machine. Which arm goes first is drawn for every block of two
pairs and mirrored within it (ABBA), so a steady drift cancels.
Does not: decide (`judging.py`), seed (`session.py`), time (the sandbox does), or remember (`on_measurement` does).
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from itertools import count, islice
from pathlib import Path

from rsi.evals.errors import MeasurementError
from rsi.evals.judge.guards import source_facts
from rsi.evals.judge.judging import Judgement, judge
from rsi.evals.judge.score import score
from rsi.evals.judge.sequential import look_pairs
from rsi.evals.judge.sessions import pairs_a_session
from rsi.evals.measure.disturbance import wait_for
from rsi.evals.measure.machine import timing_gpus, timing_machine
from rsi.evals.measure.runner import Runner, TaskRunner
from rsi.evals.measure.running import Listener
from rsi.evals.measure.session import Session, is_complete
from rsi.evals.types import Arm, Measurement, Purpose, Score
from rsi.sandboxes.types import Backend, FileTree
from rsi.tasks.types import MeasurePlan, Profile, Task

MIN_INVALID_PAIRS = 3
"""Spoiled pairs that are always allowed before measuring gives up; larger plans allow half their cap."""
MAX_CHAMPION_FAILURES = 2
AUDIT_ALPHA = 0.025
"""Each side of the 95 % interval that reports print."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Two trees measured against each other a number of times fixed beforehand."""

    measurements: tuple[Measurement, ...]
    score: Score


def measure(
    task: Task,
    profile: Profile,
    backend: Backend,
    champion_tree: FileTree,
    candidate_tree: FileTree,
    *,
    purpose: Purpose,
    campaign_secret: bytes,
    lineage: str,
    round_id: str,
    recorded: Sequence[Measurement] = (),
    on_measurement: Callable[[Measurement], None] | None = None,
    listener: Listener | None = None,
    should_stop: Callable[[], bool] | None = None,
    alpha: float | None = None,
    session_gap_s: float = 0.0,
    runner: Runner | None = None,
    cache: Path | None = None,
) -> tuple[Measurement, ...]:
    """Run pairs until `judge` says that more would change nothing.

    Args:
        task: What is run and what counts.
        profile: Limits, plan, rules.
        backend: Where the runs happen.
        champion_tree: Source of the champion.
        candidate_tree: Source of the candidate.
        purpose: Seeds and instances are never shared between purposes.
        campaign_secret: At least 16 bytes; every seed and order derives from it.
        lineage: Name of the lineage, part of every seed.
        round_id: Label of the sandboxes, part of every seed.
        recorded: Measurements already stored for this round; finished runs are not repeated.
        on_measurement: Called with each new measurement as soon as it exists.
        listener: Told what each run prints while it does.
        should_stop: Asked before every run, during those that take turns and while waiting for the machine; True ends
            measuring with what there is.
        alpha: One-sided error rate of this stage; None takes the plan's.
        session_gap_s: Seconds between the sessions of an audit; the machine is free for others meanwhile.
        runner: How a task is run; None runs it for real on `backend`, pinned to the quietest cores, with the GPU that the
            task asks for held alone.
        cache: Folder of the machine-wide lock; None takes `$RSI_LEASE_DIR` or the cache's.

    Returns:
        The measurements of this purpose, recorded ones first.

    Raises:
        MeasurementError: The host, the harness or the champion failed, or no quiet window came.
    """
    source = source_facts(champion_tree, candidate_tree)
    stop = should_stop or (lambda: False)
    done = [run for run in recorded if run.purpose is purpose]
    with _runner(runner, task, backend, stop) as chosen:
        if chosen is None:
            return tuple(done)
        session = Session(
            task=task,
            profile=profile,
            trees={Arm.CHAMPION: champion_tree, Arm.CANDIDATE: candidate_tree},
            purpose=purpose,
            secret=campaign_secret,
            lineage=lineage,
            round_id=round_id,
            runner=chosen,
            on_measurement=on_measurement or (lambda _: None),
            listener=listener,
            should_stop=stop,
        )
        fresh: list[Measurement] = []
        while True:
            judgement = judge(task, profile, done, purpose=purpose, alpha=alpha, source=source)
            if judgement.stop or session.should_stop():
                return tuple(done)
            _require_progress(task, judgement)
            if fresh and _begins_session(session, judgement, next(_open_pairs(done))):
                wait_for(session_gap_s, should_stop=stop)
            machine = (
                timing_machine(cache, should_stop=stop, what=f"{purpose} of {round_id}")
                if task.is_timed
                else nullcontext(True)
            )
            with machine as is_held:
                if not is_held:
                    return tuple(done)
                fresh = _next_runs(session, judgement, done)
                done.extend(fresh)


def compare(
    task: Task,
    profile: Profile,
    backend: Backend,
    reference_tree: FileTree,
    subject_tree: FileTree,
    *,
    purpose: Purpose = Purpose.COMPARE,
    campaign_secret: bytes,
    lineage: str,
    round_id: str,
    recorded: Sequence[Measurement] = (),
    on_measurement: Callable[[Measurement], None] | None = None,
    should_stop: Callable[[], bool] | None = None,
    session_gap_s: float = 0.0,
    runner: Runner | None = None,
    cache: Path | None = None,
) -> Comparison:
    """Measure one tree against another for a report.

    A number of pairs fixed beforehand, looked at once; for AUDIT in sessions apart in time, at least three, and more
    while the interval is wider than 10 % on a side, within a bound. Arguments are those of `measure`; the reference takes
    the champion's arm.

    Raises:
        MeasurementError: As for `measure`.
    """
    measurements = measure(
        task,
        profile,
        backend,
        reference_tree,
        subject_tree,
        purpose=purpose,
        campaign_secret=campaign_secret,
        lineage=lineage,
        round_id=round_id,
        recorded=recorded,
        on_measurement=on_measurement,
        should_stop=should_stop,
        alpha=AUDIT_ALPHA,
        session_gap_s=session_gap_s,
        runner=runner,
        cache=cache,
    )
    result = score(
        task,
        profile,
        measurements,
        purpose=purpose,
        alpha=AUDIT_ALPHA,
        source=source_facts(reference_tree, subject_tree),
    )
    return Comparison(measurements=measurements, score=result)


def pairs_to_run(plan: MeasurePlan, valid_pairs: int, lanes: int) -> int:
    """How many pairs to run at once: as many as lead to a look, never past the first one, at most `lanes`."""
    looks = look_pairs(plan.min_pairs, plan.max_pairs)
    if valid_pairs < looks[0]:
        return min(lanes, looks[0] - valid_pairs)
    return max((at - valid_pairs for at in looks if 0 < at - valid_pairs <= lanes), default=lanes)


@contextmanager
def _runner(
    given: Runner | None, task: Task, backend: Backend, should_stop: Callable[[], bool]
) -> Iterator[Runner | None]:
    """The given runner, or a real one with the task's GPU held as long as it is used; None when stopped before."""
    if given is not None:
        yield given
        return
    with timing_gpus(task, should_stop=should_stop) as gpus:
        yield None if gpus is None else TaskRunner(backend=backend, gpus=gpus)


def _next_runs(
    session: Session, judgement: Judgement, done: Sequence[Measurement]
) -> list[Measurement]:
    """Run what comes next: pairs in turns beside each other, or what is missing of one pair."""
    pairs = _open_pairs(done)
    first = next(pairs)
    # After a failure the next run decides, and it is the candidate's: the champion's would be wasted.
    is_decided_alone = bool(judgement.runs.failures)
    lanes = session.lanes()
    if not session.takes_time_slices or any(run.pair == first for run in done):
        return session.on(lanes[0]).run_pair(first, done, candidate_first=is_decided_alone)
    if session.purpose is Purpose.AUDIT:
        each = pairs_a_session(judgement.plan)
        together = min(len(lanes), each - first % each)
    else:
        together = pairs_to_run(judgement.plan, len(judgement.runs.valid), len(lanes))
    together = 1 if is_decided_alone else together
    chosen = [first, *islice(pairs, together - 1)]
    return session.run_time_sliced(chosen, done, lanes[:together], candidate_first=is_decided_alone)


def _begins_session(session: Session, judgement: Judgement, pair: int) -> bool:
    is_apart = session.purpose is Purpose.AUDIT and session.task.is_timed
    return is_apart and pair % pairs_a_session(judgement.plan) == 0


def _open_pairs(done: Sequence[Measurement]) -> Iterator[int]:
    """The pairs that still lack a run, in order."""
    for pair in count():
        if not is_complete({run.arm: run for run in done if run.pair == pair}, done):
            yield pair


def _require_progress(task: Task, judgement: Judgement) -> None:
    runs = judgement.runs
    if len(runs.champion_failures) >= MAX_CHAMPION_FAILURES:
        raise MeasurementError(
            f"{task.name}: the champion {runs.champion_trouble}, {len(runs.champion_failures)} times in all; "
            f"run `rsi task check {task.name}`"
        )
    allowed = max(MIN_INVALID_PAIRS, judgement.plan.max_pairs // 2)
    if runs.invalid_pairs > allowed:
        raise MeasurementError(
            f"{task.name}: {runs.invalid_pairs} pairs were spoiled by other work on this machine, "
            f"{allowed} are allowed on the clock {task.metric.clock}; measure when it is quiet"
        )
