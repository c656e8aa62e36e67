"""What to practise next."""

PROBLEMS = 64
"""Of a round."""


def choose(engine, memory, number):
    """Problems of all kinds and levels alike."""
    return engine.problems(PROBLEMS).ids
