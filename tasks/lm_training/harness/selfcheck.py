"""What the harness can say about itself without running any candidate."""

from collections.abc import Mapping, Sequence

import numpy as np
from harness_kit import Check, Request, pcg64

from harness.corpus import write_text
from harness.family import ModelConfig, read_config, weight_shapes
from harness.forward import Floats, bits_per_byte
from harness.language import language_of
from harness.looking_ahead import complaint, probe_model
from harness.ngram import best_table_bits, ngram_bits_per_byte

SPREAD_LIMIT = 0.02
"""Largest accepted standard deviation of the entropy over seeds, relative to its mean."""
SPREAD_SEEDS = 6
SPREAD_TEXT_BYTES = 60_000
NGRAM_ORDER = 6
CONTEXT_GAP_BPB = 0.2
"""A static n-gram must stay at least this far above the entropy, or context is worth nothing."""
TABLE_CONTEXT = 3
"""Bytes that a table of counts may look back."""
TABLE_GAP_BPB = 0.1
"""Every such table must miss the limit by at least this much."""
TABLE_SEEDS = 3
MANY_BYTES = 1_000_000
"""Longer texts are counted for one language alone."""


def random_weights(
    config: ModelConfig, rng: np.random.Generator, scale: float = 0.3
) -> dict[str, Floats]:
    """Weights of the right names and shapes, normally distributed."""
    return {
        name: (scale * rng.standard_normal(shape)).astype(np.float32)
        for name, shape in weight_shapes(config).items()
    }


def run_checks(request: Request) -> Sequence[Check]:
    """All checks, on the profile's own sizes where that is quick."""
    pinned = request.settings["model"]
    every_feature = {
        **_mapping(pinned),
        "activation": "relu2",
        "norm": "rmsnorm",
        "position": "rotary",
        "ngram_orders": [2, 3, 5],
        "ngram_rows": 1024,
    }
    return (
        _check_causality("pinned_model_is_causal", read_config(pinned), request.seed),
        _check_causality("family_is_causal", read_config(every_feature), request.seed),
        _check_uniform(read_config(pinned), request.seed),
        _check_spread(request),
        _check_context_pays(request),
        _check_tables(request),
    )


def _check_causality(name: str, config: ModelConfig, seed: bytes) -> Check:
    """The harness's own forward pass must pass the probe that grading holds against every model."""
    rng = pcg64(seed, name)
    weights = random_weights(config, rng)
    text = rng.integers(1, 128, size=4 * config.context).astype(np.uint8)
    found = complaint(probe_model(config, weights, text, seed))
    return Check(
        name=name, is_ok=not found, evidence=found or "other endings changed no prediction"
    )


def _check_uniform(config: ModelConfig, seed: bytes) -> Check:
    """A head of zeros must cost exactly log2(128) = 7 bits per byte."""
    weights = random_weights(config, pcg64(seed, "uniform"))
    weights["head" if not config.is_tied else "token_embedding"][:] = 0.0
    text = bytes(range(1, 128)) * 8
    loss = bits_per_byte(config, weights, text)
    return Check(
        name="uniform_costs_seven_bits", is_ok=abs(loss - 7) < 1e-5, evidence=f"{loss:.6f}"
    )


def _check_spread(request: Request) -> Check:
    """Instances must be alike in difficulty."""
    bounds = []
    for number in range(SPREAD_SEEDS):
        seed = bytes([number]) * 32
        language = language_of(request, seed)
        text = write_text(language, pcg64(seed, "hidden"), size=SPREAD_TEXT_BYTES)
        bounds.append(text.bits_per_byte)
    mean, deviation = float(np.mean(bounds)), float(np.std(bounds, ddof=1))
    return Check(
        name="entropy_is_alike_over_seeds",
        is_ok=deviation < SPREAD_LIMIT * mean,
        evidence=f"{mean:.4f} bits per byte, standard deviation {deviation:.4f} over {SPREAD_SEEDS} seeds",
    )


def _check_context_pays(request: Request) -> Check:
    """The best static n-gram must lie well above the entropy."""
    language = language_of(request, request.seed)
    size = min(request.integer("train_bytes"), 1_000_000)
    train = write_text(language, pcg64(request.seed, "train"), size=size)
    test = write_text(language, pcg64(request.seed, "hidden"), size=16_000)
    best = min(ngram_bits_per_byte(train.content, test.content, max_order=NGRAM_ORDER))
    gap = best - test.bits_per_byte
    return Check(
        name="context_pays",
        is_ok=gap > CONTEXT_GAP_BPB,
        evidence=f"best static n-gram {best:.3f}, entropy {test.bits_per_byte:.3f} bits per byte",
    )


def _check_tables(request: Request) -> Check:
    """No table of counts may come near the limit, or training would be beaten by counting neighbours."""
    limit = request.limits["hidden_bpb"]
    size = request.integer("train_bytes")
    best = []
    for number in range(TABLE_SEEDS if size <= MANY_BYTES else 1):
        seed = bytes([number]) * 32
        language = language_of(request, seed)
        train = write_text(language, pcg64(seed, "train"), size=size).content
        hidden = write_text(
            language, pcg64(seed, "hidden"), size=request.integer("hidden_bytes")
        ).content
        best.append(best_table_bits(train, hidden, max_context=TABLE_CONTEXT))
    return Check(
        name="no_table_reaches_the_limit",
        is_ok=min(best) >= limit + TABLE_GAP_BPB,
        evidence=f"best table of up to {TABLE_CONTEXT} bytes of context {min(best):.3f} bits per byte over {len(best)} "
        f"languages, limit {limit:g}",
    )


def _mapping(value: object) -> Mapping[str, object]:
    if not isinstance(value, Mapping):
        raise TypeError(f"settings.model is {value!r}, expected a table")
    return value
