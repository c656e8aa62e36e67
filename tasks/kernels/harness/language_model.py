"""The small language model that `decode` runs, in double precision with NumPy: weights, and greedy decoding with kept keys and values.

Source of the formulas: Radford et al., Language Models are Unsupervised Multitask Learners (2019); the classifier is a
matrix of its own.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from harness_kit.layers import gelu, norm, softmax, split_tensors

Array = np.ndarray
GAP = 0.003
"""Least distance of the two best scores, which have a spread of about the root of the width: honest single precision is off by
less than a hundredth of it."""


@dataclass(frozen=True, kw_only=True)
class Model:
    """Sizes of a model."""

    vocabulary: int
    length: int
    width: int
    layers: int
    heads: int

    @classmethod
    def of(cls, words: Sequence[int]) -> "Model":
        """The model of a call."""
        names = ("vocabulary", "length", "width", "layers", "heads")
        return cls(**dict(zip(names, words, strict=False)))

    def tensors(self) -> list[tuple[str, tuple[int, ...]]]:
        """Name and shape of each tensor, in their order; matrices are (out, in)."""
        d = self.width
        named: list[tuple[str, tuple[int, ...]]] = [
            ("embedding", (self.vocabulary, d)), ("position", (self.length, d)),
        ]  # fmt: skip
        for layer in range(self.layers):
            own = (
                ("scale1", (d,)), ("shift1", (d,)), ("qkv", (3 * d, d)), ("qkv_bias", (3 * d,)), ("out", (d, d)), ("out_bias", (d,)),
                ("scale2", (d,)), ("shift2", (d,)), ("up", (4 * d, d)), ("up_bias", (4 * d,)), ("down", (d, 4 * d)), ("down_bias", (d,)),
            )  # fmt: skip
            named += [(f"{layer}.{name}", shape) for name, shape in own]
        return [*named, ("scale", (d,)), ("shift", (d,)), ("head", (self.vocabulary, d))]

    @property
    def weights(self) -> int:
        """Numbers of all tensors together."""
        return sum(math.prod(shape) for _, shape in self.tensors())

    def drawn(self, rng: np.random.Generator) -> Array:
        """Weights that keep every layer's numbers at a spread of about one."""
        parts = []
        for name, shape in self.tensors():
            values = rng.standard_normal(shape)
            kind = name.rpartition(".")[2]
            if "scale" in kind:
                values = 1 + 0.1 * values
            elif "bias" in kind or "shift" in kind:
                values = 0.1 * values
            elif kind in {"qkv", "out", "up", "down"}:
                values /= math.sqrt(shape[1])
            parts.append(values.reshape(-1))
        return np.concatenate(parts).astype(np.float32)


def greedy(model: Model, weights: Array, prompts: Array, count: int) -> tuple[Array, Array]:
    """The likeliest tokens after each prompt, (batch, count), and each text's smallest distance between its best two scores."""
    p = split_tensors(model.tensors(), weights.astype(np.float64))
    batch, prompt = prompts.shape
    kept = [np.zeros((2, batch, model.length, model.width)) for _ in range(model.layers)]
    gaps, tokens = np.full(batch, np.inf), np.zeros((batch, count), np.int64)
    for t in range(prompt + count - 1):
        token = prompts[:, t] if t < prompt else tokens[:, t - prompt]
        x = p["embedding"][token] + p["position"][t]
        for layer in range(model.layers):
            x = _layer(model, p, layer, x, kept[layer], t)
        if t >= prompt - 1:
            scores = norm(x, p["scale"], p["shift"])[0] @ p["head"].T
            best = np.sort(scores, axis=1)[:, -2:]
            gaps = np.minimum(gaps, best[:, -1] - best[:, 0])
            tokens[:, t - prompt + 1] = scores.argmax(axis=1)
    return tokens, gaps


def _layer(
    model: Model, p: Mapping[str, Array], layer: int, x: Array, kept: Array, t: int
) -> Array:
    at, size = f"{layer}.", model.width // model.heads
    normed, _ = norm(x, p[f"{at}scale1"], p[f"{at}shift1"])
    q, k, v = np.split(normed @ p[f"{at}qkv"].T + p[f"{at}qkv_bias"], 3, axis=1)
    kept[0, :, t], kept[1, :, t] = k, v
    shape = (len(x), t + 1, model.heads, size)
    keys, values = (each[:, : t + 1].reshape(shape) for each in kept)
    scores = np.einsum("bhs,buhs->bhu", q.reshape(len(x), model.heads, size), keys)
    mixed = np.einsum("bhu,buhs->bhs", softmax(scores / math.sqrt(size)), values).reshape(x.shape)
    x = x + mixed @ p[f"{at}out"].T + p[f"{at}out_bias"]
    normed, _ = norm(x, p[f"{at}scale2"], p[f"{at}shift2"])
    inner = gelu(normed @ p[f"{at}up"].T + p[f"{at}up_bias"])
    return x + inner @ p[f"{at}down"].T + p[f"{at}down_bias"]
