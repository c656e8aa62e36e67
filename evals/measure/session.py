"""The pairs of one call of `measure`: which runs they have, on what and with which seeds.

Does not: decide how many (`measuring.py`), or run (`running.py`). Invariant: a run is a function of the secret, the
purpose and the pair, so a crash repeats the runs in flight and nothing else.
"""

import hashlib
import hmac
import json
import logging
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, replace
from statistics import median
from typing import TypedDict

from rsi.evals.errors import MeasurementError
from rsi.evals.judge.guards import TESTED_BEFORE
from rsi.evals.judge.pairing import DISTURBED_CLOCKS, needs_champion, sort_runs
from rsi.evals.measure.disturbance import wait_until_quiet
from rsi.evals.measure.machine import Cores, timing_cores
from rsi.evals.measure.runner import Runner, TaskRunner
from rsi.evals.measure.running import Lane, Listener, Slot, run_arm, run_time_sliced
from rsi.evals.types import Arm, Measurement, Outcome, Purpose
from rsi.sandboxes.errors import SandboxError
from rsi.sandboxes.time_slices import COARSE_SLICE_S, FINE_SLICE_S
from rsi.sandboxes.types import FileTree
from rsi.tasks.choices import Clock
from rsi.tasks.errors import TaskError
from rsi.tasks.guards import TESTS, TESTS_CPU_S
from rsi.tasks.harness_kit.seeds import derive_instance_seed
from rsi.tasks.types import Instance, Profile, Task

logger = logging.getLogger(__name__)

MAX_SLICES_S = dict.fromkeys((Purpose.AUDIT, Purpose.BASELINE, Purpose.COMPARE), COARSE_SLICE_S)
"""A search looks for small gains, which fine slices show; a report says how large the whole is (docs/decisions/evals.md)."""
QUIET_WAIT_S = 60.0
"""How long to wait for a quiet second before a pair on a clock that others spoil."""


