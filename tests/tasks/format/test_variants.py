"""A variant is a task of its own that takes what it lacks from the task it belongs to."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from rsi.agent.policy.settings import default_lineage
from rsi.agent.store.git.lineage import checked_name
from rsi.sandboxes.machine.devices import find_gpus
from rsi.tasks.choices import Clock, Device
from rsi.tasks.errors import TaskFormatError, TaskNotFoundError
from rsi.tasks.format.loader import BUILT_IN, list_tasks, load_task, variants_of
from rsi.tasks.running.check import patched_tree
from rsi.tasks.running.runner import run_spec

VARIANTS = [f"{root.name}@{each}" for root in sorted(BUILT_IN.iterdir()) for each in variants_of(root)]  # fmt: skip
every_variant = pytest.mark.parametrize("name", VARIANTS)
for_gpus = pytest.mark.parametrize("name", [each for each in VARIANTS if each.endswith("@gpu")])


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """The kernels, where a test may change them."""
    folder = tmp_path / "tasks" / "kernels"
    shutil.copytree(BUILT_IN / "kernels", folder, ignore=shutil.ignore_patterns("__pycache__"))
    return folder


def test_three_tasks_have_a_variant():
    assert VARIANTS == ["kernels@gpu", "lm_training@gpu", "self_training@noisy_verifier"]


@for_gpus
def test_what_runs_on_a_gpu_has_no_clock_of_processors_and_says_that_none_has_verified_it(name):
    task = load_task(name)
    assert task.device is Device.CUDA
    assert task.metric.clock is not Clock.CPU_S
    assert "Not verified: no GPU was at hand" in (task.root / "README.md").read_text()


@every_variant
def test_a_variant_has_a_baseline_and_a_lineage_of_its_own(name):
    task, base = load_task(name), load_task(name.partition("@")[0])
    assert task.name == name
    assert task.harness == base.harness
    assert task.digest != base.digest
    profile = task.default_profile
    lineage = checked_name(default_lineage(task, profile), "lineage")
    assert lineage not in {default_lineage(base, each) for each in base.profiles}


@every_variant
def test_a_variants_patches_apply(name):
    task = load_task(name)
    assert {"same", "faster"} <= {each.expect for each in task.solutions}
    assert task.cheats
    for each in (*task.solutions, *task.cheats):
        assert patched_tree(task, each)


def test_what_a_variant_lacks_is_its_tasks_and_what_it_has_is_its_own():
    kernels, trainer = load_task("kernels@gpu"), load_task("lm_training@gpu")
    assert kernels.repo == kernels.root / "repo"
    assert trainer.repo == (BUILT_IN / "lm_training" / "repo").resolve()
    assert "on a GPU" in trainer.instruction
    assert {each.name for each in trainer.cheats} == {
        each.name for each in load_task("lm_training").cheats
    }
    assert {each.patch.parent for each in kernels.cheats} == {kernels.root / "cheats"}


def test_a_variant_is_found_by_its_path_and_changes_with_its_tasks_harness(copied):
    before = load_task(copied / "variants" / "gpu")
    assert before.name == "kernels@gpu"
    assert before.digest == load_task("kernels@gpu").digest
    members = copied / "harness" / "members.py"
    members.write_text(members.read_text() + "# changed\n")
    assert load_task(copied / "variants" / "gpu").digest != before.digest


def test_patches_of_another_repo_are_not_taken_over(copied):
    for name in ("solutions", "cheats"):
        shutil.rmtree(copied / "variants" / "gpu" / name)
    found = load_task(copied / "variants" / "gpu")
    assert (found.solutions, found.cheats) == ((), ())


def test_variants_are_no_tasks_of_the_list_and_an_unknown_one_is_one_sentence():
    assert not [each.name for each in list_tasks() if "@" in each.name]
    with pytest.raises(TaskNotFoundError, match=r"'kernels' has no variant 'gqu'; it has gpu"):
        load_task("kernels@gqu")
    with pytest.raises(TaskNotFoundError, match=r"'toy' has no variant 'gpu'; it has none"):
        load_task("toy@gpu")


def test_a_run_is_told_to_use_a_gpu_where_it_is_given_one_and_only_there():
    for name in VARIANTS:
        task = load_task(name)
        profile = task.profiles["smoke"]
        told = [
            run_spec(task, profile, 7, "test", gpus=gpus).variables["RSI_DEVICE"]
            for gpus in (("GPU-1",), ())
        ]
        assert told == ["cuda", "cpu"]


def test_the_gpu_check_says_in_one_line_that_there_is_no_gpu():
    if find_gpus():
        pytest.skip("this machine has one")
    script = Path(__file__).parents[3] / "benchmarks" / "gpu" / "check.py"
    done = subprocess.run([sys.executable, "-P", script], capture_output=True, text=True, timeout=60, check=False)  # fmt: skip
    assert done.returncode == 75
    assert done.stdout == "gpu-check: no NVIDIA GPU is here; nothing was checked\n"


def test_a_variants_mistake_names_the_variant(copied):
    file = copied / "variants" / "gpu" / "task.toml"
    file.write_text(file.read_text().replace("rsi/kernels@gpu", "rsi/kernels"))
    with pytest.raises(TaskFormatError, match=r"'kernels@gpu'.*\n.*ends in the folder's, such as 'rsi/kernels@gpu'"):  # fmt: skip
        load_task(copied / "variants" / "gpu")


def test_a_folder_of_tasks_may_be_called_variants(copied, tmp_path):
    place = tmp_path / "variants" / "kernels"
    shutil.copytree(copied, place)
    assert load_task(place).name == "kernels"
