"""Predictions, loss and gradients of the pinned kind of model, in float64, so that differences are the weights' own.

Does not: import torch, train, or serve the rest of the family; `forward.py` is what losses are judged with.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from harness.family import ModelConfig
from harness.forward import GELU_SCALE, NORM_EPSILON, Floats, Windows

Doubles = npt.NDArray[np.float64]
Undo = Callable[[Doubles], Doubles]
"""From the slope after a part of the model to the slope before it."""
GELU_CUBIC = 0.044715


class UnsupportedModelError(ValueError):
    """The configuration is outside what this module differentiates."""


@dataclass(frozen=True, kw_only=True)
class Evaluated:
    """What a model says about one batch."""

    log_probabilities: Doubles
    """Natural logarithms of P(next byte), shape (windows, positions, 128)."""
    loss_nats: float
    """Mean over all bytes of the batch."""
    gradients: Mapping[str, Doubles]
    """Of the loss, by array, each in the array's shape."""


def evaluate(
    config: ModelConfig, weights: Mapping[str, Floats], inputs: Windows, targets: Windows
) -> Evaluated:
    """Predict a batch and differentiate its mean loss with respect to every weight.

    Args:
        config: The model: layer norm, GELU, learned positions, an untied head, an MLP, no hashed embeddings.
        weights: Arrays as `weight_shapes` names them.
        inputs: Bytes, shape (windows, positions), positions <= config.context.
        targets: The next bytes, same shape.

    Raises:
        UnsupportedModelError: Another kind of model.
    """
    _require_pinned_kind(config)
    with np.errstate(over="ignore", invalid="ignore"):
        return _Pass(config, weights).evaluate(inputs, targets)


def _require_pinned_kind(config: ModelConfig) -> None:
    kind = (config.norm, config.activation, config.position)
    is_plain = kind == ("layernorm", "gelu", "learned") and not config.ngram_orders
    if not is_plain or config.is_tied or not config.mlp_width:
        raise UnsupportedModelError(f"no gradients for models such as {config}")


class _Pass:
    """One way forward and one back; activations live in local variables of the layers' closures."""

    def __init__(self, config: ModelConfig, weights: Mapping[str, Floats]) -> None:
        self._config = config
        self._weights = {name: array.astype(np.float64) for name, array in weights.items()}
        self._gradients = {name: np.zeros_like(array) for name, array in self._weights.items()}

    def evaluate(self, inputs: Windows, targets: Windows) -> Evaluated:
        positions = inputs.shape[1]
        hidden = self._weights["token_embedding"][inputs]
        hidden = hidden + self._weights["position_embedding"][:positions]
        undo = []
        for layer in range(self._config.layers):
            for part in (_attention, _mlp):
                added, back = part(self, f"layers.{layer}", hidden)
                hidden = hidden + added
                undo.append(back)
        normed, undo_norm = self.norm("final_norm", hidden)
        scores = self.apply("head", normed)
        scores -= scores.max(axis=-1, keepdims=True)
        log_probabilities = scores - np.log(np.exp(scores).sum(axis=-1, keepdims=True))
        wanted = targets[..., None].astype(np.int64)
        loss = -float(np.take_along_axis(log_probabilities, wanted, axis=-1).mean())
        slope = np.exp(log_probabilities)
        np.put_along_axis(slope, wanted, np.take_along_axis(slope, wanted, -1) - 1, axis=-1)
        slope = undo_norm(self.undo_apply("head", normed, slope / targets.size))
        for back in reversed(undo):
            slope = slope + back(slope)
        np.add.at(self._gradients["token_embedding"], inputs, slope)
        self._gradients["position_embedding"][:positions] = slope.sum(axis=0)
        return Evaluated(
            log_probabilities=log_probabilities, loss_nats=loss, gradients=self._gradients
        )

    @property
    def heads(self) -> int:
        return self._config.heads

    def apply(self, name: str, hidden: Doubles) -> Doubles:
        """Hidden @ matrix.T."""
        return np.asarray(hidden @ self._weights[name].T)

    def undo_apply(self, name: str, hidden: Doubles, slope: Doubles) -> Doubles:
        """The slope before `apply`; what it says about the matrix is added up."""
        flat = slope.reshape(-1, slope.shape[-1])
        self._gradients[name] += flat.T @ hidden.reshape(-1, hidden.shape[-1])
        return np.asarray(slope @ self._weights[name])

    def norm(self, name: str, hidden: Doubles) -> tuple[Doubles, Undo]:
        """Layer norm, and the way back through it."""
        centred = hidden - hidden.mean(axis=-1, keepdims=True)
        scale = 1 / np.sqrt(np.square(centred).mean(axis=-1, keepdims=True) + float(NORM_EPSILON))
        unit = centred * scale

        def back(slope: Doubles) -> Doubles:
            self._gradients[f"{name}.gain"] += (slope * unit).sum(axis=(0, 1))
            self._gradients[f"{name}.bias"] += slope.sum(axis=(0, 1))
            inner = slope * self._weights[f"{name}.gain"]
            along = (inner * unit).mean(axis=-1, keepdims=True)
            return np.asarray(scale * (inner - inner.mean(axis=-1, keepdims=True) - unit * along))

        return unit * self._weights[f"{name}.gain"] + self._weights[f"{name}.bias"], back


