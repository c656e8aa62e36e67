"""Sort measurements into pairs, failures of the candidate, and runs that count for nobody.

Does not: judge. Invariant: what the host or the champion did wrong is never counted against the candidate; where both
arms of a pair failed, something that they share may have.
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rsi.evals.errors import MeasurementError
from rsi.evals.types import Arm, Measurement, Outcome, Purpose
from rsi.tasks.choices import Clock
from rsi.tasks.types import Metric

Pair = tuple[Measurement, Measurement]
"""(champion, candidate) of one pair."""

DISTURBED_CLOCKS = frozenset({Clock.WALL_S})
"""Clocks that a busy machine spoils. CPU seconds hold within 2.5 % under load with passive OpenMP waiting,
and a value from the harness's result file is no time at all."""
LATE_PAIRS = 2
"""Pairs in which the candidate alone ran out of time on a busy machine, from which that is its own doing."""
OUT_OF_TURN_PAIRS = 3
"""Pairs in which the candidate put its work off until the champion had ended, from which that is its own doing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Runs:
    """The measurements of one purpose, sorted."""

    valid: tuple[Pair, ...]
    invalid_pairs: int
    """Pairs spoiled by a disturbance or by a champion run that failed or gave no value to compare with."""
    failures: tuple[Measurement, ...]
    """Runs of the candidate that did not end ok, in order."""
    candidate_runs: tuple[Measurement, ...]
    """Runs of the candidate that count, in order, failed ones included."""
    champion_failures: tuple[Measurement, ...]
    """Runs of the champion that did not end ok, or whose value is not a positive number."""

    @property
    def champion_trouble(self) -> str:
        """What the champion did last that it must not, after "the champion"; empty when nothing."""
        if not self.champion_failures:
            return ""
        last = self.champion_failures[-1]
        if last.outcome is Outcome.OK:
            return f"ended with the value {last.metric_value}, of which no ratio can be taken"
        return f"ended as {last.outcome} ({last.detail})"

    @property
    def outcomes(self) -> Mapping[str, int]:
        """Count of the candidate's outcomes by name."""
        counts = Counter(str(run.outcome) for run in self.candidate_runs)
        return dict(sorted(counts.items()))


def sort_runs(metric: Metric, measurements: Sequence[Measurement], purpose: Purpose) -> Runs:
    """Sort the measurements of one purpose by pair.

    Raises:
        MeasurementError: The same arm of a pair was stored twice, or an ok run has no value.
    """
    by_pair = _by_pair([run for run in measurements if run.purpose is purpose])
    own = _own_failures(by_pair)
    valid: list[Pair] = []
    counted: list[Measurement] = []
    champion_failures: list[Measurement] = []
    invalid = 0
    for number in sorted(by_pair):
        champion = by_pair[number].get(Arm.CHAMPION)
        candidate = by_pair[number].get(Arm.CANDIDATE)
        if champion is not None and not _can_be_compared_with(champion):
            champion_failures.append(champion)
        if candidate is not None and number in own:
            counted.append(candidate)
        elif any(run is not None and _is_spoiled(metric, run) for run in (champion, candidate)):
            invalid += 1
        elif champion is not None and candidate is not None:
            valid.append((_with_value(champion), _with_value(candidate)))
            counted.append(candidate)
    return Runs(
        valid=tuple(valid),
        invalid_pairs=invalid,
        failures=tuple(run for run in counted if run.outcome is not Outcome.OK),
        candidate_runs=tuple(counted),
        champion_failures=tuple(champion_failures),
    )


def needs_champion(candidate: Measurement, others: Sequence[Measurement]) -> bool:
    """Whether a failed candidate says nothing before the champion of its pair has run as well.

    Args:
        candidate: Its failed run, of a pair without a run of the champion.
        others: Further runs of the same purpose.
    """
    if candidate.outcome is Outcome.TAMPERED:
        return False
    if _is_late(candidate):
        return True
    by_pair = _by_pair(others)
    return not any(Arm.CHAMPION in by_pair[number] for number in _own_failures(by_pair))


def _by_pair(runs: Sequence[Measurement]) -> dict[int, dict[Arm, Measurement]]:
    by_pair: dict[int, dict[Arm, Measurement]] = {}
    for run in runs:
        arms = by_pair.setdefault(run.pair, {})
        if run.arm in arms:
            raise MeasurementError(
                f"pair {run.pair} of {run.purpose} holds two runs of the {run.arm}: "
                "the stored measurements are inconsistent"
            )
        arms[run.arm] = run
    return by_pair


def _own_failures(by_pair: Mapping[int, Mapping[Arm, Measurement]]) -> frozenset[int]:
    """Pairs in which the candidate failed and it was its own doing.

    Not when the champion of the pair failed too; running out of time on a machine that was busy with something else
    only when it happens again while the champion ends, working out of turn only when it happens three times.
    """
    own, late, out_of_turn = set(), set(), set()
    for number, arms in by_pair.items():
        candidate, champion = arms.get(Arm.CANDIDATE), arms.get(Arm.CHAMPION)
        if candidate is None or candidate.outcome is Outcome.OK:
            continue
        if candidate.outcome is Outcome.TAMPERED:
            own.add(number)
        elif candidate.outcome is Outcome.OUT_OF_TURN:
            out_of_turn.add(number)
        elif _is_late(candidate):
            if champion is not None and champion.outcome is Outcome.OK:
                late.add(number)
        elif champion is None or champion.outcome is Outcome.OK:
            own.add(number)
    repeated = late if len(late) >= LATE_PAIRS else set()
    return frozenset(
        own | repeated | (out_of_turn if len(out_of_turn) >= OUT_OF_TURN_PAIRS else set())
    )


def _is_late(candidate: Measurement) -> bool:
    return candidate.outcome is Outcome.TIMEOUT and candidate.disturbance.is_disturbed


def _can_be_compared_with(champion: Measurement) -> bool:
    value = champion.metric_value
    return champion.outcome is Outcome.OK and (value is None or 0 < value < math.inf)


def _is_spoiled(metric: Metric, run: Measurement) -> bool:
    if run.outcome is not Outcome.OK:
        return True
    if run.arm is Arm.CHAMPION and not _can_be_compared_with(run):
        return True
    return metric.clock in DISTURBED_CLOCKS and run.disturbance.is_disturbed


def _with_value(run: Measurement) -> Measurement:
    if run.metric_value is None:
        raise MeasurementError(
            f"pair {run.pair}: the {run.arm} ended ok without a value of the deciding metric"
        )
    return run
