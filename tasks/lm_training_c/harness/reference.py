"""The training that candidates have to do, in double precision with NumPy: forward, backward, AdamW.

Parameters lie in one vector, tensor after tensor as `tensors` says; weights are (out, in), so y = x W^T + b. The classifier
is the token embedding. Source of the formulas: Radford et al., Language Models are Unsupervised Multitask Learners (2019);
Loshchilov and Hutter, Decoupled Weight Decay Regularization (2019).
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from harness_kit.layers import (
    attention,
    attention_gradients,
    cross_entropy,
    gelu,
    gelu_slope,
    norm,
    norm_gradients,
    split_tensors,
)

BETA1, BETA2, ADAM_EPSILON, RATE, DECAY = 0.9, 0.99, 1e-5, 1e-3, 0.01
"""An epsilon of 1e-5 instead of 1e-8: with that, gradients that are zero but for rounding would decide the parameters."""

Array = np.ndarray


@dataclass(frozen=True, kw_only=True)
class Shape:
    """Sizes of one training."""

    vocabulary: int
    length: int
    width: int
    layers: int
    heads: int
    batch: int

    def tensors(self) -> list[tuple[str, tuple[int, ...]]]:
        """Name and shape of each parameter, in their order."""
        d, named = (
            self.width,
            [("wte", (self.vocabulary, self.width)), ("wpe", (self.length, self.width))],
        )
        for layer in range(self.layers):
            named += [
                (f"{layer}.ln1_scale", (d,)), (f"{layer}.ln1_shift", (d,)),
                (f"{layer}.qkv_weight", (3 * d, d)), (f"{layer}.qkv_bias", (3 * d,)),
                (f"{layer}.out_weight", (d, d)), (f"{layer}.out_bias", (d,)),
                (f"{layer}.ln2_scale", (d,)), (f"{layer}.ln2_shift", (d,)),
                (f"{layer}.up_weight", (4 * d, d)), (f"{layer}.up_bias", (4 * d,)),
                (f"{layer}.down_weight", (d, 4 * d)), (f"{layer}.down_bias", (d,)),
            ]  # fmt: skip
        return [*named, ("ln_scale", (d,)), ("ln_shift", (d,))]

    def __str__(self) -> str:
        return f"d{self.width} t{self.length} b{self.batch}"

    @property
    def parameters(self) -> int:
        """Numbers of all tensors together."""
        return sum(math.prod(shape) for _, shape in self.tensors())

    @property
    def tokens(self) -> int:
        """Tokens of one step's inputs."""
        return self.batch * self.length

    def multiply_adds(self) -> int:
        """Of the matrix products of one step, forward and backward, attention's included."""
        linear = 12 * self.layers * self.width**2 + self.vocabulary * self.width
        attention = self.layers * self.length * self.width
        return 3 * self.tokens * (linear + attention)


def split(shape: Shape, flat: Array) -> dict[str, Array]:
    """Views of a vector's tensors."""
    return split_tensors(shape.tensors(), flat)


def initial(shape: Shape, rng: np.random.Generator) -> Array:
    """Parameters to start from, single precision."""
    flat = np.empty(shape.parameters, np.float32)
    for name, view in split(shape, flat).items():
        if name.endswith("scale"):
            view[...] = 1 + 0.02 * rng.standard_normal(view.shape)
        else:
            view[...] = 0.02 * rng.standard_normal(view.shape)
    return flat


@dataclass(kw_only=True)
class Training:
    """What a training leaves."""

    losses: list[float]
    logits: Array
    """Of the first step, (tokens, vocabulary)."""
    gradients: Array
    """Of the first step, flat."""
    parameters: Array
    """After the last step, flat."""


def train(shape: Shape, parameters: Array, tokens: Array) -> Training:
    """Train from parameters over tokens of shape (steps, batch, length + 1)."""
    flat = parameters.astype(np.float64)
    first, second = np.zeros_like(flat), np.zeros_like(flat)
    losses, logits, gradients = [], np.empty(0), np.empty(0)
    for step, batch in enumerate(tokens, 1):
        loss, scores, gradient = _loss_and_gradient(shape, flat, batch)
        if step == 1:
            logits, gradients = scores, gradient
        losses.append(loss)
        first = BETA1 * first + (1 - BETA1) * gradient
        second = BETA2 * second + (1 - BETA2) * gradient**2
        mean, spread = first / (1 - BETA1**step), second / (1 - BETA2**step)
        flat = flat - RATE * (mean / (np.sqrt(spread) + ADAM_EPSILON) + DECAY * flat)
    return Training(losses=losses, logits=logits, gradients=gradients, parameters=flat)


