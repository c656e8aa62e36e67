"""The flagship repo's own tests: they compute a loss as the harness does, and every honest patch passes them."""

import importlib.util
import sys
from dataclasses import replace

import numpy as np
import pytest

from rsi.sandboxes.bubblewrap.backend import BubblewrapBackend
from rsi.sandboxes.process import ProcessBackend
from rsi.tasks.format.loader import load_task
from rsi.tasks.running.check import patched_tree
from rsi.tasks.running.runner import run_tests

TRACKS = {name: load_task("lm_training", track=name) for name in ("fixed_model", "open_family", "systems")}  # fmt: skip
HONEST = {
    entry.name: (task, entry)
    for task in TRACKS.values()
    for entry in task.solutions
    if entry.expect in {"faster", "same", "worse_quality"}
}
BROKEN = ("22_drops_the_report", "23_makes_up_the_report", "24_knows_only_the_measured_sizes", "25_right_for_some_contexts")  # fmt: skip
PLAIN = {
    "layers": 2, "width": 16, "heads": 2, "context": 12, "mlp_width": 24, "activation": "gelu", "norm": "layernorm",
    "position": "learned", "is_tied": False, "ngram_orders": [], "ngram_rows": 0,
}  # fmt: skip


@pytest.fixture(scope="module")
def program_tests(lm_task):
    """The module of the repo's tests, whose numpy is this interpreter's."""
    path = list(sys.path)
    spec = importlib.util.spec_from_file_location("program", lm_task.repo / "tests/test_program.py")
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    finally:
        sys.path[:] = path
    return module


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"activation": "relu", "norm": "rmsnorm", "position": "none"},
        {"activation": "relu2", "position": "rotary", "is_tied": True},
        {"layers": 0, "ngram_orders": [2, 3, 6], "ngram_rows": 64},
        {"mlp_width": 0, "heads": 4},
    ],
)
def test_the_loss_is_what_the_harness_computes(program_tests, harness, changes):
    config = PLAIN | changes
    family = harness.family.read_config(config)
    weights = harness.selfcheck.random_weights(family, np.random.default_rng(3))
    text = np.random.default_rng(4).integers(0, 128, 200).astype(np.uint8)
    plain = {name: array.astype(np.float64) for name, array in weights.items()}
    found = program_tests.bits_per_byte(config, plain, text.astype(np.int64))
    assert found == pytest.approx(harness.forward.bits_per_byte(family, weights, text), abs=1e-4)


def _tested(task, name):
    entry = next(each for each in (*task.solutions, *task.cheats) if each.name == name)
    backend = BubblewrapBackend()
    if not backend.availability().is_available:
        backend = ProcessBackend()
    return run_tests(task, task.profiles["demo"], patched_tree(task, entry), backend, "test")


def _mostly_exhaustive(names, kept):
    """All names, those that are not kept for the exhaustive suite alone: each runs the program's own tests."""
    return [
        each if each in kept else pytest.param(each, marks=pytest.mark.exhaustive) for each in names
    ]


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", _mostly_exhaustive(HONEST, {"12_hashed_ngrams", "14_same_heads_batched"})
)
def test_an_honest_patch_passes_them_at_little_cost(name):
    task, _ = HONEST[name]
    found = _tested(task, name)
    assert found.is_passed, found.detail
    assert found.cpu_s < 12  # 2 to 5 on a quiet machine, most of it imports


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", _mostly_exhaustive(BROKEN, {"22_drops_the_report", "25_right_for_some_contexts"})
)
def test_a_patch_that_breaks_the_program_fails_them(name):
    assert not _tested(TRACKS["fixed_model"], name).is_passed


def test_a_candidate_cannot_change_them():
    for task in TRACKS.values():
        assert replace(task.tests, wall_s=None).entry == ("python", "-P", "tests/test_program.py")
        assert "tests/**" in task.candidate.protected
