"""How answers are sampled."""

N_EACH = 4
TEMPERATURE = 0.9


def answers(engine, problem_ids):
    """Some answers to each problem."""
    return engine.sample(problem_ids, N_EACH, TEMPERATURE)
