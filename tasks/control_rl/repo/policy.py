"""The form of a policy: what it sees, and how it is written down. Protected; the judge has the same.

A policy is linear: the targets of the eight muscles are tanh(weights @ inputs), and the inputs include a clock.
"""

import json

import numpy as np

INPUTS, MUSCLES = 13, 8
MAX_WEIGHT = 1000.0
MIN_HZ, MAX_HZ = 0.5, 5.0
"""Of the clock among the inputs, once round."""


def inputs(positions, velocities, phase, feet):
    """What a policy sees; any axes may come before those of masses and coordinates.

    Args:
        positions: Metres, shape (..., 14, 2); the first three masses are the belly, the next three the back.
        velocities: Metres per second, the same shape.
        phase: Of the clock, in radians.
        feet: Numbers of the four masses that are feet.

    Returns:
        Shape (..., 13): sine and cosine of the phase and of twice the phase, the trunk's velocity along and up, the sine of its
        tilt and how fast it tilts, the heights of the four feet, the trunk's height.
    """
    trunk = velocities[..., :6, :].mean(-2)
    along = positions[..., 5, :] - positions[..., 3, :]
    moving = velocities[..., 5, :] - velocities[..., 3, :]
    square = (along * along).sum(-1)
    turning = (along[..., 0] * moving[..., 1] - along[..., 1] * moving[..., 0]) / square
    seen = np.empty((*square.shape, INPUTS))
    seen[..., :4] = np.sin(phase), np.cos(phase), np.sin(2 * phase), np.cos(2 * phase)
    seen[..., 4:6] = trunk
    seen[..., 6] = along[..., 1] / np.sqrt(square)
    seen[..., 7] = turning
    seen[..., 8:12] = positions[..., feet, 1]
    seen[..., 12] = positions[..., :6, 1].mean(-1)
    return seen


def write_policy(path, weights, clock_hz):
    """Write a policy as the judge reads it."""
    table = [[float(each) for each in row] for row in np.asarray(weights)]
    text = json.dumps({"clock_hz": float(clock_hz), "weights": table})
    path.write_text(text, encoding="ascii")
