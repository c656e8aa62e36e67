"""Measuring: order, seeds, stopping, recovery, and whose fault a failure is."""

import itertools
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from rsi.evals.errors import MeasurementError
from rsi.evals.judge.score import score
from rsi.evals.measure.floor import measure_floor
from rsi.evals.measure.machine import timing_machine
from rsi.evals.measure.measuring import compare, measure, pairs_to_run
from rsi.evals.measure.running import Lane, Slot, run_time_sliced
from rsi.evals.measure.session import arm_order, training_seed
from rsi.evals.types import Arm, Measurement, Outcome, Purpose, Verdict
from rsi.sandboxes.errors import SandboxBrokenError, TimeSlicesAbandonedError
from rsi.sandboxes.types import ExecOutcome, ExecResult, FileEntry, FileTree
from rsi.tasks.choices import Clock
from rsi.tasks.errors import HarnessError
from rsi.tasks.harness_kit.seeds import seed_commitment
from rsi.tasks.types import (
    Budget,
    CandidateRun,
    Grade,
    GradeOutcome,
    GuardRule,
    Instance,
    Profile,
    QualityReading,
    RepoTestRun,
    RepoTests,
    Task,
)

SECRET = b"0123456789abcdef"
CHAMPION: FileTree = (FileEntry(path="run.py", content=b"slow"),)
CANDIDATE: FileTree = (FileEntry(path="run.py", content=b"fast"),)


@dataclass
class ScriptedRunner:
    """Runs nothing: a tree's seconds and endings come from functions of the instance and the count."""

    seconds: Callable[[bytes, int], float]
    ending: Callable[[bytes, int], ExecOutcome] = lambda _tree, _n: ExecOutcome.OK
    graded: GradeOutcome = GradeOutcome.OK
    bpb: Callable[[bytes], float] = lambda _tree: 1.9
    calls: list[tuple[str, str, int]] = field(default_factory=list)
    """(tree, commitment of the instance, training seed) of every run, in order."""
    counts: dict[bytes, int] = field(default_factory=dict)
    tested: list[str] = field(default_factory=list)
    is_failing: bool = False
    """Whether the repo's own tests fail on the candidate."""
    takes_time_slices: bool = False
    gpus: tuple[str, ...] = ()

    def ready(
        self, task: Task, profile: Profile, training_seed: int, label: str, *, arms: int
    ) -> AbstractContextManager["ScriptedRunner"]:
        return nullcontext(self)

    def make_instance(
        self, task: Task, profile: Profile, purpose: Purpose, seed: bytes, label: str
    ) -> Instance:
        commitment = seed_commitment(seed)
        return Instance(
            profile=profile.name,
            purpose=purpose.value,
            public=(),
            secret=(),
            digest=commitment,
            seed_commitment=commitment,
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
        time_slot: object = None,
        on_output: object = None,
    ) -> CandidateRun:
        name = tree[0].content
        count = self.counts[name] = self.counts.get(name, 0) + 1
        self.calls.append((name.decode(), instance.seed_commitment, training_seed))
        outcome = self.ending(name, count)
        seconds = self.seconds(name, count)
        return CandidateRun(
            execution=ExecResult(
                outcome=outcome,
                exit_code=0 if outcome is ExecOutcome.OK else 1,
                stdout=b"",
                stderr=b"Traceback\nNameError: loss",
                is_truncated=False,
                wall_s=seconds,
                cpu_s=seconds,
                cpu_source="rusage",
                max_rss_bytes=1000,
            ),
            output=tree if outcome is ExecOutcome.OK else None,
            output_problem="" if outcome is ExecOutcome.OK else "it crashed",
            backend="scripted",
            assurance="none",
        )

    def grade(
        self, task: Task, profile: Profile, instance: Instance, output: FileTree, label: str
    ) -> Grade:
        value = self.bpb(output[0].content)
        return Grade(
            outcome=self.graded,
            reason="" if self.graded is GradeOutcome.OK else "the weights are no numbers",
            metric_value=None,
            quality=(
                QualityReading(name="bpb", value=value, op="<=", limit=2.0, is_ok=value <= 2.0),
            ),
            guards=(),
            result={},
            result_sha256="",
        )

    def test(self, task: Task, profile: Profile, tree: FileTree, label: str) -> RepoTestRun | None:
        self.tested.append(tree[0].content.decode())
        is_passed = tree != CANDIDATE or not self.is_failing
        detail = "" if is_passed else "crashed: ...\n\nAssertionError: the report is not true"
        return RepoTestRun(is_passed=is_passed, cpu_s=1.0, detail=detail)


