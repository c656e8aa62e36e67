"""The harness's own forward pass: what a set of weights is worth on a text, in numpy alone.

Nothing of the candidate runs here, and each window is computed by code that can only look backwards.
Does not: import torch. That costs two CPU seconds and would be one more thing to trust.
"""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from harness.family import ModelConfig

Floats = npt.NDArray[np.float32]
Windows = npt.NDArray[np.uint8]

NORM_EPSILON = np.float32(1e-5)
ROTARY_BASE = 10_000.0
HASH_MULTIPLIER = 1_000_003
HASH_MASK = (1 << 31) - 1
BYTES_PER_BATCH = 4096
"""Bytes computed at once; keeps the intermediate arrays of a small model within the cache."""
GELU_SCALE = np.float32(np.sqrt(2.0 / np.pi))
LOG2_E = float(np.log2(np.e))
SMALLEST = np.float32(1e-15)
"""Numbers nearer to 0 count as 0, so that no product is denormal: a processor takes some 180 times as long for those, and a
model of them would outlast its grader. Beside what a norm leaves, which is about 1, they are nothing."""


class NotFiniteError(ValueError):
    """The weights overflow somewhere on the way to a loss."""


def bits_per_byte(
    config: ModelConfig, weights: Mapping[str, Floats], text: Windows | bytes
) -> float:
    """Mean -log2 P(byte | earlier bytes of its window) over non-overlapping windows.

    P is `log_probabilities`, which is what the probe sees too: a second way to compute it could be another one.

    Args:
        config: The model.
        weights: Arrays as `weight_shapes` names them.
        text: At least `config.context + 1` bytes, all below 128; a rest shorter than a window is left out.

    Raises:
        NotFiniteError: A loss is not finite.
    """
    stream = np.frombuffer(text, dtype=np.uint8) if isinstance(text, bytes) else text
    count = (len(stream) - 1) // config.context
    inputs = stream[: count * config.context].reshape(count, config.context)
    targets = stream[1 : count * config.context + 1].reshape(count, config.context)
    step = max(1, BYTES_PER_BATCH // config.context)
    total_nats = 0.0
    with np.errstate(over="ignore", invalid="ignore"):
        for start in range(0, count, step):
            known = log_probabilities(config, weights, inputs[start : start + step])
            wanted = targets[start : start + step, :, None].astype(np.int64)
            total_nats -= float(np.take_along_axis(known, wanted, axis=-1).sum())
    if not np.isfinite(total_nats):
        raise NotFiniteError("the loss on the hidden text is not finite")
    return total_nats * LOG2_E / targets.size


def logits(config: ModelConfig, weights: Mapping[str, Floats], windows: Windows) -> Floats:
    """Scores of the next byte at every position, shape (windows, positions, 128).

    Args:
        config: The model.
        weights: Arrays as `weight_shapes` names them, without specks.
        windows: Bytes, shape (windows, positions), positions <= config.context.
    """
    hidden = _embed(config, weights, windows)
    for layer in range(config.layers):
        prefix = f"layers.{layer}"
        hidden = hidden + _attention(config, weights, prefix, hidden)
        if config.mlp_width:
            normed = _norm(config, weights, f"{prefix}.mlp_norm", hidden)
            inner = _activate(config, _apply(normed, weights[f"{prefix}.mlp_up"]))
            hidden = hidden + _apply(inner, weights[f"{prefix}.mlp_down"])
    head = weights["token_embedding"] if config.is_tied else weights["head"]
    return _apply(_norm(config, weights, "final_norm", hidden), head)


def log_probabilities(
    config: ModelConfig, weights: Mapping[str, Floats], windows: Windows
) -> npt.NDArray[np.float64]:
    """Natural logarithms of P(next byte) at every position, shape (windows, positions, 128).

    The largest score is taken away in float64 before anything is added to it: beside a score of 1e8 a logarithm of the
    sum rounds away in float32, and predictions that say nothing would cost nothing.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        scores = logits(config, weights, windows).astype(np.float64)
        scores -= scores.max(axis=-1, keepdims=True)
        return np.asarray(scores - np.log(np.exp(scores).sum(axis=-1, keepdims=True)))


def without_specks(values: Floats) -> Floats:
    """The same numbers, with 0 for those nearer to 0 than `SMALLEST`; the array itself when there are none."""
    is_speck = np.abs(values) < SMALLEST
    return np.where(is_speck, np.float32(0), values) if is_speck.any() else values


def ngram_rows(windows: Windows, order: int, rows: int) -> npt.NDArray[np.int64]:
    """Table row of the `order` bytes that end at each position; bytes before the window count as 0."""
    stream = windows.astype(np.int64)
    hashed = stream + 1
    for back in range(1, order):
        earlier = np.zeros_like(stream)
        earlier[:, back:] = stream[:, :-back]
        hashed = (hashed * HASH_MULTIPLIER + earlier + 1) & HASH_MASK
    return (hashed ^ (hashed >> 15)) & (rows - 1)


def _embed(config: ModelConfig, weights: Mapping[str, Floats], windows: Windows) -> Floats:
    hidden = weights["token_embedding"][windows]
    for order in config.ngram_orders:
        hidden += weights[f"ngram_{order}_embedding"][ngram_rows(windows, order, config.ngram_rows)]
    if config.position == "learned":
        hidden += weights["position_embedding"][: windows.shape[1]]
    return hidden


def _attention(
    config: ModelConfig, weights: Mapping[str, Floats], prefix: str, hidden: Floats
) -> Floats:
    batch, positions, width = hidden.shape
    size = width // config.heads
    normed = _norm(config, weights, f"{prefix}.attention_norm", hidden)

    def heads_of(name: str) -> Floats:
        projected = without_specks(_apply(normed, weights[f"{prefix}.{name}"]))
        return projected.reshape(batch, positions, config.heads, size).transpose(0, 2, 1, 3)

    query, key, value = heads_of("query"), heads_of("key"), heads_of("value")
    if config.position == "rotary":
        query, key = _rotate(query), _rotate(key)
    scores = query @ key.transpose(0, 1, 3, 2)
    scores *= np.float32(size**-0.5)
    scores += np.triu(np.full((positions, positions), -np.inf, dtype=np.float32), k=1)
    scores -= scores.max(axis=-1, keepdims=True)
    np.exp(scores, out=scores)
    scores /= scores.sum(axis=-1, keepdims=True)
    scores[scores < SMALLEST] = 0
    mixed = (scores @ value).transpose(0, 2, 1, 3).reshape(batch, positions, width)
    return _apply(mixed, weights[f"{prefix}.output"])


def _rotate(heads: Floats) -> Floats:
    """Rotary positions: the first and second half of each head are the two coordinates."""
    positions, size = heads.shape[-2:]
    half = size // 2
    frequency = ROTARY_BASE ** (-np.arange(half) / half)
    angle = np.arange(positions)[:, None] * frequency
    cosine, sine = np.cos(angle).astype(np.float32), np.sin(angle).astype(np.float32)
    first, second = heads[..., :half], heads[..., half:]
    return np.concatenate([first * cosine - second * sine, first * sine + second * cosine], axis=-1)


def _norm(config: ModelConfig, weights: Mapping[str, Floats], name: str, hidden: Floats) -> Floats:
    if config.norm == "layernorm":
        hidden = hidden - hidden.mean(axis=-1, keepdims=True)
    scale = np.square(hidden).mean(axis=-1, keepdims=True)
    normed = hidden / np.sqrt(scale + NORM_EPSILON) * weights[f"{name}.gain"]
    return normed + weights[f"{name}.bias"] if config.norm == "layernorm" else normed


def _activate(config: ModelConfig, inner: Floats) -> Floats:
    if config.activation == "gelu":
        cubic = inner + np.float32(0.044715) * inner * inner * inner
        return np.float32(0.5) * inner * (1 + np.tanh(GELU_SCALE * cubic))
    positive = np.maximum(inner, 0)
    return positive if config.activation == "relu" else positive * positive


def _apply(hidden: Floats, matrix: Floats) -> Floats:
    """Hidden @ matrix.T as one large product instead of one per window."""
    flat = without_specks(hidden.reshape(-1, hidden.shape[-1])) @ matrix.T
    return flat.reshape(*hidden.shape[:-1], matrix.shape[0])
