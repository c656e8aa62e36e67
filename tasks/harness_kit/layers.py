"""Layers of a transformer with their gradients, in double precision: the truth that answers are held against; needs numpy in the environment.

Does not: check anything; each harness that uses one holds its gradients against finite differences. Source of the formulas: Vaswani
et al., Attention Is All You Need (2017); Ba et al., Layer Normalization (2016); Hendrycks and Gimpel, Gaussian Error Linear
Units (2016), in the form with tanh.
"""

import math
from collections.abc import Sequence

import numpy as np

Array = np.ndarray
NORM_EPSILON = 1e-5
GELU_SCALE, GELU_CUBE = math.sqrt(2 / math.pi), 0.044715


def softmax(scores: Array) -> Array:
    """Shares along the last axis."""
    shares = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return np.asarray(shares / shares.sum(axis=-1, keepdims=True))


def attention(q: Array, k: Array, v: Array) -> tuple[Array, Array]:
    """Causal attention over the last two axes, (length, size), and its matrix of shares."""
    length, size = q.shape[-2:]
    future = np.triu(np.full((length, length), -np.inf), 1)
    shares = softmax(q @ k.swapaxes(-1, -2) / math.sqrt(size) + future)
    return shares @ v, shares


def attention_gradients(
    q: Array, k: Array, v: Array, shares: Array, dout: Array
) -> tuple[Array, Array, Array]:
    """Of q, k and v, from the gradient of what `attention` gave."""
    back = dout @ v.swapaxes(-1, -2)
    dscores = shares * (back - (back * shares).sum(axis=-1, keepdims=True))
    dscores /= math.sqrt(q.shape[-1])
    return dscores @ k, dscores.swapaxes(-1, -2) @ q, shares.swapaxes(-1, -2) @ dout


def norm(x: Array, scale: Array, shift: Array) -> tuple[Array, tuple[Array, Array]]:
    """Layer norm of rows, and what its gradients need."""
    inverse = 1 / np.sqrt(x.var(axis=-1, keepdims=True) + NORM_EPSILON)
    unit = (x - x.mean(axis=-1, keepdims=True)) * inverse
    return unit * scale + shift, (unit, inverse)


def norm_gradients(
    dy: Array, saved: tuple[Array, Array], scale: Array
) -> tuple[Array, Array, Array]:
    """Of the rows, the scale and the shift."""
    unit, inverse = saved
    dunit = dy * scale
    mean, along = (each.mean(axis=-1, keepdims=True) for each in (dunit, dunit * unit))
    return (dunit - mean - unit * along) * inverse, (dy * unit).sum(axis=0), dy.sum(axis=0)


def gelu(x: Array) -> Array:
    """The activation."""
    return np.asarray(0.5 * x * (1 + np.tanh(GELU_SCALE * (x + GELU_CUBE * x**3))))


def gelu_slope(x: Array) -> Array:
    """Its derivative."""
    t = np.tanh(GELU_SCALE * (x + GELU_CUBE * x**3))
    slope = GELU_SCALE * (1 + 3 * GELU_CUBE * x**2)
    return np.asarray(0.5 * (1 + t) + 0.5 * x * (1 - t**2) * slope)


def cross_entropy(scores: Array, targets: Array) -> tuple[Array, Array]:
    """Loss of each row, and the gradient of their mean."""
    rows = np.arange(len(scores))
    shifted = scores - scores.max(axis=1, keepdims=True)
    losses = np.log(np.exp(shifted).sum(axis=1)) - shifted[rows, targets]
    gradient = softmax(scores)
    gradient[rows, targets] -= 1
    return losses, gradient / len(scores)


def split_tensors(tensors: Sequence[tuple[str, tuple[int, ...]]], flat: Array) -> dict[str, Array]:
    """Views of the tensors, by name, that lie one after the other in a vector."""
    found, at = {}, 0
    for name, shape in tensors:
        found[name] = flat[at : at + math.prod(shape)].reshape(shape)
        at += math.prod(shape)
    return found