def faster(tree: bytes, count: int) -> float:
    return (3.0 if tree == b"slow" else 2.0) * (1 + 0.01 * (-1) ** count)


@pytest.fixture
def run(task: Task, profile: Profile, tmp_path: Path) -> Callable[..., tuple[Measurement, ...]]:
    def go(runner: ScriptedRunner, **options: object) -> tuple[Measurement, ...]:
        settings: dict[str, object] = {
            "purpose": Purpose.SCREEN,
            "campaign_secret": SECRET,
            "lineage": "main",
            "round_id": "r1",
            "runner": runner,
            "cache": tmp_path,
        }
        settings |= options
        of_task, chosen = settings.pop("task", task), settings.pop("profile", profile)
        return measure(of_task, chosen, None, CHAMPION, CANDIDATE, **settings)

    return go


def test_a_plain_gain_stops_after_the_fewest_pairs(run, task, profile) -> None:
    runs = run(ScriptedRunner(faster))
    assert len(runs) == 6
    result = score(task, profile, runs, purpose=Purpose.SCREEN)
    assert result.verdict is Verdict.SUPPORTED


def test_both_arms_of_a_pair_share_instance_and_training_seed_and_pairs_do_not(run) -> None:
    runner = ScriptedRunner(faster)
    run(runner)
    by_instance: dict[str, set[int]] = {}
    arms: dict[str, set[str]] = {}
    for tree, commitment, seed in runner.calls:
        by_instance.setdefault(commitment, set()).add(seed)
        arms.setdefault(commitment, set()).add(tree)
    assert len(by_instance) == 3
    assert all(len(seeds) == 1 for seeds in by_instance.values())
    assert all(names == {"slow", "fast"} for names in arms.values())
    assert len({seed for seeds in by_instance.values() for seed in seeds}) == 3


def test_purposes_rounds_and_lineages_never_share_instances_or_seeds(run) -> None:
    seen: set[str] = set()
    seeds: set[int] = set()
    total = 0
    for options in (
        {},
        {"purpose": Purpose.CONFIRM},
        {"purpose": Purpose.AUDIT},
        {"purpose": Purpose.CONTROL},
        {"round_id": "r2"},
        {"lineage": "other"},
    ):
        runner = ScriptedRunner(faster)
        run(runner, **options)
        seen |= {commitment for _, commitment, _ in runner.calls}
        seeds |= {seed for _, _, seed in runner.calls}
        total += len(runner.calls) // 2
    assert len(seen) == len(seeds) == total


def test_the_order_is_mirrored_within_a_block_and_drawn_between_blocks() -> None:
    names = {"task": "t", "lineage": "m", "round_id": "r", "purpose": Purpose.SCREEN}
    firsts = []
    for block in range(40):
        first = arm_order(SECRET, **names, pair=2 * block)
        second = arm_order(SECRET, **names, pair=2 * block + 1)
        assert first == tuple(reversed(second))
        firsts.append(first[0])
    assert 8 < firsts.count(Arm.CHAMPION) < 32


def test_training_seeds_fit_in_31_bits() -> None:
    names = {"task": "t", "lineage": "m", "round_id": "r", "purpose": Purpose.SCREEN}
    assert all(0 <= training_seed(SECRET, **names, pair=pair) < 2**31 for pair in range(50))


