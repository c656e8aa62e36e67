"""Whether a model that was handed in predicts from earlier bytes alone: the kit's probe on the harness's forward pass."""

from collections.abc import Mapping

import numpy as np
from harness_kit import pcg64
from harness_kit.causal_probe import ProbeReport, probe_causality

from harness.family import VOCABULARY, ModelConfig
from harness.forward import Floats, Windows, log_probabilities

WINDOWS = 2
"""Windows that are probed at once, the fewest that show whether rows mix; each costs about ninety forward passes."""


def probe_model(
    config: ModelConfig, weights: Mapping[str, Floats], text: Windows, seed: bytes
) -> ProbeReport:
    """Replace the endings of windows and compare what is predicted before them.

    Args:
        config: The model.
        weights: Arrays as `weight_shapes` names them.
        text: Bytes to take the windows from, more than a window of them.
        seed: The instance's; draws windows, splices and endings, and stays unknown to the candidate.
    """
    rng = pcg64(seed, "causal_probe")
    length = config.context
    starts = rng.integers(0, len(text) - length + 1, size=WINDOWS)
    windows = np.stack([text[start : start + length] for start in starts]).astype(np.int64)
    return probe_causality(
        lambda tokens: log_probabilities(config, weights, tokens.astype(np.uint8)),
        windows,
        vocabulary=VOCABULARY,
        seed=int(rng.integers(1 << 62)),
    )


def complaint(report: ProbeReport) -> str:
    """What is wrong with the predictions, in one sentence; empty when nothing is."""
    if report.leaks:
        worst = max(report.leaks, key=lambda leak: leak.change_nats)
        return (
            f"the prediction at byte {worst.position} changed by {worst.change_nats:.3g} nats when only bytes from "
            f"{worst.prefix} on were replaced: the model looks ahead"
        )
    if not report.is_repeatable:
        return "the same bytes were not predicted alike twice"
    if not report.is_batch_independent:
        return "a window's predictions depend on the other windows"
    return "" if report.is_normalised else "the probabilities of a byte do not sum to one"
