"""Measure a candidate against a champion in interleaved pairs until the evidence suffices.

Both arms of a pair share the instance and the training seed. Where CPU seconds decide they run at the same time in
alternating slices on the same cores, one at a time; on other clocks back to back, alone on the machine. Which arm goes
first is drawn for every block of two pairs and mirrored within it (ABBA), so a steady drift cancels.
Does not: decide (`judging.py`), time (the sandbox does), or remember (`on_measurement` does).
Invariant: a run is a function of the secret, the purpose and the pair, so a crash repeats the run in flight
and nothing else.
"""

import hashlib
import hmac
import json
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import TypedDict

from rsi.evals.disturbance import wait_until_quiet
from rsi.evals.errors import MeasurementError
from rsi.evals.gpus import timing_cores, timing_gpus, timing_machine
from rsi.evals.guards import source_facts
from rsi.evals.judging import Judgement, judge
from rsi.evals.pairing import DISTURBED_CLOCKS, needs_champion
from rsi.evals.running import Listener, Runner, Slot, TaskRunner, run_arm, run_in_turns
from rsi.evals.score import score
from rsi.evals.types import Arm, Measurement, Outcome, Purpose, Score
from rsi.sandboxes.errors import SandboxError
from rsi.sandboxes.types import Backend, FileTree
from rsi.tasks.errors import TaskError
from rsi.tasks.harness_kit.seeds import derive_instance_seed
from rsi.tasks.types import Clock, Instance, Profile, Task

logger = logging.getLogger(__name__)