def test_the_position_says_which_arm_ran_first(run) -> None:
    runner = ScriptedRunner(faster)
    runs = run(runner)
    ordered = [("slow" if m.arm is Arm.CHAMPION else "fast") for m in runs]
    assert ordered == [name for name, _, _ in runner.calls]
    assert [m.position for m in runs] == [0, 1] * 3


def test_every_measurement_is_reported_as_soon_as_it_exists(run) -> None:
    seen: list[Measurement] = []
    runs = run(ScriptedRunner(faster), on_measurement=seen.append)
    assert tuple(seen) == runs


def test_recorded_runs_are_not_repeated(run) -> None:
    """Stopping after any number of runs and going on gives the runs of an unbroken call."""
    whole = run(ScriptedRunner(lambda tree, _: 3.0 if tree == b"slow" else 2.0))
    for done in range(len(whole) + 1):
        runner = ScriptedRunner(lambda tree, _: 3.0 if tree == b"slow" else 2.0)
        resumed = run(runner, recorded=whole[:done])
        assert len(runner.calls) == len(whole) - done
        assert [(m.pair, m.arm, m.position, m.seed_commitment) for m in resumed] == [
            (m.pair, m.arm, m.position, m.seed_commitment) for m in whole
        ]


def test_recorded_runs_of_other_purposes_do_not_count(run) -> None:
    screen = run(ScriptedRunner(faster))
    runner = ScriptedRunner(faster)
    confirm = run(runner, purpose=Purpose.CONFIRM, recorded=screen)
    assert len(runner.calls) == len(confirm) == 6
    assert all(m.purpose is Purpose.CONFIRM for m in confirm)


def test_a_candidate_that_crashes_is_run_twice_and_the_champion_not_for_nothing(
    run, task, profile
) -> None:
    runner = ScriptedRunner(
        faster, ending=lambda t, _: ExecOutcome.CRASHED if t == b"fast" else ExecOutcome.OK
    )
    runs = run(runner)
    candidate = [m for m in runs if m.arm is Arm.CANDIDATE]
    assert [m.outcome for m in candidate] == [Outcome.CRASHED] * 2
    assert len(runs) <= 3
    assert "NameError: loss" in candidate[0].detail
    assert score(task, profile, runs, purpose=Purpose.SCREEN).verdict is Verdict.INVALID


@pytest.mark.parametrize("lineage", ["main", "other", "third"])
def test_where_both_arms_fail_alike_the_candidate_is_not_blamed(run, lineage) -> None:
    with pytest.raises(MeasurementError, match="champion ended as crashed"):
        run(ScriptedRunner(faster, ending=lambda _t, _n: ExecOutcome.CRASHED), lineage=lineage)


@dataclass
class _TimeSliced(ScriptedRunner):
    """A candidate that fails in turns takes its champion with it, as in `sandboxes/time_slices.py`."""

    takes_time_slices: bool = True

    def run_candidate(self, task, profile, tree, *args, time_slot=None, **kwargs) -> CandidateRun:
        if time_slot is not None and tree[0].content == b"slow":
            raise TimeSlicesAbandonedError("ended with the candidate")
        if time_slot is not None:
            time_slot.fail()
        return super().run_candidate(task, profile, tree, *args, **kwargs)


def test_in_turns_too_both_arms_may_fail_alike(run, task, profile) -> None:
    with pytest.raises(MeasurementError, match="champion ended as crashed"):
        run(_TimeSliced(faster, ending=lambda _t, _n: ExecOutcome.CRASHED))
    only = _TimeSliced(
        faster, ending=lambda t, _: ExecOutcome.CRASHED if t == b"fast" else ExecOutcome.OK
    )
    runs = run(only)
    assert [(m.arm, m.pair, m.outcome) for m in runs] == [
        (Arm.CANDIDATE, 0, Outcome.CRASHED),
        (Arm.CHAMPION, 0, Outcome.OK),
        (Arm.CANDIDATE, 1, Outcome.CRASHED),
    ]
    assert score(task, profile, runs, purpose=Purpose.SCREEN).verdict is Verdict.INVALID
    for done in range(len(runs)):
        again = run(_TimeSliced(faster, ending=only.ending), recorded=runs[:done])
        assert [(m.arm, m.pair, m.position) for m in again] == [
            (m.arm, m.pair, m.position) for m in runs
        ]


