"""Bodies of masses and springs that a seed draws, and how the bodies that judge a policy differ from the one it is given."""

from dataclasses import dataclass

import numpy as np

Array = np.ndarray[tuple[int, ...], np.dtype[np.float64]]

TRUNK, BACK = slice(0, 6), slice(3, 6)
FEET = (7, 9, 11, 13)
HIPS = ((0, 1), (0, 1), (1, 2), (1, 2))
"""Masses of the belly that a leg hangs on."""
WORLD = {
    "step_s": 0.004,
    "hold_steps": 5,  # a policy decides fifty times a second
    "gravity": 9.81,
    "damping": 7.0,
    "ground_stiffness": 3000.0,
    "ground_damping": 40.0,
    "muscle_rate": 6.0,  # of its whole range a second
    "fall_height": 0.08,  # of the back
}


def springs() -> tuple[list[tuple[int, int]], list[int]]:
    """Pairs of masses that a spring joins, and the numbers of the eight springs that are muscles."""
    joined = [(0, 1), (1, 2), (3, 4), (4, 5), (0, 3), (1, 4), (2, 5), (0, 4), (1, 3), (1, 5), (2, 4)]  # fmt: skip
    muscles = []
    for leg, (behind, before) in enumerate(HIPS):
        knee, foot = 6 + 2 * leg, 7 + 2 * leg
        joined += [(behind, knee), (before, knee), (knee, foot)]
        muscles += [len(joined), len(joined) + 1]
        joined += [(behind, foot), (before, foot)]
    return joined, muscles


def draw_body(rng: np.random.Generator) -> dict[str, object]:
    """One body, as the JSON that candidates read."""
    length, height, thickness = rng.uniform(0.9, 1.2), rng.uniform(0.45, 0.6), rng.uniform(0.18, 0.28)  # fmt: skip
    positions = np.zeros((14, 2))
    for column in range(3):
        positions[column] = column * length / 2, height
        positions[3 + column] = column * length / 2, height + thickness
    for leg, (behind, _) in enumerate(HIPS):
        middle = (behind + 0.5) * length / 2
        stance = middle + rng.uniform(-0.12, 0.12) * length + (0.05 if leg % 2 else -0.05)
        positions[6 + 2 * leg] = stance - 0.06 * length, height / 2
        positions[7 + 2 * leg] = stance, 0.0
    joined, muscles = springs()
    return {
        "positions": positions.tolist(),
        "masses": (0.4 * rng.uniform(0.8, 1.25, 14)).tolist(),
        "springs": [list(each) for each in joined],
        "muscles": muscles,
        "feet": list(FEET),
        "stiffness": float(rng.uniform(1500, 2500)),
        "friction": float(rng.uniform(0.7, 1.0)),
        "reach": float(rng.uniform(0.25, 0.35)),
        "world": WORLD,
    }


@dataclass(frozen=True, kw_only=True)
class Changes:
    """How each judging body differs from the given one, shape (bodies,) each."""

    friction: Array
    mass: Array
    strength: Array
    slope: Array
    """Radians, uphill is positive."""
    delay: Array
    """1 where a decision reaches the muscles one decision late, else 0."""


def draw_changes(rng: np.random.Generator, bodies: int) -> Changes:
    """Changes for so many bodies."""
    return Changes(
        friction=rng.uniform(0.7, 1.2, bodies),
        mass=rng.uniform(0.9, 1.15, bodies),
        strength=rng.uniform(0.85, 1.1, bodies),
        slope=rng.uniform(-0.04, 0.06, bodies),
        delay=rng.integers(0, 2, bodies).astype(np.float64),
    )


def no_changes(bodies: int) -> Changes:
    """The given body, so many times."""
    one, zero = np.ones(bodies), np.zeros(bodies)
    return Changes(friction=one, mass=one, strength=one, slope=zero, delay=zero)
