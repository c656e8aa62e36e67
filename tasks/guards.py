"""The guards that a task may declare: side effects of a gain, each with its unit, its meaning and how it is computed.

Does not: apply a bound; `rsi.evals.judge.guards` does. To add one: an entry in `GUARDS`; the task format, its page, the
judge and the cockpit take it from there.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

TESTS = "tests"
"""Key of a run's result under which the repo's own tests are."""
TESTS_CPU_S = "tests_cpu_s"
_RATIO = " ratio"


class RunFacts(Protocol):
    """What a guard may read of one finished run."""

    @property
    def wall_s(self) -> float | None: ...

    @property
    def max_rss_bytes(self) -> int | None: ...

    @property
    def result(self) -> Mapping[str, object]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceFacts:
    """What two source trees say about the size of a change."""

    champion_bytes: int
    candidate_bytes: int
    champion_lines: int
    lines_added: int
    lines_removed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PerRun:
    """Computed for each run; an arm's value is the median over its runs."""

    value: Callable[[RunFacts], float | None]
    """None where a run does not tell."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PerSource:
    """Computed once from the two source trees."""

    champion: Callable[[SourceFacts], int]
    candidate: Callable[[SourceFacts], int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Guard:
    """One side effect that may be bounded."""

    name: str
    unit: str
    meaning: str
    """What `max_value` bounds; `max_ratio` bounds the same of the candidate divided by that of the champion."""
    computed: PerRun | PerSource
    needs_tests: bool = False
    """Only where the task declares `[rsi.tests]`."""


def tested(run: RunFacts) -> Mapping[str, object] | None:
    """How the repo's own tests ended beside a run; None where they did not run."""
    found = run.result.get(TESTS)
    return found if isinstance(found, Mapping) else None


def _tests_cpu_s(run: RunFacts) -> float | None:
    spent = (tested(run) or {}).get("cpu_s")
    return spent if isinstance(spent, float) else None


GUARDS: tuple[Guard, ...] = (
    Guard(
        name="max_rss_bytes",
        unit="bytes",
        meaning="peak memory of all processes of a run together",
        computed=PerRun(value=lambda run: run.max_rss_bytes),
    ),
    Guard(
        name="source_bytes",
        unit="bytes",
        meaning="size of all files of the source",
        computed=PerSource(
            champion=lambda source: source.champion_bytes,
            candidate=lambda source: source.candidate_bytes,
        ),
    ),
    Guard(
        name="wall_s",
        unit="s",
        meaning="wall seconds of a run",
        computed=PerRun(value=lambda run: run.wall_s),
    ),
    Guard(
        name="lines_added",
        unit="lines",
        meaning="what a candidate adds; as a ratio, to all of the champion",
        computed=PerSource(
            champion=lambda source: source.champion_lines,
            candidate=lambda source: source.lines_added,
        ),
    ),
    Guard(
        name=TESTS_CPU_S,
        unit="s",
        meaning="CPU seconds of the repo's own tests, `[rsi.tests]`",
        computed=PerRun(value=_tests_cpu_s),
        needs_tests=True,
    ),
)

BY_NAME: Mapping[str, Guard] = {each.name: each for each in GUARDS}


def ratio_name(guard: str) -> str:
    """Name of a guard's result that compares champion and candidate."""
    return guard + _RATIO


def unit_of(result: str) -> str:
    """Unit of a guard's result by its name: "x" for a ratio, "" for a count of runs."""
    if result.endswith(_RATIO):
        return "x"
    return BY_NAME[result].unit if result in BY_NAME else ""