def _mlp(model: _Pass, prefix: str, hidden: Doubles) -> tuple[Doubles, Undo]:
    normed, undo_norm = model.norm(f"{prefix}.mlp_norm", hidden)
    inner = model.apply(f"{prefix}.mlp_up", normed)
    scale = float(GELU_SCALE)
    bent = np.tanh(scale * (inner + GELU_CUBIC * inner**3))
    active = 0.5 * inner * (1 + bent)

    def back(slope: Doubles) -> Doubles:
        slope = model.undo_apply(f"{prefix}.mlp_down", active, slope)
        steepness = scale * (1 + 3 * GELU_CUBIC * inner**2)
        slope = slope * (0.5 * (1 + bent) + 0.5 * inner * (1 - bent**2) * steepness)
        return undo_norm(model.undo_apply(f"{prefix}.mlp_up", normed, slope))

    return model.apply(f"{prefix}.mlp_down", active), back


def _attention(model: _Pass, prefix: str, hidden: Doubles) -> tuple[Doubles, Undo]:
    batch, positions, width = hidden.shape
    size = width // model.heads
    normed, undo_norm = model.norm(f"{prefix}.attention_norm", hidden)

    def split(stream: Doubles) -> Doubles:
        return stream.reshape(batch, positions, model.heads, size).transpose(0, 2, 1, 3)

    def joined(heads: Doubles) -> Doubles:
        return heads.transpose(0, 2, 1, 3).reshape(batch, positions, width)

    query, key, value = (
        split(model.apply(f"{prefix}.{name}", normed)) for name in ("query", "key", "value")
    )
    scores = query @ key.swapaxes(-1, -2) * size**-0.5
    scores += np.triu(np.full((positions, positions), -np.inf), k=1)
    share = np.exp(scores - scores.max(axis=-1, keepdims=True))
    share /= share.sum(axis=-1, keepdims=True)
    mixed = joined(share @ value)

    def back(slope: Doubles) -> Doubles:
        slope = split(model.undo_apply(f"{prefix}.output", mixed, slope))
        of_share = slope @ value.swapaxes(-1, -2)
        of_scores = share * (of_share - (of_share * share).sum(axis=-1, keepdims=True))
        of_scores *= size**-0.5
        parts = {
            "query": of_scores @ key,
            "key": of_scores.swapaxes(-1, -2) @ query,
            "value": share.swapaxes(-1, -2) @ slope,
        }
        backs = [
            model.undo_apply(f"{prefix}.{name}", normed, joined(part))
            for name, part in parts.items()
        ]
        return undo_norm(sum(backs[1:], start=backs[0]))

    return model.apply(f"{prefix}.output", mixed), back
