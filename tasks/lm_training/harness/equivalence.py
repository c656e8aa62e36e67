"""How far two sets of weights of one model are apart: predictions, loss and gradients on hidden batches.

Does not: say how far is too far; task.toml has the limits.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from harness_kit import pcg64

from harness.family import ModelConfig
from harness.forward import LOG2_E, Floats, NotFiniteError, Windows
from harness.gradients import Evaluated, evaluate

BATCHES = 4
"""Batches, each of a shape of its own; the first is as long as the model's context, so that every position is compared."""
MIN_POSITIONS = 8
MIN_WINDOWS, MAX_WINDOWS = 2, 16


@dataclass(frozen=True, kw_only=True)
class Gaps:
    """The worst batch of each kind; 0 means the same function."""

    logit_kl: float
    """Mean Kullback-Leibler divergence of the candidate's next byte from the reference's, bits."""
    loss_gap: float
    """Absolute difference of the mean loss, bits per byte."""
    gradient_gap: float
    """Length of the difference of the loss's gradients, all weights together, over the reference's length."""


def compare(
    config: ModelConfig,
    reference: Mapping[str, Floats],
    candidate: Mapping[str, Floats],
    text: Windows,
    seed: bytes,
) -> Gaps:
    """Evaluate both on batches whose shapes and places the candidate was never told.

    Args:
        config: The model of both.
        reference: What the starting trainer left.
        candidate: What is judged.
        text: Hidden bytes, more than a window of them.
        seed: The instance's.

    Raises:
        NotFiniteError: A prediction or gradient of the candidate overflows.
    """
    rng = pcg64(seed, "equivalence")
    found: list[Gaps] = []
    for number in range(BATCHES):
        positions = int(rng.integers(MIN_POSITIONS, config.context + 1))
        if number == 0:
            positions = config.context
        windows = int(rng.integers(MIN_WINDOWS, MAX_WINDOWS + 1))
        starts = rng.integers(0, len(text) - positions, size=(windows, 1))
        drawn = text[starts + np.arange(positions + 1)]
        inputs, targets = drawn[:, :-1], drawn[:, 1:]
        wanted = evaluate(config, reference, inputs, targets)
        with np.errstate(over="ignore", invalid="ignore"):
            found.append(_gaps(wanted, evaluate(config, candidate, inputs, targets)))
    if not all(np.isfinite([(gap.logit_kl, gap.loss_gap, gap.gradient_gap) for gap in found]).flat):
        raise NotFiniteError("predictions or gradients on the hidden batches are not finite")
    return Gaps(
        logit_kl=max(gap.logit_kl for gap in found),
        loss_gap=max(gap.loss_gap for gap in found),
        gradient_gap=max(gap.gradient_gap for gap in found),
    )


def _gaps(reference: Evaluated, candidate: Evaluated) -> Gaps:
    expected = np.exp(reference.log_probabilities)
    surprise = expected * (reference.log_probabilities - candidate.log_probabilities)
    wanted = np.concatenate([array.ravel() for array in reference.gradients.values()])
    other = np.concatenate([candidate.gradients[name].ravel() for name in reference.gradients])
    return Gaps(
        # Rounding can leave a sum of equal terms a hair below zero, which no divergence is; NaN stays NaN.
        logit_kl=float(np.maximum(0.0, surprise.sum(axis=-1).mean())) * LOG2_E,
        loss_gap=abs(candidate.loss_nats - reference.loss_nats) * LOG2_E,
        gradient_gap=float(np.linalg.norm(other - wanted) / np.linalg.norm(wanted)),
    )
