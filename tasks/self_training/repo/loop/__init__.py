"""The loop: choose problems, answer them, reward the answers, learn from them, round after round."""

from itertools import count

from loop import curriculum, generate, optimize, reward


def improve(engine, rng):
    """Go on until the engine refuses."""
    memory = {}
    for number in count():
        problem_ids = curriculum.choose(engine, memory, number)
        samples = generate.answers(engine, problem_ids)
        rewards = reward.rewards(engine, samples, memory, rng)
        optimize.learn(engine, samples, rewards, rng)
