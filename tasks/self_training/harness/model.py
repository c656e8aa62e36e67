"""A small transformer in NumPy: forward, backward by hand, Adam, and sampling with kept keys and values.

Pre-norm blocks without biases, learned places, squared-ReLU layers, an output head of its own. Does not: know problems,
budgets or rewards. One thread and fixed shapes of batches, so that a machine gives the same numbers each time.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Weights = dict[str, Floats]
WIDTH, LAYERS, HEADS = 48, 2, 4
HEAD_WIDTH = WIDTH // HEADS
HIDDEN = 4 * WIDTH
EPSILON = np.float32(1e-5)
MASKED = np.float32(-1e9)


def initial(rng: np.random.Generator, vocabulary: int, places: int) -> Weights:
    """Weights before any training."""

    def normal(*shape: int, scale: float) -> Floats:
        return (rng.standard_normal(shape) * scale).astype(np.float32)

    weights = {
        "tokens": normal(vocabulary, WIDTH, scale=0.5),
        "places": normal(places, WIDTH, scale=0.5),
        "out": normal(WIDTH, vocabulary, scale=WIDTH**-0.5),
    }
    for layer in range(LAYERS):
        weights[f"qkv{layer}"] = normal(WIDTH, 3 * WIDTH, scale=WIDTH**-0.5)
        weights[f"mix{layer}"] = normal(WIDTH, WIDTH, scale=0.5 * WIDTH**-0.5)
        weights[f"up{layer}"] = normal(WIDTH, HIDDEN, scale=WIDTH**-0.5)
        weights[f"down{layer}"] = normal(HIDDEN, WIDTH, scale=0.5 * HIDDEN**-0.5)
    return weights


def logits(weights: Weights, rows: NDArray[np.int64], first_place: int) -> Floats:
    """What the model expects after each token. Shape (n, length, vocabulary)."""
    return _forward(weights, rows, first_place)[0]


def hidden(weights: Weights, rows: NDArray[np.int64], first_place: int) -> Floats:
    """The last layer's state at each token. Shape (n, length, WIDTH)."""
    return _forward(weights, rows, first_place)[1]


def log_softmax(values: Floats) -> Floats:
    """Over the last axis."""
    shifted = values - values.max(axis=-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))


def gradient(
    weights: Weights, rows: NDArray[np.int64], first_place: int, pull: Floats
) -> tuple[Weights, Floats]:
    """Gradient of -sum(pull * log p(next token)), and log p.

    Args:
        weights: The model's.
        rows: Tokens, shape (n, length).
        first_place: Place of the first column.
        pull: How much each token but the first of a row counts, shape (n, length - 1).
    """
    scores, _, kept = _forward(weights, rows, first_place)
    log_p = log_softmax(scores[:, :-1])
    at = rows[:, 1:, None]
    chosen = np.take_along_axis(log_p, at, axis=2)[:, :, 0]
    back = np.exp(log_p) * pull[:, :, None]
    np.put_along_axis(back, at, np.take_along_axis(back, at, axis=2) - pull[:, :, None], axis=2)
    last = np.zeros((len(rows), 1, scores.shape[2]), dtype=np.float32)
    return _backward(weights, rows, first_place, np.concatenate([back, last], axis=1), kept), chosen


@dataclass(kw_only=True)
class Adam:
    """Adam with a bound on the gradient's length."""

    weights: Weights
    betas: tuple[float, float] = (0.9, 0.98)
    bound: float = 1.0
    _steps: int = 0
    _first: Weights = field(default_factory=dict)
    _second: Weights = field(default_factory=dict)

    def step(self, gradients: Mapping[str, Floats], rate: float) -> None:
        """Move the weights once."""
        self._steps += 1
        length = float(np.sqrt(sum(float(np.vdot(each, each)) for each in gradients.values())))
        scale = np.float32(min(1.0, self.bound / (length + 1e-9)))
        low, high = self.betas
        correction = np.sqrt(1 - high**self._steps) / (1 - low**self._steps)
        for name, value in gradients.items():
            grad = value * scale
            first = self._first.setdefault(name, np.zeros_like(grad))
            second = self._second.setdefault(name, np.zeros_like(grad))
            first += np.float32(1 - low) * (grad - first)
            second += np.float32(1 - high) * (grad * grad - second)
            self.weights[name] -= (
                np.float32(rate * correction) * first / (np.sqrt(second) + np.float32(1e-8))
            )