def test_a_candidate_that_hangs_on_a_busy_machine_is_measured_against_a_champion_that_ends(
    run, task, profile, run_of
) -> None:
    """The champion of the pair shows whether the machine or the candidate was slow; twice settles it."""
    late = [
        run_of(Arm.CANDIDATE, pair, None, outcome=Outcome.TIMEOUT, is_disturbed=True)
        for pair in (0, 1)
    ]
    ended = [run_of(Arm.CHAMPION, pair, 3.0) for pair in (0, 1)]
    one = ScriptedRunner(faster)
    again = run(one, recorded=[late[0]])
    assert [(m.arm, m.pair) for m in again[1:2]] == [(Arm.CHAMPION, 0)]
    assert score(task, profile, again, purpose=Purpose.SCREEN).verdict is Verdict.SUPPORTED
    runs = run(ScriptedRunner(faster), recorded=[late[0], ended[0], late[1]])
    assert [(m.arm, m.pair) for m in runs[3:]] == [(Arm.CHAMPION, 1)]
    assert score(task, profile, runs, purpose=Purpose.SCREEN).verdict is Verdict.INVALID


def test_a_champion_without_a_positive_value_is_our_error(run, task) -> None:
    with pytest.raises(MeasurementError, match=r"value 0\.0, of which no ratio"):
        run(ScriptedRunner(lambda tree, _: 0.0 if tree == b"slow" else 2.0))


@pytest.mark.parametrize("unit", ["cpu_s", "wall_s"])
def test_a_candidate_that_overspends_the_declared_budget_ends_as_timeout(
    run, task, profile, unit
) -> None:
    limited = replace(profile, budget=Budget(unit=unit, limit=2.5))
    runs = run(ScriptedRunner(lambda tree, _: 2.0 if tree == b"slow" else 2.6), profile=limited)
    candidate = [m for m in runs if m.arm is Arm.CANDIDATE]
    assert {m.outcome for m in candidate} == {Outcome.TIMEOUT}
    assert candidate[0].detail == f"over its budget: spent 2.6 of 2.5 {unit}"
    assert {m.outcome for m in runs if m.arm is Arm.CHAMPION} <= {Outcome.OK}


def test_tampering_stops_at_once(run) -> None:
    runner = ScriptedRunner(faster)
    runner.graded = GradeOutcome.OK
    runs = run(_Tampering(faster))
    assert sum(m.arm is Arm.CANDIDATE for m in runs) == 1


@pytest.mark.parametrize("ending", [ExecOutcome.TIMEOUT, ExecOutcome.OOM])
def test_a_run_that_was_ended_still_says_how_long_it_held_the_machine(run, ending) -> None:
    runs = run(
        ScriptedRunner(faster, ending=lambda t, _: ending if t == b"fast" else ExecOutcome.OK)
    )
    ended = [each for each in runs if each.arm is Arm.CANDIDATE]
    assert {each.outcome.value for each in ended} == {ending.value}
    assert all(each.wall_s == pytest.approx(2.0, rel=0.02) for each in ended)
    assert all(each.cpu_s is None and each.metric_value is None for each in ended)


class _Tampering(ScriptedRunner):
    def grade(self, task, profile, instance, output, label) -> Grade:
        grade = super().grade(task, profile, instance, output, label)
        if output[0].content == b"fast":
            return replace(grade, outcome=GradeOutcome.TAMPERED, reason="result file appeared")
        return grade