def arm_order(
    secret: bytes, *, task: str, lineage: str, round_id: str, purpose: Purpose, pair: int
) -> tuple[Arm, Arm]:
    """Which arm of a pair runs first: drawn for each block of two pairs, mirrored in the second."""
    labels = json.dumps(["order", task, lineage, round_id, purpose.value, pair // 2])
    coin = hmac.new(secret, labels.encode(), hashlib.sha256).digest()[0] & 1
    champion_first = bool(coin) != bool(pair % 2)
    return (Arm.CHAMPION, Arm.CANDIDATE) if champion_first else (Arm.CANDIDATE, Arm.CHAMPION)


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
class Session:
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

    @property
    def takes_time_slices(self) -> bool:
        """Whether the arms of a pair run in turns, and pairs beside each other."""
        return self.runner.takes_time_slices and self.task.metric.clock is Clock.CPU_S

    def run_pair(
        self, pair: int, done: Sequence[Measurement], *, candidate_first: bool
    ) -> list[Measurement]:
        """Run the arms of a pair that are not in `done` back to back, in the drawn order or the candidate first."""
        if self.task.metric.clock in DISTURBED_CLOCKS and not wait_until_quiet(
            QUIET_WAIT_S, should_stop=self.should_stop
        ):
            logger.warning("round=%s step=measure no quiet second came", self.round_id)
        finished = {run.arm: run for run in done if run.pair == pair}
        fresh: list[Measurement] = []
        slots = self._slots(pair, done, candidate_first=candidate_first)
        missing = [slot for slot in slots if slot.arm not in finished]
        with ExitStack() as ready:
            runner, instance = self.runner, None
            for slot in missing:
                if is_complete(finished, done) or self.should_stop():
                    break
                if instance is None:
                    runner = ready.enter_context(self._ready(missing))
                    instance = self._instance(runner, pair)
                finished[slot.arm] = self._keep(
                    run_arm(
                        runner,
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

    def run_time_sliced(
        self,
        pairs: Sequence[int],
        done: Sequence[Measurement],
        lanes: Sequence[Cores],
        *,
        candidate_first: bool = False,
    ) -> list[Measurement]:
        """Run whole pairs beside each other, each on cores of its own, its arms in turns."""
        if self.should_stop():
            return []
        medians = _slice_medians(done)
        slots_of = [
            self._slots(pair, done, candidate_first=candidate_first, may_test=pair == pairs[0])
            for pair in pairs
        ]
        with ExitStack() as ready, ThreadPoolExecutor(len(pairs)) as pool:
            runners = [
                ready.enter_context(self.on(own)._ready(slots))
                for slots, own in zip(slots_of, lanes, strict=True)
            ]
            instances = pool.map(self._instance, runners, pairs)
            placed = [
                Lane(
                    runner=runner,
                    arms=[(slot, self.trees[slot.arm]) for slot in slots],
                    instance=instance,
                    needs_s=[medians.get(slot.arm) for slot in slots],
                    max_slice_s=MAX_SLICES_S.get(self.purpose, FINE_SLICE_S),
                )
                for runner, slots, instance in zip(runners, slots_of, instances, strict=True)
            ]
            fresh = run_time_sliced(
                self.task,
                self.profile,
                placed,
                listener=self.listener,
                should_stop=self.should_stop,
            )
        return [self._keep(each) for each in fresh]

    def lanes(self) -> tuple[Cores, ...]:
        """Cores chosen now, a set for each pair that may run beside others; one for a runner that has its cores."""
        if not isinstance(self.runner, TaskRunner):
            return (None,) * self.profile.pairs_at_once
        if self.runner.cpus is not None:
            return (self.runner.cpus,)
        return timing_cores(self.profile, lanes=self.profile.pairs_at_once)

    def on(self, cores: Cores) -> "Session":
        """The same with a real runner on these cores."""
        if not isinstance(self.runner, TaskRunner):
            return self
        return replace(self, runner=replace(self.runner, cpus=cores))

    def _ready(self, slots: Sequence[Slot]) -> AbstractContextManager[Runner]:
        """The runner with the sandboxes of a pair's runs on their way."""
        seed = slots[0].training_seed  # a pair has one
        return self.runner.ready(self.task, self.profile, seed, self.round_id, arms=len(slots))

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

    def _slots(
        self,
        pair: int,
        done: Sequence[Measurement],
        *,
        candidate_first: bool,
        may_test: bool = True,
    ) -> list[Slot]:
        names = self._names()
        seed = training_seed(self.secret, **names, purpose=self.purpose, pair=pair)
        order = arm_order(self.secret, **names, purpose=self.purpose, pair=pair)
        if candidate_first:
            order = (Arm.CANDIDATE, Arm.CHAMPION)
        tested = self._tested_arms() if may_test and not self._are_tested(done) else frozenset()
        return [
            Slot(
                arm=arm,
                purpose=self.purpose,
                pair=pair,
                position=position,
                training_seed=seed,
                label=self.round_id,
                is_tested=arm in tested,
            )
            for position, arm in enumerate(order)
        ]

    def _tested_arms(self) -> frozenset[Arm]:
        """Arms on which the repo's own tests run: who passed them before is asked only for what they cost."""
        if self.task.tests is None:
            return frozenset()
        if any(rule.name == TESTS_CPU_S for rule in self.profile.guards):
            return frozenset(Arm)
        return frozenset() if self.purpose in TESTED_BEFORE else frozenset({Arm.CANDIDATE})

    def _are_tested(self, done: Sequence[Measurement]) -> bool:
        """Whether a pair that counts says what the repo's own tests say; once is enough."""
        valid = sort_runs(self.task.metric, done, self.purpose).valid
        return any(TESTS in candidate.result for _, candidate in valid)

    def _instance(self, runner: Runner, pair: int) -> Instance:
        seed = derive_instance_seed(
            self.secret, **self._names(), pair=pair, purpose=self.purpose.value
        )
        try:
            return runner.make_instance(self.task, self.profile, self.purpose, seed, self.round_id)
        except (SandboxError, TaskError) as error:
            raise MeasurementError(
                f"{self.task.name}, pair {pair} of {self.purpose}: no instance: {error}"
            ) from error

    def _names(self) -> _SeedNames:
        return {"task": self.task.name, "lineage": self.lineage, "round_id": self.round_id}


def is_complete(finished: Mapping[Arm, Measurement], done: Sequence[Measurement]) -> bool:
    """Whether a pair lacks no run: a failed candidate needs no champion, once one of them ended well beside it."""
    candidate = finished.get(Arm.CANDIDATE)
    if candidate is None or Arm.CHAMPION in finished:
        return len(finished) == len(Arm)
    if candidate.outcome is Outcome.OK:
        return False
    return not needs_champion(candidate, [run for run in done if run.pair != candidate.pair])


def _slice_medians(done: Sequence[Measurement]) -> dict[Arm, float]:
    """Seconds of slices that each arm took so far, waiting included, so that both end together; empty unless both are known."""
    took: dict[Arm, list[float]] = {arm: [] for arm in Arm}
    for run in done:
        if run.outcome in {Outcome.OK, Outcome.OUT_OF_TURN} and run.wall_s:
            took[run.arm].append(run.wall_s)
    return {arm: median(values) for arm, values in took.items()} if all(took.values()) else {}