def sample(
    weights: Weights,
    prompts: NDArray[np.int64],
    first_place: int,
    *,
    count: int,
    n_each: int,
    temperature: float,
    ends: int,
    fill: int,
    rng: np.random.Generator,
) -> tuple[NDArray[np.int64], Floats]:
    """So many tokens after each prompt, `n_each` times, and the log-probability of each row at temperature 1.

    Returns:
        Tokens of shape (n * n_each, count), those after the end filled, rows of one prompt together; log p of shape (n * n_each,).
    """
    n, length = prompts.shape
    caches: list[tuple[Floats, Floats]] = []
    state = weights["tokens"][prompts] + weights["places"][first_place : first_place + length]
    for layer in range(LAYERS):
        state, keys, values = _block_kept(weights, layer, state, None, count)
        caches.append((np.repeat(keys, n_each, axis=0), np.repeat(values, n_each, axis=0)))
    scores = np.repeat(_rms(state[:, -1])[0] @ weights["out"], n_each, axis=0)
    found = np.full((n * n_each, count), fill, dtype=np.int64)
    total, is_open = np.zeros(n * n_each, dtype=np.float32), np.ones(n * n_each, dtype=bool)
    for at in range(count):
        log_p = log_softmax(scores)
        noise = rng.gumbel(size=log_p.shape).astype(np.float32)
        token = np.argmax(log_p + np.float32(temperature) * noise, axis=1)
        found[is_open, at] = token[is_open]
        total += np.where(is_open, log_p[np.arange(len(token)), token], 0)
        is_open &= token != ends
        if at + 1 == count or not is_open.any():
            break
        place = first_place + length + at
        state = (weights["tokens"][token] + weights["places"][place])[:, None, :]
        for layer in range(LAYERS):
            state, _, _ = _block_kept(weights, layer, state, (*caches[layer], length + at), count)
        scores = _rms(state[:, 0])[0] @ weights["out"]
    return found, total


def _rms(x: Floats) -> tuple[Floats, Floats]:
    scale = 1 / np.sqrt(np.mean(x * x, axis=-1, keepdims=True) + EPSILON)
    return x * scale, scale


def _rms_back(back: Floats, normed: Floats, scale: Floats) -> Floats:
    return scale * (back - normed * np.mean(back * normed, axis=-1, keepdims=True))


def _heads(x: Floats) -> Floats:
    n, length, _ = x.shape
    return x.reshape(n, length, HEADS, HEAD_WIDTH).transpose(0, 2, 1, 3)


def _unheads(x: Floats) -> Floats:
    n, _, length, _ = x.shape
    return x.transpose(0, 2, 1, 3).reshape(n, length, WIDTH)


def _block_kept(
    weights: Weights,
    layer: int,
    state: Floats,
    cache: tuple[Floats, Floats, int] | None,
    room: int,
) -> tuple[Floats, Floats, Floats]:
    """One block while sampling; keys and values of earlier tokens come from the cache, which is filled up in place."""
    n, length, _ = state.shape
    query, key, value = np.split(_rms(state)[0] @ weights[f"qkv{layer}"], 3, axis=2)
    query, key, value = _heads(query), _heads(key), _heads(value)
    if cache is None:
        keys = np.zeros((n, HEADS, length + room, HEAD_WIDTH), dtype=np.float32)
        values = np.zeros_like(keys)
        at = 0
    else:
        keys, values, at = cache
    keys[:, :, at : at + length], values[:, :, at : at + length] = key, value
    scores = query @ keys[:, :, : at + length].transpose(0, 1, 3, 2) * np.float32(HEAD_WIDTH**-0.5)
    if length > 1:
        scores += np.triu(np.full((length, length), MASKED), 1)
    attention = np.exp(scores - scores.max(axis=-1, keepdims=True))
    attention /= attention.sum(axis=-1, keepdims=True)
    state = state + _unheads(attention @ values[:, :, : at + length]) @ weights[f"mix{layer}"]
    raised = np.maximum(_rms(state)[0] @ weights[f"up{layer}"], 0)
    return state + (raised * raised) @ weights[f"down{layer}"], keys, values