def test_a_broken_quality_limit_stops_after_one_pair(run, task, profile) -> None:
    runs = run(ScriptedRunner(faster, bpb=lambda tree: 2.5 if tree == b"fast" else 1.9))
    assert len(runs) == 2
    result = score(task, profile, runs, purpose=Purpose.SCREEN)
    assert result.verdict is Verdict.REFUTED
    assert "quality" in result.reason


def test_a_null_patch_stops_before_the_cap(run, task, profile) -> None:
    wobble = [1.0, 1.004, 0.998, 1.003, 1.001, 0.997]
    runs = run(ScriptedRunner(lambda _tree, count: 3.0 * wobble[count % 6]))
    assert len(runs) < 12
    result = score(task, profile, runs, purpose=Purpose.SCREEN)
    assert result.verdict is Verdict.REFUTED


def test_a_failing_champion_is_our_error(run) -> None:
    runner = ScriptedRunner(
        faster, ending=lambda t, _: ExecOutcome.CRASHED if t == b"slow" else ExecOutcome.OK
    )
    with pytest.raises(MeasurementError, match="champion ended as crashed"):
        run(runner)


@pytest.mark.parametrize("error", [SandboxBrokenError("engine gone"), HarnessError("exit 70")])
def test_a_lost_sandbox_or_a_broken_harness_is_our_error(run, error) -> None:
    class Broken(ScriptedRunner):
        def run_candidate(self, *args, **kwargs):
            raise error

    with pytest.raises(MeasurementError, match=str(error)):
        run(Broken(faster))


def test_should_stop_ends_between_runs_with_what_there_is(run) -> None:
    runner = ScriptedRunner(faster)
    runs = run(runner, should_stop=lambda: len(runner.calls) >= 3)
    assert len(runs) == 3


def test_confirming_needs_its_own_pairs_and_audits_take_a_fixed_number(run) -> None:
    assert len(run(ScriptedRunner(faster), purpose=Purpose.CONFIRM)) == 6
    noisy = ScriptedRunner(lambda tree, count: 3.0 + (count % 3) * 0.5)
    assert len(run(noisy, purpose=Purpose.AUDIT)) == 6


def test_comparing_for_a_report_gives_a_95_percent_interval(task, profile, tmp_path) -> None:
    result = compare(
        task,
        profile,
        None,
        CHAMPION,
        CANDIDATE,
        campaign_secret=SECRET,
        lineage="main",
        round_id="final",
        runner=ScriptedRunner(faster),
        cache=tmp_path,
    )
    assert result.score.effect is not None
    assert result.score.effect.confidence == pytest.approx(0.95)
    assert result.score.effect.low < 1.5 < result.score.effect.high
    assert {m.purpose for m in result.measurements} == {Purpose.COMPARE}


def test_an_audit_pauses_between_its_sessions_and_leaves_the_machine_to_others(
    task, profile, tmp_path
) -> None:
    ends: list[float] = []
    free: list[bool] = []
    stop_at = []

    def kept(run: Measurement) -> None:
        ends.append(time.monotonic())

    def look() -> bool:
        if ends and time.monotonic() - ends[-1] > 0.05:  # only in a pause does so much time pass
            with timing_machine(tmp_path, should_stop=lambda: True) as is_held:
                free.append(is_held)
        return bool(stop_at)

    options = {
        "purpose": Purpose.AUDIT, "campaign_secret": SECRET, "lineage": "main", "round_id": "final",
        "session_gap_s": 0.3, "cache": tmp_path,
    }  # fmt: skip
    trees = (CHAMPION, CANDIDATE)
    result = compare(
        task, profile, None, *trees, **options, runner=ScriptedRunner(faster), on_measurement=kept,
        should_stop=look,
    )  # fmt: skip
    assert len(result.measurements) == 6, "three sessions of one pair"
    gaps = [after - before for before, after in itertools.pairwise(ends)]
    assert [gap >= 0.3 for gap in gaps] == [False, True, False, True, False]
    assert sum(free) >= 2, (
        "in each pause the lock could be had; the next session holds it when it is asked"
    )

    ends.clear()
    stop_at.append(True)
    begun = time.monotonic()
    measure(
        task, profile, None, *trees, **{**options, "session_gap_s": 60.0}, recorded=result.measurements[:2],
        runner=ScriptedRunner(faster), should_stop=lambda: len(ends) > 1, on_measurement=kept,
    )  # fmt: skip
    assert time.monotonic() - begun < 10, "a stop ends the pause"


