"""What an answer is worth."""


def rewards(engine, samples, memory, rng):
    """One where it looks like a number."""
    return samples.is_well_formed.astype(float)
