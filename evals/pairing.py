"""Sort measurements into pairs, failures of the candidate, and runs that count for nobody.

Does not: judge. Invariant: what the host or the champion did wrong is never counted against the candidate.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rsi.evals.errors import MeasurementError
from rsi.evals.types import Arm, Measurement, Outcome, Purpose
from rsi.tasks.types import Clock, Metric

Pair = tuple[Measurement, Measurement]
"""(champion, candidate) of one pair."""

DISTURBED_CLOCKS = frozenset({Clock.WALL_S})
"""Clocks that a busy machine spoils. CPU seconds hold within 2.5 % under load with passive OpenMP waiting,
and a value from the harness's result file is no time at all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Runs:
    """The measurements of one purpose, sorted."""

    valid: tuple[Pair, ...]
    invalid_pairs: int
    """Pairs spoiled by a disturbance or by a failed champion run."""
    failures: tuple[Measurement, ...]
    """Runs of the candidate that did not end ok, in order."""
    candidate_runs: tuple[Measurement, ...]
    """Runs of the candidate that count, in order, failed ones included."""
    champion_failures: tuple[Measurement, ...]

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
    by_pair: dict[int, dict[Arm, Measurement]] = {}
    for run in measurements:
        if run.purpose is not purpose:
            continue
        arms = by_pair.setdefault(run.pair, {})
        if run.arm in arms:
            raise MeasurementError(
                f"pair {run.pair} of {purpose} holds two runs of the {run.arm}: "
                "the stored measurements are inconsistent"
            )
        arms[run.arm] = run
    valid: list[Pair] = []
    counted: list[Measurement] = []
    champion_failures: list[Measurement] = []
    invalid = 0
    for number in sorted(by_pair):
        champion = by_pair[number].get(Arm.CHAMPION)
        candidate = by_pair[number].get(Arm.CANDIDATE)
        if champion is not None and champion.outcome is not Outcome.OK:
            champion_failures.append(champion)
        if candidate is not None and _is_own_failure(candidate):
            counted.append(candidate)
            continue
        if any(run is not None and _is_spoiled(metric, run) for run in (champion, candidate)):
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


def _is_own_failure(candidate: Measurement) -> bool:
    """A timeout on a machine that was busy with something else is not the candidate's."""
    if candidate.outcome is Outcome.OK:
        return False
    return not (candidate.outcome is Outcome.TIMEOUT and candidate.disturbance.is_disturbed)


def _is_spoiled(metric: Metric, run: Measurement) -> bool:
    if run.outcome is not Outcome.OK:
        return True
    return metric.clock in DISTURBED_CLOCKS and run.disturbance.is_disturbed


def _with_value(run: Measurement) -> Measurement:
    if run.metric_value is None:
        raise MeasurementError(
            f"pair {run.pair}: the {run.arm} ended ok without a value of the deciding metric"
        )
    return run