def _loss_and_gradient(shape: Shape, flat: Array, batch: Array) -> tuple[float, Array, Array]:
    p = split(shape, flat)
    gradient = np.zeros_like(flat)
    g = split(shape, gradient)
    inputs, targets = batch[:, :-1], batch[:, 1:].reshape(-1)
    x = (p["wte"][inputs] + p["wpe"][None, : shape.length]).reshape(shape.tokens, shape.width)
    kept = []
    for layer in range(shape.layers):
        x, saved = _block_forward(shape, p, layer, x)
        kept.append(saved)
    normed, saved = norm(x, p["ln_scale"], p["ln_shift"])
    logits = normed @ p["wte"].T
    losses, d_logits = cross_entropy(logits, targets)
    g["wte"] += d_logits.T @ normed
    dx = _norm_backward(d_logits @ p["wte"], saved, p, g, "ln")
    for layer in reversed(range(shape.layers)):
        dx = _block_backward(shape, p, g, layer, dx, kept[layer])
    np.add.at(g["wte"], inputs.reshape(-1), dx)
    g["wpe"] += dx.reshape(shape.batch, shape.length, shape.width).sum(axis=0)
    return float(losses.mean()), logits, gradient


def _block_forward(
    shape: Shape, p: Mapping[str, Array], layer: int, x: Array
) -> tuple[Array, dict[str, object]]:
    at = f"{layer}."
    a, norm1 = norm(x, p[at + "ln1_scale"], p[at + "ln1_shift"])
    qkv = a @ p[at + "qkv_weight"].T + p[at + "qkv_bias"]
    mixed, attention = _attention_forward(shape, qkv)
    x = x + mixed @ p[at + "out_weight"].T + p[at + "out_bias"]
    b, norm2 = norm(x, p[at + "ln2_scale"], p[at + "ln2_shift"])
    up = b @ p[at + "up_weight"].T + p[at + "up_bias"]
    active = gelu(up)
    x = x + active @ p[at + "down_weight"].T + p[at + "down_bias"]
    saved = {"a": a, "norm1": norm1, "mixed": mixed, "attention": attention, "b": b, "norm2": norm2,
             "up": up, "active": active}  # fmt: skip
    return x, saved


def _block_backward(
    shape: Shape,
    p: Mapping[str, Array],
    g: Mapping[str, Array],
    layer: int,
    dx: Array,
    saved: dict[str, object],
) -> Array:
    at = f"{layer}."
    d_active = _linear_backward(dx, saved["active"], p, g, at + "down")
    d_up = d_active * gelu_slope(saved["up"])
    d_b = _linear_backward(d_up, saved["b"], p, g, at + "up")
    dx = dx + _norm_backward(d_b, saved["norm2"], p, g, at + "ln2")
    d_mixed = _linear_backward(dx, saved["mixed"], p, g, at + "out")
    d_qkv = _attention_backward(shape, d_mixed, saved["attention"])
    d_a = _linear_backward(d_qkv, saved["a"], p, g, at + "qkv")
    return dx + _norm_backward(d_a, saved["norm1"], p, g, at + "ln1")


def _linear_backward(
    dy: Array, x: Array, p: Mapping[str, Array], g: Mapping[str, Array], name: str
) -> Array:
    g[f"{name}_weight"][...] += dy.T @ x
    g[f"{name}_bias"][...] += dy.sum(axis=0)
    return dy @ p[f"{name}_weight"]


def _norm_backward(
    dy: Array, saved: object, p: Mapping[str, Array], g: Mapping[str, Array], name: str
) -> Array:
    dx, d_scale, d_shift = norm_gradients(dy, saved, p[f"{name}_scale"])
    g[f"{name}_scale"][...] += d_scale
    g[f"{name}_shift"][...] += d_shift
    return dx


def _heads(shape: Shape, flat: Array) -> Array:
    """(tokens, width) to (batch, heads, length, width of a head)."""
    return flat.reshape(shape.batch, shape.length, shape.heads, -1).transpose(0, 2, 1, 3)


def _flat(shape: Shape, heads: Array) -> Array:
    return heads.transpose(0, 2, 1, 3).reshape(shape.tokens, -1)


def _attention_forward(shape: Shape, qkv: Array) -> tuple[Array, tuple[Array, ...]]:
    q, k, v = (_heads(shape, part) for part in np.split(qkv, 3, axis=1))
    out, shares = attention(q, k, v)
    return _flat(shape, out), (q, k, v, shares)


def _attention_backward(shape: Shape, d_mixed: Array, saved: tuple[Array, ...]) -> Array:
    gradients = attention_gradients(*saved, _heads(shape, d_mixed))
    return np.concatenate([_flat(shape, each) for each in gradients], axis=1)
