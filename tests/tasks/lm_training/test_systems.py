"""The track `systems`: the same training passes, another training is refused by name, whatever its loss."""

import io
import json

import numpy as np
import pytest

from rsi.evals.judge.guards import source_facts
from rsi.evals.judge.score import score
from rsi.evals.measure.measuring import measure
from rsi.evals.types import Purpose, Verdict
from rsi.sandboxes.select import select_backend
from rsi.sandboxes.types import FileEntry
from rsi.tasks.files.trees import read_tree
from rsi.tasks.format.loader import load_task
from rsi.tasks.running.check import patched_tree
from rsi.tasks.running.runner import grade, make_instance, run_candidate

SEED = bytes(range(32))
GAPS = ("logit_kl", "loss_gap", "gradient_gap")


@pytest.fixture(scope="module")
def systems():
    return load_task("lm_training", track="systems")


def limits(profile):
    return {rule.name: rule.limit for rule in profile.quality if rule.name in GAPS}


def test_the_track_adds_rules_of_its_own_and_leaves_the_others_alone(systems):
    for profile in systems.profiles.values():
        assert tuple(rule.name for rule in profile.quality) == ("hidden_bpb", *GAPS)
    for track in ("fixed_model", "open_family"):
        task = load_task("lm_training", track=track)
        assert [rule.name for rule in task.profiles["demo"].quality] == ["hidden_bpb"]
        assert "is_equivalence_judged" not in task.profiles["demo"].settings
    assert systems.profiles["full"].claim == "none"  # its limits were never measured


@pytest.fixture
def pair_of_weights(harness, pinned):
    config = harness.family.read_config(pinned)
    weights = harness.selfcheck.random_weights(config, np.random.default_rng(0))
    text = np.random.default_rng(1).integers(1, 128, size=4000).astype(np.uint8)

    def compare(change, seed=SEED):
        other = {name: change(name, array) for name, array in weights.items()}
        return harness.equivalence.compare(config, weights, other, text, seed)

    return compare


def test_the_same_weights_have_no_gap(harness, pair_of_weights):
    assert pair_of_weights(lambda name, array: array.copy()) == harness.equivalence.Gaps(
        logit_kl=0.0, loss_gap=0.0, gradient_gap=0.0
    )


@pytest.mark.parametrize("name", ["head", "layers.0.key", "position_embedding", "final_norm.bias"])
def test_a_change_of_any_array_widens_every_gap(pair_of_weights, name):
    found = pair_of_weights(lambda own, array: array * 1.1 if own == name else array)
    assert found.logit_kl > 1e-6
    assert found.loss_gap > 1e-6
    assert found.gradient_gap > 1e-4


def test_every_position_of_the_context_is_compared(pair_of_weights):
    def change_the_last(name, array):
        changed = array.copy()
        if name == "position_embedding":
            changed[-1, 0] += 1
        return changed

    for number in range(5):
        assert pair_of_weights(change_the_last, bytes([number]) * 32).gradient_gap > 1e-4


def test_weights_that_overflow_are_no_gap_but_an_invalid_artifact(harness, pair_of_weights):
    rng = np.random.default_rng(0)

    def blown_up(name, array):
        return array * 0 if "embedding" in name else rng.choice([-3e38, 3e38], size=array.shape)

    with pytest.raises(harness.forward.NotFiniteError):
        pair_of_weights(blown_up)


@pytest.fixture
def instance_with_reference(harness, request_of, leave, tmp_path):
    """An instance whose reference is written by hand: no trainer, so no torch, is needed."""
    for part in ("public", "secret", "reference"):
        (tmp_path / part).mkdir()
    plain = request_of(track="fixed_model")
    harness.task.TrainingHarness().instance(plain, tmp_path / "public", tmp_path / "secret")
    leave()(tmp_path / "reference")
    (tmp_path / "reference" / "weights.npz").rename(tmp_path / "secret" / "reference.npz")
    return harness.kit.InstanceFolder(root=tmp_path, request=request_of(track="systems"))


def test_gaps_are_graded_beside_the_loss(
    harness, instance_with_reference, leave, tmp_path, systems
):
    out = tmp_path / "out"
    out.mkdir()
    leave()(out)
    same = harness.task.TrainingHarness().grade(instance_with_reference, out)
    assert same.outcome == "ok"
    assert {name: same.quality[name] for name in GAPS} == dict.fromkeys(GAPS, 0.0)
    forged = np.random.default_rng(5).standard_normal((128, 48)).astype(np.float32)
    leave(head=forged)(out)
    found = harness.task.TrainingHarness().grade(instance_with_reference, out)
    bounds = limits(systems.profiles["smoke"])
    assert all(found.quality[name] > bounds[name] for name in GAPS)


