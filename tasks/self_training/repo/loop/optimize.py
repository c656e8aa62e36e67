"""How rewards become steps of the optimiser."""

import numpy as np

RATE = 1e-4
STEP = 128
"""Samples in one step of the optimiser."""


def learn(engine, samples, rewards, rng):
    """Plain fine-tuning on everything that was rewarded."""
    ids = samples.ids[rewards > 0]
    rng.shuffle(ids)
    for at in range(0, len(ids), STEP):
        step = ids[at : at + STEP]
        engine.update(step, np.ones(len(step)), RATE)
