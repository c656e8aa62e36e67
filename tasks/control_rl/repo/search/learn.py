"""Random search: try directions both ways, step along those that got further, keep the best that was seen."""

import numpy as np
from policy import INPUTS, MUSCLES
from sim import Simulator

from search.settings import (
    CLOCK_HZ,
    DIRECTIONS,
    EPISODE_S,
    FALL_COST,
    NOISE,
    STEP,
    UPDATES_PER_CPU_S,
)


def learn(body, seed, budget_cpu_s):
    """Weights of a policy for the body, shape (8, 13), and the rate of its clock."""
    rng = np.random.default_rng(seed)
    simulator = Simulator(body)
    weights = np.zeros((MUSCLES, INPUTS))
    best, best_reward = weights, reward(simulator, weights)
    for _ in range(int(UPDATES_PER_CPU_S * budget_cpu_s)):
        gradient = np.zeros_like(weights)
        for _ in range(DIRECTIONS):
            direction = rng.normal(size=weights.shape)
            for way in (NOISE, -NOISE):
                tried = weights + way * direction
                got = reward(simulator, tried)
                gradient += np.sign(way) * got * direction
                if got > best_reward:
                    best, best_reward = tried, got
        weights = weights + STEP * gradient / DIRECTIONS
    return best, CLOCK_HZ


def reward(simulator, weights):
    """Metres of one episode, less what a fall costs."""
    metres, has_fallen = simulator.run(weights, EPISODE_S)
    return metres - FALL_COST * has_fallen