def _forward(
    weights: Weights, rows: NDArray[np.int64], first_place: int
) -> tuple[Floats, Floats, list[tuple[Floats, ...]]]:
    length = rows.shape[1]
    state = weights["tokens"][rows] + weights["places"][first_place : first_place + length]
    mask = np.triu(np.full((length, length), MASKED), 1)
    kept: list[tuple[Floats, ...]] = []
    for layer in range(LAYERS):
        normed, scale = _rms(state)
        query, key, value = (
            _heads(x) for x in np.split(normed @ weights[f"qkv{layer}"], 3, axis=2)
        )
        scores = query @ key.transpose(0, 1, 3, 2) * np.float32(HEAD_WIDTH**-0.5) + mask
        attention = np.exp(scores - scores.max(axis=-1, keepdims=True))
        attention /= attention.sum(axis=-1, keepdims=True)
        mixed = _unheads(attention @ value)
        state = state + mixed @ weights[f"mix{layer}"]
        normed2, scale2 = _rms(state)
        raised = np.maximum(normed2 @ weights[f"up{layer}"], 0)
        state = state + (raised * raised) @ weights[f"down{layer}"]
        kept.append((normed, scale, query, key, value, attention, mixed, normed2, scale2, raised))
    normed, scale = _rms(state)
    kept.append((normed, scale))
    return normed @ weights["out"], normed, kept


def _outer(left: Floats, right: Floats) -> Floats:
    return left.reshape(-1, left.shape[-1]).T @ right.reshape(-1, right.shape[-1])


def _backward(
    weights: Weights,
    rows: NDArray[np.int64],
    first_place: int,
    back: Floats,
    kept: list[tuple[Floats, ...]],
) -> Weights:
    normed, scale = kept[-1]
    found = {"out": _outer(normed, back)}
    state = _rms_back(back @ weights["out"].T, normed, scale)
    for layer in reversed(range(LAYERS)):
        normed, scale, query, key, value, attention, mixed, normed2, scale2, raised = kept[layer]
        found[f"down{layer}"] = _outer(raised * raised, state)
        up = (state @ weights[f"down{layer}"].T) * (2 * raised)
        found[f"up{layer}"] = _outer(normed2, up)
        state = state + _rms_back(up @ weights[f"up{layer}"].T, normed2, scale2)
        found[f"mix{layer}"] = _outer(mixed, state)
        mixing = _heads(state @ weights[f"mix{layer}"].T)
        scores = mixing @ value.transpose(0, 1, 3, 2)
        scores = attention * (scores - (scores * attention).sum(axis=-1, keepdims=True))
        scores *= np.float32(HEAD_WIDTH**-0.5)
        inner = np.concatenate(
            [
                _unheads(scores @ key),
                _unheads(scores.transpose(0, 1, 3, 2) @ query),
                _unheads(attention.transpose(0, 1, 3, 2) @ mixing),
            ],
            axis=2,
        )
        found[f"qkv{layer}"] = _outer(normed, inner)
        state = state + _rms_back(inner @ weights[f"qkv{layer}"].T, normed, scale)
    found["places"] = np.zeros_like(weights["places"])
    found["places"][first_place : first_place + rows.shape[1]] = state.sum(axis=0)
    one_hot = np.zeros((rows.size, len(weights["tokens"])), dtype=np.float32)
    one_hot[np.arange(rows.size), rows.reshape(-1)] = 1
    found["tokens"] = one_hot.T @ state.reshape(-1, WIDTH)
    return found
