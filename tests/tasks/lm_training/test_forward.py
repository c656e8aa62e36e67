"""The numpy forward pass against a slow one, against torch where it is installed, and against leaks."""

import itertools
import math

import numpy as np
import pytest

BASE = {
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
VARIANTS = {
    "plain": {},
    "tied_relu": {"is_tied": True, "activation": "relu"},
    "rotary_rms": {"position": "rotary", "norm": "rmsnorm", "activation": "relu2"},
    "hashed": {"ngram_orders": [2, 3, 6], "ngram_rows": 64, "position": "none"},
    "bag": {"layers": 0, "ngram_orders": [2, 4], "ngram_rows": 32},
    "no_mlp": {"mlp_width": 0},
}


def slow_scores(config, weights, window):
    """Scores at the last position alone, one number at a time where it matters."""

    def norm(name, x):
        centred = x - x.mean() if config.norm == "layernorm" else x
        scaled = centred / math.sqrt((centred**2).mean() + 1e-5) * weights[f"{name}.gain"]
        return scaled + weights.get(f"{name}.bias", 0.0)

    def activate(x):
        if config.activation == "gelu":
            return 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))
        return np.maximum(x, 0) ** (2 if config.activation == "relu2" else 1)

    def row(position, order):
        hashed = int(window[position]) + 1
        for back in range(1, order):
            earlier = int(window[position - back]) if position >= back else 0
            hashed = (hashed * 1_000_003 + earlier + 1) & 0x7FFFFFFF
        return (hashed ^ (hashed >> 15)) & (config.ngram_rows - 1)

    def rotated(x, position):
        half = len(x) // 2
        angles = [position * 10_000.0 ** (-i / half) for i in range(half)]
        pairs = [
            complex(x[i], x[i + half]) * complex(math.cos(a), math.sin(a))
            for i, a in enumerate(angles)
        ]
        return np.array([p.real for p in pairs] + [p.imag for p in pairs])

    stream = []
    for position, byte in enumerate(window):
        x = weights["token_embedding"][byte].astype(np.float64)
        for order in config.ngram_orders:
            x = x + weights[f"ngram_{order}_embedding"][row(position, order)]
        if config.position == "learned":
            x = x + weights["position_embedding"][position]
        stream.append(x)
    size = config.width // config.heads
    for layer in range(config.layers):
        prefix = f"layers.{layer}"
        normed = [norm(f"{prefix}.attention_norm", x) for x in stream]
        parts = {
            n: [weights[f"{prefix}.{n}"] @ x for x in normed] for n in ("query", "key", "value")
        }
        mixed = []
        for position in range(len(window)):
            heads = []
            for head in range(config.heads):
                cut = slice(head * size, (head + 1) * size)
                query = parts["query"][position][cut]
                keys = [parts["key"][p][cut] for p in range(position + 1)]
                if config.position == "rotary":
                    query = rotated(query, position)
                    keys = [rotated(key, p) for p, key in enumerate(keys)]
                scores = np.array([query @ key / math.sqrt(size) for key in keys])
                share = np.exp(scores - scores.max())
                share /= share.sum()
                heads.append(sum(s * parts["value"][p][cut] for p, s in enumerate(share)))
            mixed.append(weights[f"{prefix}.output"] @ np.concatenate(heads))
        stream = [x + m for x, m in zip(stream, mixed, strict=True)]
        if config.mlp_width:
            inner = [
                activate(weights[f"{prefix}.mlp_up"] @ norm(f"{prefix}.mlp_norm", x))
                for x in stream
            ]
            stream = [
                x + weights[f"{prefix}.mlp_down"] @ i for x, i in zip(stream, inner, strict=True)
            ]
    head = weights["token_embedding"] if config.is_tied else weights["head"]
    return head @ norm("final_norm", stream[-1])


@pytest.fixture(params=VARIANTS)
def model(request, harness):
    config = harness.family.read_config({**BASE, **VARIANTS[request.param]})
    return config, harness.selfcheck.random_weights(config, np.random.default_rng(1))


def windows_of(config, count):
    return np.random.default_rng(2).integers(1, 128, size=(count, config.context)).astype(np.uint8)


def test_every_variant_agrees_with_a_slow_forward_pass(harness, model):
    config, weights = model
    window = windows_of(config, 1)
    fast = harness.forward.logits(config, weights, window)[0]
    for position in (0, 5, config.context - 1):
        slow = slow_scores(config, weights, window[0, : position + 1])
        np.testing.assert_allclose(fast[position], slow, rtol=2e-4, atol=2e-4)


def test_no_variant_looks_ahead(harness, model):
    config, weights = model
    window = windows_of(config, 2)
    original = harness.forward.logits(config, weights, window)
    for prefix in range(1, config.context):
        changed = window.copy()
        changed[:, prefix:] = (changed[:, prefix:] + 7) % 127 + 1
        scores = harness.forward.logits(config, weights, changed)
        np.testing.assert_allclose(scores[:, :prefix], original[:, :prefix], atol=1e-5)


def test_windows_do_not_see_each_other(harness, model):
    config, weights = model
    windows = windows_of(config, 5)
    together = harness.forward.logits(config, weights, windows)
    alone = harness.forward.logits(config, weights, windows[3:4])
    np.testing.assert_allclose(together[3:4], alone, atol=1e-5)


def test_the_loss_does_not_depend_on_the_batch(harness, model, monkeypatch):
    config, weights = model
    text = bytes(windows_of(config, 40).ravel())
    losses = []
    for size in (1, 64, 10_000):
        monkeypatch.setattr(harness.forward, "BYTES_PER_BATCH", size)
        losses.append(harness.forward.bits_per_byte(config, weights, text))
    assert max(losses) - min(losses) < 1e-6


def test_a_head_of_zeros_costs_seven_bits(harness, model):
    config, weights = model
    weights["token_embedding" if config.is_tied else "head"][:] = 0
    assert harness.forward.bits_per_byte(config, weights, b"some plain text " * 9) == pytest.approx(
        7
    )


def test_weights_that_overflow_are_an_error_not_a_number(harness, model):
    config, weights = model
    weights["final_norm.gain"][:] = 3e38
    with pytest.raises(harness.forward.NotFiniteError):
        harness.forward.bits_per_byte(config, weights, b"some plain text " * 9)


def test_hashed_rows_spread_over_the_table(harness):
    windows = np.array(list(itertools.product(range(97, 123), repeat=3)), dtype=np.uint8)
    rows = harness.forward.ngram_rows(windows, 3, 1024)[:, -1]
    counts = np.bincount(rows, minlength=1024)
    assert counts.max() < 4 * counts.mean()
