"""The harness's gradients against differences of its loss, and its predictions against the judge's forward pass."""

import numpy as np
import pytest

CONFIG = {
    "layers": 2,
    "width": 16,
    "heads": 2,
    "context": 12,
    "mlp_width": 24,
    "activation": "gelu",
    "norm": "layernorm",
    "position": "learned",
    "is_tied": False,
    "ngram_orders": [],
    "ngram_rows": 0,
}
STEP = 1e-5


@pytest.fixture
def model(harness):
    config = harness.family.read_config(CONFIG)
    rng = np.random.default_rng(1)
    return config, harness.selfcheck.random_weights(config, rng)


@pytest.fixture
def batch():
    text = np.random.default_rng(2).integers(1, 128, size=(3, 10)).astype(np.uint8)
    return text[:, :-1], text[:, 1:]


def test_predictions_are_those_of_the_judging_forward_pass(harness, model, batch):
    found = harness.gradients.evaluate(*model, *batch)
    judged = harness.forward.log_probabilities(*model, batch[0])
    np.testing.assert_allclose(found.log_probabilities, judged, atol=2e-4)
    wanted = np.take_along_axis(judged, batch[1][..., None].astype(np.int64), axis=-1)
    assert found.loss_nats == pytest.approx(-wanted.mean(), abs=1e-4)


def test_every_gradient_is_the_slope_of_the_loss(harness, model, batch):
    config, weights = model
    exact = {name: array.astype(np.float64) for name, array in weights.items()}
    gradients = harness.gradients.evaluate(config, exact, *batch).gradients
    assert set(gradients) == set(weights)
    rng = np.random.default_rng(3)
    for name, array in exact.items():
        direction = rng.standard_normal(array.shape)

        def loss(sign, name=name, array=array, direction=direction):
            moved = {**exact, name: array + sign * STEP * direction}
            return harness.gradients.evaluate(config, moved, *batch).loss_nats

        slope = (loss(1) - loss(-1)) / (2 * STEP)
        assert (gradients[name] * direction).sum() == pytest.approx(slope, rel=1e-4, abs=1e-8), name


@pytest.mark.parametrize(
    "changes",
    [
        {"activation": "relu"},
        {"norm": "rmsnorm"},
        {"position": "none"},
        {"is_tied": True},
        {"mlp_width": 0},
        {"ngram_orders": [2], "ngram_rows": 64},
    ],
)
def test_another_kind_of_model_is_refused_and_not_differentiated_wrongly(harness, batch, changes):
    config = harness.family.read_config({**CONFIG, **changes})
    weights = harness.selfcheck.random_weights(config, np.random.default_rng(1))
    with pytest.raises(harness.gradients.UnsupportedModelError):
        harness.gradients.evaluate(config, weights, *batch)
