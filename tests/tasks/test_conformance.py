"""The contract of a task, kept by every folder: the ones that ship, and one that another package brings.

A new task adds a folder and no line here. Cheats are tried in `tests/adversarial`.
Does not: judge a gain by day; that takes minutes a task, so it is in `make exhaustive`.
"""

from pathlib import Path

import pytest

from rsi.agent.trust.row_effects import measure_step
from rsi.evals.types import Verdict
from rsi.sandboxes.errors import BackendUnavailableError, EnvironmentBuildError
from rsi.sandboxes.select import QUICKEST_FIRST, choose_backend
from rsi.tasks.format.loader import BUILT_IN, load_task
from rsi.tasks.rows import SUITE_ROWS
from rsi.tasks.running.check import check_task, run_baseline
from rsi.tasks.running.runner import make_instance

OUTSIDE = Path(__file__).parents[1] / "plugins" / "example" / "rsi_example" / "counting"
SHIPPED = sorted(each.parent for each in BUILT_IN.glob("*/task.toml"))
FOLDERS = [*SHIPPED, OUTSIDE]
SMOKE_S = 10.0
"""CPU seconds that a run of the smallest profile may take: a person waits for it."""
SECRET = bytes(range(16))

every_task = pytest.mark.parametrize("folder", FOLDERS, ids=lambda each: each.name)


@pytest.fixture
def task(folder):
    return load_task(folder)


@pytest.fixture
def smallest(task):
    return next(iter(task.profiles.values()))


@pytest.fixture
def backend(task):
    for name in QUICKEST_FIRST:
        try:
            found = choose_backend(name).backend
            found.prepare(task.environment)
        except (BackendUnavailableError, EnvironmentBuildError):
            continue
        return found
    pytest.skip(f"no sandbox with walls can be made ready for {task.name}")


@pytest.mark.parametrize("folder", SHIPPED, ids=lambda each: each.name)
def test_it_says_what_it_is_for_and_brings_what_the_catalogue_shows(folder, task):
    for name in ("README.md", "instruction.md"):
        assert (folder / name).read_text(encoding="utf-8").strip()
    assert "docs/explanation/guards.md" in (folder / "README.md").read_text(encoding="utf-8")
    assert task.trains
    expected = [each.expect for each in task.solutions]
    assert "same" in expected, "a null patch, which has to be refused"
    assert "faster" in expected, "a gain, which shows that there is headroom"
    assert task.cheats, "something that has to be caught"
    assert task.rows.keys() <= SUITE_ROWS.keys(), "rows of the suite, spelled as it spells them"


@pytest.mark.parametrize("folder", SHIPPED, ids=lambda each: each.name)
def test_what_the_kit_builds_finds_a_compiler_in_its_image(folder, task):
    if "harness_link.building" not in task.candidate.build:
        return
    assert task.environment.dockerfile is not None
    assert " gcc " in (task.environment.dockerfile / "Dockerfile").read_text(encoding="utf-8")


@pytest.mark.slow
@every_task
def test_an_instance_follows_from_its_seed_alone(task, smallest, backend):
    one, again, other = (
        make_instance(task, smallest, "dev", seed, backend) for seed in (b"1" * 32, b"1" * 32, b"2" * 32)
    )  # fmt: skip
    assert one == again
    assert one.digest != other.digest
    assert make_instance(task, smallest, "screen", b"1" * 32, backend).digest != one.digest


@pytest.mark.slow
@every_task
def test_its_own_checks_pass_and_a_run_is_short(task, smallest, backend):
    report = check_task(task, smallest.name, backend)
    assert report.is_ok, [line for line in report.lines if not line.is_ok]
    assert run_baseline(task, smallest, backend, (), number=0).run.execution.cpu_s <= SMOKE_S


STEPS = [
    pytest.param(folder, each.name, id=f"{folder.name}-{each.name}")
    for folder in FOLDERS
    for each in load_task(folder).solutions
    if each.expect in {"faster", "same"}
]


@pytest.mark.exhaustive
@pytest.mark.parametrize(("folder", "name"), STEPS)
def test_a_solution_beats_its_parent_on_fresh_seeds_and_a_null_patch_beats_nothing(
    task, backend, name, tmp_path
):
    step = next(each for each in task.solutions if each.name == name)
    profile = task.profiles[task.default_profile]
    _, said = measure_step(task, profile, backend, step, secret=SECRET, cache=tmp_path)
    if step.expect == "faster":
        assert said.verdict is Verdict.SUPPORTED, said.reason
    else:
        assert said.verdict in {Verdict.REFUTED, Verdict.INCONCLUSIVE}, said.reason
