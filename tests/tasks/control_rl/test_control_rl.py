"""The control task: its judge is a simulation that can be believed, a policy is numbers, and cheats end as they must."""

import importlib
import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.tasks.conftest import harness_of

from rsi.evals.admission.admission import admit, is_admitted
from rsi.evals.judge.score import score
from rsi.evals.measure.measuring import measure
from rsi.evals.types import Purpose, Verdict
from rsi.sandboxes.bubblewrap.backend import BubblewrapBackend
from rsi.sandboxes.errors import EnvironmentBuildError
from rsi.tasks.files.trees import read_tree
from rsi.tasks.format.loader import load_task
from rsi.tasks.running.check import patched_tree

TASK = load_task("control_rl")
NAMES = ("task", "bodies", "simulation")


@pytest.fixture(scope="module")
def harness(tmp_path_factory):
    with harness_of(TASK, tmp_path_factory.mktemp("trusted"), NAMES) as modules:
        yield modules


@pytest.fixture(scope="module")
def body(harness):
    return harness.bodies.draw_body(np.random.default_rng(5))


@pytest.fixture(scope="module")
def runs(harness, body):
    """A policy that flails a little, on four bodies for a second, at the plain step and at half of it."""
    changes = harness.bodies.draw_changes(np.random.default_rng(6), 4)
    weights = np.random.default_rng(7).normal(size=(8, 13)) * 0.1
    return [
        harness.simulation.Simulation(body, changes, substeps=each).run(weights, 2.0, 1.0)
        for each in (1, 2)
    ]


def policy(**changes):
    return {"clock_hz": 2.0, "weights": [[0.5] * 13 for _ in range(8)]} | changes


def test_the_judge_runs_a_policy_as_the_repos_own_simulation_does(harness, body, monkeypatch):
    """Two simulations, one of them written for one body at a time: the same metres on the body as it is given."""
    monkeypatch.syspath_prepend(str(TASK.repo))
    names = ("policy", "sim", "search", "search.settings")
    try:
        simulator = importlib.import_module("sim").Simulator(body)
        weights = np.random.default_rng(8).normal(size=(8, 13)) * 0.1
        metres, has_fallen = simulator.run(weights, 0.5)
        clock_hz = sys.modules["search.settings"].CLOCK_HZ
    finally:
        for name in names:
            sys.modules.pop(name, None)
    judge = harness.simulation.Simulation(body, harness.bodies.no_changes(1))
    judged = judge.run(weights, clock_hz, 0.5)
    assert judged.metres[0] == pytest.approx(metres, abs=1e-6)
    assert bool(judged.has_fallen[0]) == has_fallen
    assert abs(metres) > 1e-3


def test_a_run_is_the_same_every_time_and_half_the_step_hardly_changes_it(harness, body, runs):
    changes = harness.bodies.draw_changes(np.random.default_rng(6), 4)
    weights = np.random.default_rng(7).normal(size=(8, 13)) * 0.1
    again = harness.simulation.Simulation(body, changes).run(weights, 2.0, 1.0)
    assert (again.metres == runs[0].metres).all()
    assert np.abs(runs[0].metres - runs[1].metres).max() < 0.15
    assert (runs[0].energy_excess <= 0).all(), "friction and damping only take"


def test_all_three_guards_pass_a_run_and_each_fails_alone(harness, runs):
    plain, halved = runs

    def failed(here, there):
        return [each.name for each in harness.task.physical(here, there, 1.0) if not each.is_ok]

    assert failed(plain, halved) == []
    assert failed(plain, replace(halved, metres=halved.metres + 2)) == ["half_step"]
    assert failed(replace(plain, energy_excess=plain.work + 50), halved) == ["energy"]
    faster = [replace(each, metres=each.metres + 20) for each in runs]
    assert failed(*faster) == ["top_speed"]
    shaken = replace(plain, metres=np.full(4, np.nan), energy_excess=np.full(4, np.nan))
    assert failed(shaken, halved) == ["half_step", "energy", "top_speed"]


@pytest.mark.parametrize(
    "value",
    [
        [], {}, policy(more=1), policy(clock_hz=60.0), policy(clock_hz=True), policy(clock_hz=None),
        policy(weights=[[0.5] * 13] * 7), policy(weights=[[0.5] * 12] * 8), policy(weights=[["1"] * 13] * 8),
        policy(weights=[[1e4] * 13] * 8), policy(weights=[[True] * 13] * 8), policy(weights="weights"),
    ],
)  # fmt: skip
def test_what_is_no_policy_is_refused(harness, value):
    kind = importlib.import_module("harness_kit").InvalidArtifact
    with pytest.raises(kind):
        harness.task.checked_policy(value)
    weights, clock_hz = harness.task.checked_policy(policy())
    assert (weights.shape, clock_hz) == ((8, 13), 2.0)


def test_bodies_follow_from_the_seed_and_are_plain_json(harness):
    drawn = [harness.bodies.draw_body(np.random.default_rng(seed)) for seed in (1, 1, 2)]
    assert json.dumps(drawn[0]) == json.dumps(drawn[1])
    assert drawn[0] != drawn[2]
    assert (len(drawn[0]["springs"]), len(drawn[0]["muscles"])) == (31, 8)


def test_a_body_that_falls_comes_no_further(harness, body):
    """Its way ends where its back touches the ground, whatever it does afterwards."""
    high = {**body, "world": {**body["world"], "fall_height": 10.0}}
    judge = harness.simulation.Simulation(high, harness.bodies.no_changes(1))
    found = judge.run(np.ones((8, 13)), 2.0, 1.0)
    assert found.has_fallen[0] == 1
    assert abs(found.metres[0]) < 0.01


ADMITTED = [
    each
    for each in TASK.cheats
    if is_admitted(admit(TASK, read_tree(TASK.repo), patched_tree(TASK, each)))
]


@pytest.mark.parametrize("cheat", TASK.cheats, ids=lambda each: each.name)
def test_what_admission_refuses_is_named_so(cheat):
    assert cheat in ADMITTED or "not_admitted" in cheat.expect


SAMPLE = "04_not_a_number"
"""The others take longer and have the exhaustive lane."""


@pytest.mark.parametrize(
    "cheat",
    [
        pytest.param(
            each, marks=pytest.mark.slow if each.name == SAMPLE else pytest.mark.exhaustive
        )
        for each in ADMITTED
    ],
    ids=lambda each: each.name,
)
def test_a_cheat_that_is_admitted_ends_as_its_list_says(cheat, tmp_path: Path):
    backend, profile = BubblewrapBackend(), TASK.profiles["smoke"]
    if not backend.availability().is_available:
        pytest.skip("needs bubblewrap")
    try:
        backend.prepare(TASK.environment)
    except EnvironmentBuildError as error:
        pytest.skip(f"no numpy: {error}")
    profile = replace(profile, plan=replace(profile.plan, max_pairs=4))
    runs = measure(
        TASK, profile, backend, read_tree(TASK.repo), patched_tree(TASK, cheat), purpose=Purpose.CONTROL,
        campaign_secret=bytes(16), lineage="cheats", round_id=cheat.name, cache=tmp_path,
    )  # fmt: skip
    said = score(TASK, profile, runs, purpose=Purpose.CONTROL)
    ended = said.verdict.value
    if said.verdict is Verdict.INVALID:
        ended = next(name for name in said.outcomes if name != "ok")
    assert ended in cheat.expect, said.reason