def test_pairs_beside_each_other_belong_to_one_session(run, profile) -> None:
    wide = replace(profile, pairs_at_once=8, plan=replace(profile.plan, min_pairs=6))
    runner = TimeSlotRunner(faster)
    runs = run(runner, purpose=Purpose.AUDIT, profile=wide)
    assert len(runs) == 12
    assert max(runner.together) == 4, "two pairs of two arms: never more than one session's"


# --- pairs beside each other ------------------------------------------------------------


@dataclass
class TimeSlotRunner(ScriptedRunner):
    """Takes its time slot and remembers how many runs were there together."""

    takes_time_slices: bool = True
    together: list[int] = field(default_factory=list)
    _here: list[int] = field(default_factory=list)

    def run_candidate(self, *args, time_slot, **kwargs) -> CandidateRun:
        time_slot.arrive()
        self._here.append(1)
        time.sleep(0.1)  # long enough for the others to be there too
        self.together.append(len(self._here))
        self._here.pop()
        run = super().run_candidate(*args, **kwargs)
        time_slot.fail() if run.output is None else time_slot.leave()
        return run


@pytest.mark.parametrize(
    ("valid_pairs", "lanes", "expected"),
    [
        (0, 1, 1),
        (0, 2, 2),
        (2, 2, 1),  # the first look is not passed over
        (0, 8, 3),
        (3, 2, 2),
        (5, 2, 1),  # nor is the cap
        (3, 8, 3),
    ],
)
def test_pairs_beside_each_other_end_at_a_look(profile, valid_pairs, lanes, expected) -> None:
    assert pairs_to_run(profile.plan, valid_pairs, lanes) == expected


@pytest.mark.parametrize("pairs_at_once", [0, 1, 3])
def test_the_repos_own_tests_run_once_on_the_candidate(run, task, profile, pairs_at_once) -> None:
    tested = replace(task, tests=RepoTests(entry=("python", "tests.py"), wall_s=None))
    beside = replace(profile, pairs_at_once=max(pairs_at_once, 1))
    kind = TimeSlotRunner if pairs_at_once else ScriptedRunner
    for is_failing, verdict in ((False, Verdict.SUPPORTED), (True, Verdict.REFUTED)):
        runner = kind(faster, is_failing=is_failing)
        runs = run(runner, task=tested, profile=beside)
        assert runner.tested == ["fast"]
        result = score(tested, profile, runs, purpose=Purpose.SCREEN)
        assert result.verdict is verdict
        assert (result.pairs_used < profile.plan.min_pairs) is (is_failing and pairs_at_once < 3)
        guard = next(each for each in result.guards if each.name == "repo's own tests")
        assert guard.is_kept is not is_failing
        assert ("repo's own tests" in result.reason) is is_failing
        assert ("the report is not true" in result.reason) is is_failing


def test_they_run_on_the_champion_too_where_a_guard_compares_what_they_cost(
    run, task, profile
) -> None:
    tested = replace(task, tests=RepoTests(entry=("python", "tests.py"), wall_s=None))
    rule = GuardRule(name="tests_cpu_s", max_ratio=2.0, max_value=None)
    compared = replace(profile, guards=(*profile.guards, rule))
    runner = ScriptedRunner(faster)
    runs = run(runner, task=tested, profile=compared)
    assert sorted(runner.tested) == ["fast", "slow"]
    assert score(tested, compared, runs, purpose=Purpose.SCREEN).verdict is Verdict.SUPPORTED


