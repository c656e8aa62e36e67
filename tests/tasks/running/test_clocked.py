"""The clocked pattern: what is timed, what a worker can reach, and that work outside the calls is seen."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace

import pytest

from rsi.sandboxes.bubblewrap.backend import BubblewrapBackend
from rsi.sandboxes.types import ExecOutcome, ExecResult, FileEntry
from rsi.tasks.files.trees import read_tree
from rsi.tasks.format.loader import load_task
from rsi.tasks.harness_kit.building import FLAGS
from rsi.tasks.running.check import patched_tree
from rsi.tasks.running.runner import grade, make_instance, off_the_clock, run_candidate
from rsi.tasks.types import CandidateRun, Grade, GradeOutcome, Task


@pytest.fixture(scope="module")
def task() -> Task:
    return load_task("lm_training_c")


def run(task: Task, tree: tuple[FileEntry, ...]) -> tuple[CandidateRun, Grade | None]:
    backend, profile = BubblewrapBackend(), task.profiles["smoke"]
    if not backend.availability().is_available or shutil.which("gcc") is None:
        pytest.skip("needs bubblewrap and gcc")
    instance = make_instance(task, profile, "screen", bytes(range(32)), backend)
    done = run_candidate(task, profile, tree, instance, 1, backend, "test", cpus=None)
    if done.output is None:
        return done, None
    return done, grade(task, profile, instance, done.output, backend, "test")


def with_line(task: Task, old: str, new: str) -> tuple[FileEntry, ...]:
    """The starting trainer with one text replaced."""
    return tuple(
        replace(each, content=each.content.replace(old.encode(), new.encode(), 1))
        if each.path == "src/trainer.c"
        else each
        for each in read_tree(task.repo)
    )


@pytest.mark.slow
def test_the_start_and_the_strongest_solution_are_right_on_every_shape(task: Task):
    strongest = next(each for each in task.solutions if each.name == "05_attention_as_products")
    for tree in (read_tree(task.repo), patched_tree(task, strongest)):
        done, graded = run(task, tree)
        assert done.execution.outcome is ExecOutcome.OK
        assert graded is not None
        assert graded.outcome is GradeOutcome.OK
        assert all(reading.is_ok for reading in graded.quality)
        assert graded.metric_value is not None
        assert graded.metric_value > 0


@pytest.mark.slow
@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("    for (int i = 0; i < s->steps; i++) {\n        memset", "    exit(3);\n    for (int i = 0; i < s->steps; i++) {\n        memset", "exit status 3"),
        ("    for (int i = 0; i < s->steps; i++) {\n        memset", "    exit(0);\n    for (int i = 0; i < s->steps; i++) {\n        memset", "the worker ended in call 1"),
        ("#include <math.h>", "#include <maths.h>", "maths.h"),
    ],
)  # fmt: skip
def test_a_worker_that_ends_or_cannot_be_built_is_its_authors_fault(
    task: Task, old: str, new: str, words: str
):
    done, graded = run(task, with_line(task, old, new))
    if graded is None:
        said = done.execution.stderr.decode() + f" exit status {done.execution.exit_code}"
        assert done.execution.outcome is ExecOutcome.CRASHED
        assert words in said
    else:
        assert graded.outcome is GradeOutcome.INVALID_OUTPUT
        assert words in graded.reason


@pytest.mark.parametrize(
    ("cpu_s", "is_seen"), [(1.0, False), (2.5, False), (4.0, True), (40.0, True)]
)
def test_work_outside_the_calls_is_seen(
    task: Task, cpu_s: float, is_seen: bool, make_execution: Callable[[float], ExecResult]
):
    stated = (FileEntry(path="result.json", content=json.dumps({"clocked_s": 1.0}).encode()),)
    words = off_the_clock(make_execution(cpu_s), stated, task.profiles["smoke"])
    assert ("outside its calls" in words) is is_seen


def test_what_starts_a_gpu_may_compute_more_before_its_first_call(
    task: Task, make_execution: Callable[[float], ExecResult]
):
    stated = (FileEntry(path="result.json", content=json.dumps({"clocked_s": 1.0}).encode()),)
    profile = replace(task.profiles["smoke"], spare_cpu_s=60.0)
    assert load_task("kernels@gpu").profiles["demo"].spare_cpu_s == profile.spare_cpu_s
    assert off_the_clock(make_execution(40.0), stated, profile) == ""
    assert "outside its calls" in off_the_clock(make_execution(70.0), stated, profile)


def test_without_a_clock_of_the_harness_nothing_is_held_against_it(
    task: Task, make_execution: Callable[[float], ExecResult]
):
    stated = (FileEntry(path="result.json", content=b'{"clocked_s": null}'),)
    assert off_the_clock(make_execution(99.0), stated, task.profiles["smoke"]) == ""
    assert off_the_clock(make_execution(99.0), None, task.profiles["smoke"]) == ""


@pytest.fixture
def make_execution() -> Callable[[float], ExecResult]:
    def make(cpu_s: float) -> ExecResult:
        return ExecResult(
            outcome=ExecOutcome.OK, exit_code=0, stdout=b"", stderr=b"", is_truncated=False,
            wall_s=2.0, cpu_s=cpu_s, cpu_source="cgroup", max_rss_bytes=None,
        )  # fmt: skip

    return make


def test_the_flags_of_a_build_are_an_allow_list():
    for good in (
        "-O3",
        "-Ofast",
        "-march=native",
        "-ffast-math",
        "-mprefer-vector-width=512",
        "-fopenmp",
        "-DTILE=14",
        "--param=max-unroll-times=4",
    ):
        assert FLAGS.fullmatch(good), good
    for bad in (
        "-lblas",
        "-l:libopenblas.so.0",
        "-fplugin=x",
        "-flto",
        "-B/tmp",
        "-wrapper",
        "-include",
        "@file",
        "-fprofile-use",
        "-Wl,-z,now",
        "-fuse-ld=gold",
        "-I/usr",
        "-specs=x",
    ):
        assert not FLAGS.fullmatch(bad), bad
