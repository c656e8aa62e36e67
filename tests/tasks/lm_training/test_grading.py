"""What is refused, and what counts, when a run's output is graded."""

import json
import pickle
import zipfile

import numpy as np
import pytest

from rsi.tasks.format.loader import load_task

pytestmark = pytest.mark.slow


def test_honest_weights_are_graded(graded, leave):
    result = graded(leave())
    assert result.outcome == "ok"
    assert 5 < result.quality["hidden_bpb"] < 20
    assert result.hidden_reads == 1
    assert all(guard.is_ok for guard in result.guards)


def test_a_loss_below_the_entropy_is_called_tampering(graded, leave):
    head = np.zeros((128, 48), dtype=np.float32)
    head[ord("a")] = 10.0
    gain, bias = np.zeros(48, dtype=np.float32), np.ones(48, dtype=np.float32)
    always_a = leave(head=head, final_norm__gain=gain, final_norm__bias=bias)
    result = graded(always_a, hidden=b"a" * 16_000)
    assert result.outcome == "tampered"
    assert "entropy" in result.reason


def test_weights_that_let_later_bytes_through_are_called_tampering(graded, leave):
    # A byte that no text has overflows into every position before it. The hidden loss is finite and above the
    # entropy all the same: nothing but other endings shows it.
    embedding = np.random.default_rng(1).standard_normal((128, 48)).astype(np.float32)
    embedding[127] = 3e38
    result = graded(leave(token_embedding=embedding))
    assert result.outcome == "tampered"
    assert "looks ahead" in result.reason
    assert [guard.name for guard in result.guards if not guard.is_ok] == ["does_not_look_ahead"]


@pytest.mark.parametrize("track", ["fixed_model", "open_family"])
def test_a_model_that_sees_the_next_byte_is_called_tampering(graded, leave, leaking_harness, track):
    result = graded(leave(), track=track, by=leaking_harness)
    assert result.outcome == "tampered"
    assert "looks ahead" in result.reason


def test_a_harness_that_looks_ahead_fails_its_own_check(leaking_harness, request_of, tmp_path):
    checks = leaking_harness.task.TrainingHarness().selfcheck(request_of(), tmp_path)
    broken = {check.name for check in checks if not check.is_ok}
    assert broken == {"pinned_model_is_causal", "family_is_causal"}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"head": np.full((128, 48), np.nan, dtype=np.float32)}, "not finite"),
        ({"head": np.full((128, 48), np.inf, dtype=np.float32)}, "not finite"),
        ({"final_norm__gain": np.full(48, 3e38, dtype=np.float32)}, "not finite"),
        ({"head": np.zeros((128, 49), dtype=np.float32)}, "shape"),
        ({"head": np.zeros((128, 48), dtype=np.float64)}, "dtype"),
        ({"head": np.array([object()])}, "dtype"),
        ({"extra": np.zeros(3, dtype=np.float32)}, "not asked for"),
        ({"config": {"layers": 2}}, "pinned"),
    ],
)
def test_malformed_output_is_refused(harness, graded, leave, changes, message):
    with pytest.raises(harness.kit.InvalidArtifact, match=message):
        graded(leave(**changes))


def test_scores_beside_which_a_logarithm_rounds_away_cost_what_they_say(harness, graded, leave):
    """All bytes at 2e8 are a guess among 128, whatever float32 makes of the logarithm of their sum."""
    first = np.zeros((128, 48), dtype=np.float32)
    first[:, 0] = 2e8
    bias = np.zeros(48, dtype=np.float32)
    bias[0] = 1
    changes = {"head": first, "final_norm__gain": 0 * bias, "final_norm__bias": bias}
    assert graded(leave(**changes)).quality["hidden_bpb"] == pytest.approx(7)


def test_numbers_whose_products_are_denormal_count_as_nothing(harness, graded, leave, pinned):
    """They would make a grader 180 times as slow: in the weights, and where a gain makes them of harmless ones."""
    config = harness.family.read_config(pinned)
    weights = harness.selfcheck.random_weights(config, np.random.default_rng(0))
    matrices = [name for name, array in weights.items() if name[:6] == "layers" and array.ndim == 2]
    zero = {name: 0 * weights[name] for name in matrices}
    tiny = {name: np.float32(1e-20) * weights[name] for name in matrices}
    bias = {name: 0 * array for name, array in weights.items() if "norm.bias" in name}
    faint = {
        name: np.full_like(array, 1e-20) for name, array in weights.items() if "norm.gain" in name
    }
    kept = {"final_norm.gain": weights["final_norm.gain"]}
    nothing = graded(leave(**zero)).quality
    assert graded(leave(**tiny)).quality == nothing
    assert (
        graded(leave(**{**bias, **faint, **kept})).quality == graded(leave(**zero, **bias)).quality
    )


def test_pickled_weights_are_never_unpickled(harness, graded, leave, tmp_path):
    witness = tmp_path / "witness"

    class Payload:
        def __reduce__(self):
            return witness.touch, ()

    parcel = np.empty(1, dtype=object)
    parcel[0] = Payload()
    assert pickle.dumps(parcel)  # would run when loaded
    with pytest.raises(harness.kit.InvalidArtifact):
        graded(leave(head=parcel))
    assert not witness.exists()