@pytest.mark.parametrize("purpose", [Purpose.CONFIRM, Purpose.BASELINE, Purpose.EXTRA])
def test_fresh_stages_do_not_run_tests_again_that_the_screen_passed(
    run, task, profile, purpose
) -> None:
    tested = replace(task, tests=RepoTests(entry=("python", "tests.py"), wall_s=None))
    runner = ScriptedRunner(faster)
    runs = run(runner, task=tested, purpose=purpose)
    assert runner.tested == []
    result = score(tested, profile, runs, purpose=purpose)
    assert result.verdict is Verdict.SUPPORTED
    assert all(each.name != "repo's own tests" for each in result.guards)
    # An older ledger has them in every stage; what they said then counts as it did.
    failed = {"tests": {"is_passed": False, "cpu_s": 1.0, "detail": "AssertionError"}}
    old = [
        replace(each, result=failed) if each.arm is Arm.CANDIDATE and each.pair == 0 else each
        for each in runs
    ]
    assert score(tested, profile, old, purpose=purpose).verdict is Verdict.REFUTED


def test_an_audit_runs_the_tests_on_the_champion(run, task) -> None:
    tested = replace(task, tests=RepoTests(entry=("python", "tests.py"), wall_s=None))
    runner = ScriptedRunner(faster)
    run(runner, task=tested, purpose=Purpose.AUDIT)
    assert runner.tested == ["fast"]


def test_tests_that_nobody_ran_are_no_tests_that_passed(run, task, profile) -> None:
    tested = replace(task, tests=RepoTests(entry=("python", "tests.py"), wall_s=None))
    runs = run(ScriptedRunner(faster))
    result = score(tested, profile, runs, purpose=Purpose.SCREEN)
    assert result.verdict is Verdict.INCONCLUSIVE
    assert "could not be measured" in result.reason


def test_between_distant_looks_every_lane_is_used(profile) -> None:
    plan = replace(profile.plan, max_pairs=40)
    assert pairs_to_run(plan, 12, 2) == 2  # looks at 12 and 15
    assert pairs_to_run(plan, 14, 2) == 1


def test_pairs_run_beside_each_other_as_many_as_the_profile_allows(run, profile) -> None:
    alone, beside = TimeSlotRunner(faster), TimeSlotRunner(faster)
    one_by_one = run(alone)
    together = run(beside, profile=replace(profile, pairs_at_once=2))
    assert max(alone.together) == 2
    assert max(beside.together) == 4
    facts = [(m.pair, m.arm, m.position, m.seed_commitment) for m in one_by_one]
    assert [(m.pair, m.arm, m.position, m.seed_commitment) for m in together] == facts


def test_pairs_on_another_clock_never_run_beside_each_other(run, task, profile) -> None:
    runner = ScriptedRunner(faster, takes_time_slices=True)
    metric = replace(task.metric, clock=Clock.RESULT)
    runner.grade = lambda *_: replace(
        ScriptedRunner.grade(runner, task, profile, None, CHAMPION, ""), metric_value=1.0
    )
    runs = run(runner, task=replace(task, metric=metric), profile=replace(profile, pairs_at_once=3))
    assert [m.position for m in runs[:4]] == [0, 1, 0, 1]
    assert [m.pair for m in runs[:4]] == [0, 0, 1, 1]


def test_candidates_that_crash_beside_each_other_still_need_a_champion_that_ends_well(
    run, task, profile
) -> None:
    def ending(tree: bytes, _: int) -> ExecOutcome:
        return ExecOutcome.CRASHED if tree == b"fast" else ExecOutcome.OK

    runner = TimeSlotRunner(faster, ending=ending)
    runs = run(runner, profile=replace(profile, pairs_at_once=2))
    result = score(task, profile, runs, purpose=Purpose.SCREEN)
    assert result.verdict is Verdict.INVALID
    assert any(m.arm is Arm.CHAMPION and m.outcome is Outcome.OK for m in runs)


