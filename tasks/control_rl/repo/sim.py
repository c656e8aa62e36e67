"""A body of masses and springs on the ground, one at a time."""

import numpy as np
from policy import MUSCLES, inputs
from search.settings import CLOCK_HZ


class Simulator:
    """Runs policies on one body."""

    def __init__(self, body):
        self.start = np.array(body["positions"])
        self.masses = np.array(body["masses"])
        self.first, self.second = np.array(body["springs"]).T
        self.muscles = np.array(body["muscles"])
        self.feet = np.array(body["feet"])
        self.world = body["world"]
        self.stiffness, self.friction = body["stiffness"], body["friction"]
        self.reach = body["reach"]
        self.lengths = np.linalg.norm(self.start[self.first] - self.start[self.second], axis=1)
        self.ends = np.zeros((len(self.masses), len(self.first)))
        self.ends[self.first, np.arange(len(self.first))] = 1
        self.ends[self.second, np.arange(len(self.first))] = -1

    def run(self, weights, seconds):
        """How far the trunk comes before it falls or time is over, in metres, and whether it fell."""
        world, step_s = self.world, self.world["step_s"]
        positions, velocities = self.start.copy(), np.zeros_like(self.start)
        activity, target = np.zeros(MUSCLES), np.zeros(MUSCLES)
        origin = positions[:6, 0].mean()
        for step in range(round(seconds / step_s)):
            if step % world["hold_steps"] == 0:
                phase = 2 * np.pi * CLOCK_HZ * step * step_s
                target = np.tanh(weights @ inputs(positions, velocities, phase, self.feet))
            most = world["muscle_rate"] * step_s
            activity = activity + np.clip(target - activity, -most, most)
            positions, velocities = self.step(positions, velocities, activity)
            if positions[3:6, 1].min() < world["fall_height"]:
                return positions[:6, 0].mean() - origin, True
        return positions[:6, 0].mean() - origin, False

    def step(self, positions, velocities, activity):
        """Positions and velocities one step later."""
        world, step_s = self.world, self.world["step_s"]
        lengths = self.lengths.copy()
        lengths[self.muscles] *= 1 + self.reach * activity
        between = positions[self.first] - positions[self.second]
        distances = np.sqrt((between * between).sum(-1))
        directions = between / distances[:, None]
        closing = ((velocities[self.first] - velocities[self.second]) * directions).sum(-1)
        pulls = -self.stiffness * (distances - lengths) - world["damping"] * closing
        forces = self.ends @ (pulls[:, None] * directions)
        heights = positions[:, 1]
        push = -world["ground_stiffness"] * heights - world["ground_damping"] * velocities[:, 1]
        push = np.maximum(push, 0) * (heights < 0)
        along = velocities[:, 0] + step_s * forces[:, 0] / self.masses
        up = velocities[:, 1] + step_s * ((forces[:, 1] + push) / self.masses - world["gravity"])
        grip = self.friction * push * step_s / self.masses
        velocities = np.stack([along - np.clip(along, -grip, grip), up], axis=-1)
        return positions + step_s * velocities, velocities