def test_links_are_not_followed(harness, graded, leave, tmp_path):
    real = tmp_path / "elsewhere.npz"

    def prepare(out):
        leave()(out)
        (out / "weights.npz").rename(real)
        (out / "weights.npz").symlink_to(real)

    with pytest.raises(harness.kit.InvalidArtifact, match=r"weights\.npz"):
        graded(prepare)


def test_an_archive_that_unpacks_to_much_is_refused_unread(harness, graded, leave):
    def prepare(out):
        leave()(out)
        with zipfile.ZipFile(out / "weights.npz") as archive:
            names = archive.namelist()
        with zipfile.ZipFile(out / "weights.npz", "w", zipfile.ZIP_DEFLATED) as archive:
            for name in names:
                archive.writestr(name, bytes(2 << 20))

    with pytest.raises(harness.kit.InvalidArtifact, match="unpacks"):
        graded(prepare)


def test_missing_files_are_refused(harness, graded):
    with pytest.raises(harness.kit.InvalidArtifact, match=r"config\.json"):
        graded(lambda out: None)


@pytest.mark.parametrize(
    "changes",
    [
        {"layers": 9},
        {"layers": True},
        {"layers": 1.0},
        {"width": 0},
        {"heads": 5},
        {"heads": 32},  # a table of scores for each would fill the memory
        {"context": 4},
        {"activation": "tanh"},
        {"activation": ["gelu"]},
        {"is_tied": 1},
        {"ngram_orders": [3, 2], "ngram_rows": 64},
        {"ngram_orders": [2, 2], "ngram_rows": 64},
        {"ngram_orders": [7], "ngram_rows": 64},
        {"ngram_orders": "23", "ngram_rows": 64},
        {"ngram_orders": [[2]], "ngram_rows": 64},
        {"ngram_orders": [2], "ngram_rows": 0},
        {"ngram_orders": [2], "ngram_rows": 100},
        {"ngram_orders": [], "ngram_rows": 64},
        {"position": "rotary", "width": 30, "heads": 10},
        {"surprise": 1},
    ],
)
def test_a_configuration_outside_the_family_is_refused(harness, pinned, changes):
    with pytest.raises(harness.kit.InvalidArtifact, match=r"config\.json"):
        harness.family.read_config({**pinned, **changes})


def test_the_open_family_takes_other_models_within_the_caps(graded, leave):
    other = {"layers": 0, "ngram_orders": [2, 3], "ngram_rows": 256, "norm": "rmsnorm"}
    assert graded(leave(config=other), track="open_family").outcome == "ok"


def test_the_open_family_refuses_models_beyond_the_caps(harness, graded, leave):
    large = {"ngram_orders": [2, 3, 4], "ngram_rows": 1 << 14}
    with pytest.raises(harness.kit.InvalidArtifact, match="parameters"):
        graded(leave(config=large), track="open_family")


@pytest.mark.parametrize("profile", ["smoke", "demo", "full"])
@pytest.mark.parametrize(
    "changes",
    [
        {"layers": 6, "width": 16, "heads": 16, "context": 512, "mlp_width": 0},
        {"layers": 8, "width": 8, "heads": 1, "context": 8, "mlp_width": 2048},
    ],
    ids=["scores", "activations"],
)
def test_a_narrow_model_that_would_outlast_its_grader_is_beyond_the_cap(
    harness, request_of, profile, changes
):
    settings = request_of(profile, "open_family").settings
    pinned = harness.family.read_config(settings["model"])
    narrow = harness.family.read_config({**settings["model"], **changes})
    cap = settings["max_multiplications"]
    # What the slowest kinds of work cost, measured on one busy core: 12 ns a score, 13 ns an activation.
    scores = narrow.layers * narrow.heads * narrow.context
    seconds = 13e-9 * (scores + narrow.layers * narrow.mlp_width)
    graded_bytes = settings["hidden_bytes"] + 180 * narrow.context
    allowed_s = load_task("lm_training").profiles[profile].grade_limits.wall_s
    is_refused = harness.family.multiplications_per_byte(narrow) > cap
    assert is_refused or seconds * graded_bytes < allowed_s / 2
    assert harness.family.multiplications_per_byte(pinned) < cap * 2 / 3
    if profile != "full":
        assert is_refused


def test_the_pinned_model_is_the_one_of_the_public_settings(harness, request_of, tmp_path):
    for part in ("public", "secret"):
        (tmp_path / part).mkdir()
    request = request_of()
    harness.task.TrainingHarness().instance(request, tmp_path / "public", tmp_path / "secret")
    settings = json.loads((tmp_path / "public" / "settings.json").read_text())
    assert harness.family.read_config(settings["model"]).as_json() == settings["model"]
    public = {path.name for path in (tmp_path / "public").iterdir()}
    assert public == {"settings.json", "train.txt", "validation.txt"}


@pytest.mark.parametrize("track", ["fixed_model", "open_family"])
@pytest.mark.parametrize(
    "profile", ["smoke", "demo", pytest.param("full", marks=pytest.mark.exhaustive)]
)
def test_the_harness_passes_its_own_checks(harness, request_of, tmp_path, profile, track):
    checks = harness.task.TrainingHarness().selfcheck(request_of(profile, track), tmp_path)
    assert len(checks) >= 5
    assert not [check for check in checks if not check.is_ok]
