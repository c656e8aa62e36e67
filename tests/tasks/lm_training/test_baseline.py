"""The trainer in a real sandbox, graded by the harness; needs the task's environment, so slow."""

import json
import re

import pytest

from rsi.sandboxes.select import select_backend
from rsi.tasks.files.trees import read_tree, write_tree
from rsi.tasks.running.check import patched_tree
from rsi.tasks.running.runner import grade, make_instance, run_candidate

pytestmark = pytest.mark.slow
SEED = bytes(range(32))


@pytest.fixture(scope="module")
def backend(lm_task):
    chosen = select_backend("process")
    chosen.prepare(lm_task.environment)
    return chosen


def run_smoke(task, backend, tree):
    profile = task.profiles["smoke"]
    instance = make_instance(task, profile, "dev", SEED, backend)
    run = run_candidate(task, profile, tree, instance, 7, backend, "test-lm-training")
    assert run.output is not None, run.execution.stderr.decode()
    return instance, run, grade(task, profile, instance, run.output, backend, "test-lm-training")


def test_torch_and_the_harness_agree_on_the_loss(lm_task, backend, harness, tmp_path):
    instance, run, graded = run_smoke(lm_task, backend, read_tree(lm_task.repo))
    assert graded.outcome.value == "ok"
    printed = re.findall(rb"step=280 .*validation_bpb=([\d.]+)", run.execution.stdout)
    write_tree(run.output, tmp_path)
    config = harness.family.read_config(json.loads((tmp_path / "config.json").read_text()))
    specs = harness.family.array_specs(config)
    weights = harness.kit.read_npz(tmp_path, "weights.npz", specs, max_bytes=1 << 20)
    text = next(entry.content for entry in instance.public if entry.path == "validation.txt")
    loss = harness.forward.bits_per_byte(config, weights, text)
    assert loss == pytest.approx(float(printed[0]), abs=1e-4)


@pytest.mark.parametrize("name", ["02_flat_adamw", "03_batched_heads", "04_fewer_better_steps"])
def test_a_gain_meets_the_target_with_less_cpu(lm_task, backend, name):
    _, baseline, _ = run_smoke(lm_task, backend, read_tree(lm_task.repo))
    solution = next(each for each in lm_task.solutions if each.name == name)
    _, candidate, graded = run_smoke(lm_task, backend, patched_tree(lm_task, solution))
    assert graded.outcome.value == "ok"
    (reading,) = graded.quality
    assert reading.value <= lm_task.profiles["smoke"].quality[0].limit
    assert candidate.execution.cpu_s < 0.9 * baseline.execution.cpu_s