MIN_INVALID_PAIRS = 3
"""Spoiled pairs that are always allowed before measuring gives up; larger plans allow half their cap."""
MAX_CHAMPION_FAILURES = 2
QUIET_WAIT_S = 60.0
"""How long to wait for a quiet second before a pair on a clock that others spoil."""
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
        session = _Session(
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
        while True:
            judgement = judge(task, profile, done, purpose=purpose, alpha=alpha, source=source)
            if judgement.stop or session.should_stop():
                return tuple(done)
            _require_progress(task, judgement)
            with timing_machine(cache, should_stop=stop) as is_held:
                if not is_held:
                    return tuple(done)
                # After a failure the next run decides, and it is the candidate's: the champion's would be wasted.
                is_decided_alone = bool(judgement.runs.failures)
                done.extend(
                    _on_quiet_cores(session).run_pair(
                        _next_pair(done), done, candidate_first=is_decided_alone
                    )
                )


def compare(
    task: Task,
    profile: Profile,
    backend: Backend,
    reference_tree: FileTree,
    subject_tree: FileTree,
    *,
    campaign_secret: bytes,
    lineage: str,
    round_id: str,
    recorded: Sequence[Measurement] = (),
    on_measurement: Callable[[Measurement], None] | None = None,
    should_stop: Callable[[], bool] | None = None,
    alpha: float = AUDIT_ALPHA,
    runner: Runner | None = None,
    cache: Path | None = None,
) -> Comparison:
    """Measure one tree against another for a report: AUDIT seeds, a fixed number of pairs, one look.

    Arguments are those of `measure`; the reference takes the champion's arm.

    Raises:
        MeasurementError: As for `measure`.
    """
    measurements = measure(
        task,
        profile,
        backend,
        reference_tree,
        subject_tree,
        purpose=Purpose.AUDIT,
        campaign_secret=campaign_secret,
        lineage=lineage,
        round_id=round_id,
        recorded=recorded,
        on_measurement=on_measurement,
        should_stop=should_stop,
        alpha=alpha,
        runner=runner,
        cache=cache,
    )
    result = score(
        task,
        profile,
        measurements,
        purpose=Purpose.AUDIT,
        alpha=alpha,
        source=source_facts(reference_tree, subject_tree),
    )
    return Comparison(measurements=measurements, score=result)


def arm_order(
    secret: bytes, *, task: str, lineage: str, round_id: str, purpose: Purpose, pair: int
) -> tuple[Arm, Arm]:
    """Which arm of a pair runs first: drawn for each block of two pairs, mirrored in the second."""
    labels = json.dumps(["order", task, lineage, round_id, purpose.value, pair // 2])
    coin = hmac.new(secret, labels.encode(), hashlib.sha256).digest()[0] & 1
    champion_first = bool(coin) != bool(pair % 2)
    return (Arm.CHAMPION, Arm.CANDIDATE) if champion_first else (Arm.CANDIDATE, Arm.CHAMPION)


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


def training_seed(
    secret: bytes, *, task: str, lineage: str, round_id: str, purpose: Purpose, pair: int
) -> int:
    """Seed handed to both arms of a pair as RSI_SEED, 31 bits; unrelated to the instance's."""
    labels = json.dumps(["training", task, lineage, round_id, purpose.value, pair])
    digest = hmac.new(secret, labels.encode(), hashlib.sha256).digest()
    return int.from_bytes(digest[:4], "big") >> 1


class _SeedNames(TypedDict):
    task: str
    lineage: str
    round_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Session:
    """What stays the same over all pairs of one call."""

    task: Task
    profile: Profile
    trees: dict[Arm, FileTree]
    purpose: Purpose
    secret: bytes
    lineage: str
    round_id: str
    runner: Runner
    on_measurement: Callable[[Measurement], None]
    listener: Listener | None
    should_stop: Callable[[], bool]

    def run_pair(
        self, pair: int, done: Sequence[Measurement], *, candidate_first: bool
    ) -> list[Measurement]:
        """Run the arms of one pair that are not in `done`, in the drawn order or the candidate first."""
        if self.task.metric.clock in DISTURBED_CLOCKS and not wait_until_quiet(
            QUIET_WAIT_S, should_stop=self.should_stop
        ):
            logger.warning("round=%s step=measure no quiet second came", self.round_id)
        slots = self._slots(pair, candidate_first=candidate_first)
        finished = {run.arm: run for run in done if run.pair == pair}
        if not finished and self.runner.takes_turns and self.task.metric.clock is Clock.CPU_S:
            return self._run_in_turns(slots, _cpu_medians(done))
        fresh: list[Measurement] = []
        instance = None
        for slot in slots:
            if slot.arm in finished:
                continue
            if _is_complete(finished, done) or self.should_stop():
                break
            if instance is None:
                instance = self._instance(pair)
            finished[slot.arm] = self._keep(
                run_arm(
                    self.runner,
                    self.task,
                    self.profile,
                    self.trees[slot.arm],
                    instance,
                    slot,
                    listener=self.listener,
                )
            )
            fresh.append(finished[slot.arm])
        return fresh

    def _run_in_turns(self, slots: Sequence[Slot], medians: dict[Arm, float]) -> list[Measurement]:
        if self.should_stop():
            return []
        fresh = run_in_turns(
            self.runner,
            self.task,
            self.profile,
            [(slot, self.trees[slot.arm]) for slot in slots],
            self._instance(slots[0].pair),
            needs_s=[medians.get(slot.arm) for slot in slots],
            listener=self.listener,
            should_stop=self.should_stop,
        )
        return [self._keep(each) for each in fresh]

    def _keep(self, measurement: Measurement) -> Measurement:
        self.on_measurement(measurement)
        logger.info(
            "round=%s step=measure pair=%d arm=%s outcome=%s",
            self.round_id,
            measurement.pair,
            measurement.arm,
            measurement.outcome,
        )
        return measurement

    def _slots(self, pair: int, *, candidate_first: bool) -> list[Slot]:
        names = self._names()
        seed = training_seed(self.secret, **names, purpose=self.purpose, pair=pair)
        order = arm_order(self.secret, **names, purpose=self.purpose, pair=pair)
        if candidate_first:
            order = (Arm.CANDIDATE, Arm.CHAMPION)
        return [
            Slot(
                arm=arm,
                purpose=self.purpose,
                pair=pair,
                position=position,
                training_seed=seed,
                label=self.round_id,
            )
            for position, arm in enumerate(order)
        ]

    def _instance(self, pair: int) -> Instance:
        seed = derive_instance_seed(
            self.secret, **self._names(), pair=pair, purpose=self.purpose.value
        )
        try:
            return self.runner.make_instance(
                self.task, self.profile, self.purpose, seed, self.round_id
            )
        except (SandboxError, TaskError) as error:
            raise MeasurementError(
                f"{self.task.name}, pair {pair} of {self.purpose}: no instance: {error}"
            ) from error

    def _names(self) -> _SeedNames:
        return {"task": self.task.name, "lineage": self.lineage, "round_id": self.round_id}


def _on_quiet_cores(session: _Session) -> _Session:
    """The session with a real runner's cores chosen now, for one pair; a runner that has its cores keeps them."""
    runner = session.runner
    if not isinstance(runner, TaskRunner) or runner.cpus is not None:
        return session
    return replace(session, runner=replace(runner, cpus=timing_cores(session.profile)))


def _cpu_medians(done: Sequence[Measurement]) -> dict[Arm, float]:
    """CPU seconds of each arm so far; empty unless both are known."""
    spent: dict[Arm, list[float]] = {arm: [] for arm in Arm}
    for run in done:
        if run.outcome is Outcome.OK and run.cpu_s:
            spent[run.arm].append(run.cpu_s)
    return {arm: median(values) for arm, values in spent.items()} if all(spent.values()) else {}


def _next_pair(done: Sequence[Measurement]) -> int:
    """The first pair that still lacks a run."""
    pair = 0
    while _is_complete({run.arm: run for run in done if run.pair == pair}, done):
        pair += 1
    return pair


def _is_complete(finished: Mapping[Arm, Measurement], done: Sequence[Measurement]) -> bool:
    """Whether a pair lacks no run: a failed candidate needs no champion, once one of them ended well beside it."""
    candidate = finished.get(Arm.CANDIDATE)
    if candidate is None or Arm.CHAMPION in finished:
        return len(finished) == len(Arm)
    if candidate.outcome is Outcome.OK:
        return False
    return not needs_champion(candidate, [run for run in done if run.pair != candidate.pair])


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
