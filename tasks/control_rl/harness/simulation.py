"""The judge's own simulation: many bodies at once, at a step of its choice, with the energy that muscles put in."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

import numpy as np

from harness.bodies import BACK, FEET, TRUNK, Array, Changes

INPUTS, MUSCLES = 13, 8


@dataclass(frozen=True, kw_only=True)
class Runs:
    """One policy on many bodies, shape (bodies,) each."""

    metres: Array
    """Of the trunk, until it fell or time was over."""
    has_fallen: Array
    effort: Array
    """Mean square of the muscles' activity."""
    energy_excess: Array
    """Joules at the end beyond those at the start and those that the muscles put in; friction makes it negative."""
    work: Array
    """Joules that went through the muscles, whichever way."""


class Simulation:
    """A given body under changes."""

    def __init__(self, body: Mapping[str, object], changes: Changes, *, substeps: int = 1) -> None:
        world = cast("Mapping[str, float]", body["world"])
        self.start = np.array(body["positions"])
        self.first, self.second = np.array(body["springs"]).T
        self.muscles = np.array(body["muscles"])
        self.n = len(changes.mass)
        self.masses = np.array(body["masses"]) * changes.mass[:, None]
        self.stiffness = cast("float", body["stiffness"])
        self.friction = cast("float", body["friction"]) * changes.friction[:, None]
        self.reach = cast("float", body["reach"]) * changes.strength[:, None]
        self.is_late = changes.delay[:, None] > 0
        self.along_gravity = -world["gravity"] * np.sin(changes.slope)[:, None]
        self.up_gravity = -world["gravity"] * np.cos(changes.slope)[:, None]
        self.world = world
        self.step_s = world["step_s"] / substeps
        self.hold = int(world["hold_steps"]) * substeps
        between = self.start[self.first] - self.start[self.second]
        self.lengths = np.sqrt((between * between).sum(-1))
        self.ends = np.zeros((len(self.start), len(self.first)))
        for spring, (first, second) in enumerate(zip(self.first, self.second, strict=True)):
            self.ends[first, spring], self.ends[second, spring] = 1, -1

    def run(self, weights: Array, clock_hz: float, seconds: float) -> Runs:
        """One policy on all bodies."""
        at = np.repeat(self.start[None], self.n, axis=0)
        speed = np.zeros_like(at)
        activity, before, target = (np.zeros((self.n, MUSCLES)) for _ in range(3))
        metres, effort, done, gross = (np.zeros(self.n) for _ in range(4))
        fallen = np.zeros(self.n, dtype=bool)
        origin = at[:, TRUNK, 0].mean(axis=1)
        rest = self._rest(activity)
        energy = self.energy(at, speed, rest)
        most = self.world["muscle_rate"] * self.step_s
        steps = round(seconds / self.step_s)
        for step in range(steps):
            if step % self.hold == 0:
                phase = 2 * np.pi * clock_hz * step * self.step_s
                decided = np.tanh(seen(at, speed, phase) @ weights.T)
                target, before = np.where(self.is_late, before, decided), decided
            activity = activity + np.clip(target - activity, -most, most)
            longer, rest = rest, self._rest(activity)
            put_in = self._work(at, longer, rest)
            done, gross = done + put_in, gross + np.abs(put_in)
            at, speed = self.step(at, speed, rest)
            metres = np.where(fallen, metres, at[:, TRUNK, 0].mean(axis=1) - origin)
            fallen = fallen | (at[:, BACK, 1].min(axis=1) < self.world["fall_height"])
            effort = effort + (activity * activity).mean(axis=1) / steps
        excess = self.energy(at, speed, rest) - energy - done
        return Runs(
            metres=metres, has_fallen=fallen.astype(np.float64), effort=effort, energy_excess=excess, work=gross
        )  # fmt: skip

    def step(self, at: Array, speed: Array, rest: Array) -> tuple[Array, Array]:
        """Positions and velocities one step later; both of shape (bodies, 14, 2)."""
        step_s, world = self.step_s, self.world
        forces = self.spring_forces(at, speed, rest)
        heights = at[..., 1]
        push = -world["ground_stiffness"] * heights - world["ground_damping"] * speed[..., 1]
        push = np.maximum(push, 0) * (heights < 0)
        along = speed[..., 0] + step_s * (forces[..., 0] / self.masses + self.along_gravity)
        up = speed[..., 1] + step_s * ((forces[..., 1] + push) / self.masses + self.up_gravity)
        grip = self.friction * push * step_s / self.masses
        later = np.stack([along - np.clip(along, -grip, grip), up], axis=-1)
        return at + step_s * later, later

    def spring_forces(self, at: Array, speed: Array, rest: Array) -> Array:
        """Newtons of all springs on each mass, shape (bodies, 14, 2)."""
        between = at[:, self.first] - at[:, self.second]
        distances = np.sqrt((between * between).sum(-1))
        directions = between / distances[..., None]
        apart = ((speed[:, self.first] - speed[:, self.second]) * directions).sum(-1)
        pulls = -self.stiffness * (distances - rest) - self.world["damping"] * apart
        return self.ends @ (pulls[..., None] * directions)

    def energy(self, at: Array, speed: Array, rest: Array) -> Array:
        """Joules of motion, height, springs and ground, shape (bodies,)."""
        between = at[:, self.first] - at[:, self.second]
        stretch = np.sqrt((between * between).sum(-1)) - rest
        below = np.minimum(at[..., 1], 0)
        motion = (self.masses * (speed * speed).sum(-1)).sum(-1) / 2
        potential = self.along_gravity * at[..., 0] + self.up_gravity * at[..., 1]
        height = -(self.masses * potential).sum(-1)
        springs = self.stiffness * (stretch * stretch).sum(-1) / 2
        ground = self.world["ground_stiffness"] * (below * below).sum(-1) / 2
        return motion + height + springs + ground

    def _rest(self, activity: Array) -> Array:
        rest = np.repeat(self.lengths[None], self.n, axis=0)
        rest[:, self.muscles] *= 1 + self.reach * activity
        return rest

    def _work(self, at: Array, before: Array, after: Array) -> Array:
        """Joules that a change of the muscles' lengths puts into their springs."""
        ends = self.muscles
        between = at[:, self.first[ends]] - at[:, self.second[ends]]
        distances = np.sqrt((between * between).sum(-1))
        was, now = distances - before[:, ends], distances - after[:, ends]
        return self.stiffness * (now * now - was * was).sum(-1) / 2


def seen(at: Array, speed: Array, phase: float) -> Array:
    """A policy's inputs, shape (bodies, 13); `policy.py` of the repo says the same in words."""
    trunk = speed[:, TRUNK].mean(axis=1)
    back, moving = at[:, 5] - at[:, 3], speed[:, 5] - speed[:, 3]
    square = (back * back).sum(-1)
    found = np.empty((len(at), INPUTS))
    found[:, :4] = np.sin(phase), np.cos(phase), np.sin(2 * phase), np.cos(2 * phase)
    found[:, 4:6] = trunk
    found[:, 6] = back[:, 1] / np.sqrt(square)
    found[:, 7] = (back[:, 0] * moving[:, 1] - back[:, 1] * moving[:, 0]) / square
    found[:, 8:12] = at[:, FEET, 1]
    found[:, 12] = at[:, TRUNK, 1].mean(axis=1)
    return found