def test_a_broken_harness_ends_the_pairs_beside_it(run, profile) -> None:
    class Broken(TimeSlotRunner):
        def run_candidate(self, *args, time_slot, **kwargs) -> CandidateRun:
            if len(self.calls) == 1:
                raise SandboxBrokenError("the engine went away")
            self.calls.append(("", "", 0))
            time_slot.arrive()
            while not time_slot.is_abandoned:
                time.sleep(0.01)
            raise TimeSlicesAbandonedError("ended in the middle")

    with pytest.raises(MeasurementError, match="the engine went away"):
        run(Broken(faster), profile=replace(profile, pairs_at_once=2))


# --- one measurement at a time ----------------------------------------------------------


def test_two_measurers_never_hold_the_machine_together(tmp_path: Path) -> None:
    inside: list[int] = []
    most: list[int] = []

    def work() -> None:
        for _ in range(5):
            with timing_machine(tmp_path) as is_held:
                assert is_held
                inside.append(1)
                most.append(len(inside))
                inside.pop()

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert max(most) == 1


def test_waiting_for_the_machine_can_be_given_up(tmp_path: Path) -> None:
    with (
        timing_machine(tmp_path) as first,
        timing_machine(tmp_path, should_stop=lambda: True) as second,
    ):
        assert first
        assert not second


def test_a_cache_folder_that_cannot_be_made_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(MeasurementError, match="RSI_CACHE"),
        timing_machine(tmp_path / "file" / "x"),
    ):
        pass


def test_one_lease_folder_makes_measurers_with_their_own_caches_exclude_each_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RSI_CACHE", str(tmp_path / "a"))
    monkeypatch.setenv("RSI_LEASE_DIR", str(tmp_path / "shared"))
    with timing_machine() as first:
        monkeypatch.setenv("RSI_CACHE", str(tmp_path / "b"))
        with timing_machine(should_stop=lambda: True) as second:
            assert first
            assert not second


def test_a_floor_waits_for_the_measurement_that_holds_the_machine(
    task: Task, profile: Profile, tmp_path: Path
) -> None:
    def work() -> None:
        with pytest.raises(AttributeError, match="open"):  # it got as far as its backend
            measure_floor(task, profile, None, (), label="floor", cache=tmp_path)

    waiting = threading.Thread(target=work)
    with timing_machine(tmp_path):
        waiting.start()
        waiting.join(0.5)
        assert waiting.is_alive()
    waiting.join(10.0)
    assert not waiting.is_alive()


def test_a_stop_ends_the_wait_for_the_machine_with_what_there_is(run, tmp_path) -> None:
    runner = ScriptedRunner(faster)
    with timing_machine(tmp_path):
        asked: list[bool] = []
        assert run(runner, should_stop=lambda: bool(asked.append(True)) or len(asked) > 2) == ()
    assert runner.calls == []


def test_a_question_whether_to_stop_that_fails_ends_both_runs_at_once(task, profile) -> None:
    class Endless(ScriptedRunner):
        def run_candidate(self, *args, time_slot, **kwargs) -> CandidateRun:
            time_slot.arrive()
            deadline = time.monotonic() + 20.0
            while not time_slot.is_abandoned:
                assert time.monotonic() < deadline, "nobody ended this run"
                time.sleep(0.01)
            raise TimeSlicesAbandonedError("ended in the middle")

    def should_stop() -> bool:
        raise OSError("the ledger cannot be read")

    runner = Endless(faster, takes_time_slices=True)
    slots = [
        Slot(arm=arm, purpose=Purpose.SCREEN, pair=0, position=at, training_seed=1, label="r1")
        for at, arm in enumerate(Arm)
    ]
    instance = runner.make_instance(task, profile, Purpose.SCREEN, b"s" * 32, "r1")
    lane = Lane(
        runner=runner,
        arms=[(slot, CHAMPION) for slot in slots],
        instance=instance,
        needs_s=[None, None],
        max_slice_s=0.1,
    )
    with pytest.raises(OSError, match="ledger"):
        run_time_sliced(task, profile, [lane], should_stop=should_stop)