class Runs:
    """Candidates on one instance of the smoke profile, in real sandboxes."""

    def __init__(self, task):
        self.task, self.profile = task, task.profiles["smoke"]
        self.backend = select_backend("process")
        self.backend.prepare(task.environment)
        self.instance = make_instance(task, self.profile, "dev", SEED, self.backend)

    def output(self, tree, training_seed=7):
        run = run_candidate(
            self.task,
            self.profile,
            tree,
            self.instance,
            training_seed,
            self.backend,
            "test-systems",
        )
        assert run.output is not None, run.execution.stderr.decode()
        return run.output

    def of(self, name):
        solution = next(each for each in self.task.solutions if each.name == name)
        return self.grade(self.output(patched_tree(self.task, solution)))

    def grade(self, output):
        graded = grade(self.task, self.profile, self.instance, output, self.backend, "test-systems")
        assert graded.outcome.value == "ok"
        return {reading.name: reading for reading in graded.quality}


@pytest.fixture(scope="module")
def runs(systems):
    return Runs(systems)


@pytest.fixture(scope="module")
def baseline_output(runs):
    return runs.output(read_tree(runs.task.repo))


@pytest.mark.slow
def test_the_reference_is_secret_and_its_seed_is_public(runs):
    public = {entry.path: entry.content for entry in runs.instance.public}
    assert set(public) == {"settings.json", "train.txt", "validation.txt"}
    assert isinstance(json.loads(public["settings.json"])["training_seed"], int)
    assert "reference.npz" in {entry.path for entry in runs.instance.secret}


@pytest.mark.slow
def test_the_baseline_leaves_the_reference_whatever_seed_its_run_is_given(runs, baseline_output):
    readings = runs.grade(baseline_output)
    assert [readings[name].value for name in GAPS] == [0.0, 0.0, 0.0]
    assert all(reading.is_ok for reading in readings.values())


@pytest.mark.slow
@pytest.mark.parametrize("name", ["02_flat_adamw", "14_same_heads_batched"])
def test_the_same_training_in_less_time_passes_with_room(runs, name):
    readings = runs.of(name)
    assert all(reading.is_ok for reading in readings.values())
    for rule, limit in limits(runs.profile).items():
        assert readings[rule].value < limit / 10


@pytest.mark.slow
@pytest.mark.parametrize("name", ["09_too_few_steps", "16_other_training"])
def test_another_training_is_refused_by_every_gap(runs, name):
    readings = runs.of(name)
    assert [rule for rule in GAPS if readings[rule].is_ok] == []


@pytest.mark.slow
def test_a_better_loss_by_other_steps_does_not_help(runs, baseline_output):
    better, plain = runs.of("16_other_training"), runs.grade(baseline_output)
    assert better["hidden_bpb"].value < plain["hidden_bpb"].value
    assert better["hidden_bpb"].is_ok
    assert better["logit_kl"].is_ok is False


@pytest.mark.slow
def test_forged_weights_near_the_reference_are_refused(runs, baseline_output):
    rng = np.random.default_rng(3)
    files = {entry.path: entry for entry in baseline_output}
    with np.load(io.BytesIO(files["weights.npz"].content)) as archive:
        forged = {
            name: archive[name] * (1 + 0.01 * rng.standard_normal(archive[name].shape, np.float32))
            for name in archive
        }
    content = io.BytesIO()
    np.savez(content, **forged)
    files["weights.npz"] = FileEntry(path="weights.npz", content=content.getvalue())
    readings = runs.grade(tuple(files.values()))
    assert readings["hidden_bpb"].is_ok
    assert [rule for rule in GAPS if readings[rule].is_ok] == []


@pytest.mark.slow
def test_the_verdict_on_a_faster_and_better_training_names_the_rules_that_it_breaks(
    systems, runs, tmp_path
):
    profile = systems.profiles["smoke"]
    other = next(each for each in systems.solutions if each.name == "16_other_training")
    champion, candidate = read_tree(systems.repo), patched_tree(systems, other)
    measured = measure(
        systems,
        profile,
        runs.backend,
        champion,
        candidate,
        purpose=Purpose.SCREEN,
        campaign_secret=b"same training, less time",
        lineage="main",
        round_id="systems",
        cache=tmp_path,
    )
    source = source_facts(champion, candidate)
    result = score(systems, profile, measured, purpose=Purpose.SCREEN, source=source)
    assert result.verdict is Verdict.REFUTED
    assert set(GAPS) <= {quality.name for quality in result.quality if not quality.is_kept}
    assert "logit_kl" in result.reason
